"""The array interface's struct, in and out."""

import ctypes
import gc
import weakref

import pytest
import strideport as sp
from support.array_offers import ARRAYS, Interface, Struct
from support.peers import peer
from support.protocols import PyArrayInterface

np = peer("numpy")


@pytest.mark.parametrize("value", [None, 5, "x", object()], ids=repr)
def test_a_struct_that_is_no_capsule_is_refused(value):
    class Bad:
        __array_struct__ = value

    with pytest.raises((TypeError, ValueError, BufferError)):
        sp.Buffer(Bad())


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


@pytest.mark.parametrize("change", [dict(nd=-1), dict(nd=1000), dict(itemsize=-1), dict(shape=None)], ids=str)
def test_what_was_checked_is_what_is_used(change):
    """A producer that changes its struct once it has been looked at."""
    hand = struct_of(kind=b"V", itemsize=4)

    class Changing:
        __array_struct__ = property(lambda self: hand.__array_struct__)

        @property
        def dtype(self):
            for name, value in change.items():
                setattr(hand.c, name, value)
            raise AttributeError("dtype")

    buffer = sp.Buffer(Changing())
    assert (buffer.shape, buffer.itemsize, buffer.ptr) == ((4,), 4, ctypes.addressof(hand.memory))


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
