"""Threads: one capsule has one taker; views, releases and copies from many threads at once."""

import gc
import sys
import threading

import pytest
import strideport as sp
from support.children import run_python
from support.dlpack import Producer, Taken, Tensor
from support.peers import peer

np = peer("numpy")
THREADS = 8


def together(function, count=THREADS):
    """Runs function(i) on `count` threads that start at once; results or exceptions in order."""
    barrier, results = threading.Barrier(count), [None] * count

    def work(i):
        barrier.wait()
        try:
            results[i] = function(i)
        except Exception as error:  # noqa: BLE001 - handed to the caller
            results[i] = error

    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "legacy"])
def test_one_capsule_has_one_taker(versioned):
    for _ in range(50):
        tensor = Tensor(bytearray(16), (4,), versioned=versioned)
        producer = Producer(tensor)
        results = together(lambda i: sp.from_dlpack(producer))
        winners = [r for r in results if isinstance(r, sp.Buffer)]
        assert len(winners) == 1, results
        assert all(isinstance(r, (BufferError, ValueError)) for r in results if r is not winners[0])
        assert tensor.deleted == 0
        del winners, results
        gc.collect()
        assert tensor.deleted == 1


def test_the_owner_is_released_once_by_the_last_of_many_threads():
    for _ in range(50):
        tensor = Tensor(bytearray(64), (16,))
        parent = sp.from_dlpack(Producer(tensor))
        views = [parent[i:] for i in range(THREADS)]
        parent.release()
        del parent
        together(lambda i: views[i].release())
        assert tensor.deleted == 1


def test_releasing_while_others_read_gives_values_or_value_errors():
    for _ in range(30):
        buffer = sp.Buffer(bytearray(range(64)))

        def work(i):
            if i == 0:
                buffer.release()
                return None
            try:
                return buffer.tobytes()
            except ValueError as error:
                return str(error)

        for result in together(work)[1:]:
            assert result == bytes(range(64)) or "released" in result


def test_release_during_a_copy_that_dropped_the_gil_waits_or_refuses():
    """The memory must live until the copy is done: an exporter that frees at release shows it under sanitizers."""
    source = np.random.default_rng(0).integers(0, 255, (3000, 3000), "u1")
    want = source.T.copy()
    for _ in range(5):
        buffer, target = sp.Buffer(source.copy()), np.zeros((3000, 3000), "u1")

        def work(i):
            if i == 0:
                sp.copy(target, buffer.T)
            else:
                buffer.release()

        first, second = together(work, 2)
        if first is None:
            assert (target == want).all()
        else:
            assert isinstance(first, ValueError)
        assert second is None or isinstance(second, BufferError)


def test_copies_from_many_threads_are_right():
    sources = [np.random.default_rng(i).standard_normal((257, 513)) for i in range(THREADS)]
    targets = [np.zeros((513, 257)) for _ in sources]
    for result in together(lambda i: [sp.copy(targets[i], sp.Buffer(sources[i]).T) for _ in range(5)]):
        assert not isinstance(result, Exception), result
    assert all((t == s.T).all() for s, t in zip(sources, targets))


def test_the_gil_is_dropped_for_large_copies():
    """Another thread runs Python while a copy of 200 MB goes on; counted, not timed."""
    source = np.zeros((10_000, 5_000), "u4")
    target = np.zeros((5_000, 10_000), "u4")
    steps, done = [0], threading.Event()
    ready = threading.Event()

    def count():
        ready.set()
        while not done.is_set():
            steps[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    ready.wait()
    before = steps[0]
    sp.copy(target, sp.Buffer(source).T)
    after = steps[0]
    done.set()
    thread.join()
    assert after > before


def test_exports_are_counted_right_under_contention():
    memory = bytearray(64)
    buffer = sp.Buffer(memory)

    def work(i):
        for _ in range(500):
            view = memoryview(buffer)
            part = buffer[i:]
            view.release()
            part.release()

    together(work)
    buffer.release()
    memory.append(1)


def test_deleters_of_exports_run_on_many_threads():
    for _ in range(20):
        memory = bytearray(64)
        buffer = sp.Buffer(memory)
        outs = [Taken(buffer.__dlpack__(max_version=(1, 0))) for _ in range(THREADS)]
        buffer.release()
        together(lambda i: outs[i].delete())
        memory.append(1)


def test_first_uses_from_many_threads():
    """Lazily made things: the DType class, the caches per type, the pool of threads."""
    from support.children import run_python

    run_python("""
        import threading, strideport as sp
        def work():
            buffer = sp.empty((64, 64), "float32")
            sp.copy(sp.empty((64, 64), "float32"), buffer.T)
            assert buffer.dtype == "float32"
        threads = [threading.Thread(target=work) for _ in range(16)]
        [t.start() for t in threads]; [t.join() for t in threads]
    """)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library's functions by their names")
def test_what_a_finaliser_keeps_for_a_thread_of_c_may_take_the_gil_as_it_dies():
    """CPython before 3.12.4 crashed there: with the thread's state it drops what is in a threading.local."""
    code = """
    import ctypes, threading
    import strideport as sp
    from support.dlpack import Taken

    kept = threading.local()

    class Kept:
        def __init__(self):
            self.export = Taken(sp.asbuffer(bytearray(4)).__dlpack__(max_version=(1, 0)))

        def __del__(self):
            self.export.delete()
            print("kept")

    class Memory(bytearray):
        def __del__(self):
            kept.here = Kept()
            print("memory")

    libc, thread = ctypes.CDLL(None), ctypes.c_ulong()
    libc.pthread_create.argtypes = [ctypes.c_void_p] * 4
    libc.pthread_join.argtypes = [ctypes.c_ulong, ctypes.c_void_p]
    out = Taken(sp.asbuffer(Memory(4)).__dlpack__(max_version=(1, 0)))
    deleter = ctypes.cast(out.managed.deleter, ctypes.c_void_p)
    assert libc.pthread_create(ctypes.addressof(thread), None, deleter, out.address) == 0
    assert libc.pthread_join(thread, None) == 0
    print("joined")
    """
    # Without a GIL what another thread holds for a moment dies later.
    assert sorted(run_python(code).stdout.split()) == ["joined", "kept", "memory"]
