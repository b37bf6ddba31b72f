"""Runs CPython's own test_memoryview and test_buffer with `strideport.Buffer` in memoryview's place.

The suites are those of the running interpreter; nothing of them is copied here. Their module global `memoryview`
is set, so every call and every isinstance check meets Buffer. What must differ is listed in expected.toml, test by
test, with the row of the design's list of deviations that it follows from. The run fails if a test fails that is
not listed, and as much if a listed one passes: the list is exact.

    python tests/interpose/interpose.py [--with memoryview|strideport] [--verbose]
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import random
import sys
import tomllib
import unittest
import warnings
from collections import Counter
from pathlib import Path

SUITES = ("test.test_memoryview", "test.test_buffer")
EXPECTED = Path(__file__).with_name("expected.toml")


def missing_suites() -> str | None:
    """Why the suites cannot run here, or None. Debian splits them into libpython3-testsuite."""
    for name in (*SUITES, "_testbuffer"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            return f"{name} is not installed ({error})"
    return None


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")[:2]))


def load_expected(prefix: str, version: tuple[int, ...], numpy: str = "0") -> dict[str, str]:
    """Test ids of `prefix` that must fail on this Python, with their rows; a bad table is an error."""
    table = tomllib.loads(EXPECTED.read_text(encoding="utf-8"))
    rows = table["rows"]
    out: dict[str, str] = {}
    for entry in table["difference"]:
        if entry["row"] not in rows:
            raise SystemExit(f"expected.toml: {entry['test']}: there is no row {entry['row']!r}")
        if not entry["reason"].strip():
            raise SystemExit(f"expected.toml: {entry['test']}: no reason")
        if not entry["test"].startswith(prefix) or numbers(entry.get("numpy", "0")) > numbers(numpy):
            continue
        if numbers(entry.get("since", "3.11")) <= version <= numbers(entry.get("until", "3.999")):
            if entry["test"] in out:
                raise SystemExit(f"expected.toml lists {entry['test']} twice for {version}")
            out[entry["test"]] = entry["row"]
    return out


def stand_in(buffer: type, made: Counter[str]) -> type:
    """A class to call and ask as the tests do memoryview: it makes Buffers, and instances of both are instances.

    `made` counts the Buffers, so that a run which none went through is no pass.

    C code (PyMemoryView_FromBuffer, `__buffer__` called by the interpreter) still makes real memoryviews, which the
    tests then ask `isinstance(x, memoryview)`; and an exporter's `__buffer__` must return one, so there it is called.
    """

    class Meta(type):
        def __call__(cls, *arguments: object, **keywords: object) -> object:
            exporting = sys._getframe(1).f_code.co_name == "__buffer__"
            made["Buffers"] += not exporting
            return (memoryview if exporting else buffer)(*arguments, **keywords)

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, (buffer, memoryview))

        def __getattr__(cls, name: str) -> object:
            return getattr(buffer, name)

    return Meta("memoryview", (), {})


class Collector(unittest.TestResult):
    """Which tests failed, by id; a failing subTest counts for its test, once. `through` are those that made Buffers."""

    def __init__(self, made: Counter[str]) -> None:
        super().__init__()
        self.failed: dict[str, str] = {}
        self.ran: set[str] = set()
        self.through: set[str] = set()
        self.made, self.before = made, 0

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.ran.add(test.id())
        self.before = self.made["Buffers"]

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        if self.made["Buffers"] > self.before:
            self.through.add(test.id())

    def _fail(self, test: unittest.TestCase, error: object) -> None:
        self.failed.setdefault(test.id(), self._exc_info_to_string(error, test))  # type: ignore[attr-defined]

    def addError(self, test: unittest.TestCase, err: object) -> None:
        self._fail(test, err)

    def addFailure(self, test: unittest.TestCase, err: object) -> None:
        self._fail(test, err)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: object) -> None:
        if err is not None:
            self._fail(test, err)


def run(replacement: type, made: Counter[str]) -> Collector:
    """Both suites with `replacement` for memoryview. test_buffer draws its structures at random."""
    random.seed(os.environ.get("STRIDEPORT_SEED", "0"))
    result = Collector(made)
    for name in SUITES:
        module = importlib.import_module(name)
        module.memoryview = replacement
        suite = unittest.defaultTestLoader.loadTestsFromModule(module)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            suite.run(result)
    return result


def judge(result: Collector, expected: dict[str, str]) -> list[str]:
    """Every disagreement with the list, in words; empty if there is none."""
    out = []
    for test, trace in sorted(result.failed.items()):
        if test not in expected:
            out.append(f"NOT LISTED: {test} fails\n{trace}")
    for test in sorted(expected):
        if test not in result.ran:
            out.append(f"STALE: {test} is listed, but this Python has no such test")
        elif test not in result.failed:
            out.append(f"NO DIFFERENCE: {test} is listed ({expected[test]}), but passes: take it off the list")
    return out


def block_numpy() -> None:
    """test_buffer compares itself with NumPy where it finds one, through calls that NumPy 2 dropped."""
    sys.modules["numpy"] = None  # type: ignore[assignment]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--with", dest="replacement", choices=("strideport", "memoryview"), default="strideport")
    parser.add_argument("--verbose", action="store_true", help="also print why each listed test differs")
    options = parser.parse_args()
    block_numpy()
    reason = missing_suites()
    if reason is not None:
        print(f"SKIPPED: {reason}")
        return 77
    made: Counter[str] = Counter()
    if options.replacement == "strideport":
        import strideport

        replacement: type = stand_in(strideport.Buffer, made)
    else:
        replacement = memoryview
    stdout, sys.stdout = sys.stdout, io.StringIO()
    try:
        result = run(replacement, made)
    finally:
        sys.stdout = stdout
    expected = load_expected("test.", sys.version_info[:2])
    complaints = judge(result, expected)
    if options.verbose:
        for test in sorted(set(result.failed) & set(expected)):
            print(f"{test} [{expected[test]}]\n{result.failed[test]}")
    total, skipped = len(result.ran), len({test.id() for test, _ in result.skipped})
    passed = total - skipped - len(result.failed)
    listed = len(set(result.failed) & set(expected))
    print("\n".join(complaints), end="\n" if complaints else "")
    print(
        f"Python {sys.version.split()[0]}: {passed} of {total} pass, {skipped} skip themselves (with memoryview too), "
        f"{listed} listed differences, {len(result.failed) - listed} not listed; {len(result.through)} made Buffers"
    )
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
