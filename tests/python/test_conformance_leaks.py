"""Many rounds of every way in, every way out and every refusal: what was there before is there after, no more.

Counted are references, deleter calls, Python's memory blocks and the bytes of the C heap. test_lifetime.py does the
same to operations on a Buffer.
"""

import ctypes
import gc
import os
import sys

import pytest
import strideport as sp
from support import dlpack as dl
from support import protocols as by
from support.dlpack import Failing, Producer, Tensor
from support.elements import HERE
from support.peers import needs_pep688, peer
from support.protocols import OFFERS, TAKES, Memory, c_function, exchanging_type

np = peer("numpy")
WARM_UP = 200
INT32 = next(e for e in HERE if e.name == "int32")
# There the heap is not ours to measure, and each collection takes ten times as long.
FEWEST = 200 if "asan" in os.environ.get("LD_PRELOAD", "") else 2_000


@pytest.fixture(params=[FEWEST, pytest.param(10_000, marks=pytest.mark.slow)], ids=lambda n: f"{n} rounds")
def rounds(request):
    return request.param


class Mallinfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keep",
        )
    ]


try:
    mallinfo = ctypes.CDLL(None).mallinfo2  # glibc 2.33
    mallinfo.restype = Mallinfo
except AttributeError:
    mallinfo = None


def heap_bytes():
    return mallinfo().uordblks if mallinfo is not None else 0


def balance(watched):
    # Without a GIL CPython frees some of what a collection finds in the next one, of an array that keeps itself too.
    gc.collect()
    gc.collect()
    return {
        **{f"references to {name}": sys.getrefcount(thing) for name, thing in watched.items()},
        "references to Buffer": sys.getrefcount(sp.Buffer),
        "Buffers": sum(1 for o in gc.get_objects() if type(o) is sp.Buffer),
        "blocks": sys.getallocatedblocks(),
        "heap": heap_bytes(),
    }


def what_stays(once, watched, rounds):
    """Runs `once` again and again. A leak of one a round is four times what may stay; watched things keep theirs."""
    before = balance(watched)
    for _ in range(rounds):
        once()
    after = balance(watched)
    for name, count in before.items():
        allowed = 0 if name == "Buffers" or name.removeprefix("references to ") in watched else rounds // 4
        if name == "heap":
            allowed = 8 * rounds  # the least that malloc gives is 24
        if abs(after[name] - count) > allowed:
            return f"{name}: {count} before, {after[name]} after {rounds} rounds"
    return None


def assert_nothing_stays(once, watched, rounds):
    """A leak shows every time. What others free meanwhile does not, nor what grows by doubling: the simulated driver's
    record of its calls."""
    for _ in range(WARM_UP):
        once()
    complaints = [what_stays(once, watched, rounds)]
    while complaints[-1] is not None and len(complaints) < 4:
        complaints.append(what_stays(once, watched, rounds))
    assert complaints[-1] is None, "\n".join(complaints)


def numbers(*, readonly=False):
    block = (ctypes.c_int32 * 24)(*range(24))
    return Memory(INT32, (4, 6), (24, 4), block, readonly=readonly)


# In -------------------------------------------------------------------------------------------------------------------


class Reused(Tensor):
    """A tensor whose capsule is made anew for every import, so that nothing but the import allocates."""

    @property
    def fresh(self):
        self.capsule = dl._new(ctypes.addressof(self.managed), dl.NAMES[self.versioned], None)
        return self.capsule


def reused(memory, versioned):
    return Reused(
        bytearray(1), memory.shape, (6, 1), versioned=versioned, dtype=INT32.dlpack, data=memory.address, deleter=True
    )


class Offering(Producer):
    def __dlpack__(self, *, max_version=None, **keywords):
        if not self.tensor.versioned and max_version is not None:
            raise TypeError("max_version is unknown")
        return self.tensor.fresh


def producer_of(memory, protocol):
    """The object, and the tensor whose deleter counts; for protocols other than DLPack there is none."""
    if protocol in (by.VERSIONED, by.LEGACY):
        tensor = reused(memory, protocol == by.VERSIONED)
        return Offering(tensor), tensor
    if protocol == by.EXCHANGE:
        tensor = reused(memory, True)
        kind = exchanging_type()
        kind.tensor = lambda self: (tensor.fresh, tensor)[1]
        return kind(), tensor
    return OFFERS[protocol](memory), None


