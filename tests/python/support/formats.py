"""PEP 3118 formats: an independent reading of the grammar, and random ones.

The oracle is recursive and slow, and shares nothing with the library but the specification: '@' aligns fields and pads
nothing at the end of the top level, as struct.calcsize does; T{...} in '@' mode is padded to its alignment, as C does.
"""

from __future__ import annotations

import random
import struct

NATIVE = {c: struct.calcsize(c) for c in "cbB?hHiIlLqQnNefdP"}
STANDARD = {c: struct.calcsize("<" + c) for c in "cbB?hHiIlLqQefd"}


def random_plain(rng: random.Random) -> str:
    """One that the struct module reads too: a prefix, counts, padding, strings."""
    prefix = rng.choice(("", "@", "=", "<", ">", "!"))
    codes = (NATIVE if prefix in ("", "@") else STANDARD).keys()
    out = [prefix]
    for _ in range(rng.randint(1, 8)):
        count = "" if rng.random() < 0.6 else str(rng.randint(0, 12))
        out.append(count + rng.choice((*codes, "x", "s", "p")))
        if rng.random() < 0.1:
            out.append(rng.choice((" ", "\t", "\n", "  ")))
    return "".join(out)


def random_dtype(rng: random.Random, depth: int = 0) -> object:
    """A NumPy dtype spec: scalars, sub-arrays, nested and aligned structs, explicit offsets."""
    import numpy as np

    scalars = (
        "?",
        "i1",
        "u1",
        "<i2",
        ">i2",
        "<u4",
        ">i4",
        "<i8",
        ">u8",
        "<f2",
        ">f4",
        "<f8",
        "<c8",
        ">c16",
        "S3",
        "<U2",
        "V5",
    )
    kind = rng.random()
    if depth == 3 or kind < 0.45:
        return np.dtype(rng.choice(scalars))
    if kind < 0.6:
        return np.dtype((random_dtype(rng, depth + 1), tuple(rng.randint(1, 3) for _ in range(rng.randint(1, 2)))))
    names = [f"f{i}" for i in range(rng.randint(1, 4))]
    fields = [random_dtype(rng, depth + 1) for _ in names]
    if rng.random() < 0.25:
        offset, offsets = 0, []
        for field in fields:
            offset += rng.randint(0, 5)
            offsets.append(offset)
            offset += field.itemsize
        return np.dtype({"names": names, "formats": fields, "offsets": offsets, "itemsize": offset + rng.randint(0, 7)})
    return np.dtype(list(zip(names, fields)), align=rng.random() < 0.4)
