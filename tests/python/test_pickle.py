"""Pickle, copy and other processes: out of band without a copy, in band with one, write protection kept."""

import copy
import io
import itertools
import multiprocessing
import pickle

import pytest
import strideport as sp
from support.children import run_python
from support.peers import peer

np = peer("numpy")

BUFFERS = {
    "bytes": lambda: sp.Buffer(b"abcdef"),
    "bytearray": lambda: sp.Buffer(bytearray(b"abcdef")),
    "empty": lambda: sp.Buffer(b""),
    "matrix": lambda: sp.Buffer(np.arange(12, dtype="f8").reshape(3, 4)),
    "fortran": lambda: sp.Buffer(np.asfortranarray(np.arange(12.0).reshape(3, 4))),
    "strided": lambda: sp.Buffer(np.arange(24, dtype="i2").reshape(4, 6)[::-1, ::2]),
    "scalar": lambda: sp.Buffer(np.array(2.5)),
    "broadcast": lambda: sp.Buffer(np.broadcast_to(np.arange(3), (4, 3))),
    "struct": lambda: sp.Buffer(np.array([(1, 2.5)], "i4,f8")),
    "big endian": lambda: sp.Buffer(np.array([1, 2], ">i4")),
    "bfloat16": lambda: sp.empty((2, 3), "bfloat16"),
    "float8": lambda: sp.empty((4,), "float8_e4m3fn"),
    "complex": lambda: sp.Buffer(np.array([1 + 2j], "c8")),
    "own memory": lambda: sp.empty((3, 5), "int32"),
    "read-only": lambda: sp.Buffer(bytearray(8)).cast("q").toreadonly(),
}


def assert_equal(got, want):
    assert type(got) is sp.Buffer
    assert (got.shape, got.itemsize, got.format, got.readonly, got.dtype) == (
        want.shape,
        want.itemsize,
        want.format,
        want.readonly,
        want.dtype,
    )
    assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("name, protocol", itertools.product(BUFFERS, range(pickle.HIGHEST_PROTOCOL + 1)))
def test_in_band(name, protocol):
    buffer = BUFFERS[name]()
    if name in ("bfloat16", "float8", "own memory"):
        sp.copy(
            buffer.cast("B"),
            bytes(range(buffer.nbytes))
            if buffer.ndim == 1
            else sp.Buffer(bytes(range(buffer.nbytes))).cast("B", buffer.cast("B").shape),
        )
    assert_equal(pickle.loads(pickle.dumps(buffer, protocol)), buffer)


@pytest.mark.parametrize("name", [n for n in BUFFERS if n not in ("strided", "broadcast")])
def test_out_of_band_shares_memory(name):
    buffer = BUFFERS[name]()
    buffers = []
    data = pickle.dumps(buffer, 5, buffer_callback=buffers.append)
    assert len(data) < 400, "the elements are not in the stream"
    assert len(buffers) == 1
    back = pickle.loads(data, buffers=buffers)
    assert_equal(back, buffer)
    if buffer.nbytes:
        assert back.ptr == buffer.ptr, "zero-copy"
    if name == "fortran":
        assert back.f_contiguous and not back.c_contiguous


@pytest.mark.parametrize("name", ["strided", "broadcast"])
def test_strided_buffers_travel_as_a_c_ordered_copy(name):
    buffer, buffers = BUFFERS[name](), []
    back = pickle.loads(pickle.dumps(buffer, 5, buffer_callback=buffers.append), buffers=buffers)
    assert_equal(back, buffer)
    assert back.c_contiguous and back.ptr != buffer.ptr


def test_a_callback_that_takes_buffers_in_band_works():
    buffer = sp.Buffer(b"abc" * 100)
    data = pickle.dumps(buffer, 5, buffer_callback=lambda b: True)
    assert b"abc" * 100 in data and pickle.loads(data).tobytes() == b"abc" * 100


def test_large_buffers_are_written_without_another_copy():
    """Protocol 5 in band writes the memory itself to the file."""

    class Sink(io.RawIOBase):
        largest = 0

        def writable(self):
            return True

        def write(self, data):
            self.largest = max(self.largest, memoryview(data).nbytes)
            return memoryview(data).nbytes

    sink = Sink()
    pickle.Pickler(sink, 5).dump(sp.Buffer(bytearray(1 << 20)))
    assert sink.largest >= 1 << 20


