"""Every request flag set on every exporter: sp.Buffer hands out what CPython's reference exporter does."""

import ctypes
import dataclasses
import gc

import pytest
import strideport as sp
from support import pybuffer as pb
from support.layouts import exporters
from support.peers import needs_testbuffer

pytestmark = needs_testbuffer
EXPORTERS = tuple(exporters())


def without_place(outcome):
    """An empty slice may point at either end of where it was cut."""
    empty = isinstance(outcome, pb.Fields) and outcome.len == 0
    return dataclasses.replace(outcome, buf=None) if empty else outcome


def disagreements(nd, buffer, normalise=lambda outcome: outcome):
    """(flags, expected, got) for each request that differs."""
    pairs = ((flags, *(normalise(pb.outcome(o, flags)) for o in (nd, buffer))) for flags in pb.ALL_REQUESTS)
    return [(hex(flags), want, got) for flags, want, got in pairs if want != got]


def test_there_are_at_least_60_exporters():
    assert len({str(e) for e in EXPORTERS}) == len(EXPORTERS) >= 60


@pytest.mark.parametrize("exporter", EXPORTERS, ids=str)
def test_requests_on_an_import_match_the_exporter(exporter):
    nd = exporter.make()
    assert disagreements(nd, sp.Buffer(nd)) == []


@pytest.mark.parametrize("exporter", EXPORTERS, ids=str)
def test_requests_on_a_readonly_view_match_a_readonly_exporter(exporter):
    nd = exporter.make()
    assert disagreements(memoryview(nd).toreadonly(), sp.Buffer(nd).toreadonly()) == []


@pytest.mark.parametrize("exporter", EXPORTERS, ids=str)
def test_requests_on_a_reimport_match(exporter):
    nd = exporter.make()
    assert disagreements(nd, sp.Buffer(memoryview(sp.Buffer(nd)))) == []


@pytest.mark.parametrize("exporter", EXPORTERS, ids=str)
def test_testbuffer_takes_from_buffer_what_it_takes_from_the_exporter(exporter):
    """The other consumer: it copies structure out itself, tolist and tobytes included."""
    from _testbuffer import ndarray

    nd = exporter.make()
    buffer = sp.Buffer(nd)
    for flags in pb.ALL_REQUESTS:
        results = []
        for source in (nd, buffer):
            try:
                taken = ndarray(source, getbuf=flags)
            except Exception as error:  # noqa: BLE001 - the type is compared
                results.append(type(error))
            else:
                results.append(
                    (
                        taken.ndim,
                        taken.shape,
                        taken.strides,
                        taken.suboffsets,
                        taken.format,
                        taken.readonly,
                        taken.itemsize,
                        taken.nbytes,
                        taken.c_contiguous,
                        taken.f_contiguous,
                        taken.contiguous,
                        taken.tobytes(),
                    )
                )
        assert results[0] == results[1], hex(flags)


@pytest.mark.parametrize("exporter", [e for e in EXPORTERS if len(e.shape) >= 1 and 0 not in e.shape], ids=str)
def test_requests_on_a_sliced_buffer_match_the_sliced_exporter(exporter):
    nd = exporter.make()
    if nd.suboffsets and nd.ndim > 2:
        pytest.skip("test_suboffset_views compares these element by element")
    for key in (slice(None, None, -1), slice(1, None), slice(None, None, 2), slice(0, 0)):
        assert disagreements(nd[key], sp.Buffer(nd)[key], without_place) == [], key


def test_weak_exporters_are_imported_by_the_requests_that_they_meet():
    """An exporter that refuses FULL_RO but grants a weaker request: memoryview gives up, asbuffer falls back."""
    from _testbuffer import ndarray

    base = ndarray([1, 2, 3, 4], shape=[4], format="i")
    simple = ndarray(base, getbuf=pb.SIMPLE)
    with pytest.raises(BufferError):
        memoryview(simple)
    buffer = sp.Buffer(simple)
    assert buffer.nbytes == 16 and buffer.tobytes() == base.tobytes() and buffer.readonly
    assert pb.address(base) == buffer.ptr


def test_format_is_null_terminated_and_outlives_the_buffer_object():
    """A consumer may hold the Py_buffer alone: its arrays and its text must live as long."""
    import struct

    raw = pb.acquire(sp.Buffer(memoryview(bytearray(struct.pack("6i", *range(6)))).cast("i", (2, 3))), pb.FULL_RO)
    for _ in range(3):
        gc.collect()
        junk = [bytes(100) for _ in range(1000)]
        fields = pb.fields_of(raw)
        assert (fields.format, fields.shape, fields.strides) == (b"i", (2, 3), (12, 4))
        assert ctypes.string_at(fields.buf, 24) == struct.pack("6i", *range(6))
        del junk
    pb.release(raw)


def test_scalars_have_null_shape_strides_and_suboffsets():
    """PEP 3118: if ndim is 0, these pointers must be NULL."""
    import struct

    fields = pb.request(sp.Buffer(memoryview(struct.pack("i", 5)).cast("i", [])), pb.FULL_RO)
    assert (fields.ndim, fields.shape, fields.strides, fields.suboffsets) == (0, None, None, None)
    assert fields.len == 4


def test_internal_and_obj_are_the_exporters_own():
    """`obj` must be a new reference to the exporter that will be asked to release."""
    buffer = sp.Buffer(bytearray(4))
    raw = pb.acquire(buffer, pb.FULL_RO)
    assert raw.obj is buffer
    with pytest.raises(BufferError):
        buffer.release()
    pb.release(raw)
    buffer.release()


def test_requests_on_a_released_buffer_raise_what_memoryview_raises():
    view, buffer = memoryview(b"abc"), sp.Buffer(b"abc")
    view.release(), buffer.release()
    for flags in pb.ALL_REQUESTS:
        assert pb.outcome(buffer, flags) == pb.outcome(view, flags), hex(flags)
