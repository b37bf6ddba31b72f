"""Imports through the C exchange API of a producer's type: tables made by ctypes, and refusals.

A callback of ctypes cannot leave an exception behind, so tables that fail use functions of CPython: `c_function` calls
`fileno()`, and gives what that raises or returns.
"""

import ctypes
import gc
import sys

import pytest
import strideport as sp
from support import dlpack as dl
from support.dlpack import Tensor
from support.protocols import Exchanging, Table, c_function, exchanging_type

IMPORTS = {"asbuffer": sp.asbuffer, "Buffer": sp.Buffer, "from_dlpack": sp.from_dlpack}
every_import = pytest.mark.parametrize("take", IMPORTS.values(), ids=IMPORTS.keys())


def holding(kind, tensor):
    """An instance whose tensor is this one."""
    producer = kind()
    producer.tensor = lambda: tensor
    return producer


def numbers():
    return bytearray(b"\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0")


def delete_and_check(buffer, tensor):
    assert tensor.deleted == 0
    buffer.release()
    assert tensor.deleted == 1


@every_import
def test_the_table_is_used_and_nothing_else(take):
    tensor = Tensor(numbers())
    producer = holding(exchanging_type(), tensor)
    buffer = take(producer)
    assert (producer.asked_by_table, producer.asked_by_method) == (1, 0)
    assert buffer.ptr == tensor.address and buffer.tolist() == [1, 2, 3, 4]
    assert buffer.obj is producer and not buffer.readonly
    delete_and_check(buffer, tensor)


@every_import
def test_read_only_comes_through(take):
    tensor = Tensor(numbers(), flags=dl.READ_ONLY)
    producer = holding(exchanging_type(), tensor)
    buffer = take(producer)
    assert buffer.readonly and producer.asked_by_table == 1
    with pytest.raises(TypeError):
        buffer[0] = 5
    delete_and_check(buffer, tensor)


def test_writable_is_honoured():
    kind = exchanging_type()
    tensor = Tensor(numbers(), flags=dl.READ_ONLY)
    with pytest.raises(BufferError, match="read-only"):
        sp.asbuffer(holding(kind, tensor), writable=True)
    assert tensor.deleted == 1
    assert sp.asbuffer(holding(kind, Tensor(numbers())), writable=False).readonly
    assert not sp.asbuffer(holding(kind, Tensor(numbers())), writable=True).readonly


def test_copies_and_devices_are_dlpacks_business():
    """The table has no keywords."""
    for keywords in ({"copy": True}, {"copy": False}, {"device": "cpu"}):
        producer = holding(exchanging_type(), Tensor(numbers()))
        assert sp.from_dlpack(producer, **keywords).tolist() == [1, 2, 3, 4]
        assert (producer.asked_by_table, producer.asked_by_method) == (0, 1), keywords


# Which tables are believed ---------------------------------------------------------------------------------------


def used(kind):
    """Whether an import uses the table; it works either way."""
    producer = holding(kind, Tensor(numbers()))
    assert sp.asbuffer(producer).tolist() == [1, 2, 3, 4]
    assert producer.asked_by_table + producer.asked_by_method == 1
    return producer.asked_by_table == 1


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({"minor": 0}, True),
        ({"minor": 99}, True),
        ({"major": 2}, False),
        ({"major": 0}, False),
        ({"major": 2**32 - 1}, False),
        ({"null": ("from_object",)}, False),
        ({"null": ("current_stream",)}, False),
        ({"null": ("allocate", "to_object", "fill")}, True),
        ({"capsule_name": b"dlpack"}, False),
        ({"capsule_name": None}, False),
    ],
    ids=str,
)
def test_a_table_is_checked_before_it_is_believed(case, expected):
    assert used(exchanging_type(**case)) is expected


def test_older_tables_in_the_chain_are_found():
    older = exchanging_type(major=1)
    middle = Table(3, 0, ctypes.addressof(older.table))
    kind = exchanging_type(major=4, prev_api=ctypes.addressof(middle))
    assert used(kind)


def test_chains_that_lead_nowhere_or_round_in_circles_are_left():
    for older in (Table(3, 0, None), Table(0, 9, None)):
        assert not used(exchanging_type(major=2, prev_api=ctypes.addressof(older)))
    circle = Table(2, 0, None)
    circle.prev_api = ctypes.addressof(circle)
    assert not used(exchanging_type(major=2, prev_api=ctypes.addressof(circle)))


@pytest.mark.parametrize(
    "value",
    [None, 5, "dlpack_exchange_api", object(), property(lambda self: 1)],
    ids=repr,
)
def test_attributes_that_are_no_capsule_are_left(value):
    assert not used(type("Odd", (Exchanging,), {"__dlpack_c_exchange_api__": value}))


