"""__array_interface__ and __array_struct__, in and out; hostile dictionaries included."""

import ctypes
import gc
import weakref

import pytest
import strideport as sp
from support.peers import peer

np = peer("numpy")


class Interface:
    """An object with __array_interface__ and nothing else."""

    def __init__(self, array=None, **changes):
        self.array = array
        self.__array_interface__ = {**(array.__array_interface__ if array is not None else {}), **changes}


class Struct:
    """An object with __array_struct__ and nothing else."""

    def __init__(self, array):
        self.array = array

    @property
    def __array_struct__(self):
        return self.array.__array_struct__


ARRAYS = {
    "vector": lambda: np.arange(6, dtype="i4"),
    "transposed": lambda: np.arange(6, dtype="f8").reshape(2, 3).T,
    "flipped": lambda: np.arange(6, dtype="i2")[::-1],
    "stepped": lambda: np.arange(12, dtype="u1").reshape(3, 4)[::2, 1::2],
    "scalar": lambda: np.array(7, "i8"),
    "empty": lambda: np.zeros((0, 3), "f4"),
    "bool": lambda: np.array([True, False]),
    "complex": lambda: np.array([1 + 2j, 3]),
    "half": lambda: np.array([0.5, 2], "f2"),
    "big": lambda: np.array([1, 2], ">i4"),
    "bytes": lambda: np.array([b"ab", b"c"]),
    "text": lambda: np.array(["ab", "c"]),
    "void": lambda: np.array([b"abc"], "V3"),
    "struct": lambda: np.array([(1, 2.0)], "i4,f8"),
    "aligned": lambda: np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "sub-array": lambda: np.zeros(2, [("a", "i4", (2, 3)), ("b", [("x", "i1"), ("y", ">f8")])]),
    "datetime": lambda: np.array(["2020-01-01", "NaT"], "M8[s]"),
    "timedelta": lambda: np.array([5, 6], "m8[ns]"),
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("wrapper", [Interface, Struct], ids=["interface", "struct"])
def test_arrays_come_in_through_either(name, wrapper):
    array = ARRAYS[name]()
    buffer = sp.Buffer(wrapper(array))
    assert (buffer.shape, buffer.itemsize) == (array.shape, array.itemsize)
    assert buffer.tobytes() == array.tobytes()
    if array.size:
        assert buffer.ptr == array.__array_interface__["data"][0] and buffer.strides == array.strides
    if not (
        wrapper is Struct and array.dtype.names
    ):  # NumPy clears every flag there (`&= HAS_DESCR`), so no writable one
        assert not buffer.readonly
    array.flags.writeable = False
    assert sp.Buffer(wrapper(array)).readonly


@pytest.mark.parametrize("name", [n for n in ARRAYS if n not in ("datetime", "timedelta", "void")])
def test_element_types_are_those_of_the_buffer_protocol(name):
    array = ARRAYS[name]()
    for wrapper in (Interface, Struct):
        if wrapper is Struct and array.dtype.names:
            continue  # NumPy says no word of the fields there
        buffer = sp.Buffer(wrapper(array))
        assert buffer == sp.Buffer(array) and buffer.tolist() == sp.Buffer(array).tolist()


@pytest.mark.parametrize("name", ARRAYS)
def test_our_interface_is_read_by_numpy(name):
    array = ARRAYS[name]()
    if name in ("datetime", "timedelta"):
        array = array.view("i8")
    buffer = sp.Buffer(array)
    back = np.asarray(Interface(**buffer.__array_interface__))
    assert back.shape == array.shape and back.tobytes() == array.tobytes()
    if name != "void":
        # NumPy cannot read its own padding back either: names, offsets and byte order survive as they do there.
        assert back.dtype == np.asarray(Interface(array)).dtype
    if array.size:
        assert back.__array_interface__["data"][0] == array.__array_interface__["data"][0]
    interface = buffer.__array_interface__
    assert interface["version"] == 3 and interface["data"] == (buffer.ptr, False) and interface["shape"] == array.shape
    assert sp.Buffer(array).toreadonly().__array_interface__["data"][1] is True


def test_the_exporter_is_kept_alive():
    owner = Interface(np.arange(4))
    alive = weakref.ref(owner)
    buffer = sp.Buffer(owner)
    del owner
    gc.collect()
    assert alive() is not None and buffer.tolist() == [0, 1, 2, 3]
    part = buffer[1:]
    del buffer
    gc.collect()
    assert alive() is not None
    del part
    gc.collect()
    assert alive() is None


def test_data_may_be_an_object_with_a_buffer_and_an_offset():
    memory = bytearray(range(16))
    for data, offset, want in (
        (memory, 0, [0, 1, 2]),
        (memory, 5, [5, 6, 7]),
        (memoryview(memory)[4:], 1, [5, 6, 7]),
        (b"abc", 0, [97, 98, 99]),
    ):
        buffer = sp.Buffer(Interface(version=3, typestr="|u1", shape=(3,), data=data, offset=offset))
        assert buffer.tolist() == want and buffer.readonly is isinstance(data, bytes)


def test_memory_given_as_a_buffer_is_locked_while_we_look():
    memory = bytearray(4)
    buffer = sp.Buffer(Interface(version=3, typestr="|u1", shape=(4,), data=memory))
    with pytest.raises(BufferError):
        memory.append(1)
    buffer.release()
    memory.append(1)


def test_missing_strides_mean_c_order():
    array = np.arange(6, dtype="i4").reshape(2, 3)
    for strides in ({"strides": None}, {}):
        assert sp.Buffer(Interface(array, **strides)).strides == (12, 4)
    interface = Interface(array)
    del interface.__array_interface__["strides"]
    assert sp.Buffer(interface).strides == (12, 4)


def good():
    return dict(version=3, typestr="<i4", shape=(4,), data=bytearray(16))


HOSTILE = {
    "no typestr": dict(typestr=None),
    "empty typestr": dict(typestr=""),
    "bad order": dict(typestr="?i4"),
    "bad kind": dict(typestr="<q4"),
    "no size": dict(typestr="<i"),
    "odd size": dict(typestr="<i3"),
    "huge size": dict(typestr="|V99999999999999999999"),
    "negative size": dict(typestr="<i-4"),
    "size 2^63": dict(typestr="|V9223372036854775808"),
    "typestr is bytes": dict(typestr=b"<i4"),
    "typestr is a number": dict(typestr=4),
    "long typestr": dict(typestr="<i4" * 100),
    "NUL": dict(typestr="<i4\0"),
    "bits": dict(typestr="|t4"),
    "not ascii": dict(typestr="<é4"),
    "no shape": dict(shape=None),
    "shape is a number": dict(shape=4),
    "shape is text": dict(shape="4"),
    "float extent": dict(shape=(4.0,)),
    "negative extent": dict(shape=(-4,)),
    "extent 2^63": dict(shape=(2**63,)),
    "product overflows": dict(shape=(2**40, 2**40)),
    "65 dims": dict(shape=(1,) * 65),
    "shape of None": dict(shape=(None,)),
    "strides too few": dict(strides=()),
    "strides too many": dict(strides=(4, 4)),
    "strides is a number": dict(strides=4),
    "stride of text": dict(strides=("4",)),
    "stride 2^63": dict(strides=(2**63,)),
    "INT64_MIN stride": dict(strides=(-(2**63),)),
    "stride past the end": dict(strides=(8,)),
    "negative stride": dict(strides=(-4,)),
    "no data": dict(data=None),
    "data is a number": dict(data=5),
    "data of one": dict(data=(1,)),
    "data of three": dict(data=(1, 2, 3)),
    "pointer is text": dict(data=("0", False)),
    "negative pointer": dict(data=(-1, False)),
    "pointer 2^64": dict(data=(2**64, False)),
    "null pointer": dict(data=(0, False)),
    "pointer is a float": dict(data=(1.5, False)),
    "short data": dict(data=bytearray(15)),
    "offset past the end": dict(offset=1),
    "negative offset": dict(offset=-1),
    "offset 2^63": dict(offset=2**63),
    "offset is text": dict(offset="1"),
    "offset is a float": dict(offset=1.0),
    "mask": dict(mask=np.zeros(4, bool)),
    "version is text": dict(version="3"),
    "version 0": dict(version=0),
    "bad descr": dict(typestr="|V4", descr=5),
    "descr of other size": dict(typestr="|V4", descr=[("a", "<i8")]),
    "descr of rubbish": dict(typestr="|V4", descr=[("a",)]),
    "descr nests itself": dict(typestr="|V4", descr="self"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_dictionaries_get_an_error_that_has_words(case):
    interface = Interface()
    table = {**good(), **HOSTILE[case]}
    if table.get("descr") == "self":
        descr: list = []
        descr.append(("a", descr))
        table["descr"] = descr
    interface.__array_interface__ = table
    if case.startswith(("descr of other", "bad descr", "descr of rubbish")):
        # NumPy ignores a descr that does not add up; then the typestr's opaque bytes are right as well.
        try:
            assert sp.Buffer(interface).itemsize == 4
        except (ValueError, BufferError, TypeError) as error:
            assert str(error)
        return
    with pytest.raises((ValueError, BufferError, TypeError, OverflowError, RecursionError)) as caught:
        sp.Buffer(interface)
    assert len(str(caught.value)) > 10


@pytest.mark.parametrize("missing", ["typestr", "shape", "data"])
def test_missing_keys_are_named(missing):
    interface = Interface()
    interface.__array_interface__ = {k: v for k, v in good().items() if k != missing}
    # Without data the object itself must have a buffer; this one has none.
    with pytest.raises((ValueError, BufferError, TypeError), match=missing if missing != "data" else "buffer|bytes"):
        sp.Buffer(interface)


@pytest.mark.parametrize("value", [None, 5, "x", [], (), object()], ids=repr)
def test_an_interface_that_is_no_dictionary_is_refused(value):
    interface = Interface()
    interface.__array_interface__ = value
    with pytest.raises((TypeError, ValueError, BufferError)):
        sp.Buffer(interface)


def test_a_dictionary_that_raises_is_not_swallowed():
    class Property:
        @property
        def __array_interface__(self):
            raise ZeroDivisionError("from inside")

    with pytest.raises(ZeroDivisionError):
        sp.Buffer(Property())


@pytest.mark.parametrize("value", [None, 5, "x", object()], ids=repr)
def test_a_struct_that_is_no_capsule_is_refused(value):
    class Bad:
        __array_struct__ = value

    with pytest.raises((TypeError, ValueError, BufferError)):
        sp.Buffer(Bad())


class PyArrayInterface(ctypes.Structure):
    _fields_ = [
        ("two", ctypes.c_int),
        ("nd", ctypes.c_int),
        ("typekind", ctypes.c_char),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_int),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("data", ctypes.c_void_p),
        ("descr", ctypes.c_void_p),
    ]


def struct_of(two=2, nd=1, kind=b"i", itemsize=4, flags=0x700, shape=(4,), strides=(4,), data=True, name=None):
    """An __array_struct__ by hand; flags: aligned, not swapped, writable."""

    class Hand:
        pass

    hand = Hand()
    hand.memory = (ctypes.c_char * 64)()
    hand.shape_, hand.strides_ = (
        (ctypes.c_ssize_t * max(1, len(shape)))(*shape),
        (ctypes.c_ssize_t * max(1, len(strides)))(*strides),
    )
    hand.c = PyArrayInterface(
        two,
        nd,
        kind,
        itemsize,
        flags,
        hand.shape_,
        hand.strides_,
        ctypes.addressof(hand.memory) if data else None,
        None,
    )
    new = ctypes.pythonapi.PyCapsule_New
    new.argtypes, new.restype = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p], ctypes.py_object
    hand.__array_struct__ = new(ctypes.addressof(hand.c), name, None)
    return hand


def test_structs_by_hand_come_in():
    hand = struct_of()
    buffer = sp.Buffer(hand)
    assert buffer.shape == (4,) and buffer.ptr == ctypes.addressof(hand.memory) and not buffer.readonly
    assert sp.Buffer(struct_of(flags=0x300)).readonly
    assert sp.Buffer(struct_of(shape=(2, 2), strides=(8, 4), nd=2)).shape == (2, 2)
    swapped = sp.Buffer(struct_of(flags=0x500))
    swapped[0] = 1
    assert swapped.tobytes()[:4] == b"\0\0\0\1", "without NOTSWAPPED the bytes are in foreign order"


@pytest.mark.parametrize(
    "changes, word",
    [
        (dict(two=3), "3"),
        (dict(nd=-1), "-1"),
        (dict(nd=65), "65"),
        (dict(kind=b"?"), "[?]"),
        (dict(itemsize=-4), "-4"),
        (dict(itemsize=3), "3"),
        (dict(shape=(-2,)), "-2"),
        (dict(shape=(2**62,)), "4611686018427387904"),
        (dict(strides=(-(2**63),)), "9223372036854775808"),
        (dict(data=False), "(?i)null|nullptr"),
        (dict(name=b"wrong"), "wrong|capsule|name"),
    ],
    ids=str,
)
def test_malformed_structs_are_refused(changes, word):
    with pytest.raises((ValueError, BufferError, TypeError), match=word):
        sp.Buffer(struct_of(**changes))


def test_bytes_are_no_references_whatever_the_typestr_says():
    class Claims:
        __array_interface__ = {"version": 3, "typestr": "|O8", "shape": (1,), "data": b"A" * 8}

    with pytest.raises(TypeError, match="'O'.*bytes"):
        sp.Buffer(Claims())


def struct_in(capsule):
    """What a capsule of __array_struct__ says."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.argtypes, get.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p
    return PyArrayInterface.from_address(get(capsule, None))


def exported(name):
    array = ARRAYS[name]()
    return array.view("i8") if name in ("datetime", "timedelta") else array


HAS_DESCR = 0x800


@pytest.mark.parametrize("name", [n for n in ARRAYS if n != "text"])
def test_our_struct_says_what_numpys_says(name):
    array = exported(name)
    for writable in (True, False):
        array.flags.writeable = writable
        capsules = sp.Buffer(array).__array_struct__, array.__array_struct__
        ours, theirs = (struct_in(capsule) for capsule in capsules)
        for member in ("two", "nd", "typekind", "itemsize", "data"):
            assert getattr(ours, member) == getattr(theirs, member), member
        assert ours.shape[: ours.nd] == theirs.shape[: theirs.nd]
        if array.size:
            assert ours.strides[: ours.nd] == theirs.strides[: theirs.nd]
        if array.dtype.names:  # NumPy clears every flag there
            assert ours.flags & (HAS_DESCR | 0x600) == HAS_DESCR | (0x600 if writable else 0x200)
        else:
            assert ours.flags == theirs.flags


@pytest.mark.parametrize("name", [n for n in ARRAYS if n != "text"])
def test_our_struct_is_read_by_numpy(name):
    array = exported(name)
    buffer = sp.Buffer(array)
    back = np.asarray(Struct(buffer))
    assert back.shape == array.shape and back.tobytes() == array.tobytes() and back.flags.writeable
    assert back.dtype == np.asarray(Interface(**buffer.__array_interface__)).dtype
    if array.size:
        assert back.__array_interface__["data"][0] == array.__array_interface__["data"][0]
    assert not np.asarray(Struct(buffer.toreadonly())).flags.writeable


def test_our_struct_comes_back():
    for name in ARRAYS:
        if name != "text":
            buffer = sp.Buffer(exported(name))
            assert sp.Buffer(Struct(buffer)) == buffer and sp.Buffer(Struct(buffer)).ptr == buffer.ptr


def test_our_struct_tells_unaligned_memory():
    memory = bytearray(33)
    for offset in range(9):
        whole = np.frombuffer(memory, "f8", 3, offset)
        for array in (whole, whole[:1], whole[:0], whole.view(">c8"), np.ndarray(2, "i4", memory, offset, (6,))):
            ours, theirs = sp.Buffer(array).__array_struct__, array.__array_struct__
            assert struct_in(ours).flags == struct_in(theirs).flags, (offset, array.dtype, array.strides)


def test_a_struct_holds_the_memory_and_not_the_buffer():
    owner = Interface(np.arange(4))
    alive = weakref.ref(owner)
    buffer = sp.Buffer(owner)
    del owner
    capsule = buffer.__array_struct__
    buffer.release()
    gc.collect()
    assert alive() is not None and struct_in(capsule).shape[0] == 4
    del capsule
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("attribute", ["__array_interface__", "__array_struct__"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "complex32", "T{Ze:a:}"])
def test_what_numpy_has_no_words_for_has_no_interface(attribute, dtype):
    buffer = sp.empty((2,), dtype)
    assert not hasattr(buffer, attribute)
    with pytest.raises(AttributeError, match=f"{attribute} here: NumPy has no"):
        getattr(buffer, attribute)


def test_text_goes_out_by_the_interface_alone():
    """NumPy takes the struct's itemsize, bytes, for characters, and would read past the end."""
    buffer = sp.Buffer(np.array(["ab", "c"]))
    assert buffer.__array_interface__["typestr"] == "<U2" and not hasattr(buffer, "__array_struct__")
