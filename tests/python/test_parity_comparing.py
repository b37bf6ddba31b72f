"""==, hash, count and index as memoryview has them."""

import array
import itertools

import pytest
import strideport as sp
from support.compare import assert_same, outcome
from support.views import NATIVE, SOURCES, filled

VIEWS = tuple(SOURCES)


def test_every_two_sources_compare_as_memoryviews_do():
    """Buffer against Buffer, and against the plain object, both ways round."""
    for first, second in itertools.product(VIEWS, repeat=2):
        a, b = SOURCES[first](), SOURCES[second]()
        want = memoryview(a) == memoryview(b)
        label = f"{first} == {second}"
        assert (sp.Buffer(a) == sp.Buffer(b)) is want, label
        assert (sp.Buffer(a) != sp.Buffer(b)) is not want, label
        assert (sp.Buffer(a) == b) is want, label
        assert (sp.Buffer(a) == memoryview(b)) is want, label
        assert (memoryview(a) == sp.Buffer(b)) is want, label


@pytest.mark.parametrize("other", [0, None, "abracadabra", 1.5, [97], (97,), object(), sp, type, {}], ids=repr)
def test_what_has_no_buffer_is_unequal(other):
    pair = memoryview(b"abracadabra"), sp.Buffer(b"abracadabra")
    for operation in (lambda v: v == other, lambda v: v != other, lambda v: other == v, lambda v: other != v):
        assert_same(operation, *pair)


def test_ordering_is_refused():
    pair = memoryview(b"a"), sp.Buffer(b"a")
    for operation in (lambda v: v < v, lambda v: v <= b"a", lambda v: v > b"", lambda v: b"a" >= v, lambda v: v < 1):
        assert_same(operation, *pair)


def test_released_buffers_equal_themselves_alone():
    """memoryview: a released view equals itself and nothing else."""
    for make in (memoryview, sp.Buffer):
        view, other = make(b"abc"), make(b"abc")
        view.release()
        assert view == view and not view != view
        assert view != other and other != view and view != b"abc" and view != memoryview(b"abc")


def test_values_are_compared_across_formats():
    numbers = (0, 1, 7, 100)
    views = [array.array(code, numbers) for code in "bBhHiIlLqQfd"]
    for a, b in itertools.product(views, repeat=2):
        assert memoryview(a) == memoryview(b) and sp.Buffer(a) == sp.Buffer(b)
    assert sp.Buffer(array.array("b", [-1])) != sp.Buffer(array.array("B", [255]))
    assert sp.Buffer(array.array("q", [2**53 + 1])) != sp.Buffer(array.array("d", [2.0**53]))
    assert sp.Buffer(array.array("Q", [2**64 - 1])) != sp.Buffer(array.array("q", [-1]))


def test_large_integers_and_floats_compare_exactly():
    """Python compares int and float without rounding, and so does memoryview."""
    cases = [
        (2**53 + 1, 2.0**53),
        (2**63 - 1, 2.0**63),
        (-(2**63), -(2.0**63)),
        (2**24 + 1, 2.0**24),
        (0, -0.0),
        (1, 1.0),
    ]
    for integer, number in cases:
        for code in "qd":
            a = array.array("q", [integer])
            b = array.array("d" if code == "d" else "d", [number])
            want = memoryview(a) == memoryview(b)
            assert want == (integer == number)
            assert (sp.Buffer(a) == sp.Buffer(b)) is want and (sp.Buffer(b) == sp.Buffer(a)) is want


def test_nan_is_unequal_and_zeros_are_equal():
    nan = array.array("d", [float("nan")])
    assert memoryview(nan) != memoryview(nan) and sp.Buffer(nan) != sp.Buffer(nan)
    same = sp.Buffer(nan)
    assert (same == same) is (memoryview(nan).__eq__(memoryview(nan)))
    assert sp.Buffer(array.array("d", [0.0])) == sp.Buffer(array.array("d", [-0.0]))


def test_comparison_lets_errors_of_the_other_through_as_memoryview_does():
    class Evil:
        def __eq__(self, other):
            raise ZeroDivisionError

    assert_same(lambda v: v == Evil(), memoryview(b"a"), sp.Buffer(b"a"))


