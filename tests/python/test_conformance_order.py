"""Which protocol an import takes: DESIGN's order, row by row, over every mixture of what an object offers and refuses.

An object of these tests offers up to six protocols, each over memory of its own, so that the address says which was
taken.
"""

import ctypes
import itertools
import mmap

import pytest
import strideport as sp
from support import protocols as by
from support.dlpack import Tensor
from support.elements import HERE
from support.peers import needs_pep688
from support.protocols import Memory, c_function, exchanging_type

UINT8 = next(e for e in HERE if e.name == "uint8")
ORDER = (by.BUFFER, by.EXCHANGE, by.VERSIONED, by.CUDA, by.STRUCT, by.INTERFACE)
ABSENT, REFUSES, GIVES = range(3)
WORDS = {  # of the refusals below, which the last error must repeat
    by.BUFFER: "closed",
    by.EXCHANGE: "not by the table",
    by.VERSIONED: "not by the method",
    by.CUDA: "<q9",
    by.STRUCT: "__array_struct__",
    by.INTERFACE: "<q7",
}


class Giving(bytearray):
    """Gives its buffer."""


class Closed(mmap.mmap):
    """Refuses it, with a ValueError, in every version of Python."""

    def __new__(cls, *ignored):
        self = super().__new__(cls, -1, mmap.PAGESIZE)
        self.close()
        return self


class Neither:
    def __init__(self, *ignored):
        pass


def memory():
    return Memory(UINT8, (4,), (1,), (ctypes.c_uint8 * 4)(1, 2, 3, 4))


def offering(states):
    """An object that offers `states`, a state for each protocol of ORDER, and the address of what each would give."""
    state = dict(zip(ORDER, states))
    memories = {protocol: memory() for protocol in ORDER}
    members: dict[str, object] = {"memories": memories}
    if state[by.EXCHANGE] != ABSENT:
        by_table = state[by.EXCHANGE] == GIVES
        kind = exchanging_type(from_object=table_gives if by_table else c_function)
        members["__dlpack_c_exchange_api__"], members["table"] = kind.__dlpack_c_exchange_api__, kind.table
        members["fileno"] = lambda self: refuse(BufferError, WORDS[by.EXCHANGE])
    if state[by.VERSIONED] != ABSENT:
        members["__dlpack_device__"] = lambda self: (1, 0)
        members["__dlpack__"] = (
            (lambda self, **keywords: memories[by.VERSIONED].tensor(True).capsule)
            if state[by.VERSIONED] == GIVES
            else (lambda self, **keywords: refuse(BufferError, WORDS[by.VERSIONED]))
        )
    if state[by.CUDA] != ABSENT:  # given memory of the host it refuses too: without a device, or since none knows it
        members["__cuda_array_interface__"] = {"version": 3, "typestr": "<q9", "shape": (4,), "data": (16, False)}
    if state[by.STRUCT] != ABSENT:
        struct = by.Struct(memories[by.STRUCT])
        struct.c.two = 2 if state[by.STRUCT] == GIVES else 3
        members["struct"], members["__array_struct__"] = struct, struct.__array_struct__
    if state[by.INTERFACE] != ABSENT:
        interface = by.Interface(memories[by.INTERFACE]).__array_interface__
        if state[by.INTERFACE] == REFUSES:
            interface["typestr"] = "<q7"
        members["__array_interface__"] = interface
    base = {ABSENT: Neither, REFUSES: Closed, GIVES: Giving}[state[by.BUFFER]]
    thing = type("Offering", (base,), members)(b"1234")
    addresses = {protocol: memories[protocol].address for protocol in ORDER}
    if state[by.BUFFER] == GIVES:
        addresses[by.BUFFER] = ctypes.addressof((ctypes.c_uint8 * 4).from_buffer(thing))
    return thing, addresses


def table_gives(obj, out):
    out[0] = ctypes.addressof(obj.memories[by.EXCHANGE].tensor(True).managed)
    return 0


def refuse(kind, words):
    raise kind(words)


MIXTURES = [
    m for m in itertools.product((ABSENT, REFUSES, GIVES), repeat=len(ORDER)) if m[ORDER.index(by.CUDA)] < GIVES
]


def dlpack_alone(states):
    """What from_dlpack looks at."""
    return [state if protocol in by.SPEAKS_DLPACK else ABSENT for protocol, state in zip(ORDER, states)]


@pytest.mark.parametrize("take", [sp.asbuffer, sp.Buffer], ids=lambda f: f.__name__)
def test_the_first_that_gives_is_taken_and_the_last_error_names_all(take):
    for states in MIXTURES:
        thing, addresses = offering(states)
        given = [protocol for protocol, state in zip(ORDER, states) if state == GIVES]
        refused = [protocol for protocol, state in zip(ORDER, states) if state == REFUSES]
        if given:
            assert take(thing).ptr == addresses[given[0]], (states, given)
        else:
            with pytest.raises((BufferError, ValueError) if refused else TypeError) as caught:
                take(thing)
            if by.VERSIONED in refused and by.EXCHANGE in refused:
                refused.remove(by.EXCHANGE)  # a quicker `__dlpack__`, which is asked again for its words
            assert all(WORDS[protocol] in str(caught.value) for protocol in refused), (states, str(caught.value))


