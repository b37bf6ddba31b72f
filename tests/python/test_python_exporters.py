"""Classes with __buffer__ (PEP 688, Python 3.12 on): returning, raising, releasing; and being one ourselves."""

import collections.abc
import gc
import inspect

import pytest
import strideport as sp
from support import pybuffer as pb
from support.peers import needs_pep688

pytestmark = needs_pep688


class Exporter:
    """Records what is asked of it."""

    def __init__(self, memory=b"abcd", error=None):
        self.memory, self.error, self.requests, self.released = memory, error, [], 0

    def __buffer__(self, flags):
        self.requests.append(flags)
        if self.error is not None:
            raise self.error
        return memoryview(self.memory)

    def __release_buffer__(self, view):
        self.released += 1
        view.release()


def test_they_come_in_and_are_released_once():
    exporter = Exporter(bytearray(b"abcd"))
    buffer = sp.Buffer(exporter)
    assert buffer.tobytes() == b"abcd" and type(buffer.obj) is type(memoryview(Exporter()).obj) and not buffer.readonly
    part = buffer[1:]
    buffer.release()
    assert exporter.released == 0
    del part
    gc.collect()
    assert exporter.released == 1 and len(exporter.requests) == 1
    exporter.memory.append(1)


def test_the_first_request_is_memoryviews():
    """FULL_RO first: the readonly field answers, no exporter is asked to be writable."""
    ours, theirs = Exporter(), Exporter()
    sp.Buffer(ours), memoryview(theirs)
    assert ours.requests[0] == theirs.requests[0] == pb.FULL_RO
    writable = Exporter(bytearray(4))
    sp.asbuffer(writable, writable=True)
    assert writable.requests[0] & pb.WRITABLE


@pytest.mark.parametrize("error", [BufferError("no buffer"), ValueError("bad value")], ids=lambda e: type(e).__name__)
def test_refusals_are_reported_in_the_exporters_words(error):
    exporter = Exporter(error=error)
    with pytest.raises((BufferError, ValueError), match=str(error)):
        sp.Buffer(exporter)
    assert exporter.released == 0


@pytest.mark.parametrize(
    "error",
    [ZeroDivisionError("z"), RuntimeError("r"), KeyboardInterrupt(), MemoryError("m"), RecursionError("d")],
    ids=lambda e: type(e).__name__,
)
def test_other_errors_come_through_unchanged(error):
    with pytest.raises(type(error)):
        sp.Buffer(Exporter(error=error))


def test_a_refusal_falls_back_to_the_next_protocol():
    class Both(Exporter):
        def __dlpack__(self, **keywords):
            return sp.Buffer(bytearray(b"dlpack")).__dlpack__(**keywords)

        def __dlpack_device__(self):
            return (1, 0)

    assert sp.Buffer(Both(error=BufferError("no"))).tobytes() == b"dlpack"
    assert sp.Buffer(Both(b"buffer")).tobytes() == b"buffer"


@pytest.mark.parametrize("result", [None, b"bytes", 5, "text"], ids=repr)
def test_results_that_are_no_memoryview_are_type_errors(result):
    class Bad:
        def __buffer__(self, flags):
            return result

    with pytest.raises(TypeError):
        memoryview(Bad())
    with pytest.raises(TypeError):
        sp.Buffer(Bad())


def test_release_that_raises_is_unraisable(monkeypatch):
    import sys

    class Bad(Exporter):
        def __release_buffer__(self, view):
            raise ZeroDivisionError

    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda details: seen.append(details.exc_type))
    for make in (memoryview, sp.Buffer):
        make(Bad()).release()
    assert seen == [ZeroDivisionError] * 2


def test_a_weak_request_is_tried_when_the_full_one_is_refused():
    class Simple(Exporter):
        def __buffer__(self, flags):
            self.requests.append(flags)
            if flags & ~pb.WRITABLE:
                raise BufferError("simple alone")
            return memoryview(self.memory)

    exporter = Simple()
    assert sp.Buffer(exporter).tobytes() == b"abcd" and exporter.requests[-1] == pb.SIMPLE


def test_we_have_the_methods_too():
    buffer = sp.Buffer(bytearray(4))
    assert isinstance(buffer, collections.abc.Buffer)
    view = buffer.__buffer__(inspect.BufferFlags.FULL_RO)
    assert type(view) is memoryview and view.tobytes() == bytes(4)
    with pytest.raises(BufferError):
        buffer.release()
    buffer.__release_buffer__(view)
    buffer.release()


def test_release_buffer_of_a_foreign_view_is_refused_as_memoryviews():
    buffer, view = sp.Buffer(b"abc"), memoryview(b"abc")
    for thing in (buffer, view):
        with pytest.raises(ValueError):
            thing.__release_buffer__(memoryview(b"other"))
        with pytest.raises(TypeError):
            thing.__release_buffer__(b"other")


def test_subclasses_of_exporters_with_their_own_buffer():
    class Louder(bytearray):
        def __buffer__(self, flags):
            return memoryview(b"LOUD")

    assert sp.Buffer(Louder(b"quiet")).tobytes() == b"LOUD"
