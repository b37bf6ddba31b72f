"""The array interface's dictionary, in and out, hostile ones included; what its struct shares with it."""

import gc
import weakref

import pytest
import strideport as sp
from support.array_offers import ARRAYS, Interface, Struct
from support.peers import peer

np = peer("numpy")


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


def test_bytes_are_no_references_whatever_the_typestr_says():
    class Claims:
        __array_interface__ = {"version": 3, "typestr": "|O8", "shape": (1,), "data": b"A" * 8}

    with pytest.raises(TypeError, match="'O'.*bytes"):
        sp.Buffer(Claims())


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


def test_what_a_key_of_the_dict_raises_comes_through():
    class Key:
        raises = False

        def __hash__(self):
            return hash("shape")

        def __eq__(self, other):
            if self.raises:
                raise ZeroDivisionError("a key")
            return False

    class Holder:
        __array_interface__ = {Key(): 1, "version": 3, "shape": (4,), "typestr": "|u1", "data": bytearray(4)}

    assert sp.asbuffer(Holder()).shape == (4,)
    Key.raises = True
    with pytest.raises(ZeroDivisionError, match="a key"):
        sp.asbuffer(Holder())


def test_numbers_may_be_of_any_class_with_an_index():
    class Four:
        def __index__(self):
            return 4

    class Holder:
        __array_interface__ = {"version": True + 2, "shape": (Four(), True), "typestr": "|u1", "data": bytearray(4)}

    assert sp.asbuffer(Holder()).shape == (4, 1)
