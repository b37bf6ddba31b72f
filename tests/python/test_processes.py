"""Whole processes: fork, shutdown with live buffers, import without NumPy, the command line."""

import os
import re
import sys

import pytest
import strideport as sp
from support.children import run_python


def quiet(code, **env):
    """Runs to the end without a word on stderr."""
    result = run_python(code, **env)
    assert result.stderr == "", result.stderr
    return result.stdout


def test_import_needs_no_numpy_and_loads_nothing_big():
    out = quiet("""
        import sys
        for name in ("numpy", "torch", "jax", "pyarrow", "ml_dtypes"):
            sys.modules[name] = None
        import strideport as sp
        buffer = sp.Buffer(bytearray(range(24))).reshape(2, 3, 4).permute(2, 0, 1)[::-1]
        assert buffer.contiguous().tobytes() == buffer.tobytes()
        assert sp.empty((2,), "bfloat16").tolist().__len__() == 2
        assert sp.from_dlpack(sp.Buffer(bytearray(4))).nbytes == 4
        import pickle
        assert pickle.loads(pickle.dumps(buffer)) == buffer
        print(sp.DType("float32"), sp.Buffer(b"x").format)
    """)
    assert out.split() == ["float32", "B"]


def test_import_alone_loads_no_framework():
    out = quiet("""
        import sys
        import strideport
        print(sorted(m for m in sys.modules if m.split(".")[0] in ("numpy", "torch", "jax", "pyarrow", "ctypes")))
    """)
    assert out.strip() == "[]"


def test_import_touches_no_driver():
    """libcuda is looked for at first use of a device, never at import."""
    out = quiet("""
        import strideport as sp
        sp.Buffer(b"abc").tobytes()
        print("libcuda" in open("/proc/self/maps").read())
    """)
    assert out.strip() == "False"


def test_shutdown_with_live_buffers_is_silent():
    for code in (
        "import strideport as sp; b = sp.Buffer(bytearray(4)); c = b[1:]; d = memoryview(c)",
        "import strideport as sp, sys; sys.keep = sp.Buffer(bytearray(4)); sys.view = memoryview(sys.keep)",
        "import strideport as sp; caps = [sp.Buffer(bytearray(4)).__dlpack__(max_version=(1, 0)) for _ in range(9)]",
        "import strideport as sp, atexit; b = sp.empty((9,), 'int8'); atexit.register(lambda: print(b.tolist() and 1))",
        "import strideport as sp, builtins; builtins.held = sp.empty((1000,), 'float64')",
        "import strideport as sp, threading as t; b = sp.Buffer(bytearray(9)); t.Thread(target=lambda: b[1:]).start()",
    ):
        quiet(code)


def test_shutdown_with_numpy_holding_our_memory_is_silent():
    pytest.importorskip("numpy")
    quiet("""
        import numpy as np, strideport as sp
        a = np.from_dlpack(sp.empty((4,), "int32"))
        b = np.asarray(sp.empty((4,), "int32"))
        c = sp.Buffer(np.arange(4))
        import sys
        sys.hold = (a, b, c)
    """)


