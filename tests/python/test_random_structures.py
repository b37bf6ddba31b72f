"""Random structures, 100,000 valid and 25,000 invalid: the odometer, NumPy and memoryview against sp.Buffer."""

import random

import pytest
import strideport as sp
from support.compare import attributes
from support.layouts import Structure, random_structure, spoiled
from support.peers import peer

np = peer("numpy")

VALID, INVALID = 100_000, 25_000
BATCHES = 10
CODES = {1: "bB?", 2: "hHe", 4: "iIf", 8: "qQd"}


class Described:
    """Memory described by `__array_interface__`, where offset and size of the allocation are both known."""

    def __init__(self, structure: Structure, memory: bytearray):
        self.__array_interface__ = {
            "version": 3,
            "typestr": f"|V{structure.itemsize}",
            "shape": structure.shape,
            "strides": structure.strides,
            "data": memory,
            "offset": structure.offset,
        }


def as_numpy(structure: Structure, memory: bytearray, dtype: str):
    return np.ndarray(structure.shape, dtype, memory, structure.offset, structure.strides)


def odometer_bytes(structure: Structure, memory: bytes) -> bytes:
    return b"".join(memory[o : o + structure.itemsize] for o in structure.offsets())


@pytest.mark.parametrize("batch", range(BATCHES))
def test_valid_structures_read_as_the_odometer_does(batch, rng):
    for _ in range(VALID // BATCHES):
        structure = random_structure(rng)
        memory = bytearray(rng.randbytes(max(1, structure.memory)))
        array = as_numpy(structure, memory, rng.choice(CODES[structure.itemsize]))
        view, buffer = memoryview(array), sp.Buffer(array)
        assert attributes(buffer) == attributes(view), structure
        expected = odometer_bytes(structure, memory)
        assert buffer.tobytes() == expected, structure
        assert buffer.contiguous().tobytes() == expected, structure
        if structure.shape and len(expected):
            index = tuple(rng.randrange(-n, n) for n in structure.shape)
            assert repr(buffer[index]) == repr(array[index].item()), (structure, index)


def test_valid_structures_list_as_memoryview_does(rng):
    for _ in range(VALID // 5):
        structure = random_structure(rng)
        memory = bytearray(rng.randbytes(max(1, structure.memory)))
        array = as_numpy(structure, memory, rng.choice(CODES[structure.itemsize]))
        view, buffer = memoryview(array), sp.Buffer(array)
        assert repr(buffer.tolist()) == repr(array.tolist()), structure
        for order in "CFA":
            assert buffer.tobytes(order) == view.tobytes(order), (structure, order)


def test_valid_array_interfaces_of_known_memory_come_in(rng):
    for _ in range(VALID // 5):
        structure = random_structure(rng, itemsizes=(1, 2, 3, 4, 8, 12, 16, 24))
        memory = bytearray(rng.randbytes(max(1, structure.memory)))
        buffer = sp.Buffer(Described(structure, memory))
        assert (buffer.shape, buffer.strides, buffer.itemsize) == (
            structure.shape,
            structure.strides,
            structure.itemsize,
        )
        assert buffer.tobytes() == odometer_bytes(structure, memory), structure


@pytest.mark.parametrize("batch", range(5))
def test_invalid_structures_are_refused(batch, rng):
    """Structure.fits is the witness: NumPy checks no offsets here, and lets some strides overflow."""
    for _ in range(INVALID // 5):
        structure = spoiled(rng, random_structure(rng))
        memory = bytearray(max(0, structure.memory))
        # A number beyond int64 is Python's OverflowError where it is converted.
        with pytest.raises((ValueError, BufferError, OverflowError)) as caught:
            sp.Buffer(Described(structure, memory))
        assert str(caught.value), structure


def test_copies_between_random_structures_touch_exactly_their_elements(rng):
    """Whole allocations are compared, gaps included; the destination may not overlap itself."""
    done = 0
    while done < 20_000:
        target = random_structure(rng)
        if len(set(b for o in target.offsets() for b in range(o, o + target.itemsize))) != (
            len(target.offsets()) * target.itemsize
        ):
            continue
        source = structure_of_shape(rng, target)
        memory = bytearray(rng.randbytes(max(1, target.memory)))
        origin = rng.randbytes(max(1, source.memory))
        expected = bytearray(memory)
        for to, start in zip(target.offsets(), source.offsets()):
            expected[to : to + target.itemsize] = origin[start : start + source.itemsize]
        code = rng.choice(CODES[target.itemsize])
        sp.copy(sp.Buffer(as_numpy(target, memory, code)), sp.Buffer(as_numpy(source, bytearray(origin), code)))
        assert memory == expected, (target, source)
        done += 1


def structure_of_shape(rng: random.Random, target: Structure) -> Structure:
    """Another random layout of the same shape and itemsize; elements may repeat."""
    strides, step = [0] * len(target.shape), target.itemsize
    for axis in rng.sample(range(len(strides)), len(strides)):
        stride = rng.choice((0, 1, step, step, step, step + 3))
        strides[axis] = rng.choice((1, -1)) * stride
        step = max(step, stride * max(1, target.shape[axis]))
    low, high = Structure(0, target.itemsize, target.shape, tuple(strides), 0).bounds()
    return Structure(high - low, target.itemsize, target.shape, tuple(strides), -low)