def test_pickle_buffers_wrap_us():
    buffer = sp.Buffer(bytearray(b"abcd"))
    wrapped = pickle.PickleBuffer(buffer)
    assert wrapped.raw().tobytes() == b"abcd"
    with pytest.raises(BufferError):
        buffer.release()
    wrapped.release()
    buffer.release()
    assert sp.Buffer(pickle.PickleBuffer(b"xy")).tobytes() == b"xy"


def test_readonly_stays_readonly_and_writable_writable():
    for memory, readonly in ((b"abcd", True), (bytearray(b"abcd"), False)):
        for protocol in range(6):
            back = pickle.loads(pickle.dumps(sp.Buffer(memory), protocol))
            assert back.readonly is readonly
            if not readonly:
                back[0] = 1
    # Out of band the transport decides what it hands back: bytes are never made writable.
    back = pickle.loads(
        pickle.dumps(sp.Buffer(bytearray(b"abcd")), 5, buffer_callback=lambda b: None), buffers=[b"wxyz"]
    )
    assert back.readonly and back.tobytes() == b"wxyz"


def test_a_transport_that_loses_bytes_is_an_error():
    data = pickle.dumps(sp.Buffer(bytearray(b"abcd")), 5, buffer_callback=lambda b: None)
    for short in (b"", b"abc", b"abcde"):
        with pytest.raises((ValueError, BufferError)):
            pickle.loads(data, buffers=[short])


def test_copies():
    """A deep copy has memory of its own; both kinds keep values, shape and write protection."""
    for name, make in BUFFERS.items():
        buffer = make()
        for operation in (copy.copy, copy.deepcopy):
            assert_equal(operation(buffer), buffer)
        deep = copy.deepcopy(buffer)
        assert not buffer.nbytes or deep.ptr != buffer.ptr, name


def test_deep_copies_respect_the_memo():
    buffer = sp.Buffer(bytearray(4))
    first, second = copy.deepcopy([buffer, buffer])
    assert first is second


def test_many_buffers_in_one_object():
    buffers = []
    data = {"a": sp.Buffer(b"x" * 1000), "b": [sp.Buffer(np.arange(100)), sp.Buffer(np.eye(3))]}
    stream = pickle.dumps(data, 5, buffer_callback=buffers.append)
    back = pickle.loads(stream, buffers=buffers)
    assert back["a"] == data["a"] and back["b"] == data["b"] and len(buffers) == 3


def _double(buffer):
    return sp.Buffer(np.asarray(buffer) * 2)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_carries_buffers(method):
    code = f"""
        import multiprocessing, sys
        sys.path[:0] = {[p for p in __import__("sys").path if p]!r}
        import numpy as np, strideport as sp
        from test_pickle import _double
        if __name__ == "__main__":
            with multiprocessing.get_context({method!r}).Pool(2) as pool:
                results = pool.map(_double, [sp.Buffer(np.full((2, 3), i)) for i in range(4)])
            assert [r.tolist() for r in results] == [[[2 * i] * 3] * 2 for i in range(4)], results
            print("done")
    """
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no start method {method}")
    assert run_python(code).stdout.strip() == "done"


def test_shared_memory_is_viewed():
    from multiprocessing import shared_memory

    block = shared_memory.SharedMemory(create=True, size=64)
    try:
        buffer = sp.Buffer(block.buf).cast("i")
        buffer[3] = 7
        assert block.buf[12] == 7
        buffer.release()
    finally:
        block.close()
        block.unlink()


def test_joblib_carries_buffers():
    joblib = peer("joblib")
    results = joblib.Parallel(n_jobs=2)(joblib.delayed(_double)(sp.Buffer(np.full(3, i))) for i in range(3))
    assert [r.tolist() for r in results] == [[2 * i] * 3 for i in range(3)]
    assert joblib.hash(np.asarray(sp.Buffer(b"abc"))) == joblib.hash(np.frombuffer(b"abc", "u1"))
