"""bench/run.sh --exchange: its rows do what they say, and its tables say what was measured. No time is judged here."""

import importlib
import json
import pathlib
import sys

import pytest
from support.children import run_python
from support.peers import peer

peer("numpy")

BENCH = str(pathlib.Path(__file__).parents[2] / "bench")


@pytest.fixture(scope="module")
def measured():
    """Every row, by the peers that are here; an error where ours shows other memory than it was given."""
    code = f"""
        import sys
        sys.path.insert(0, {BENCH!r})
        sys.argv[1:] = ["--seconds", "0"]
        import exchange_measure
        exchange_measure.main()
    """
    done = run_python(code, timeout=600)  # seconds, but for a machine under load that loads PyTorch and JAX
    about, *results = map(json.loads, done.stdout.splitlines())
    assert about["versions"]["CPython"] == sys.version.split()[0]
    return results


@pytest.fixture(scope="module")
def table():
    """The module that makes the tables; what it imports lies beside it."""
    sys.path.insert(0, BENCH)
    try:
        return importlib.import_module("exchange_table")
    finally:
        sys.path.remove(BENCH)


def row(name, aim=None, **times):
    return {
        "table": "import",
        "name": name,
        "aim": aim,
        "times": {who: {"median": time, "iqr": 1.0} for who, time in times.items()},
        "refused": {"torch": "no"},
    }


def test_every_row_is_measured_beside_who_sees_the_same_memory(measured):
    rows = {result["name"]: result for result in measured}
    assert len(rows) == len(measured) >= 30
    for result in measured:
        assert all(time["median"] > 0 for time in result["times"].values()) and "strideport" in result["times"]
    assert {"memoryview", "np.from_dlpack"} <= set(rows["ndarray (4,5)"]["times"])
    assert rows["ndarray (4,5)"]["refused"]["np.asarray"] == "same", "it hands back the array itself"
    assert rows["bytes"]["refused"]["np.asarray"] == "copy"
    assert rows["bytes"]["refused"]["np.from_dlpack"] == "no"
    assert set(rows["__array_struct__"]["times"]) >= {"strideport", "np.asarray"}
    assert "own" in rows["ndarray, from_dlpack"]["times"], "the aim counts from the producer's own time"


def test_the_tables_name_every_row(measured, table):
    lines = table.blocks(measured)
    for result in measured:
        assert any(line.startswith(result["name"]) for line in lines), result["name"]
    known = [(result["name"], table.aim(result)) for result in measured]
    assert table.summary(measured) and table.aims("here", known)[0].startswith("aims, here: ")


def test_verdicts_are_against_the_best_peer_and_aims_against_theirs(table):
    aim = ["ratio", 0.8, "memoryview"]
    cases = [
        (row("a", aim, strideport=70.0, memoryview=100.0, jax=74.0), "tie", "0.70 met"),
        (row("b", aim, strideport=90.0, memoryview=100.0), "win", "0.90 short"),
        (row("c", ["absolute", 80, ""], strideport=81.0, tvm_ffi=70.0), "loss", "<= 80 ns: 81 short"),
        (row("d", ["beyond", 100, "own"], strideport=180.0, own=80.0), "-", "<= own + 100 ns: + 100 met"),
        (row("e", aim, strideport=80.0, jax=100.0), "win", "win"),  # nothing to hold the aim against
    ]
    for result, verdict, end in cases:
        line = table.line(result, ["memoryview", "torch", "jax", "tvm_ffi", "own"])
        assert line.endswith(end) and verdict in line.split() and "no" in line.split(), line
    results = [result for result, _, _ in cases]
    assert "  lost: c, 1.16 times as long as tvm_ffi" in table.summary(results)
    assert table.aims("x", [(result["name"], table.aim(result)) for result in results]) == [
        "aims, x: 2 of 4 met",
        "  short: b, <= 0.8 of memoryview: 0.90",
        "  short: c, <= 80 ns: 81",
    ]


def test_costs_in_cpp_are_the_medians(table):
    def entry(name, kind, time, **counters):
        return {"run_name": name, "aggregate_name": kind, "cpu_time": time, **counters}

    known = table.costs({"benchmarks": [
        entry("import_and_end/rank:2", "median", 30.0), entry("import_and_end/rank:2", "mean", 99.0),
        entry("import_alone/rank:1", "median", 50.0, alone_ns=9.0),
        entry("import_alone/rank:4", "median", 50.0, alone_ns=11.0),
    ]})
    assert known == {"import_alone": {"1": 9.0, "4": 11.0}, "import_and_end": {"2": 30.0}}
    assert [met for _, (_, met) in table.cost_aims(known)] == [True, False]
    shown = "import_dlpack, versioned                      9.0        -     11.0  <= 10 ns: short"
    assert shown in table.cost_lines(known)
