"""Every element type in through every protocol and out through every one: the same memory, the same type, or the error.

The table of types is support/elements.py; what must come of a pair follows from its row and the rules in `expected`.
"""

import ctypes
import itertools

import pytest
import strideport as sp
from support import dlpack as dl
from support import protocols as by
from support.devices import FIRST
from support.elements import ELEMENTS, HERE
from support.protocols import OFFERS, TAKES, Memory, Seen

HOST_OFFERS = [name for name in OFFERS if name != by.CUDA]
LAYOUTS = {  # shape, strides in items, first element
    "matrix": ((2, 3), (3, 1), 0),
    "flipped": ((3, 2), (-8, 2), 17),
    "broadcast": ((2, 2), (0, 1), 1),
    "scalar": ((), (), 2),
}
BLOCK = 1024


def can_offer(element, protocol):
    if protocol == by.BUFFER:
        return element.formats is not None
    return (element.dlpack if protocol in by.SPEAKS_DLPACK else element.typestr) is not None


def memory_of(element, layout, block, *, readonly=False, device=(dl.CPU, 0)):
    shape, strides, start = LAYOUTS[layout]
    steps = tuple(s * element.itemsize for s in strides)
    return Memory(element, shape, steps, block, start * element.itemsize, readonly=readonly, device=device)


def filled():
    block = (ctypes.c_uint8 * BLOCK)()
    block[:] = [(37 * i + 11) % 256 for i in range(BLOCK)]
    return block


def elements_at(seen, itemsize):
    return [
        ctypes.string_at(seen.address + sum(i * s for i, s in zip(index, seen.strides)), itemsize)
        for index in itertools.product(*map(range, seen.shape))
    ]


def expected(memory, offered, taken):
    """The words for the type that are right, or the error; and whether it is read-only."""
    element = memory.element
    readonly = memory.readonly or offered == by.LEGACY  # a capsule without flags cannot allow writing
    if taken == by.CUDA:
        return AttributeError, readonly
    if taken == by.LEGACY and readonly:
        return BufferError, readonly
    if taken in by.SPEAKS_DLPACK:
        return BufferError if element.dlpack is None else {element.dlpack}, readonly
    if taken == by.BUFFER:
        return BufferError if element.formats is None else set(element.formats), readonly
    if element.typestr is None or (taken == by.STRUCT and element.typestr[1] == "U"):
        return AttributeError, readonly  # an itemsize in bytes, where NumPy's own kind U counts characters
    return {(element.typestr, element.descr) if element.descr else element.typestr}, readonly


def compared(memory, offered, taken):
    """What is wrong with this combination, in words; None if nothing is."""
    want, readonly = expected(memory, offered, taken)
    buffer = sp.asbuffer(OFFERS[offered](memory))
    try:
        seen = TAKES[taken](buffer)
    except (BufferError, AttributeError) as error:
        if want is not type(error):
            return f"{type(error).__name__}: {error}"
        return None if len(str(error)) > 20 else f"an error without words: {error}"
    if isinstance(want, type):
        return f"{seen} instead of {want.__name__}"
    if seen.spelled not in want:
        return f"{seen.spelled!r} is none of {want}"
    if seen != memory.seen(seen.spelled, readonly):
        return f"{seen} instead of {memory.seen(seen.spelled, readonly)}"
    size = memory.element.itemsize
    if elements_at(seen, size) != elements_at(memory.seen(None, readonly), size):
        return "other bytes"
    return None


@pytest.mark.parametrize("taken", TAKES)
@pytest.mark.parametrize("offered", HOST_OFFERS)
def test_every_type_through_every_pair_of_protocols(offered, taken):
    wrong, tried = [], 0
    for element, layout, readonly in itertools.product(HERE, LAYOUTS, (False, True)):
        if not can_offer(element, offered) or (readonly and offered == by.LEGACY):
            continue
        complaint = compared(memory_of(element, layout, filled(), readonly=readonly), offered, taken)
        tried += 1
        if complaint is not None:
            wrong.append(f"{element}, {layout}{', read-only' if readonly else ''}: {complaint}")
    assert not wrong, f"{len(wrong)} of {tried} from {offered} to {taken}:\n" + "\n".join(wrong)
    assert tried >= 100