def test_a_metaclass_offers_nothing_to_instances():
    meta = type("Meta", (type,), only_table(exchanging_type()))
    assert not used(meta("OfMeta", (Exchanging,), {}))


def test_an_instance_offers_no_table():
    """The attribute is the type's."""
    producer = holding(type("Plain", (Exchanging,), {}), Tensor(numbers()))
    kind = exchanging_type()
    producer.__dlpack_c_exchange_api__ = kind.__dlpack_c_exchange_api__
    sp.asbuffer(producer)
    assert (producer.asked_by_table, producer.asked_by_method) == (0, 1)


class RaisingTable:
    def __init__(self, error):
        self.error = error

    def __get__(self, obj, owner):
        raise self.error


@pytest.mark.parametrize("error", [AttributeError("no"), RuntimeError("no")], ids=repr)
def test_an_attribute_that_raises_is_no_table(error):
    assert not used(type("Raising", (Exchanging,), {"__dlpack_c_exchange_api__": RaisingTable(error)}))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()], ids=repr)
def test_an_attribute_that_raises_what_is_no_refusal_ends_the_import(error):
    kind = type("Raising", (Exchanging,), {"__dlpack_c_exchange_api__": RaisingTable(error)})
    with pytest.raises(type(error)):
        sp.asbuffer(holding(kind, Tensor()))


def test_derived_classes_inherit_the_table():
    assert used(type("Derived", (exchanging_type(),), {}))


@pytest.mark.parametrize("hook", ["__dlpack__", "__torch_function__", "__torch_dispatch__"])
def test_derived_classes_that_change_what_dlpack_does_are_asked_by_dlpack(hook):
    kind = exchanging_type()
    assert not used(type("Derived", (kind,), {hook: Exchanging.__dlpack__}))
    assert used(type("Own", (Exchanging,), {hook: Exchanging.__dlpack__, **only_table(kind)}))


def only_table(kind):
    return {
        "__dlpack_c_exchange_api__": kind.__dlpack_c_exchange_api__,
        "table": kind.table,
    }


def test_classes_themselves_are_no_producers():
    with pytest.raises(TypeError):
        sp.asbuffer(exchanging_type())


# Tables that fail ------------------------------------------------------------------------------------------------


class Failing(Exchanging):
    """Its table's function calls `fileno`."""

    def __init__(self, outcome):
        self.outcome = outcome
        self.given = Tensor(numbers())

    def tensor(self):
        return self.given

    def fileno(self):
        self.asked_by_table += 1
        if isinstance(self.outcome, int):
            return self.outcome
        raise self.outcome


FAILING = type("Failing", (Failing,), only_table(exchanging_type(from_object=c_function)))


class TableAlone:
    """The same without `__dlpack__`."""

    def __init__(self, outcome):
        self.outcome = outcome

    def fileno(self):
        if isinstance(self.outcome, int):
            return self.outcome
        raise self.outcome


TABLE_ALONE = type("TableAlone", (TableAlone,), only_table(exchanging_type(from_object=c_function)))

ERRORS = [
    BufferError("no"),
    ValueError("no"),
    RuntimeError("no"),
    TypeError("no"),
    AttributeError("no"),
]


@every_import
@pytest.mark.parametrize("outcome", [*ERRORS, 0, 7], ids=repr)
def test_dlpack_answers_where_the_table_fails(take, outcome):
    """0 is success without a tensor, 7 a failure without an exception."""
    producer = FAILING(outcome)
    assert take(producer).tolist() == [1, 2, 3, 4]
    assert (producer.asked_by_table, producer.asked_by_method) == (1, 1)


@every_import
@pytest.mark.parametrize("outcome", ERRORS, ids=repr)
@pytest.mark.parametrize("capsule", [True, False], ids=["malformed capsule", "no capsule"])
def test_where_dlpack_fails_too_its_error_has_the_tables_as_context(take, outcome, capsule):
    class Both(FAILING):
        table = FAILING.table
        __dlpack_c_exchange_api__ = FAILING.__dlpack_c_exchange_api__

        def __dlpack__(self, **keywords):
            return malformed.capsule if capsule else "nothing"

    malformed = Tensor(shape=(-1,))
    with pytest.raises(ValueError if capsule else TypeError, match="-1|not a capsule") as caught:
        take(Both(outcome))
    assert caught.value.__context__ is outcome and malformed.deleted == capsule


@every_import
@pytest.mark.parametrize("outcome", [KeyboardInterrupt(), SystemExit(), MemoryError()], ids=repr)
def test_what_is_no_refusal_is_raised(take, outcome):
    producer = FAILING(outcome)
    with pytest.raises(type(outcome)):
        take(producer)
    assert producer.asked_by_method == 0


