"""memoryviews to compare with: formats, layouts and contents that memoryview has an opinion on."""

from __future__ import annotations

import array
import struct
import sys
from collections.abc import Callable, Iterator

# Every format that memoryview can unpack; 'e' since 3.12.
NATIVE = "cbB?hHiIlLqQnNfdP" + ("e" if sys.version_info >= (3, 12) else "")


def filled(fmt: str, count: int) -> bytearray:
    """Bytes whose items differ; '?' takes 0 and 1 alone, floats stay exact."""
    code = fmt.lstrip("@")
    if code == "?":
        return bytearray(i % 2 for i in range(count))
    if code in "efd":
        return bytearray(struct.pack(f"{count}{code}", *(i * 0.25 - 2 for i in range(count))))
    if code == "c":
        return bytearray(65 + i % 26 for i in range(count))
    return bytearray(struct.pack(f"{count}{code}", *(i * 7 % 100 for i in range(count))))


def sources() -> Iterator[tuple[str, Callable[[], object]]]:
    """Names and makers of objects with a buffer, of every rank that memoryview casts to."""
    yield "bytes", lambda: b"abracadabra"
    yield "empty bytes", lambda: b""
    yield "bytearray", lambda: bytearray(range(12))
    for code in "bBhHiIlLqQfd":
        yield f"array {code}", lambda code=code: array.array(code, range(6))
    yield "empty array", lambda: array.array("i")
    for code in NATIVE:
        yield f"cast {code}", lambda code=code: memoryview(filled(code, 6)).cast(code)
        yield f"cast @{code}", lambda code=code: memoryview(filled(code, 6)).cast("@" + code)
        yield f"cast {code} (2,3)", lambda code=code: memoryview(filled(code, 6)).cast(code, (2, 3))
        yield f"cast {code} ()", lambda code=code: memoryview(filled(code, 1)).cast(code, ())
    yield "readonly (2,3)", lambda: memoryview(bytes(filled("i", 6))).cast("i", (2, 3))
    yield "3d", lambda: memoryview(filled("h", 24)).cast("h", (2, 3, 4))
    yield "unit dims", lambda: memoryview(filled("i", 4)).cast("i", (1, 4, 1))
    yield "step 2", lambda: memoryview(filled("i", 10)).cast("i")[::2]
    yield "reversed", lambda: memoryview(filled("i", 5)).cast("i")[::-1]
    yield "reversed bytes", lambda: memoryview(bytearray(range(7)))[::-2]
    yield "empty slice", lambda: memoryview(filled("i", 5)).cast("i")[3:3]
    yield "rows reversed", lambda: memoryview(filled("i", 6)).cast("i", (2, 3))[::-1]
    yield "readonly", lambda: memoryview(bytearray(b"xyz")).toreadonly()


SOURCES = dict(sources())
