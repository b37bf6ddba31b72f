"""CPython without a GIL: the module leaves it off, and its objects keep their counts where only they guard them."""

import array
import ctypes
import sys
import sysconfig

import pytest
import strideport as sp
from support.children import run_python
from test_threads import THREADS, together

without_gil = pytest.mark.skipif(
    getattr(sys, "_is_gil_enabled", lambda: True)(), reason="this interpreter has a GIL, or something switched it on"
)


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this interpreter always has a GIL")
def test_the_import_leaves_the_gil_off():
    """CPython switches it on, with a warning, for a module that does not declare that it can do without."""
    code = "import sys, strideport._core; print(sys._is_gil_enabled())"
    result = run_python(code, PYTHON_GIL="", PYTHONWARNINGS="error")
    assert (result.stdout, result.stderr) == ("False\n", "")


@without_gil
def test_exports_are_counted():
    buffer = sp.asbuffer(bytearray(64))
    together(lambda i: [memoryview(buffer).release() for _ in range(2000)])
    buffer.release()  # a lost count would be a BufferError here


@without_gil
def test_users_of_a_lease_are_counted():
    for _ in range(20):
        memory = bytearray(64)
        buffer = sp.asbuffer(memory)
        together(lambda i: [buffer[i:].release() for _ in range(500)])
        buffer.release()
        memory.append(0)  # a lost count would leave the export, and this would be a BufferError


@without_gil
def test_one_release_of_many_ends_the_lease():
    for _ in range(200):
        memory = bytearray(64)
        buffer = sp.asbuffer(memory)
        results = together(lambda i: buffer.release())
        assert results == [None] * THREADS
        memory.append(0)


@without_gil
def test_reading_and_releasing_at_once_gives_elements_or_value_errors():
    for _ in range(100):
        memory = bytearray(range(64))
        buffer = sp.asbuffer(memory)

        def work(i):
            if i == 0:
                buffer.release()
                memory.clear()
                return 1
            return buffer[1]

        results = together(work)
        assert all(r == 1 or isinstance(r, ValueError) for r in results), results


@without_gil
def test_an_iterator_that_threads_share_gives_every_element_once():
    numbers = array.array("i", range(300_000))
    for _ in range(10):
        iterator = iter(sp.asbuffer(numbers))
        results = together(lambda i: list(iterator))
        assert sorted(sum(results, [])) == numbers.tolist()


@without_gil
def test_hashing_and_releasing_at_once_gives_type_errors_until_it_is_released():
    """A bytearray has no hash, so every call goes all the way; the threads go through the same Buffers together."""
    buffers = [sp.asbuffer(bytearray(8)).toreadonly() for _ in range(2000)]

    def work(i):
        for buffer in buffers:
            if i == 0:
                with pytest.raises(TypeError):
                    hash(buffer)
                buffer.release()
                continue
            error = TypeError()
            while isinstance(error, TypeError):
                with pytest.raises((TypeError, ValueError)) as caught:
                    hash(buffer)
                error = caught.value

    assert together(work) == [None] * THREADS


@without_gil
def test_lists_and_dicts_of_producers_may_change_at_any_time():
    interface = {"shape": (4,), "typestr": "|V2", "descr": [("a", "|u1"), ("b", "|u1")], "version": 3}
    memory = bytearray(8)

    class Producer:
        __array_interface__ = interface

    held = (ctypes.c_char * 8).from_buffer(memory)
    interface["data"] = (ctypes.addressof(held), False)

    def work(i):
        for _ in range(300):
            if i == 0:
                interface["descr"].append(("c", "|u1"))
                del interface["descr"][-1]
                interface["shape"] = (4,)
            else:
                try:
                    sp.asbuffer(Producer())
                except (ValueError, TypeError, BufferError):
                    pass  # the sizes of three fields differ from the typestr's

    assert together(work) == [None] * THREADS
