"""Where memoryview returns a result, sp.Buffer returns the same; where it raises, the same type. Reading."""

import itertools
import operator

import pytest
import strideport as sp
from support.compare import ATTRIBUTES, assert_same, attributes
from support.views import SOURCES

INDICES = (
    0,
    1,
    -1,
    5,
    -6,
    6,
    100,
    -100,
    2**63 - 1,
    2**63,
    -(2**63),
    -(2**64),
    True,
    False,
    None,
    1.0,
    "0",
    b"0",
    (),
    (0,),
    (1,),
    (-1,),
    (9,),
    (0, 0),
    (1, 2),
    (-1, -3),
    (2, 0),
    (0, 3),
    (0, -4),
    (0, 0, 0),
    (1, 2, 3),
    (0, 0, 0, 0),
    (0, "x"),
    (0, 1.5),
    [0],
    [],
    {},
    object(),
    2**200,
)
SLICE_BOUNDS = (None, 0, 1, 3, -1, -2, 7, -9, 2**70, -(2**70))
SLICE_STEPS = (None, 1, 2, -1, -3, 10)


class Index:
    """Not an int, but as good as one."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


@pytest.fixture(params=SOURCES, ids=str)
def pair(request):
    """A memoryview and a Buffer of one object."""
    source = SOURCES[request.param]()
    return memoryview(source), sp.Buffer(source)


@pytest.mark.parametrize("name", (*ATTRIBUTES, "obj"))
def test_attributes_match(pair, name):
    assert_same(lambda v: attributes(v)[name] if name != "obj" else id(v.obj), *pair, name)


def test_attributes_are_read_only(pair):
    for name in (*ATTRIBUTES, "obj"):
        assert_same(lambda v: setattr(v, name, None), *pair, name)
        assert_same(lambda v: delattr(v, name), *pair, name)
    assert_same(lambda v: setattr(v, "no_such_attribute", 1), *pair)


def test_contents_match(pair):
    assert_same(lambda v: v.tolist(), *pair)
    assert_same(lambda v: v.tobytes(), *pair)
    for order in ("C", "F", "A", None, "K", "c", "", "CF", "\udc80", b"C", 1):
        assert_same(lambda v: v.tobytes(order), *pair, order)
        assert_same(lambda v: v.tobytes(order=order), *pair, order)


def test_hex_matches(pair):
    for arguments in (
        (),
        (":",),
        ("-", 2),
        ("-", -2),
        ("x", 0),
        (b":",),
        ("::",),
        ("",),
        ("é",),
        (b"\xff",),
        (1,),
        (None,),
        (":", "2"),
        (":", 2**40),
        (":", 1.0),
        (":", 1, 1),
    ):
        assert_same(lambda v: v.hex(*arguments), *pair, arguments)
    assert_same(lambda v: v.hex(sep=":", bytes_per_sep=3), *pair)
    assert_same(lambda v: v.hex(separator=":"), *pair)


def test_indices_match(pair):
    for index in (*INDICES, Index(0), Index(-1), Index(50), Index("0"), (Index(1), Index(0))):
        assert_same(lambda v: v[index], *pair, index)


def test_slices_match(pair):
    for start, stop, step in itertools.product(SLICE_BOUNDS, SLICE_BOUNDS, SLICE_STEPS):
        assert_same(lambda v: v[start:stop:step], *pair, (start, stop, step))
    for step in (2**70, -(2**70), 2**63 - 1):  # memoryview's strides wrap around there
        assert_same(lambda v: v[::step].tolist(), *pair, step)
        assert_same(lambda v: v[::step].shape, *pair, step)
    for bad in (
        slice(0, 1, 0),
        slice("a"),
        slice(1.0),
        slice(None, 1j),
        slice(None, None, "1"),
        slice(Index(1), Index(3)),
    ):
        assert_same(lambda v: v[bad], *pair, bad)


def test_len_and_iteration_match(pair):
    assert_same(len, *pair)  # of a scalar too: 1 before Python 3.12, TypeError from then on
    assert_same(bool, *pair)
    assert_same(list, *pair)
    assert_same(lambda v: list(reversed(v)), *pair)
    assert_same(lambda v: next(iter(v)), *pair)


def test_membership_matches(pair):
    for value in (0, 7, 14, 65, 2.5, True, b"A", b"a", 97, None, "a", (), 2**70):
        assert_same(lambda v: value in v, *pair, value)


def test_conversions_match(pair):
    for convert in (bytes, bytearray, int, float, str.upper, tuple, sorted, set, operator.index, complex):
        assert_same(convert, *pair, convert)
    for concatenate in (
        lambda v: v + v,
        lambda v: v * 2,
        lambda v: 2 * v,
        lambda v: v + b"",
        lambda v: b"" + v,
        lambda v: bytearray() + v,
        lambda v: b"".join([v, v]),
    ):
        assert_same(concatenate, *pair)


def test_toreadonly_matches(pair):
    assert_same(lambda v: v.toreadonly(), *pair)
    assert_same(lambda v: v.toreadonly().toreadonly(), *pair)
    assert_same(lambda v: v.toreadonly(1), *pair)


def test_deleting_items_matches(pair):
    for key in (0, slice(None), (0, 0), (), "x"):
        assert_same(lambda v: operator.delitem(v, key), *pair, key)


@pytest.mark.parametrize(
    "arguments, keywords",
    [
        ((), {}),
        ((b"a", b"b"), {}),
        ((b"a",), {"x": 1}),
        ((1,), {}),
        ((None,), {}),
        (("text",), {}),
        (([1],), {}),
        ((object(),), {}),
        ((2.5,), {}),
        (({},), {}),
        ((type,), {}),
    ],
    ids=repr,
)
def test_constructor_refuses_what_memoryview_refuses(arguments, keywords):
    with pytest.raises(TypeError):
        memoryview(*arguments, **keywords)
    with pytest.raises(TypeError):
        sp.Buffer(*arguments, **keywords)


def test_constructor_takes_its_argument_by_name():
    """memoryview's only parameter is called object."""
    assert sp.Buffer(object=b"abc").tobytes() == b"abc"


def test_type_cannot_be_subclassed():
    with pytest.raises(TypeError):
        type("Sub", (memoryview,), {})
    with pytest.raises(TypeError):
        type("Sub", (sp.Buffer,), {})


def test_methods_of_memoryview_all_exist():
    missing = {n for n in dir(memoryview) if not n.startswith("_")} - set(dir(sp.Buffer))
    assert missing == set()


def test_methods_refuse_wrong_argument_counts():
    pair = memoryview(b"abc"), sp.Buffer(b"abc")
    for name in ("tobytes", "tolist", "cast", "hex", "toreadonly", "release"):
        for count in range(4):
            arguments = (object(),) * count
            if name == "release" and not count:
                continue
            assert_same(lambda v: getattr(v, name)(*arguments), *pair, (name, count))


def test_pattern_matching_sees_a_sequence():
    """PEP 634: memoryview is a sequence to `match`; so are registered Sequences."""
    match sp.Buffer(b"ab"):
        case [first, second]:
            assert (first, second) == (97, 98)
        case _:
            pytest.fail("not matched as a sequence")