def test_the_table_covers_what_it_should():
    assert len(ELEMENTS) >= 40 and len({e.name for e in ELEMENTS}) == len(ELEMENTS)
    for protocol in OFFERS:
        assert sum(can_offer(e, protocol) for e in ELEMENTS) >= 25, protocol
    assert all(any(can_offer(e, p) for p in OFFERS) for e in ELEMENTS)


# On devices: what the host protocols refuse, and what goes on --------------------------------------------------------


def place_of(device):
    return (12 if device.startswith("simulated") else 2, int(device.partition(":")[2]))


def offered_on(device, protocol):
    """The simulated device is none of CUDA's where CUDA has devices of its own."""
    return protocol != by.CUDA or device.startswith("cuda") or sp.why_no_device("cuda") is not None


@pytest.mark.parametrize("taken", TAKES)
@pytest.mark.parametrize("offered", [by.CUDA, *by.SPEAKS_DLPACK])
@pytest.mark.parametrize("device", FIRST or [pytest.param(None, marks=pytest.mark.skip(reason="there is no device"))])
def test_every_type_through_every_pair_of_protocols_on_a_device(device, offered, taken):
    if not offered_on(device, offered):
        pytest.skip(f"{device} is none of CUDA's, of which there are")
    block = sp.asbuffer(bytes(filled())).to(device, copy=True)
    wrong, memories = [], []
    for element, layout, readonly in itertools.product(HERE, LAYOUTS, (False, True)):
        if not can_offer(element, offered) or (readonly and offered == by.LEGACY):
            continue
        memory = memory_of(element, layout, block.ptr, readonly=readonly, device=place_of(device))
        memories.append(memory)
        complaint = compared_on_device(memory, offered, taken, device)
        here = memory_of(element, layout, filled())
        if sp.asbuffer(OFFERS[offered](memory)).to("cpu").tobytes() != b"".join(
            elements_at(here.seen(None, False), element.itemsize)
        ):
            complaint = "other bytes"
        if complaint is not None:
            wrong.append(f"{element}, {layout}{', read-only' if readonly else ''}: {complaint}")
    sp.Event.record(1, device).synchronize()
    assert not wrong, f"{len(wrong)} of {len(memories)} from {offered} to {taken}:\n" + "\n".join(wrong)
    assert len(memories) >= 60


def compared_on_device(memory, offered, taken, device):
    """As `compared`, where host protocols name the way to the host."""
    want, readonly = expected(memory, offered, by.INTERFACE if taken == by.CUDA else taken)
    if taken == by.BUFFER:
        want = BufferError
    elif taken in (by.INTERFACE, by.STRUCT) or (taken == by.CUDA and not offered_on(device, taken)):
        want = AttributeError
    buffer = sp.asbuffer(OFFERS[offered](memory))
    try:
        seen = TAKES[taken](buffer)
    except (BufferError, AttributeError) as error:
        named = taken != by.BUFFER or '.to("cpu")' in str(error)
        return None if want is type(error) and named else f"{type(error).__name__}: {error}"
    if isinstance(want, type):
        return f"{seen} instead of {want.__name__}"
    return None if seen in [memory.seen(word, readonly) for word in want] else f"{seen}, not {want}"


def test_seen_is_what_the_oracle_says_of_its_own_memory():
    """The oracle against itself: NumPy's and the hand-made object's own spelling, without the library."""
    np = pytest.importorskip("numpy")
    for element in HERE:
        memory = memory_of(element, "flipped", filled())
        if element.typestr is None:
            continue
        array = np.asarray(by.Interface(memory))
        seen = TAKES[by.INTERFACE](array)
        assert (seen.address, seen.shape, seen.strides) == (memory.address, memory.shape, memory.strides)
        assert isinstance(seen, Seen) and array.itemsize == element.itemsize
        assert array.tobytes() == b"".join(elements_at(seen, element.itemsize))
        assert seen.spelled == ((element.typestr, element.descr) if element.descr else element.typestr)
        if element.formats is not None and element.name not in ("void5",):
            spelled = np.asarray(OFFERS[by.BUFFER](memory))
            assert spelled.dtype == array.dtype, element