@every_import
def test_the_tables_error_is_raised_where_the_class_has_lost_its_dlpack(take):
    class Losing(TABLE_ALONE):
        table = TABLE_ALONE.table
        __dlpack_c_exchange_api__ = TABLE_ALONE.__dlpack_c_exchange_api__

        def __dlpack__(self, **keywords):
            raise BufferError("no method")

    with pytest.raises(BufferError, match="no method"):
        take(Losing(ValueError("no table")))
    del Losing.__dlpack__
    with pytest.raises(ValueError, match="no table"):
        take(Losing(ValueError("no table")))


@every_import
@pytest.mark.parametrize("outcome", ERRORS, ids=repr)
def test_a_table_alone_has_the_last_word(take, outcome):
    with pytest.raises(type(outcome), match="no"):
        take(TABLE_ALONE(outcome))


@every_import
@pytest.mark.parametrize(
    ("outcome", "words"),
    [(0, "gave no tensor"), (7, "status 7")],
    ids=["no-tensor", "no-error"],
)
def test_a_table_alone_that_says_nothing_is_named(take, outcome, words):
    with pytest.raises(BufferError, match=words):
        take(TABLE_ALONE(outcome))


def test_success_with_an_exception_set_is_a_failure():
    bad_argument = ctypes.pythonapi.PyErr_BadArgument  # int f(void): sets TypeError and returns 0
    kind = exchanging_type()
    table = Table.from_buffer_copy(kind.table)
    table.from_object = ctypes.cast(bad_argument, dict(Table._fields_)["from_object"])
    capsule = dl._new(ctypes.addressof(table), b"dlpack_exchange_api", None)
    with pytest.raises(TypeError):
        sp.asbuffer(type("Alone", (), {"__dlpack_c_exchange_api__": capsule})())
    producer = holding(
        type("Both", (Exchanging,), {"__dlpack_c_exchange_api__": capsule}),
        Tensor(numbers()),
    )
    assert sp.asbuffer(producer).tolist() == [1, 2, 3, 4] and producer.asked_by_method == 1


MALFORMED = {
    "major 2": {"version": (2, 0)},
    "flags": {"flags": 1 << 9},
    "dtype": {"dtype": (99, 32, 1)},
    "device": {"device": (7, 0)},
    "cuda": {"device": (dl.CUDA, 0)},
    "data": {"data": None},
    "extent": {"shape": (-1,)},
    "ndim": {"ndim": -1},
    "65 axes": {"ndim": 65},
    "no shape": {"null_shape": True},
    "overflow": {"shape": (2**40, 2**40)},
    "offset": {"byte_offset": 2**64 - 1},
    "strides": {"strides": (2**61,)},
}


@every_import
@pytest.mark.parametrize("case", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_tensors_are_deleted_once(take, case):
    """By the table, and again by __dlpack__: two tensors, one call each."""
    kind = exchanging_type()
    given = []

    class Both(kind):
        def tensor(self):
            given.append(Tensor(numbers(), **{"shape": (4,), **case}))
            return given[-1]

    with pytest.raises((BufferError, ValueError)):
        take(Both())
    assert [tensor.deleted for tensor in given] == [1, 1]


def test_null_deleters_are_legal():
    tensor = Tensor(numbers(), deleter=False)
    buffer = sp.asbuffer(holding(exchanging_type(), tensor))
    assert buffer.tolist() == [1, 2, 3, 4]
    buffer.release()
    assert tensor.deleted == 0


# Exactly once, for ever ------------------------------------------------------------------------------------------


def test_ten_thousand_rounds_leak_nothing():
    tensor = Tensor(numbers())
    producer = holding(exchanging_type(), tensor)
    failing, alone = FAILING(RuntimeError("no")), TABLE_ALONE(BufferError("no"))
    sp.asbuffer(producer)
    gc.collect()
    before = [sys.getrefcount(x) for x in (producer, type(producer), failing, alone, type(alone))]
    deleted = tensor.deleted
    for _ in range(10_000):
        sp.asbuffer(producer)
        sp.from_dlpack(producer)
        with pytest.raises(BufferError):
            sp.asbuffer(alone)
    assert tensor.deleted - deleted == 20_000
    alone.outcome.__traceback__ = None
    assert [sys.getrefcount(x) for x in (producer, type(producer), failing, alone, type(alone))] == before


def test_tables_that_import_their_own_object_come_back():
    """An import inside of the table's function, of the same object."""
    tensor = Tensor(numbers())
    seen = []

    def from_object(obj, out):
        seen.append(None)
        if len(seen) <= 3:
            seen.append(sp.asbuffer(obj).tolist())
        out[0] = ctypes.addressof(tensor.managed)
        return 0

    kind = exchanging_type(from_object=from_object)
    assert sp.asbuffer(kind()).tolist() == [1, 2, 3, 4]
    assert tensor.deleted == seen.count(None) > 1