def test_from_dlpack_looks_at_dlpack_alone():
    for states in MIXTURES:
        if ABSENT not in (states[1], states[2]) or states[2] != ABSENT:
            thing, addresses = offering(states)
            given = [p for p, state in zip(ORDER, dlpack_alone(states)) if state == GIVES]
            if given:
                assert sp.from_dlpack(thing).ptr == addresses[given[0]], states
            else:
                with pytest.raises((BufferError, ValueError)):
                    sp.from_dlpack(thing)
        elif states[1] == ABSENT:
            with pytest.raises((TypeError, AttributeError)):
                sp.from_dlpack(offering(states)[0])


ERRORS = (TypeError, ZeroDivisionError, KeyError, MemoryError, RuntimeError, KeyboardInterrupt)


def raising(protocol, error):
    """An object whose first protocol raises, and all later ones of which would give."""

    class Mine(error):
        pass

    def fail(self, *arguments, **keywords):
        raise Mine("from inside")

    position = ORDER.index(protocol)
    states = [ABSENT] * position + [GIVES] * (len(ORDER) - position)
    states[ORDER.index(by.CUDA)] = ABSENT
    thing, _ = offering(states)
    kind = type(thing)
    if protocol == by.BUFFER:
        kind = type("Offering", (Neither,), {**{k: v for k, v in vars(kind).items() if k != "__dict__"}})
        kind.__buffer__ = fail
        thing = kind()
    elif protocol == by.EXCHANGE:
        members = vars(exchanging_type(from_object=c_function))
        kind.__dlpack_c_exchange_api__, kind.table = members["__dlpack_c_exchange_api__"], members["table"]
        kind.fileno = fail
        del kind.__dlpack__  # of which the table is only the quicker way
    elif protocol == by.VERSIONED:
        kind.__dlpack__ = fail
    else:
        name = {by.CUDA: "cuda_array_interface", by.STRUCT: "array_struct", by.INTERFACE: "array_interface"}[protocol]
        setattr(kind, f"__{name}__", property(fail))
    return thing, Mine


@pytest.mark.parametrize("protocol", [pytest.param(p, marks=needs_pep688) if p == by.BUFFER else p for p in ORDER])
@pytest.mark.parametrize("error", ERRORS)
def test_other_errors_come_through_and_nothing_else_is_tried(protocol, error):
    thing, mine = raising(protocol, error)
    if protocol == by.CUDA and sp.why_no_device("simulated") and sp.why_no_device("cuda"):
        pytest.skip("without a device nobody looks at the interface")
    with pytest.raises(mine, match="from inside"):
        sp.asbuffer(thing)


def test_a_table_is_asked_and_the_method_is_not():
    class Counting(exchanging_type()):
        def tensor(self):
            return kept.tensor(True)

    kept = memory()
    thing = Counting()
    for take in (sp.asbuffer, sp.from_dlpack, sp.Buffer):
        assert take(thing).tolist() == [1, 2, 3, 4]
    assert (thing.asked_by_table, thing.asked_by_method) == (3, 0)


@pytest.mark.parametrize("error", [e for e in (*ERRORS, BufferError, ValueError)])
def test_a_table_that_raises_leaves_it_to_the_method(error):
    """Whose words are those that help; what is no fault of the table's comes through."""
    kind, kept = exchanging_type(from_object=c_function), memory()
    kind.tensor = lambda self: kept.tensor(True)
    kind.fileno = lambda self: refuse(error, "by the table")
    thing = kind()
    for take in (sp.asbuffer, sp.from_dlpack):
        if error in (MemoryError, KeyboardInterrupt):
            with pytest.raises(error, match="by the table"):
                take(thing)
        else:
            assert take(thing).ptr == kept.address
    kind.__dlpack__ = lambda self, **keywords: refuse(BufferError, "by the method")
    if error not in (MemoryError, KeyboardInterrupt):
        with pytest.raises(BufferError, match="by the method"):
            sp.from_dlpack(thing)


def test_subclasses_inherit_the_table():
    class Base(exchanging_type()):
        def tensor(self):
            return kept.tensor(True)

    kept = memory()
    thing = type("Derived", (Base,), {})()
    assert sp.asbuffer(thing).ptr == kept.address and thing.asked_by_table == 1


def test_what_a_type_offers_is_not_confused_with_another_types():
    """Types come and go at the same addresses: what is remembered of one must go with it."""
    kept = memory()
    for i in range(600):
        kind = exchanging_type() if i % 3 == 0 else type("Exchanging", (by.Exchanging,), {}) if i % 3 == 1 else Neither
        if kind is Neither:
            kind = type("Exchanging", (Neither,), {})
        kind.tensor = lambda self: kept.tensor(True)
        thing = kind()
        if i % 3 == 2:
            with pytest.raises(TypeError):
                sp.asbuffer(thing)
        else:
            assert sp.asbuffer(thing).ptr == kept.address
            assert (thing.asked_by_table, thing.asked_by_method) == ((1, 0) if i % 3 == 0 else (0, 1))
        del thing, kind


def test_a_tensor_of_a_table_is_deleted_once():
    kind = exchanging_type()
    tensor = Tensor(bytearray(16), (4,))
    kind.tensor = lambda self: tensor
    buffer = sp.asbuffer(kind())
    assert buffer.tolist() == [0] * 4 and tensor.deleted == 0
    buffer.release()
    assert tensor.deleted == 1
