"""01 Exchange: one array after another goes from one framework through `strideport.Buffer` into another.

For every pair the table says whether the consumer looks at the producer's own memory (view) or at a copy, and why.
Nothing is taken on trust: the addresses are compared, and so are the values.

    python samples/01_exchange.py

Frameworks that are not installed are named and skipped.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import strideport as sp


def optional(name: str) -> Any | None:
    """The module, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


jnp = optional("jax.numpy")
pa = optional("pyarrow")
torch = optional("torch")


# Consumers: what each framework offers for taking in foreign memory, and how to ask the result where it lies. -------


class Consumer(NamedTuple):
    name: str
    take: Callable[[sp.Buffer], Any]
    address: Callable[[Any], int]
    as_numpy: Callable[[Any], np.ndarray]
    order: str = "C"  # in which the result holds the elements


def numpy_address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def take_into_jax(buffer: sp.Buffer) -> Any:
    import jax.dlpack

    return jax.dlpack.from_dlpack(buffer, copy=False)


CONSUMERS = {"numpy": Consumer("NumPy", np.asarray, numpy_address, np.asarray)}
if jnp is not None:
    CONSUMERS["jax"] = Consumer("JAX", take_into_jax, lambda array: array.unsafe_buffer_pointer(), np.asarray)
if pa is not None:
    CONSUMERS["arrow"] = Consumer(  # plain bytes, in the order in which they lie in memory
        "Arrow", pa.py_buffer, lambda buf: buf.address, lambda buf: np.frombuffer(buf, np.uint8), order="A"
    )
if torch is not None:
    CONSUMERS["torch"] = Consumer(
        "PyTorch", torch.from_dlpack, lambda tensor: tensor.data_ptr(), lambda t: np.asarray(sp.asbuffer(t))
    )


# Producers: each case names its framework, what is special about it, and who is to take it. -------------------------


class Case(NamedTuple):
    producer: str
    what: str
    consumer: str
    make: Callable[[], Any]


def table(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)


def read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


POINT = np.dtype([("id", "<i4"), ("xy", "<f8", (2,))], align=True)

CASES = [
    Case("numpy", "float32 (512, 256)", "torch", lambda: table(512, 256)),
    Case("numpy", "transposed", "jax", lambda: table(512, 256).T),
    Case("numpy", "transposed", "torch", lambda: table(512, 256).T),
    Case("numpy", "5-d, permuted, every second", "torch", lambda: table(4, 6, 8, 3, 2)[:, ::2].transpose(4, 2, 0, 3, 1)),
    Case("numpy", "flipped rows", "torch", lambda: table(512, 256)[::-1]),
    Case("numpy", "flipped rows", "jax", lambda: table(512, 256)[::-1]),
    Case("numpy", "every second column", "jax", lambda: table(512, 256)[:, ::2]),
    Case("numpy", "read-only", "numpy", lambda: read_only(table(64, 64))),
    Case("numpy", "read-only", "torch", lambda: read_only(table(64, 64))),
    Case("numpy", "bool", "jax", lambda: table(64, 64, dtype="int8") % 3 == 0),
    Case("numpy", "struct, aligned", "numpy", lambda: np.zeros((3, 5), POINT)[:, ::-2]),
    Case("numpy", "struct, aligned", "jax", lambda: np.zeros((3, 5), POINT)),
    Case("numpy", "big-endian int32", "torch", lambda: table(8, 8, dtype=">i4")),
    Case("numpy", "empty (0, 3)", "torch", lambda: np.empty((0, 3), "float32")),
    Case("numpy", "scalar", "jax", lambda: np.array(2.5, "float32")),
    Case("jax", "bfloat16", "numpy", lambda: jnp.arange(96, dtype=jnp.bfloat16).reshape(8, 12)),
    Case("jax", "bfloat16", "torch", lambda: jnp.arange(96, dtype=jnp.bfloat16).reshape(8, 12)),
    Case("jax", "float32 (read-only)", "numpy", lambda: jnp.ones((16, 16))),
    Case("arrow", "int64 array", "numpy", lambda: pa.array(range(1000), pa.int64())),
    Case("arrow", "float32 array", "jax", lambda: pa.array(range(1000), pa.float32())),
    Case("numpy", "transposed", "arrow", lambda: table(64, 32).T),
    Case("torch", "permuted", "numpy", lambda: torch.arange(60.0).reshape(3, 4, 5).permute(2, 0, 1)),
    Case("torch", "bfloat16", "numpy", lambda: torch.ones(4, 4, dtype=torch.bfloat16)),
    Case("torch", "bool", "jax", lambda: torch.arange(64).reshape(8, 8) % 2 == 0),
]


# The exchange itself. ------------------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    how: str  # "view", "copy" or "refused"
    why: str


def first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def hand_over(buffer: sp.Buffer, consumer: Consumer) -> tuple[Any, str]:
    """The consumer's object and why it is no view of `buffer`: empty where it is one."""
    try:
        return consumer.take(buffer), ""
    except Exception as refusal:  # each framework has its own type of exception for this
        # New memory: dense, in C order, writable and aligned to 64 bytes, which is all that anybody asks for.
        return consumer.take(buffer.to("cpu", copy=True)), first_line(refusal)


def exchange(case: Case) -> Outcome:
    consumer = CONSUMERS[case.consumer]
    original = case.make()
    buffer = sp.asbuffer(original)
    try:
        taken, refusal = hand_over(buffer, consumer)
    except Exception as error:
        return Outcome("refused", first_line(error))

    check_values(original, buffer, consumer.as_numpy(taken), consumer.order)
    if buffer.nbytes == 0:
        return Outcome("view", "nothing to move")
    if consumer.address(taken) == buffer.ptr:
        return Outcome("view", "same address")
    return Outcome("copy", refusal or f"{consumer.name} copied by itself")


def check_values(original: Any, buffer: sp.Buffer, taken: np.ndarray, order: str) -> None:
    """Compares bytes, so that NaN equals NaN; structs, which may hold padding of any value, field by field."""
    structured = taken.dtype.names is not None
    if not (np.array_equal(taken, original) if structured else taken.tobytes() == buffer.tobytes(order)):
        raise SystemExit(f"the values differ: {buffer!r} gave {taken.dtype} {taken.shape}")


def main() -> int:
    missing = [name for name, module in (("jax", jnp), ("pyarrow", pa), ("torch", torch)) if module is None]
    rows = [("from", "what", "to", "result", "why")]
    for case in CASES:
        if case.consumer not in CONSUMERS or (case.producer not in CONSUMERS):
            continue
        outcome = exchange(case)
        rows.append((case.producer, case.what, case.consumer, outcome.how, outcome.why))

    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for number, row in enumerate(rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)), shorten(row[4]), sep="  ")
        if number == 0:
            print("-" * (sum(widths) + 2 * len(widths) + len(row[4])))
    count = {how: sum(row[3] == how for row in rows) for how in ("view", "copy", "refused")}
    print(f"\n{count['view']} views, {count['copy']} copies, {count['refused']} refused; every value checked.")
    if missing:
        print(f"skipped: {', '.join(missing)} (not installed)")
    return 0


def shorten(text: str, width: int = 90) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


if __name__ == "__main__":
    sys.exit(main())
