"""Random calls with nasty arguments: any Python error of the documented kinds is fine, everything else is a bug."""

import array
import pickle

import pytest
import strideport as sp
from support.dlpack import Producer, Tensor
from support.layouts import exporters, random_structure
from support.peers import HAS_TESTBUFFER, peer

np = peer("numpy")

# NotImplementedError is memoryview's answer to a key of more slices than dimensions, and ours to types without values.
EXPECTED = (
    TypeError,
    ValueError,
    BufferError,
    IndexError,
    OverflowError,
    MemoryError,
    RecursionError,
    AttributeError,
    ZeroDivisionError,
    NotImplementedError,
)


class Index:
    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


def values(rng):
    """A pool of arguments, sane and not."""
    numbers = (0, 1, -1, 2, 3, 7, 64, 65, 2**31, -(2**31), 2**62, 2**63 - 1, -(2**63), 2**63, 2**64, 10**30)
    formats = (
        "i",
        "B",
        "f",
        "T{i:a:d:b:}",
        ">q",
        "Zd",
        "?",
        "3s",
        "O",
        "T{",
        "(2)i",
        "",
        "bfloat16",
        "float32",
        "int4",
        "x",
        "P",
        "@e",
    )
    rank = rng.randint(0, 4)
    return rng.choice(
        (
            rng.choice(numbers),
            rng.choice(numbers),
            rng.choice(formats),
            rng.choice(formats).encode(),
            None,
            ...,
            True,
            1.5,
            float("nan"),
            1j,
            slice(rng.choice(numbers), rng.choice((None, *numbers)), rng.choice((None, *numbers))),
            slice(None, None, -1),
            slice(None),
            tuple(rng.choice((0, 1, 2, 3, -1)) for _ in range(rank)),
            [rng.choice((0, 1, 2, 4)) for _ in range(rank)],
            tuple(rng.choice((0, slice(None), None, ..., slice(None, None, -2))) for _ in range(rank)),
            Index(rng.choice(numbers)),
            b"abcd",
            bytearray(8),
            array.array("i", [1, 2, 3]),
            np.arange(6).reshape(2, 3),
            np.zeros((2, 3))[:, ::-1],
            np.float32(2),
            object(),
            {},
            {"a": 1},
            sp.Buffer(bytearray(16)),
            memoryview(b"abcdef")[::2],
            "C",
            "F",
            "A",
            "K",
            "cpu",
            "cuda",
            "mars",
            (1, 0),
            (2, 0),
            sp,
            int,
            np.dtype("f4"),
            sp.DType("int16"),
        )
    )


def buffers(rng, pool):
    kind = rng.random()
    if kind < 0.4 and pool:
        return sp.Buffer(rng.choice(pool).make())
    if kind < 0.8:
        structure = random_structure(rng)
        memory = bytearray(max(1, structure.memory))
        code = {1: "bB?", 2: "hHe", 4: "iIf", 8: "qQd"}[structure.itemsize]
        return sp.Buffer(np.ndarray(structure.shape, rng.choice(code), memory, structure.offset, structure.strides))
    if kind < 0.9:
        return sp.from_dlpack(
            Producer(Tensor(bytearray(64), (2, 3), dtype=rng.choice(((0, 32, 1), (4, 16, 1), (6, 8, 1)))))
        )
    return sp.empty(
        tuple(rng.randint(0, 3) for _ in range(rng.randint(0, 3))),
        rng.choice(("float32", "bfloat16", "int8", "complex64")),
    )


def is_huge(buffer):
    try:
        return buffer.nbytes > 2**24
    except ValueError:  # released
        return False


METHODS = [
    n
    for n in dir(sp.Buffer)
    if n
    not in (
        "__class__",
        "__init_subclass__",
        "__subclasshook__",
        "__new__",
        "__getattribute__",
        "__setattr__",
        "__delattr__",
        "__dir__",
        "__init__",
        "__repr__",
        "__release_buffer__",
    )
]
FUNCTIONS = [
    n
    for n in sp.__all__
    if n
    not in (
        "Buffer",
        "from_memory",  # takes an address: what is drawn is somebody else's, or nobody's
        "from_pointer",
        "show_config",
        "set_num_threads",
        "BufferLike",
        "DeviceError",
        "__version__",
    )
]


@pytest.mark.parametrize("batch", range(4))
def test_random_calls_raise_only_what_is_documented(batch, rng):
    pool = list(exporters()) if HAS_TESTBUFFER else []
    expected = (*EXPECTED, sp.DeviceError)
    buffer = buffers(rng, pool)
    for step in range(10_000):
        if step % 7 == 0:
            buffer = buffers(rng, pool)
        arguments = [values(rng) for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3)))]
        keywords = {}
        if rng.random() < 0.2:
            keywords[
                rng.choice(
                    ("order", "copy", "stream", "shape", "device", "max_version", "dl_device", "format", "dtype")
                )
            ] = values(rng)
        if rng.random() < 0.15:
            name, target = rng.choice(FUNCTIONS), sp
        else:
            name, target = rng.choice(METHODS), buffer
        if name == "empty" or (name == "count" and is_huge(buffer)) or (
            arguments and isinstance(arguments[0], int) and abs(arguments[0]) > 2**33 and name in ("cast", "hex")
        ):
            continue  # gigabytes that this machine may even have
        try:
            member = getattr(target, name)
            result = member(*arguments, **keywords) if callable(member) else member
            if isinstance(result, sp.Buffer) and rng.random() < 0.5:
                buffer = result
            if rng.random() < 0.1:
                repr(result)
        except expected:
            pass
        except Exception as error:  # noqa: BLE001 - this is the finding
            raise AssertionError(f"{name}{tuple(arguments)!r} {keywords!r} on {buffer!r}") from error


def test_random_chains_stay_equal_to_their_numpy_twin_through_pickle_and_protocols(rng):
    for _ in range(2_000):
        structure = random_structure(rng)
        memory = bytearray(rng.randbytes(max(1, structure.memory)))
        twin = np.ndarray(
            structure.shape,
            {1: "u1", 2: "i2", 4: "u4", 8: "i8"}[structure.itemsize],
            memory,
            structure.offset,
            structure.strides,
        )
        buffer = sp.Buffer(twin)
        for _ in range(rng.randint(1, 4)):
            kind = rng.randrange(6)
            if kind == 0:
                buffer = sp.from_dlpack(buffer) if all(s % twin.itemsize == 0 for s in twin.strides) else buffer
            elif kind == 1:
                buffer = sp.Buffer(memoryview(buffer))
            elif kind == 2:
                buffer, twin = buffer.contiguous(), np.ascontiguousarray(twin).reshape(twin.shape)
            elif kind == 3:
                buffer = pickle.loads(pickle.dumps(buffer, rng.randint(0, 5)))
            elif kind == 4:
                buffer, twin = buffer.T, twin.T
            else:
                buffer = sp.Buffer(np.asarray(buffer))
        assert buffer.shape == twin.shape and buffer.tobytes() == twin.tobytes() and buffer.tolist() == twin.tolist()
