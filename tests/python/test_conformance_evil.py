"""Objects whose protocols release, resize, raise, call back in, or answer nonsense while an operation is under way.

test_evil.py has indices, values and `__buffer__`; here every protocol's hook meets every operation that asks it, and
the C exchange API's tables lie. Whatever happens: an error of the documented kinds or a right answer, what raised comes
through, and nobody reads or writes memory that is not held (a sanitizer sees it).
"""

import ctypes
import gc
import itertools
import weakref

import pytest
import strideport as sp
from support import protocols as by
from support.dlpack import Producer, Tensor
from support.hooks import DOCUMENTED, GOOD, HOOKS, UINT8, Mine, World, good_memory
from support.peers import peer
from support.protocols import c_function, exchanging_type

np = peer("numpy")
each_hook = pytest.mark.parametrize("hook", HOOKS.values())

OPERATIONS = {  # of a Buffer of four bytes and the object
    "asbuffer": lambda b, evil: sp.asbuffer(evil),
    "writable": lambda b, evil: sp.asbuffer(evil, writable=True),
    "from_dlpack": lambda b, evil: sp.from_dlpack(evil),
    "from_dlpack copy": lambda b, evil: sp.from_dlpack(evil, copy=True),
    "copy to it": lambda b, evil: sp.copy(evil, b),
    "copy from it": lambda b, evil: sp.copy(b, evil),
    "slice assignment": lambda b, evil: b.__setitem__(slice(None), evil),
    "item assignment": lambda b, evil: b.__setitem__(0, evil),
    "equality": lambda b, evil: b == evil,
    "explain": lambda b, evil: sp.explain(b, evil),
    "explain to it": lambda b, evil: sp.explain(evil, b),
    "empty_like": lambda b, evil: sp.empty_like(evil),
    "to_contiguous": lambda b, evil: sp.to_contiguous(evil),
    "from_contiguous": lambda b, evil: sp.from_contiguous(b, evil),
    "get_contiguous": lambda b, evil: sp.get_contiguous(evil),
    "index": lambda b, evil: b.index(evil),
    "as an owner": lambda b, evil: sp.from_pointer(b.ptr, (4,), "u1", owner=evil),
}


@each_hook
@pytest.mark.parametrize("deed", ["release", "resize", "again", "collect"])
def test_hooks_that_meddle(hook, deed):
    for operation in OPERATIONS.values():
        world = World()
        evil = hook(getattr(world, deed))
        try:
            result = operation(world.buffer, evil)
        except DOCUMENTED as error:
            assert str(error) and not isinstance(error.__context__, SystemError)
        else:
            if isinstance(result, sp.Buffer):
                assert result.nbytes == 4 and result.tobytes() is not None
        del evil
        assert world.memory in (b"abcd", GOOD, b"\xff" * 64, b"abcd\xff", bytes([1, 98, 99, 100])), operation


@each_hook
@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_hooks_raise_comes_through_or_another_protocol_is_asked(hook, operation, monkeypatch):
    unraisable = []
    monkeypatch.setattr("sys.unraisablehook", lambda details: unraisable.append(details.exc_type))
    world = World()
    evil = hook(world.raises)
    try:
        OPERATIONS[operation](world.buffer, evil)
    except Mine:
        pass
    except DOCUMENTED as error:
        assert str(error)
    del evil
    assert set(unraisable) <= {Mine}, "of a deleter or __release_buffer__, which cannot raise"
    world.buffer.release()
    world.memory.append(1)  # nothing is held after an error


@each_hook
def test_hooks_that_recurse_for_ever_end_in_pythons_own_error(hook):
    world = World()
    depth = itertools.count()

    def again():
        if next(depth) < 100_000:
            sp.asbuffer(evil[0])

    evil = [None]
    evil[0] = hook(again)
    try:
        sp.asbuffer(evil[0])
    except (RecursionError, *DOCUMENTED):
        pass
    evil[0] = None
    assert world.buffer.tobytes() == b"abcd"


# Tables that lie ------------------------------------------------------------------------------------------------------


def without_method(**options):
    kind = exchanging_type(**options)
    kind.__dlpack__ = lambda self, **keywords: refuse()
    return kind


def refuse():
    raise BufferError("the method has nothing either")


LIES = {
    "no tensor, and success": dict(from_object=lambda obj, out: 0),
    "failure without an error": dict(from_object=lambda obj, out: -1),
    "another status": dict(from_object=lambda obj, out: 7),
    "no function": dict(null=("from_object",)),
    "no functions": dict(null=("from_object", "to_object", "fill", "allocate", "current_stream")),
    "major 0": dict(major=0),
    "major 2": dict(major=2, minor=0),
    "major 2^32 - 1": dict(major=2**32 - 1),
    "another capsule": dict(capsule_name=b"dltensor"),
    "a capsule without a name": dict(capsule_name=None),
}


