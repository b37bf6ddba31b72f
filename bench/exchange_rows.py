"""The rows of the exchange benchmark: what is taken in, handed out and sliced, and by whom.

Every call of a row does the same thing to the same memory, and `expected` is the address or the value by which that is
checked before it is timed. Aims are those of the project's plan; the table shows whether they are met.
"""

from __future__ import annotations

import array
import fnmatch
import mmap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import exchange_calls as calls
import strideport as sp
from exchange_calls import jax, numpy, torch, tvm_ffi

ALIGNMENT = 64  # JAX copies what is aligned to less
VERSION = (1, 0)


class Aim(NamedTuple):
    """`most` nanoseconds; times the column `of` where `kind` is "ratio", beyond it where `kind` is "beyond"."""

    kind: str
    most: float
    of: str = ""


class Call(NamedTuple):
    column: str
    expression: str  # what is timed
    names: dict[str, Any]
    seen: Callable[[Any], Any]  # of the result: what must be as expected
    subject: Any = None


class Row(NamedTuple):
    table: str
    name: str
    expected: Any
    calls: list[Call]
    aim: Aim | None = None


def seen_by(consumer: calls.Consumer, subject: Any) -> Callable[[Any], int]:
    return lambda result: consumer.address(result, subject)


def aligned(count: int) -> Any:
    """float32 ones that begin at a cache line."""
    memory = numpy.ones(4 * count + ALIGNMENT, "u1")
    begin = -calls.address_of(memory) % ALIGNMENT
    values = memory[begin : begin + 4 * count].view("f4")
    values[:] = range(count)
    return values


def memory_of(subject: Any) -> int:
    """The address that every consumer must see; of a thing that wraps another, the other's."""
    return calls.address_of(subject.inner if isinstance(subject, calls.Wrapped) else subject)


def own(subject: Any) -> Call:
    """What the producer itself needs to be asked for its device, which an ndarray is not, and for a capsule."""
    names = {"x": subject, "v": VERSION}
    device = "" if isinstance(subject, numpy.ndarray) else "x.__dlpack_device__() and "
    return Call("own", device + "x.__dlpack__(max_version=v)", names, calls.address_of, subject)


# --- In --------------------------------------------------------------------------------------------------------------


def taking(name: str, subject: Any, function: Callable, aim: Aim | None, through_dlpack: bool = False,
           expected: int | None = None) -> Row:
    """`expected`: the address, where the subject itself does not tell it."""
    ours = calls.Consumer("strideport", function)
    known = [Call(c.name, "f(x)", {"f": c.function, "x": subject}, seen_by(c, subject), subject)
             for c in (ours, *calls.consumers(through_dlpack))]
    if aim is not None and aim.kind == "beyond":
        known.append(own(subject))
    return Row("import", name, expected or memory_of(subject), known, aim)


def standard_imports() -> Iterator[Row]:
    aim = Aim("ratio", 0.8, "memoryview")
    yield taking("bytes", bytes(100), sp.asbuffer, aim)
    yield taking("bytearray", bytearray(100), sp.asbuffer, aim)
    yield taking("array.array", array.array("d", range(10)), sp.asbuffer, aim)
    yield taking("mmap", mmap.mmap(-1, 4096), sp.asbuffer, None)
    yield taking("memoryview", memoryview(bytearray(100)), sp.asbuffer, None)


def numpy_imports() -> Iterator[Row]:
    aim = Aim("ratio", 0.8, "memoryview")
    values = aligned(120)
    yield taking("ndarray (20)", values[:20], sp.asbuffer, aim)
    yield taking("ndarray (4,5)", values[:20].reshape(4, 5), sp.asbuffer, aim)
    yield taking("ndarray (2,3,4,5)", values.reshape(2, 3, 4, 5), sp.asbuffer, aim)
    yield taking("ndarray of records", numpy.zeros(10, "i4,f8"), sp.asbuffer, None)
    yield taking("__array_interface__", calls.InterfaceOnly(values), sp.asbuffer, None)
    yield taking("__array_struct__", calls.StructOnly(values), sp.asbuffer, None)


def dlpack_imports() -> Iterator[Row]:
    values = aligned(20).reshape(4, 5)
    table, capsule = Aim("absolute", 80), Aim("beyond", 100, "own")
    if torch is not None:
        yield taking("torch.Tensor", torch.from_numpy(values), sp.asbuffer, table)
    if tvm_ffi is not None:
        tensor = tvm_ffi.from_dlpack(values)
        if hasattr(tvm_ffi.core, "DLTensorTestWrapper"):  # tvm_ffi's object with an exchange table
            wrapper = tvm_ffi.core.DLTensorTestWrapper(tensor)
            yield taking("tvm_ffi exchange table", wrapper, sp.asbuffer, table, expected=calls.address_of(tensor))
        yield taking("tvm_ffi.Tensor", tensor, sp.asbuffer, capsule)
    if jax is not None:
        held = jax.dlpack.from_dlpack(values)
        yield taking("jax.Array", held, sp.asbuffer, None)
        yield taking("jax.Array, from_dlpack", held, sp.from_dlpack, capsule, through_dlpack=True)
    yield taking("ndarray, from_dlpack", values, sp.from_dlpack, capsule, through_dlpack=True)
    yield taking("__dlpack__ in Python", calls.DLPackOnly(values), sp.from_dlpack, capsule, through_dlpack=True)


# --- Out -------------------------------------------------------------------------------------------------------------