@pytest.mark.parametrize("protocol", [name for name in OFFERS if name != by.CUDA])
@pytest.mark.parametrize("take", [sp.asbuffer, sp.from_dlpack], ids=lambda f: f.__name__)
def test_imports(protocol, take, rounds):
    if take is sp.from_dlpack and protocol not in by.SPEAKS_DLPACK:
        return  # no such way
    memory = numbers()
    producer, tensor = producer_of(memory, protocol)
    assert_nothing_stays(lambda: take(producer), {"the producer": producer, "its type": type(producer)}, rounds)
    if tensor is not None:
        assert tensor.deleted == rounds + WARM_UP


def test_imports_of_cycles_leave_nothing_once_collected(rounds):
    class Node(np.ndarray):
        pass

    base = np.zeros(8, "i4")

    def once():
        node = base.view(Node)
        node.link = sp.asbuffer(node)

    assert_nothing_stays(once, {"the base": base}, rounds)


# Out ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("readonly", [False, True], ids=["writable", "read-only"])
@pytest.mark.parametrize("protocol", [name for name in TAKES if name != by.CUDA])
def test_exports(protocol, readonly, rounds):
    source = bytes(range(96)) if readonly else bytearray(range(96))
    buffer = sp.asbuffer(source).cast("i", (4, 6))

    def once():
        try:
            TAKES[protocol](buffer)
        except BufferError:
            assert readonly and protocol == by.LEGACY

    assert_nothing_stays(once, {"the buffer": buffer, "its memory": source}, rounds)


@pytest.mark.parametrize("copy", [None, True])
@pytest.mark.parametrize("max_version", [None, (1, 0)], ids=["legacy", "versioned"])
def test_capsules_that_nobody_claims(max_version, copy, rounds):
    source = bytearray(96)
    buffer = sp.asbuffer(source)
    assert_nothing_stays(
        lambda: buffer.__dlpack__(max_version=max_version, copy=copy),
        {"the buffer": buffer, "its memory": source},
        rounds,
    )


@pytest.mark.parametrize("offered", [name for name in OFFERS if name != by.CUDA])
def test_the_way_through(offered, rounds):
    """In, a view, out to NumPy, and back."""
    memory = numbers()
    producer, tensor = producer_of(memory, offered)
    assert_nothing_stays(
        lambda: sp.asbuffer(np.asarray(sp.asbuffer(producer)[1:, ::2].T)).__dlpack__(max_version=(1, 3)),
        {"the producer": producer},
        rounds,
    )
    if tensor is not None:
        assert tensor.deleted == rounds + WARM_UP


# Refusals -------------------------------------------------------------------------------------------------------------

KEPT_ERROR = BufferError("always this one")


def raises(error):
    def action(**keywords):
        raise error

    return action


def bad_interface(**changes):
    class Bad:
        pass

    bad = Bad()
    bad.__array_interface__ = {"version": 3, "typestr": "<i4", "shape": (4,), "data": bytearray(16), **changes}
    return bad


def bad_struct(changes):
    memory = numbers()
    struct = by.Struct(memory)
    for name, value in changes.items():
        setattr(struct.c, name, value)
    return struct


def bad_table(**options):
    kind = exchanging_type(**options)
    kind.__dlpack__ = lambda self, **keywords: raises(BufferError("nor this way"))()
    kind.fileno = lambda self: raises(BufferError("not by the table"))()
    return kind()


