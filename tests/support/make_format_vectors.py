"""Writes format_vectors.tsv: what CPython's struct, NumPy and ctypes say of random formats.

    python make_format_vectors.py        (CPython 3.12 or newer with NumPy; the seed is fixed)

One line a format, separated by tabs: who says it, the format, the itemsize, and the members, `path@offset+size`
each, or `opaque` where the format cannot say what the exporter knows. A path is made of the names, with `(2,3)` after
one that is a sub-array; the offset is that of its first element, from the start of the outermost structure; the size
is that of one element. Values that repeat without being a sub-array ("3i") are members each. format_vectors_test.cpp
reads the file.
"""

import ctypes
import pathlib
import random
import struct
import sys

import numpy as np

COUNT = 300


def struct_line(rng):
    """A format of the struct module; offsets from sizes of its beginnings."""
    prefix = rng.choice(["", "", "@", "=", "<", ">", "!"])
    codes = "cbB?hHiIlLqQefdspx" + ("nNP" if prefix in ("", "@") else "")
    text, members = prefix, []
    for _ in range(rng.randint(2, 8)):
        code = rng.choice(codes)
        count = rng.choice([None, None, None, 0, 1, 2, 3, 5])
        offset = struct.calcsize(text + "0" + code)
        text += rng.choice(["", "", "", " "]) + ("" if count is None else str(count)) + code
        count = 1 if count is None else count
        size = struct.calcsize(prefix + code)
        if code in "sp":
            members.append(f"@{offset}+{count * size}")
        elif code != "x":
            members += [f"@{offset + i * size}+{size}" for i in range(count)]
    return "struct", text, struct.calcsize(text), members


def numpy_scalar(rng):
    name = rng.choice(["i1", "u1", "?", "i2", "u4", "i8", "f2", "f4", "f8", "c8", "c16", "S3", "U2", "V3", "g", "O"])
    return np.dtype(name if name in ("?", "g", "O") else rng.choice("<>") + name)


def has_tail(dtype):
    """True if a structure ends after its last member's end."""
    if dtype.fields is None:
        return False
    end = max((field[1] + field[0].itemsize for field in dtype.fields.values()), default=0)
    return end != dtype.itemsize or any(has_tail(field[0].base) for field in dtype.fields.values())


def numpy_struct(rng, depth=0):
    names = rng.sample(["a", "b", "c", "long name", "x1", "é", "}", "T{"], rng.randint(1, 5))
    fields = []
    for name in names:
        nested = depth < 3 and rng.random() < 0.3
        dtype = numpy_struct(rng, depth + 1) if nested else numpy_scalar(rng)
        # NumPy's text loses the padding between the elements of a sub-array: nobody can read that back.
        shape = rng.choice([(), (), (2,), (2, 3), (1,)]) if not has_tail(dtype) else ()
        fields.append((name, dtype, shape) if shape else (name, dtype))
    style = rng.choice(["packed", "packed", "aligned", "gaps"])
    plain = np.dtype(fields, align=style == "aligned")
    if style != "gaps":
        return plain
    offsets, end = [], 0
    for name in names:
        offsets.append(end + rng.choice([0, 0, 1, 4, 7]))
        end = offsets[-1] + plain.fields[name][0].itemsize
    formats = [plain.fields[name][0] for name in names]
    itemsize = end + rng.choice([0, 0, 3, 8])
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": itemsize})


def shape_text(shape):
    return "(" + ",".join(map(str, shape)) + ")" if shape else ""


def numpy_members(dtype, path, base):
    members = []
    for name, field in dtype.fields.items():
        inner = field[0].base
        here = f"{path}.{name}{shape_text(field[0].shape)}"
        if inner.fields is not None:
            members += numpy_members(inner, here, base + field[1])
        else:
            members.append(f"{here}@{base + field[1]}+{inner.itemsize}")
    return members


def numpy_line(rng):
    dtype = numpy_struct(rng)
    view = memoryview(np.zeros(1, dtype))
    return "numpy", view.format, view.itemsize, numpy_members(dtype, "", 0)


CTYPES = [
    ctypes.c_byte, ctypes.c_ubyte, ctypes.c_short, ctypes.c_ushort, ctypes.c_int, ctypes.c_uint, ctypes.c_longlong,
    ctypes.c_ulonglong, ctypes.c_float, ctypes.c_double, ctypes.c_char, ctypes.c_bool, ctypes.c_longdouble,
    ctypes.c_wchar, ctypes.c_char_p, ctypes.c_wchar_p, ctypes.c_void_p, ctypes.py_object, ctypes.POINTER(ctypes.c_int),
    ctypes.CFUNCTYPE(ctypes.c_int),
]  # fmt: skip
CTYPES_BIG = CTYPES[:10]


class Pair(ctypes.Union):
    _fields_ = [("i", ctypes.c_int), ("d", ctypes.c_double)]


def ctypes_struct(rng, big, depth=0):
    fields = []
    for index in range(rng.randint(1, 5)):
        draw = rng.random()
        if depth < 3 and draw < 0.3:
            kind = ctypes_struct(rng, big, depth + 1)
        else:
            kind = rng.choice(CTYPES_BIG if big else CTYPES)
        for _ in range(rng.choice([0, 0, 0, 1, 2])):
            kind = kind * rng.randint(1, 3)
        fields.append((f"m{index}", kind))
    odd = rng.random() if depth == 0 and not big else 1.0
    if odd < 0.05:
        fields.append(("union", Pair))
    elif odd < 0.1:
        fields += [("bits1", ctypes.c_int, 3), ("bits2", ctypes.c_int, 4)]
    members = {"_fields_": fields}
    if rng.random() < 0.3:
        members["_pack_"] = rng.choice([1, 2, 4])
        members["_layout_"] = "ms"  # what packing means, and what 3.14 wants said
    return type("S", (ctypes.BigEndianStructure if big else ctypes.Structure,), members)


def ctypes_members(kind, path, base):
    members = []
    for name, inner, *_ in kind._fields_:
        offset = base + getattr(kind, name).offset
        shape = []
        while issubclass(inner, ctypes.Array):
            shape.append(inner._length_)
            inner = inner._type_
        here = f"{path}.{name}{shape_text(shape)}"
        if issubclass(inner, ctypes.Structure):
            members += ctypes_members(inner, here, offset)
        else:
            members.append(f"{here}@{offset}+{ctypes.sizeof(inner)}")
    return members


def ctypes_line(rng):
    kind = ctypes_struct(rng, rng.random() < 0.3)
    view = memoryview(kind())
    special = any(name in ("union", "bits1") for name, *_ in kind._fields_)
    return "ctypes", view.format, view.itemsize, ["opaque"] if special else ctypes_members(kind, "", 0)


def main():
    if sys.version_info < (3, 12):
        sys.exit("ctypes leaves the padding out before 3.12: run this with a newer Python")
    rng = random.Random(20261121)
    lines = []
    for make in (struct_line, numpy_line, ctypes_line):
        made = set()
        while len(made) < COUNT:
            who, text, size, members = make(rng)
            if len(text) < 400:
                made.add("\t".join([who, text, str(size), *members]))
        lines += sorted(made)
    path = pathlib.Path(__file__).with_name("format_vectors.tsv")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