def producers(values: Any) -> dict[str, Any]:
    """The same memory in everyone's type."""
    known = {"strideport": sp.asbuffer(values), "numpy": values}
    if torch is not None:
        known["torch"] = torch.from_numpy(values)
    if jax is not None:
        known["jax"] = jax.dlpack.from_dlpack(values)
    if tvm_ffi is not None:
        known["tvm_ffi"] = tvm_ffi.from_dlpack(values)
    return known


def standard_exports() -> Iterator[Row]:
    memory = bytearray(100)
    known = {"strideport": sp.asbuffer(memory), "stdlib": memory}
    if numpy is not None:
        known["numpy"] = numpy.frombuffer(memory, "u1")
    handed = [Call(name, "f(x)", {"f": memoryview, "x": thing}, calls.address_of, thing)
              for name, thing in known.items()]
    yield Row("export", "memoryview(x), 100 bytes", calls.address_of(memory), handed, Aim("ratio", 1.15, "stdlib"))


def numpy_exports() -> Iterator[Row]:
    values = aligned(20).reshape(4, 5)
    known = producers(values) | {"stdlib": memoryview(values)}
    titles = {"torch": "torch.from_dlpack", "jax": "jax.dlpack.from_dlpack", "tvm_ffi": "tvm_ffi.from_dlpack",
              "nanobind": "nanobind ndarray"}
    for consumer in calls.consumers():
        handed = [Call(name, "f(x)", {"f": consumer.function, "x": thing}, seen_by(consumer, thing), thing)
                  for name, thing in known.items()]
        yield Row("export", f"{titles.get(consumer.name, consumer.name)}(x)", memory_of(values), handed)
    for title, expression, aim in (
            ("x.__dlpack__()", "x.__dlpack__()", Aim("absolute", 100)),
            ("x.__dlpack__(max_version=(1,0))", "x.__dlpack__(max_version=v)", Aim("absolute", 100)),
            ("x.__dlpack_device__()", "x.__dlpack_device__()", None)):
        plain = expression.endswith("device__()")
        handed = [Call(name, expression, {"x": thing, "v": VERSION}, tuple if plain else calls.address_of, thing)
                  for name, thing in known.items() if hasattr(thing, "__dlpack__")]
        yield Row("export", title, (1, 0) if plain else memory_of(values), handed, aim)


# --- Views -----------------------------------------------------------------------------------------------------------


def same(result: Any) -> Any:
    return result


def viewing(title: str, expected: Any, seen: Callable, expressions: dict[str, str], things: dict[str, Any],
            aim: Aim | None = None) -> Row:
    """`expressions`: one a library, or, for all of them, one under ""."""
    handed = []
    for name, thing in things.items():
        expression = expressions.get(name, expressions.get(""))
        if expression is not None:
            names = {"x": thing, "f": sp.asbuffer, "m": memoryview}
            handed.append(Call(name, expression, names, seen, thing))
    return Row("view", title, expected, handed, aim)


def standard_views() -> Iterator[Row]:
    memory = bytearray(range(100))
    begin = calls.address_of(memory)
    things = {"strideport": sp.asbuffer(memory), "memoryview": memoryview(memory)}
    if numpy is not None:
        things["numpy"] = numpy.frombuffer(memory, "u1")
    if torch is not None:
        things["torch"] = torch.frombuffer(memory, dtype=torch.uint8)
    where = calls.address_of
    yield viewing("x[::2]", begin, where, {"": "x[::2]"}, things, Aim("absolute", 80))
    yield viewing("x[10:20]", begin + 10, where, {"": "x[10:20]"}, things)
    yield viewing("x[1], an element", 1, int, {"": "x[1]"}, things)
    cast = {"strideport": "x.cast('i')", "memoryview": "x.cast('i')", "numpy": "x.view('i4')"}
    yield viewing("x.cast('i')", begin, where, cast, things)
    yield viewing("x.toreadonly()", begin, where, {"strideport": "x.toreadonly()", "memoryview": "x.toreadonly()"},
                  things)
    yield viewing("x.shape", (100,), tuple, {"": "x.shape"}, things)
    yield viewing("x.nbytes", 100, same, {"": "x.nbytes"}, things)
    both = {"strideport": memory, "memoryview": memory}
    yield viewing("make and release()", None, same, {"strideport": "f(x).release()", "memoryview": "m(x).release()"},
                  both)


def numpy_views() -> Iterator[Row]:
    values = aligned(20).reshape(4, 5)
    begin = memory_of(values)
    things = {"strideport": sp.asbuffer(values), "numpy": values}
    if torch is not None:
        things["torch"] = torch.from_numpy(values)
    where = calls.address_of
    yield viewing("x[1], of (4,5)", begin + 20, where, {"": "x[1]"}, things)
    yield viewing("x[1:3, ::2]", begin + 20, where, {"": "x[1:3, ::2]"}, things)
    yield viewing("x.T", begin, where, {"": "x.T"}, things)
    yield viewing("x.reshape(5, 4)", begin, where, {"": "x.reshape(5, 4)"}, things)
    item = things | {"memoryview": memoryview(values)}
    yield viewing("x[1, 2], an element", 7.0, float, {"": "x[1, 2]"}, item)


def rows(pattern: str = "*") -> Iterator[Row]:
    """Those of a table, or whose name is the pattern or matches it; what needs NumPy is left out where that is not."""
    makers = [standard_imports, standard_exports, standard_views]
    if numpy is not None:
        makers = [standard_imports, numpy_imports, dlpack_imports, standard_exports, numpy_exports, standard_views,
                  numpy_views]
    for maker in makers:
        for row in maker():
            if pattern in (row.name, row.table) or fnmatch.fnmatch(row.name, pattern):
                yield row
