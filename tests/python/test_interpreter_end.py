"""The end of an interpreter: threads that are still inside, leases that outlive it, interpreters beside the main one."""

import pytest
from support.children import run_python

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
