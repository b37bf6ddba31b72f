"""Comparing a Buffer with a memoryview: every attribute, or the type of what was raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import strideport as sp

ATTRIBUTES = (
    "nbytes",
    "readonly",
    "format",
    "itemsize",
    "ndim",
    "shape",
    "strides",
    "suboffsets",
    "c_contiguous",
    "f_contiguous",
    "contiguous",
)


def attributes(view: memoryview | sp.Buffer) -> dict[str, Any]:
    """All of them. An empty buffer is contiguous (PyBuffer_IsContiguous, NumPy and _testbuffer agree): memoryview
    alone looks at the stride of an empty vector, so its answer is no opinion there (test_differences)."""
    out = {name: getattr(view, name) for name in ATTRIBUTES}
    out["contiguous"] = bool(out["contiguous"])  # a flag that can be called, in Buffer: test_differences
    if isinstance(view, memoryview) and view.ndim == 1 and view.nbytes == 0:
        out.update(c_contiguous=True, f_contiguous=True, contiguous=True)
    return out


def described(value: Any) -> Any:
    """A value that two results can be compared by; NaN equals itself, True is not 1, a view is all it shows."""
    if isinstance(value, (memoryview, sp.Buffer)):
        return ("view", attributes(value), value.tobytes())
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, [described(v) for v in value])
    return (type(value).__name__, repr(value))


def outcome(operation: Callable[[Any], Any], view: Any) -> Any:
    """The described result, or ("raises", type)."""
    try:
        return described(operation(view))
    except Exception as error:  # noqa: BLE001 - the type is the result
        return ("raises", type(error).__name__)


def assert_same(operation: Callable[[Any], Any], view: memoryview, buffer: sp.Buffer, what: Any = "") -> None:
    """`operation` gives the same, or raises the same type, on both; a known gap of memoryview's is no opinion."""
    want, got = outcome(operation, view), outcome(operation, buffer)
    assert got == want or want == ("raises", "NotImplementedError"), f"{what}: memoryview {want}, Buffer {got}"
