"""Malformed tensors by the thousand through Python's doors, and capsules that many threads want: one deleter call each.

tests/dlpack_malformed_test.cpp does the same to the C++ import. Here the capsule, its claim and the producer are in
between; test_dlpack_import.py has the mistakes one by one, with the words that each must be refused in.
"""

import ctypes
import gc
import itertools
import sys
import threading

import pytest
import strideport as sp
from support import dlpack as dl
from support.dlpack import Producer, Taken, Tensor
from support.elements import ELEMENTS
from support.peers import peer
from support.protocols import Table, exchanging_type

np = peer("numpy")
HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
REFUSALS = (BufferError, ValueError)
TYPES = [e.dlpack for e in ELEMENTS if e.dlpack is not None]
HUGE = 1 << 62
LEAST, MOST = -(1 << 63), (1 << 63) - 1
# The others' tensors go once the device is done with them, on another thread: test_device_dlpack.py has those.
WITHOUT_DRIVERS = sorted({*range(-2, 20)} - {2, 3, 12, 13})  # kDLCUDA, kDLCUDAHost, kDLExtDev, kDLCUDAManaged

# What is changed, and whether the legacy struct has it. Each takes the arguments of a good Tensor.
MISTAKES = {
    "major": (False, lambda a, r: a.update(version=(r.choice((0, 2, 3, r.randrange(2, 1 << 32))), r.randrange(9)))),
    "flag": (False, lambda a, r: a.update(flags=1 << r.randrange(3, 64))),
    "device": (True, lambda a, r: a.update(device=(r.choice((-1, 0, 4, 5, 6, 7, 8, 9, 10, 11, 14, 18, 19, 999)), 0))),
    "code": (True, lambda a, r: a.update(dtype=(r.randrange(18, 256), 32, 1))),
    "bits": (True, lambda a, r: a.update(dtype=(r.randrange(0, 3), 0, 1))),
    "width": (True, lambda a, r: a.update(dtype=(r.choice((dl.FLOAT, dl.INT, dl.COMPLEX)), r.choice((3, 24, 37)), 1))),
    "lanes": (True, lambda a, r: a.update(dtype=(dl.FLOAT, 32, 0))),
    "negative ndim": (True, lambda a, r: a.update(ndim=r.choice((-1, -2, -(2**31))))),
    "ndim": (True, lambda a, r: a.update(shape=(1,) * 65, strides=None)),
    "no shape": (True, lambda a, r: a.update(null_shape=True)),
    "extent": (True, lambda a, r: replace(a, "shape", r, r.choice((-1, -7, LEAST)))),
    "product": (True, lambda a, r: a.update(shape=(1 << 40, 1 << 40), strides=None)),
    "bytes": (True, lambda a, r: a.update(shape=(MOST,), strides=None, dtype=(dl.INT, 64, 1))),
    "stride": (
        True,
        lambda a, r: a.update(shape=(2, 3), strides=(r.choice((HUGE, -HUGE, LEAST, MOST)), 1), dtype=(dl.INT, 32, 1)),
    ),
    "reach": (True, lambda a, r: a.update(shape=(2,) * 3, strides=(HUGE,) * 3, dtype=(dl.UINT, 8, 1))),
    "byte_offset": (True, lambda a, r: a.update(byte_offset=(1 << 64) - 1 - r.randrange(4096))),
    "no data": (True, lambda a, r: a.update(data=None)),
    "half a byte": (True, lambda a, r: a.update(shape=(2, 3), strides=None, dtype=(17, 4, 1))),
}


def replace(arguments, name, rng, value):
    values = list(arguments[name])
    values[rng.randrange(len(values))] = value
    arguments[name] = tuple(values)


def good_arguments(rng):
    """At least one dimension, no empty one, all of it in the 4,096 bytes of the test's memory."""
    shape = tuple(rng.randint(1, 3) for _ in range(rng.randint(1, 4)))
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return {
        "shape": shape,
        "strides": rng.choice((None, tuple(reversed(strides)))),
        "dtype": rng.choice(TYPES),
        "flags": rng.choice((0, 0, dl.READ_ONLY, dl.IS_COPIED)),
    }