@pytest.mark.parametrize("name", VIEWS)
def test_hashes_match(name):
    """hash(memoryview) == hash(tobytes()) for read-only bytes formats; ValueError for the rest."""
    source = SOURCES[name]()
    for change in (
        lambda v: v,
        lambda v: v.toreadonly(),
        lambda v: v.toreadonly()[::-1] if v.ndim else v,
        lambda v: v.toreadonly().cast("B") if v.c_contiguous and v.nbytes else v,
    ):
        assert_same(lambda v: hash(change(v)), memoryview(source), sp.Buffer(source))


def test_hash_is_kept_after_release_and_refused_when_asked_first_after():
    for make in (memoryview, sp.Buffer):
        view = make(b"abc")
        value = hash(view)
        view.release()
        assert hash(view) == value == hash(b"abc")
        fresh = make(b"abc")
        fresh.release()
        with pytest.raises(ValueError):
            hash(fresh)


def test_hash_asks_the_exporter():
    """memoryview hashes only what its exporter could hash: an array's memory may change behind a read-only view."""
    source = array.array("B", b"abc")
    assert_same(lambda v: hash(v.toreadonly()), memoryview(source), sp.Buffer(source))
    source = memoryview(bytearray(b"abc")).toreadonly()
    assert_same(hash, source, sp.Buffer(source))


def test_buffers_work_as_dict_keys_beside_bytes():
    table = {sp.Buffer(b"key"): 1}
    assert table[b"key"] == 1 and b"key" in table and memoryview(b"key") in table


@pytest.mark.parametrize("name", VIEWS)
def test_count_and_index_match_a_list(name):
    """memoryview's from Python 3.14; tuple's rules, which are older."""
    buffer = sp.Buffer(SOURCES[name]())
    if buffer.ndim != 1:
        return
    items = buffer.tolist()
    for value in (*items, 0, 1, 7, 2.5, 65, b"A", None, "x", 2**70):
        assert buffer.count(value) == items.count(value)
        for bounds in ((), (1,), (0, 3), (-3,), (-100, 100), (2, 1), (2**70,), (-(2**70), 2**70)):
            try:
                want = items.index(value, *bounds)
            except ValueError:
                with pytest.raises(ValueError):
                    buffer.index(value, *bounds)
            else:
                assert buffer.index(value, *bounds) == want


def test_count_and_index_refuse_bad_calls():
    buffer = sp.Buffer(b"abc")
    for call in (
        lambda: buffer.count(),
        lambda: buffer.count(1, 2),
        lambda: buffer.index(),
        lambda: buffer.index(97, "a"),
        lambda: buffer.index(97, 0, 1, 2),
        lambda: buffer.index(97, 1.0),
    ):
        with pytest.raises(TypeError):
            call()


@pytest.mark.skipif(not hasattr(memoryview, "index"), reason="memoryview has index and count since Python 3.14")
def test_count_and_index_match_memoryview():
    for name, value in itertools.product(VIEWS, (0, 1, 65, b"A", None)):
        source = SOURCES[name]()
        assert_same(lambda v: v.count(value), memoryview(source), sp.Buffer(source), name)
        assert_same(lambda v: v.index(value), memoryview(source), sp.Buffer(source), name)


@pytest.mark.parametrize("fmt", NATIVE)
def test_each_format_equals_itself_and_differs_after_a_change(fmt):
    same, changed = filled(fmt, 6), filled(fmt, 6)
    changed[0] ^= 1
    assert sp.Buffer(same).cast(fmt) == sp.Buffer(bytes(same)).cast(fmt)
    assert (sp.Buffer(same).cast(fmt) == sp.Buffer(changed).cast(fmt)) is (
        memoryview(same).cast(fmt) == memoryview(changed).cast(fmt)
    )


def test_shapes_must_match():
    memory = bytes(6)
    for a, b in itertools.permutations(((6,), (2, 3), (3, 2), (1, 6)), 2):
        assert sp.Buffer(memory).cast("B", a) != sp.Buffer(memory).cast("B", b)
    assert outcome(lambda v: v == memoryview(b""), sp.Buffer(b"")) == ("bool", "True")
