"""Owners that outlive the interpreter: in a C++ static, in a thread's local storage, in atexit, in threads of C.

A C++ static's destructor is a call of `__cxa_atexit(function, argument, library)`, and a `thread_local`'s one of
`__cxa_thread_atexit_impl`: both are called here with the deleter of an export, as a consumer's compiler would. They run
in exit(), after Py_FinalizeEx. What needs the interpreter then leaks; what does not is freed; nothing crashes.
"""

import sys
import sysconfig

import pytest
from support.children import run_python

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C++ ABI's functions by their names")

PREPARE = """
    import atexit, ctypes, os, sys, threading
    import strideport as sp
    from support.dlpack import Producer, Taken, Tensor

    libc, python = ctypes.CDLL(None), ctypes.PyDLL(None)
    libc.pthread_create.argtypes = [ctypes.POINTER(ctypes.c_ulong), ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    python.pthread_create.argtypes = libc.pthread_create.argtypes

    gone = threading.Event()

    class Memory(bytearray):
        def __del__(self):
            os.write(2, b"freed\\n")  # in one piece, and without the GIL
            gone.set()

    SOURCES = {
        "python": lambda: sp.asbuffer(Memory(64)),
        "numpy": lambda: sp.asbuffer(__import__("numpy").zeros(64, "u1")),
        "own": lambda: sp.empty((64,), "u1"),
        "imported": lambda: sp.from_dlpack(Producer(sp.empty((64,), "u1").__dlpack__(max_version=(1, 0)))),
    }

    def export(kind, versioned=True):
        "An export that nobody but C code will delete: its deleter and its address."
        out = Taken(SOURCES[kind]().__dlpack__(max_version=(1, 0) if versioned else None, copy=None))
        return ctypes.cast(out.managed.deleter, ctypes.c_void_p).value, out.address

    def at_static_destruction(deleter, address):
        assert libc.__cxa_atexit(ctypes.c_void_p(deleter), ctypes.c_void_p(address), None) == 0

    def at_thread_end(deleter, address):
        library = ctypes.c_void_p(deleter)  # any address in it; glibc takes no NULL
        assert libc.__cxa_thread_atexit_impl(ctypes.c_void_p(deleter), ctypes.c_void_p(address), library) == 0

    def in_a_thread_of_c(deleter, address):
        assert python.pthread_create(ctypes.byref(ctypes.c_ulong()), None, deleter, address) == 0
"""
KINDS = ("python", "numpy", "own", "imported")


def ends_quietly(code, *, printed=""):
    result = run_python(PREPARE + code)
    assert result.returncode == 0
    assert result.stderr.replace("freed\n", "") == "" and result.stdout == printed
    return result.stderr.count("freed")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "legacy"])