@pytest.mark.parametrize("lie", LIES)
def test_tables_that_lie_are_refused_and_the_method_is_asked(lie):
    with pytest.raises((BufferError, ValueError, TypeError)) as caught:
        sp.asbuffer(without_method(**LIES[lie])())
    assert len(str(caught.value)) > 10
    kind, kept = exchanging_type(**LIES[lie]), good_memory()
    kind.tensor = lambda self: kept.tensor(True)
    thing = kind()
    assert sp.from_dlpack(thing).tobytes() == GOOD and thing.asked_by_method == 1


@pytest.mark.parametrize("value", [None, 5, "x", b"", object(), (), type], ids=repr)
def test_what_is_no_capsule_is_no_table(value):
    kept = good_memory()
    kind = type(
        "Producer", (by.Exchanging,), {"__dlpack_c_exchange_api__": value, "tensor": lambda s: kept.tensor(True)}
    )
    assert sp.asbuffer(kind()).tobytes() == GOOD


def test_a_table_on_the_object_alone_is_none():
    """The attribute is the type's."""
    kept = good_memory()
    kind = type("Producer", (by.Exchanging,), {"tensor": lambda self: kept.tensor(True)})
    thing = kind()
    thing.__dlpack_c_exchange_api__ = exchanging_type(null=("from_object",)).__dlpack_c_exchange_api__
    assert sp.asbuffer(thing).tobytes() == GOOD and thing.asked_by_method == 1


def test_a_metaclass_that_raises_is_asked_for_the_table():
    class Meta(type):
        @property
        def __dlpack_c_exchange_api__(cls):
            raise Mine("from the metaclass")

    kept = good_memory()
    kind = Meta("Producer", (by.Exchanging,), {"tensor": lambda self: kept.tensor(True)})
    try:
        assert sp.asbuffer(kind()).tobytes() == GOOD
    except Mine:
        pass


def test_a_table_that_refers_to_itself_as_the_previous_one():
    kind, kept = exchanging_type(), good_memory()
    kind.table.prev_api = ctypes.addressof(kind.table)
    kind.table.major = 2
    kind.tensor = lambda self: kept.tensor(True)
    assert sp.asbuffer(kind()).tobytes() == GOOD


def test_a_table_that_takes_itself_away():
    kept = good_memory()

    def from_object(obj, out):
        if "__dlpack_c_exchange_api__" in vars(type(obj)):
            del type(obj).__dlpack_c_exchange_api__
        gc.collect()
        out[0] = ctypes.addressof(kept.tensor(True).managed)
        return 0

    kind = exchanging_type(from_object=from_object)
    kind.tensor = lambda self: kept.tensor(True)
    thing = kind()
    for _ in range(3):
        assert sp.asbuffer(thing).tobytes() == GOOD


def test_tables_that_hand_out_the_same_tensor_twice_are_their_producers_fault_alone():
    """Nobody can tell; but what the first import holds must not be freed by our own hand a second time."""
    tensor = Tensor(bytearray(GOOD), (4,), dtype=UINT8.dlpack)
    kind = exchanging_type()
    kind.tensor = lambda self: tensor
    first, second = sp.asbuffer(kind()), sp.asbuffer(kind())
    first.release()
    second.release()
    assert tensor.deleted == 2, "once an import"


# Nonsense from the small hooks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "device",
    [None, 5, (), (1,), (1, 0, 0), ("1", 0), (1.5, 0), (2**70, 0), (-1, 0), [1, 0], (1, -1), (99, 0)],
    ids=repr,
)
@pytest.mark.parametrize("take", [sp.asbuffer, sp.from_dlpack, lambda x: sp.from_dlpack(x, device="cpu", copy=True)])
def test_devices_of_nonsense(device, take):
    """The tensor itself says where it is: an error, or that."""
    tensor = Tensor(bytearray(GOOD), (4,), dtype=UINT8.dlpack)
    try:
        buffer = take(Producer(tensor, device=device))
    except DOCUMENTED as error:
        assert str(error) and tensor.deleted == (1 if tensor.used else 0)
    else:
        assert buffer.tobytes() == GOOD
        buffer.release()
        assert tensor.deleted == 1


class Index:
    def __init__(self, value, action):
        self.value, self.action = value, action

    def __index__(self):
        self.action()
        return self.value