def test_deleters_after_finalisation_leak_rather_than_crash():
    """A C++ static that outlives the interpreter frees its tensor then: the deleter must not touch Python."""
    quiet("""
        import ctypes, strideport as sp
        from support.dlpack import Taken
        out = Taken(sp.Buffer(bytearray(16)).__dlpack__(max_version=(1, 0)))
        own = Taken(sp.empty((4,), "int32").__dlpack__(max_version=(1, 0)))
        libc = ctypes.CDLL(None)
        # atexit(3) handlers run after Py_FinalizeEx; a deleter's address is a plain C function of one pointer.
        for t in (out, own):
            address = ctypes.cast(t.managed.deleter, ctypes.c_void_p).value
            # __cxa_atexit calls function(argument)
            libc.__cxa_atexit.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
            assert libc.__cxa_atexit(address, t.address, None) == 0
    """)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_children_of_a_fork_copy_with_threads():
    """A pool's threads do not survive fork: the child must make its own, and the parent keep its own."""
    quiet(
        """
        import os, sys, strideport as sp
        sp.set_num_threads(2)
        def work():
            source = sp.empty((2000, 1500), "uint32")
            sp.copy(source.cast("B"), bytes(range(250)) * 48_000)
            target = sp.empty((1500, 2000), "uint32")
            sp.copy(target, source.T)
            return target[7, 9] == source[9, 7]
        assert work()
        for _ in range(3):
            pid = os.fork()
            if pid == 0:
                os._exit(0 if work() else 1)
            assert os.waitpid(pid, 0)[1] == 0
            assert work()
    """,
        PYTHONWARNINGS="ignore",
    )


def test_children_of_a_fork_may_free_what_the_parent_made():
    quiet(
        """
        import os, strideport as sp
        memory = bytearray(4)
        buffer = sp.Buffer(memory)
        capsule = buffer.__dlpack__(max_version=(1, 0))
        pid = os.fork()
        if pid == 0:
            del capsule
            buffer.release()
            memory.append(1)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert buffer.tolist() == [0] * 4
    """,
        PYTHONWARNINGS="ignore",
    )


def test_subinterpreters_refuse_or_work():
    """One module state an interpreter: a second one gets its own or a clean ImportError."""
    result = run_python("""
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import strideport as sp
        mine = sp.Buffer(b"abc")
        other = interpreters.create()
        failed = None
        try:
            code = "import strideport as sp; assert sp.Buffer(b'abc').tolist() == [97, 98, 99]"
            failed = interpreters.run_string(other, code)
        except Exception as error:
            failed = error
        print("refused" if failed else "worked")
        interpreters.destroy(other)
        assert mine.tolist() == [97, 98, 99]
    """)
    assert result.stdout.strip() in ("refused", "worked")


def test_command_line_info():
    out = quiet(
        "import runpy, sys; sys.argv = ['strideport', 'info']; runpy.run_module('strideport', run_name='__main__')"
    )
    assert sp.__version__ in out and sys.version.split()[0] in out and "cpu" in out
    assert re.search(r"(?i)numpy", out)


def test_command_line_by_dash_m():
    import subprocess

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    good = subprocess.run([sys.executable, "-m", "strideport", "info"], capture_output=True, text=True, env=environment)
    assert good.returncode == 0 and sp.__version__ in good.stdout and good.stderr == ""
    bad = subprocess.run(
        [sys.executable, "-m", "strideport", "nonsense"], capture_output=True, text=True, env=environment
    )
    assert bad.returncode != 0 and "Traceback" not in bad.stderr and "nonsense" in bad.stderr
    bare = subprocess.run([sys.executable, "-m", "strideport"], capture_output=True, text=True, env=environment)
    assert "Traceback" not in bare.stderr and (bare.stdout or bare.stderr)


def test_info_works_without_any_framework():
    out = quiet("""
        import sys
        for name in ("numpy", "torch", "jax", "pyarrow", "ml_dtypes"):
            sys.modules[name] = None
        import runpy
        sys.argv = ["strideport", "info"]
        runpy.run_module("strideport", run_name="__main__")
    """)
    assert sp.__version__ in out


def test_the_number_of_threads_comes_from_the_environment():
    for value in ("1", "3"):
        quiet(
            """
            import strideport as sp
            sp.copy(sp.empty((500, 500), "float32"), sp.empty((500, 500), "float32").T)
        """,
            STRIDEPORT_THREADS=value,
        )
    for value in ("", "-1", "many", "99999999999999999999"):
        run_python(
            """
            import strideport as sp
            sp.copy(sp.empty((500, 500), "float32"), sp.empty((500, 500), "float32").T)
        """,
            STRIDEPORT_THREADS=value,
        )