def refuse():
    raise BufferError("by the table or not at all")


def through_a_table():
    kind = exchanging_type()
    kind.tensor = lambda self: self.tensor_of_mine
    kind.__dlpack__ = lambda self, **keywords: refuse()  # a second chance would be a second tensor

    def take(tensor):
        producer = kind()
        producer.tensor_of_mine = tensor
        return sp.asbuffer(producer)

    return take


def into_our_table():
    table = Table.from_address(dl._pointer(sp.Buffer.__dlpack_c_exchange_api__, b"dlpack_exchange_api"))

    def take(tensor):
        out = ctypes.c_void_p()
        table.to_object(ctypes.addressof(tensor.managed), ctypes.byref(out))
        buffer = ctypes.cast(out, ctypes.py_object).value
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(buffer))  # ours, beside Python's
        return buffer

    return take


DOORS = {  # and whether legacy tensors fit through
    "from_dlpack": (True, lambda: lambda tensor: sp.from_dlpack(Producer(tensor))),
    "asbuffer": (True, lambda: lambda tensor: sp.asbuffer(Producer(tensor))),
    "copy=True": (True, lambda: lambda tensor: sp.from_dlpack(Producer(tensor), copy=True)),
    "a producer's table": (False, through_a_table),
    "our table": (False, into_our_table),
}


@pytest.mark.parametrize("door", DOORS)
def test_good_tensors_come_in_and_are_deleted_once(door, rng):
    """The other half: a door that is always shut would pass the test below."""
    legacy, make = DOORS[door]
    take, memory = make(), bytearray(4096)
    for i in range(300):
        tensor = Tensor(memory, versioned=not legacy or i % 4 != 0, **good_arguments(rng))
        buffer = take(tensor)
        is_copy = tensor.versioned and tensor.managed.flags & dl.IS_COPIED  # the producer's own copy is one
        assert tensor.deleted == (1 if door == "copy=True" and not is_copy else 0)
        buffer.release()
        assert tensor.deleted == 1


@pytest.mark.parametrize("door", DOORS)
def test_one_mistake_is_refused_and_deleted_once(door, rng):
    """Five doors, 600 each: 3,000 tensors a run."""
    legacy, make = DOORS[door]
    take, memory = make(), bytearray(4096)
    for i, name in zip(range(600), itertools.cycle(MISTAKES)):
        in_legacy, change = MISTAKES[name]
        arguments = good_arguments(rng)
        change(arguments, rng)
        tensor = Tensor(memory, versioned=not (legacy and in_legacy and i % 2), **arguments)
        with pytest.raises(REFUSALS) as caught:
            take(tensor)
            pytest.fail(f"{name} came in: {arguments}")
        assert len(str(caught.value)) > 20, name
        assert tensor.deleted == 1, (name, arguments)


@pytest.mark.slow
@pytest.mark.parametrize("door", DOORS)
def test_random_fields_are_deleted_once_whether_they_come_in_or_not(door, rng):
    legacy, make = DOORS[door]
    take, memory, came_in = make(), bytearray(4096), 0
    for _ in range(20_000):
        rank = rng.randint(0, 3)
        arguments = {
            "shape": tuple(rng.choice((0, 1, 2, 3, wild(rng))) for _ in range(rank)),
            "strides": rng.choice((None, tuple(rng.choice((0, 1, -1, wild(rng))) for _ in range(rank)))),
            "dtype": rng.choice((*TYPES, (rng.randrange(256), rng.randrange(256), rng.randrange(4)))),
            "device": rng.choice(((1, 0), (1, 0), (rng.choice(WITHOUT_DRIVERS), rng.randrange(-1, 3)))),
            "byte_offset": rng.choice((0, 0, 8, wild(rng) % (1 << 64))),
            "flags": rng.choice((0, 1, 2, 4, wild(rng) % (1 << 64))),
            "version": (rng.choice((1, 1, 1, 0, 2)), rng.randrange(5)),
            "data": rng.choice((-1, -1, None)),
        }
        if door == "copy=True" and not is_readable(arguments):
            continue
        tensor = Tensor(memory, versioned=not legacy or rng.random() < 0.7, **arguments)
        try:
            buffer = take(tensor)
        except REFUSALS:
            pass
        else:
            buffer.release()
            came_in += 1
        assert tensor.deleted == 1
    assert came_in > 0