ARGUMENTS = {  # beyond those of test_evil.py
    "dl_device": lambda b, i: b.__dlpack__(dl_device=(i(1), i(0))),
    "stream": lambda b, i: b.__dlpack__(stream=i(1)),
    "minor version": lambda b, i: b.__dlpack__(max_version=(1, i(0))),
    "from_pointer": lambda b, i: sp.from_pointer(i(b.ptr), (i(4),), "u1", strides=(i(1),)),
    "from_memory": lambda b, i: sp.from_memory(i(b.ptr), i(4)),
    "expand": lambda b, i: b.expand(i(2), i(4)),
    "flip": lambda b, i: b.flip(i(0)),
    "squeeze": lambda b, i: b.reshape(1, 4).squeeze(i(0)),
    "item_pointer": lambda b, i: sp.item_pointer(b, (i(3),)),
    "contiguous_strides": lambda b, i: sp.contiguous_strides((i(3), i(2)), i(1)),
    "device of from_dlpack": lambda b, i: sp.from_dlpack(b, device=(i(1), i(0))),
    "byte_range": lambda b, i: b[i(0) : i(4) : i(1)],
    "cast": lambda b, i: b.cast("B", [i(2), i(2)]),
}


@pytest.mark.parametrize("deed", ["release", "resize", "again", "collect", "raises"])
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_numbers_that_meddle(argument, deed):
    world = World()
    action = getattr(world, deed)
    try:
        result = ARGUMENTS[argument](world.buffer, lambda value: Index(value, action))
    except Mine:
        assert deed == "raises"
    except DOCUMENTED as error:
        assert str(error)
    else:
        assert deed != "raises" or argument in ("minor version", "squeeze"), "the error must not be lost"
        if isinstance(result, sp.Buffer) and deed != "release":
            assert result.tobytes()
    assert world.memory in (b"abcd", b"\xff" * 64, b"abcd\xff")


# Owners that call back as they go -------------------------------------------------------------------------------------


class Owner(np.ndarray):
    pass


LAST_HOLDERS = {
    "the Buffer": lambda owner: sp.asbuffer(owner),
    "a view": lambda owner: sp.asbuffer(owner)[1:],
    "a memoryview": lambda owner: memoryview(sp.asbuffer(owner)),
    "a capsule": lambda owner: sp.asbuffer(owner).__dlpack__(),
    "a Buffer of a capsule": lambda owner: sp.from_dlpack(sp.asbuffer(owner)),
    "an array": lambda owner: np.asarray(sp.asbuffer(owner)),
    "a weak reference and a cycle": lambda owner: setattr(owner, "link", sp.asbuffer(owner)),
}


@pytest.mark.parametrize("holder", LAST_HOLDERS)
@pytest.mark.parametrize("deed", ["release", "again", "collect", "raises"])
def test_owners_that_call_back_as_they_go(holder, deed, monkeypatch):
    unraisable = []
    monkeypatch.setattr("sys.unraisablehook", lambda details: unraisable.append(details.exc_type))
    world, calls = World(), []

    class Going(Owner):
        def __del__(self):
            if self.size == 4 and type(self.base) is not Going:
                calls.append(sp.asbuffer(bytearray(b"xy"))[::-1].tobytes())
                getattr(world, deed)()

    owner = np.arange(4).view(Going)
    alive = weakref.ref(owner)
    held = LAST_HOLDERS[holder](owner)
    del owner
    del held
    gc.collect()
    assert alive() is None and calls and set(calls) == {b"yx"}
    assert unraisable == ([Mine] * len(calls) if deed == "raises" else [])


@pytest.mark.parametrize("holder", [name for name in LAST_HOLDERS if "cycle" not in name])
def test_owners_that_come_back(holder):
    """Resurrected by its own finaliser: alive, whole, and free of us."""
    returned = []

    class Undead(bytearray):
        def __del__(self):
            returned.append(self)

    owner = Undead(b"abcd")
    held = LAST_HOLDERS[holder](owner)
    del owner, held
    gc.collect()
    assert len(returned) == 1 and returned[0] == b"abcd"
    returned[0].append(1)  # nobody holds it
    assert sp.asbuffer(returned[0]).tobytes() == b"abcd\x01"


def test_the_evil_c_function_is_one():
    """The oracle: an error that a hook raises is set, and -1 returned."""

    class Raising:
        def fileno(self):
            raise Mine("set")

    with pytest.raises(Mine, match="set"):
        c_function(ctypes.py_object(Raising()))