def test_an_export_in_a_static(kind, versioned):
    if kind == "numpy":
        pytest.importorskip("numpy")
    freed = ends_quietly(f"""
    at_static_destruction(*export({kind!r}, {versioned}))
    """)
    assert freed == 0, "an owner in Python cannot be freed without an interpreter: it leaks"


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_in_a_threads_local_storage(kind):
    """Of a thread that ends before, which frees it, and of the main one."""
    if kind == "numpy":
        pytest.importorskip("numpy")
    freed = ends_quietly(f"""
    thread = threading.Thread(target=lambda: at_thread_end(*export({kind!r})))
    thread.start()
    thread.join()  # Python's part of it: its local storage goes later
    if {kind!r} == "python":
        gone.wait(60)
    at_thread_end(*export({kind!r}))
    """)
    assert freed == (1 if kind == "python" else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_deleters_in_atexit(kind):
    """The interpreter is still there: this frees."""
    if kind == "numpy":
        pytest.importorskip("numpy")
    freed = ends_quietly(f"""
    out = Taken(SOURCES[{kind!r}]().__dlpack__(max_version=(1, 0)))
    atexit.register(out.delete)
    """)
    assert freed == (1 if kind == "python" else 0)


def test_imports_and_exports_in_atexit_work():
    ends_quietly(
        """
    def last():
        buffer = sp.asbuffer(bytearray(b"abcd"))
        print(buffer[::-1].contiguous().tobytes(), sp.from_dlpack(buffer).tolist(), memoryview(buffer)[1])
        print(sp.from_dlpack(Producer(Tensor(bytearray(b"wxyz"), (4,), dtype=(1, 8, 1)))).tobytes())
    atexit.register(last)
    """,
        printed="b'dcba' [97, 98, 99, 100] 98\nb'wxyz'\n",
    )


LINGER = """
    class Lingering:
        def __del__(self):  # the interpreter finalises meanwhile
            sum(i for i in range(1_000_000))

    sys.lingering = Lingering()
"""


@pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="CPython takes in a new thread while it frees what that one needs, and crashes (its issue 124619)",
)
@pytest.mark.parametrize("kind", KINDS)
def test_threads_of_c_that_delete_while_the_interpreter_ends(kind):
    """They have never seen Python. Whoever comes too late for the GIL leaks: nobody waits for it for ever."""
    if kind == "numpy":
        pytest.importorskip("numpy")
    ends_quietly(f"""
    exports = [export({kind!r}) for _ in range(64)]

    def start_half():
        while len(exports) > 32:
            in_a_thread_of_c(*exports.pop())

    class Starts:
        def __del__(self):
            for one in self.exports:
                self.start(*one)

    atexit.register(start_half)
    sys.starts = Starts()
    sys.starts.exports, sys.starts.start = exports, in_a_thread_of_c
    {LINGER}
    """)


@pytest.mark.parametrize("kind", KINDS)
def test_daemon_threads_that_hold_and_free_for_ever(kind):
    if kind == "numpy":
        pytest.importorskip("numpy")
    ends_quietly(f"""
    started = threading.Barrier(4)

    def work():
        kept = SOURCES[{kind!r}]()
        started.wait()
        while True:
            kept = sp.from_dlpack(SOURCES[{kind!r}]())
            memoryview(kept).release()

    SOURCES["python"] = lambda: sp.asbuffer(bytearray(64))
    for _ in range(3):
        threading.Thread(target=work, daemon=True).start()
    started.wait()
    {LINGER}
    """)


@pytest.mark.parametrize(
    "holder", ["sp", "sys", "builtins", "a class", "a cycle", "a frame", "a contextvar", "a module"]
)
def test_buffers_that_the_end_finds_anywhere(holder):
    ends_quietly(f"""
    buffer, view = sp.asbuffer(Memory(64)), memoryview(SOURCES["python"]())
    capsule = sp.asbuffer(Memory(64)).__dlpack__()
    things = [buffer, view, capsule, buffer[1:], sp.from_dlpack(buffer)]
    if {holder!r} in ("sp", "sys", "builtins"):
        setattr(__import__({holder!r} if {holder!r} != "sp" else "strideport"), "things", things)
    elif {holder!r} == "a class":
        class Holder:
            kept = things
    elif {holder!r} == "a cycle":
        things.append(things)
    elif {holder!r} == "a frame":
        def generator(kept):
            yield kept
        sys.generator = generator(things)
        next(sys.generator)
    elif {holder!r} == "a contextvar":
        import contextvars
        contextvars.ContextVar("things").set(things)
    else:
        import types
        sys.modules["kept"] = types.ModuleType("kept")
        sys.modules["kept"].things = things
    del buffer, view, capsule, things
    """)


def test_the_oracles_own_deleter_is_called_in_a_static():
    """The functions do what a compiler makes of a static: seen with one that prints."""
    result = run_python(
        PREPARE
        + """
    libc.strdup.restype = ctypes.c_void_p
    at_static_destruction(ctypes.cast(libc.puts, ctypes.c_void_p).value, libc.strdup(b"destroyed"))
    """
    )
    assert result.stdout == "destroyed\n"