def is_readable(arguments):
    """In the test's memory, whatever the element type: a copy reads what the tensor describes."""
    is_small = all(0 <= extent <= 3 for extent in arguments["shape"]) and arguments["byte_offset"] <= 8
    return is_small and arguments["strides"] is None and arguments["device"] == (1, 0)


def wild(rng):
    return (
        rng.getrandbits(64) >> rng.randrange(64) if rng.random() < 0.5 else -(rng.getrandbits(63) >> rng.randrange(63))
    )


# Eight threads, one capsule -------------------------------------------------------------------------------------------


class Race:
    """Eight threads that take the same steps at once, round by round: none is started more than once."""

    def __init__(self, works):
        self.works, self.rounds = works, [None]
        self.start, self.end = threading.Barrier(len(works) + 1), threading.Barrier(len(works) + 1)
        self.results = [None] * len(works)
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(len(works))]

    def _run(self, i):
        while True:
            self.start.wait()
            if self.capsule_source is None:
                return
            try:
                self.results[i] = self.works[i](self.capsule_source)
            except Exception as error:  # noqa: BLE001 - judged by the test
                self.results[i] = error
            self.end.wait()

    def __enter__(self):
        self.capsule_source = None
        self.interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *details):
        self.capsule_source = None
        self.start.wait()
        for thread in self.threads:
            thread.join()
        sys.setswitchinterval(self.interval)

    def run(self, source):
        self.capsule_source = source
        self.start.wait()
        self.end.wait()
        out, self.results[:] = list(self.results), [None] * len(self.works)
        return out


def winners_of(results, kinds):
    out = [r for r in results if isinstance(r, kinds)]
    others = [r for r in results if not isinstance(r, kinds)]
    assert all(isinstance(r, (BufferError, ValueError)) for r in others), others
    return out


def race(rounds, versioned, works, kinds):
    with Race(works) as threads:
        for _ in range(rounds):
            tensor = Tensor(bytearray(16), (4,), versioned=versioned)
            results = threads.run(Producer(tensor))
            winners = winners_of(results, kinds)
            assert len(winners) == 1, results
            assert tensor.deleted == 0 and tensor.used
            del winners, results
            for _ in range(0 if HAS_GIL else 1000):
                if not tensor.deleted:
                    gc.collect()  # the thread that made an object frees it, when it runs next
            assert tensor.deleted == 1


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "legacy"])
def test_eight_threads_and_one_capsule_through_every_door(versioned):
    """test_threads.py has from_dlpack alone."""
    works = [sp.from_dlpack, sp.asbuffer, sp.Buffer, lambda p: sp.from_dlpack(p, copy=False)] * 2
    race(200, versioned, works, sp.Buffer)


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "legacy"])
@pytest.mark.skipif(not HAS_GIL, reason="NumPy takes a capsule in two steps, which only a GIL makes one")
def test_our_import_races_numpys(versioned):
    race(200, versioned, [sp.from_dlpack, np.from_dlpack] * 4, (sp.Buffer, np.ndarray))


@pytest.mark.slow
@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "legacy"])
def test_eight_threads_and_one_capsule_for_long(versioned):
    race(5000, versioned, [sp.from_dlpack, sp.asbuffer] * 4, sp.Buffer)


def test_eight_threads_take_exports_of_one_buffer():
    """Every capsule is another one: all of them win, and the owner goes after the last."""
    memory = bytearray(16)
    buffer = sp.asbuffer(memory)
    with Race([lambda b: Taken(b.__dlpack__(max_version=(1, 0)))] * 8) as threads:
        for _ in range(200):
            taken = threads.run(buffer)
            assert len({t.address for t in taken}) == 8
            for t in taken:
                t.delete()
    buffer.release()
    memory.append(1)
