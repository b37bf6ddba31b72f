"""An interpreter's end: threads that are still inside, leases that outlive it, interpreters beside the main one."""

import sys
import sysconfig

import pytest
from support.children import run_python
from support.devices import needs_devices

# A module of such a build alone can tell CPython that it works in one interpreter, and CPython refuses first there.
REFUSAL = (
    "module strideport._core does not support loading in subinterpreters"
    if sysconfig.get_config_var("Py_GIL_DISABLED")
    else "strideport works in the main interpreter alone"
)

COPIES = """
    import sys, threading
    import strideport as sp

    src, dst = sp.empty((256, 256), "float64"), sp.empty((256, 256), "float64")
    started = threading.Barrier({threads} + 1)

    def work():
        started.wait()
        while True:
            sp.copy(dst, src.T)  # large enough to drop the GIL

    for _ in range({threads}):
        threading.Thread(target=work, daemon=True).start()
    started.wait()
    for _ in range(2000):
        sp.copy(dst, src)

    class Lingering:
        def __del__(self):  # the interpreter finalises: threads that ask for the GIL are ended now
            sum(i for i in range(6_000_000))

    sys.lingering = Lingering()
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_daemon_threads_inside_of_copies_do_not_abort_the_exit(threads):
    result = run_python(COPIES.format(threads=threads))
    assert (result.returncode, result.stderr) == (0, "")


DAEMONS = """
    import gc, sys, threading, time, weakref
    import numpy as np
    import strideport as sp

    class Slow:
        def __del__(self):  # long enough to be ended in here
            for _ in range(50):
                pass

    class Owner(bytearray, Slow):
        pass

    class Producer:
        buffer = sp.Buffer(bytearray(8))
        def __dlpack__(self, **keywords):
            for _ in range(50):
                pass
            return self.buffer.__dlpack__(**keywords)
        def __dlpack_device__(self):
            return (1, 0)

    class Device(Slow):
        def __index__(self):
            return 1

    class Answering(Producer):
        def __dlpack_device__(self):
            return (Device(), 0)

    class Refusing(Producer):
        def __init__(self):
            self.__array_interface__ = np.arange(3).__array_interface__
        def __dlpack__(self, **keywords):
            raise BufferError(Slow())

    class Unequal:
        def __ne__(self, other):
            for _ in range(50):
                pass
            return True

    def garbage():
        slow = Slow()
        slow.itself = slow
        return bytearray(8)

    def watched(stream):
        reference = weakref.ref(stream, Slow.__del__)
        del stream

    rounds = [0] * {threads}

    def work(thread):
        while True:
            {action}
            rounds[thread] += 1

    for thread in range({threads}):
        threading.Thread(target=work, args=(thread,), daemon=True).start()
    while min(rounds) < 100:
        time.sleep(0)

    class Lingering:
        def __del__(self):
            sum(i for i in range(6_000_000))

    sys.lingering = Lingering()
"""

# What runs Python code below frames of ours that let no exception out: a producer's method, the end of an owner, of
# what a producer answered, of an error that another protocol made good, and of what a DLPack deleter lets go.
INSIDE = {
    "producer": "Producer()",
    "owner": "Owner(8)",
    "answer": "Answering()",
    "error": "Refusing()",
    "deleter": "np.asarray(Owner(8)).__dlpack__(max_version=(1, 0))",
    "legacy deleter": "np.asarray(Owner(8)).__dlpack__()",
}

# The same of what is no import alone: what a flag is compared with, whoever waits for the end of a stream, and garbage,
# which CPython 3.11 collects where memory is taken for the next Buffer.
BESIDE = {
    "comparison": "Producer.buffer.contiguous != Unequal()",
    "callback": "watched(sp.Stream('simulated:0'))",
    "garbage": "gc.set_threshold(1); [sp.asbuffer(garbage()) for _ in range(50)]",
}
NEEDS = {
    "callback": needs_devices,
    "garbage": pytest.mark.skipif(sys.version_info >= (3, 12), reason="CPython 3.12 collects between instructions"),
}


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("inside", INSIDE)
def test_daemon_threads_inside_of_foreign_code_do_not_abort_the_exit(inside, threads):
    result = run_python(DAEMONS.format(threads=threads, action=f"sp.asbuffer({INSIDE[inside]})"))
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("beside", [pytest.param(name, marks=NEEDS.get(name, ())) for name in BESIDE])
def test_daemon_threads_beside_imports_do_not_abort_the_exit(beside, threads):
    result = run_python(DAEMONS.format(threads=threads, action=BESIDE[beside]))
    assert (result.returncode, result.stderr) == (0, "")


SUB_INTERPRETER = f"""
refusal = {REFUSAL!r}
import gc, sys, weakref
import strideport as sp
try:
    import _interpreters as interpreters
    other = interpreters.create("legacy")
except ImportError:
    import _xxsubinterpreters as interpreters
    other = interpreters.create(isolated=False)

code = f'''
import sys
sys.path[:0] = {{sys.path!r}}
try:
    import strideport
except ImportError as error:
    assert {{refusal!r}} in str(error), error
else:
    raise RuntimeError("imported")
'''
failure = interpreters.run_string(other, code)
assert failure is None, failure
interpreters.destroy(other)
"""


def test_a_sub_interpreter_is_refused_by_name():
    assert run_python(SUB_INTERPRETER, PYTHONWARNINGS="ignore").stderr == ""


def test_the_end_of_a_sub_interpreter_leaves_leases_of_the_main_one_alone():
    result = run_python(
        SUB_INTERPRETER
        + """
class Memory(bytearray):
    pass

memory = Memory(8)
gone = weakref.ref(memory)
capsule = sp.Buffer(memory).__dlpack__()
del memory, capsule
print(gone() is None)
""",
        PYTHONWARNINGS="ignore",
    )
    assert result.stdout.strip() == "True"


def test_a_module_that_was_imported_again_leaves_the_first_one_to_the_collector():
    result = run_python("""
        import gc, sys, weakref
        import strideport
        first = weakref.ref(strideport.Buffer)
        buffers = [strideport.Buffer(b"abc") for _ in range(20)]
        del buffers  # what is kept of their memory is of the type that goes
        for name in [name for name in sys.modules if name.startswith("strideport")]:
            del sys.modules[name]
        del strideport
        import strideport
        gc.collect()
        print(first() is None, strideport.Buffer(b"abc").tolist())
    """, PYTHONMALLOC="debug")
    assert result.stdout.strip() == "True [97, 98, 99]"