REFUSED = {
    "no protocol": lambda: object(),
    "no capsule": lambda: Failing(lambda **keywords: 5),
    "raising": lambda: Failing(lambda **keywords: raises(ZeroDivisionError("inside"))()),
    "the same error again": lambda: Failing(lambda **keywords: raises(KEPT_ERROR)()),
    "no interface": lambda: bad_interface(typestr="<q9"),
    "interface of wrong shape": lambda: bad_interface(shape=(4, "x")),
    "interface past its data": lambda: bad_interface(shape=(5,)),
    "interface of a bad descr": lambda: bad_interface(typestr="|V4", descr=[("a", "<i8", (1, "x"))], shape=("x",)),
    "struct without 2": lambda: bad_struct({"two": 3}),
    "struct without data": lambda: bad_struct({"data": None}),
    "struct of many dimensions": lambda: bad_struct({"nd": 99}),
    "table that raises": lambda: bad_table(from_object=c_function),
    "table of another name": lambda: bad_table(capsule_name=b"other"),
    "table of another version": lambda: bad_table(major=9),
    "table without functions": lambda: bad_table(null=("from_object",)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_imports_that_fail(case, rounds):
    thing = REFUSED[case]()

    def once():
        try:
            sp.asbuffer(thing)
        except (TypeError, BufferError, ValueError, ZeroDivisionError):
            KEPT_ERROR.__traceback__ = KEPT_ERROR.__context__ = None
        else:
            raise AssertionError("came in")

    assert_nothing_stays(once, {"the object": thing, "its type": type(thing), "the error": KEPT_ERROR}, rounds)


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "legacy"])
@pytest.mark.parametrize(
    "changes",
    [dict(shape=(-1,)), dict(dtype=(99, 8, 1)), dict(device=(77, 0)), dict(data=None), dict(shape=(1 << 62, 9))],
    ids=lambda c: " ".join(c),
)
def test_malformed_tensors(changes, versioned, rounds):
    tensor = Reused(bytearray(64), versioned=versioned, **{"shape": (4,), **changes})
    producer = Offering(tensor)

    def once():
        try:
            sp.from_dlpack(producer)
        except (BufferError, ValueError):
            return
        raise AssertionError("came in")

    assert_nothing_stays(once, {"the producer": producer}, rounds)
    assert tensor.deleted == rounds + WARM_UP


REFUSED_OUT = {
    "read-only legacy": lambda b: b.toreadonly().__dlpack__(),
    "stream": lambda b: b.__dlpack__(stream=7),
    "max_version": lambda b: b.__dlpack__(max_version=(1,)),
    "dl_device": lambda b: b.__dlpack__(dl_device=(2, 0)),
    "copy": lambda b: b.__dlpack__(copy=3),
    "unknown argument": lambda b: b.__dlpack__(version=3),
    "odd strides": lambda b: sp.asbuffer(
        np.ndarray((3,), "i4", np.asarray(b).view("u1").ravel(), 0, (5,))
    ).__dlpack__(),
    "foreign order": lambda b: sp.asbuffer(np.zeros(3, ">i4")).__dlpack__(),
    "device": lambda b: sp.from_dlpack(b, device="cuda:99"),
    "copy=False": lambda b: sp.from_dlpack(b, device="cuda:99", copy=False),
    "writable": lambda b: sp.asbuffer(b.toreadonly(), writable=True),
    "request": lambda b: memoryview(b[:, ::2]).cast("B"),
}


@pytest.mark.parametrize("case", REFUSED_OUT)
def test_exports_that_fail(case, rounds):
    source = bytearray(96)
    buffer = sp.asbuffer(source).cast("i", (4, 6))

    def once():
        try:
            REFUSED_OUT[case](buffer)
        except (TypeError, ValueError, BufferError, sp.DeviceError):
            return
        raise AssertionError("went out")

    assert_nothing_stays(once, {"the buffer": buffer, "its memory": source}, rounds)


@needs_pep688
@pytest.mark.parametrize("outcome", ["memory", BufferError, TypeError, None], ids=str)
def test_exporters_in_python(outcome, rounds):
    source = bytearray(16)

    class Exporter:
        def __buffer__(self, flags):
            if isinstance(outcome, type):
                raise outcome("no")
            return outcome and memoryview(source)

    exporter = Exporter()

    def once():
        try:
            sp.asbuffer(exporter)
        except (BufferError, TypeError):
            return
        assert outcome == "memory"

    assert_nothing_stays(once, {"the exporter": exporter, "its memory": source}, rounds)


def test_the_measure_sees_a_leak():
    """One that is made on purpose, of each kind."""
    thing, kept = object(), []
    with pytest.raises(AssertionError, match="the thing"):
        assert_nothing_stays(lambda: kept.append(thing), {"the thing": thing}, 2_000)
    with pytest.raises(AssertionError, match="Buffers|references"):
        assert_nothing_stays(lambda: kept.append(sp.empty((1,), "u1")), {}, 2_000)
    if sys.getallocatedblocks() > 0:  # not with PYTHONMALLOC=malloc
        with pytest.raises(AssertionError, match="blocks"):
            assert_nothing_stays(lambda: kept.append(float(len(kept))), {}, 2_000)
    if heap_bytes() > 0:  # not in older C libraries, nor under AddressSanitizer
        malloc = ctypes.CDLL(None).malloc
        malloc.restype = ctypes.c_void_p
        with pytest.raises(AssertionError, match="heap"):
            assert_nothing_stays(lambda: malloc(1), {}, 2_000)
