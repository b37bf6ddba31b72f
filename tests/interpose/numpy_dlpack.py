"""Runs NumPy's own test_dlpack with Strideport standing in between, in three places.

The suite is the installed one (numpy/_core/tests/test_dlpack.py), copied to a temporary folder for the run, so that
pytest does not look for NumPy's conftest. Its module `numpy` is a stand-in that differs in one thing:

    producer   arrays hand out `Buffer`'s `__dlpack__` and `__dlpack_device__`; NumPy takes them
    consumer   `from_dlpack` is `strideport.from_dlpack`, seen as an array; NumPy hands out
    between    what `strideport.from_dlpack` took is handed on to `numpy.from_dlpack`

What must differ is listed in expected.toml under `numpy.<place>.<test>`, as exactly as interpose.py has it: a test that
fails and is not listed, and a listed one that passes, fail the run. So does a run in which no array went through us.

    python tests/interpose/numpy_dlpack.py [--verbose]
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import shutil
import sys
import tempfile
import types
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from interpose import judge, load_expected  # noqa: E402

PLACES = ("producer", "consumer", "between", "nowhere")
MINIMUM = 40  # tests of NumPy 2.0's suite, parameters counted


def missing() -> str | None:
    """Why the suite cannot run here, or None."""
    for name in ("pytest", "numpy"):
        if importlib.util.find_spec(name) is None:
            return f"{name} is not installed"
    if not suite_path().is_file():
        return f"this NumPy was installed without {suite_path().name}"
    return None


def suite_path() -> Path:
    import numpy

    return Path(numpy.__file__).parent / "_core" / "tests" / "test_dlpack.py"


def stand_in(place: str, passed: Counter) -> types.ModuleType:
    """NumPy with Strideport in one place; `passed` counts the arrays that went through it."""
    import numpy
    import strideport

    class Array(numpy.ndarray):
        def _buffer(self) -> strideport.Buffer:
            return strideport.asbuffer(self.view(numpy.ndarray))  # which does not lead back to this class

        def __dlpack__(self, **keywords: object) -> object:
            passed["__dlpack__"] += 1
            return self._buffer().__dlpack__(**keywords)

        def __dlpack_device__(self) -> tuple[int, int]:
            passed["__dlpack_device__"] += 1
            return self._buffer().__dlpack_device__()

    module = types.ModuleType("numpy", numpy.__doc__)
    module.__getattr__ = lambda name: getattr(numpy, name)
    module.__path__ = numpy.__path__  # for `from numpy.testing import ...`

    def maker(name: str) -> object:  # of arrays that own their memory: a view of them refers to them
        return lambda *arguments, **keywords: getattr(numpy, name)(*arguments, **keywords).view(Array).copy("K")

    def from_dlpack(x: object, /, **keywords: object) -> object:
        passed["from_dlpack"] += 1
        ours = strideport.from_dlpack(x, **keywords)
        return numpy.asarray(ours) if place == "consumer" else numpy.from_dlpack(ours, **keywords)

    if place == "producer":
        module.ndarray = Array
        for name in ("arange", "zeros", "array", "asarray", "ones"):
            setattr(module, name, maker(name))
    elif place != "nowhere":
        module.from_dlpack = from_dlpack
    return module


class Reports:
    """A pytest plugin: which tests ran and failed, by name; a failing parameter counts for its test, once."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.cases = 0
        self.ran: set[str] = set()
        self.failed: dict[str, str] = {}
        self.broken: list[str] = []

    def pytest_collectreport(self, report: object) -> None:
        if report.failed:
            self.broken.append(str(report.longrepr))

    def pytest_runtest_logreport(self, report: object) -> None:
        name = report.nodeid.partition("::")[2].partition("[")[0].replace("::", ".")
        name = f"numpy.{self.place}.{name}"
        if report.when == "call" and not report.skipped:
            self.cases += 1
            self.ran.add(name)
        if report.failed:
            self.ran.add(name)
            text = f"{report.nodeid}\n{report.longrepr}"
            self.failed[name] = self.failed.get(name, "") + text + "\n"


def run(place: str) -> tuple[Reports, Counter]:
    import numpy
    import pytest

    reports, passed = Reports(place), Counter()
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder) / f"test_{place}.py"
        shutil.copy(suite_path(), suite)
        sys.modules["numpy"] = stand_in(place, passed)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                pytest.main(
                    ["-q", "-c", "/dev/null", "--rootdir", folder, "-p", "no:cacheprovider", str(suite)],
                    plugins=[reports],
                )
        finally:
            sys.modules["numpy"] = numpy
    return reports, passed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--verbose", action="store_true", help="also print why each listed test differs")
    options = parser.parse_args()
    reason = missing()
    if reason is not None:
        print(f"SKIPPED: {reason}")
        return 77
    import numpy

    status = 0
    for place in PLACES:
        reports, passed = run(place)
        expected = load_expected(f"numpy.{place}.", sys.version_info[:2], numpy.__version__)
        complaints = reports.broken + judge(reports, expected)
        if reports.cases < MINIMUM:
            complaints.append(f"only {reports.cases} tests ran in {place}")
        if (sum(passed.values()) == 0) != (place == "nowhere"):
            complaints.append(f"{sum(passed.values())} arrays went through the stand-in of {place}")
        if options.verbose:
            for test in sorted(set(reports.failed) & set(expected)):
                print(f"{test} [{expected[test]}]\n{reports.failed[test]}")
        print("\n".join(complaints), end="\n" if complaints else "")
        print(
            f"NumPy {numpy.__version__}, {place}: {reports.cases} cases of {len(reports.ran)} tests, "
            f"{len(set(reports.failed) & set(expected))} listed differences, "
            f"{len(set(reports.failed) - set(expected))} not listed; {sum(passed.values())} calls went through us"
        )
        status |= bool(complaints)
    return status


if __name__ == "__main__":
    sys.exit(main())
