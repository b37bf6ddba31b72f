"""Rows of the behaviour tables about what comes in that no other file holds: host memory of CUDA's, the device that a
producer names, who keeps what an array interface was made for.
"""

import ctypes
import gc
import weakref

import pytest
import strideport as sp
from support import dlpack as dl
from support import protocols as by
from support.device_dlpack import dl_device, on
from support.devices import each_device, needs_devices
from support.dlpack import Producer, Taken, Tensor
from support.elements import HERE
from support.peers import peer
from support.protocols import Memory

CUDA_HOST = 3
without_cuda = pytest.mark.skipif(sp.why_no_device("cuda") is None, reason="CUDA's driver knows no such memory")


def pinned(**arguments):
    """Memory that a producer calls kDLCUDAHost: the host reaches it without a driver."""
    tensor = Tensor(bytearray(b"\1\0\0\0" * 4), (4,), device=(CUDA_HOST, 0), **arguments)
    return sp.from_dlpack(tensor.capsule), tensor


# kDLCUDAHost, without a driver ----------------------------------------------------------------------------------------


@without_cuda
def test_pinned_memory_of_cudas_is_the_hosts():
    buffer, tensor = pinned()
    assert buffer.device == "cuda_host:0" and buffer.ptr == tensor.address
    assert buffer.tolist() == [1] * 4 and memoryview(buffer).tolist() == [1] * 4
    assert buffer.__dlpack_device__() == (CUDA_HOST, 0)
    out = Taken(buffer.__dlpack__(max_version=(1, 3)))
    assert (out.device, out.data, out.flags) == ((CUDA_HOST, 0), tensor.address, 0)
    out.delete()
    buffer.release()
    assert tensor.deleted == 1


@without_cuda
@pytest.mark.parametrize("stream", [-1, 0, 1, 2, 77])
def test_pinned_memory_of_cudas_takes_no_stream(stream):
    buffer, tensor = pinned()
    with pytest.raises(ValueError, match="stream"):
        buffer.__dlpack__(max_version=(1, 3), stream=stream)
    buffer.release()
    assert tensor.deleted == 1


@without_cuda
@pytest.mark.parametrize("copy", [None, False])
@pytest.mark.parametrize("flags", [0, dl.READ_ONLY])
def test_pinned_memory_of_cudas_is_the_cpus_where_a_consumer_asks_for_that(copy, flags):
    """Nothing is moved, so nothing is a copy; read-only stays."""
    buffer, tensor = pinned(flags=flags)
    out = Taken(buffer.__dlpack__(max_version=(1, 3), dl_device=(dl.CPU, 0), copy=copy))
    assert (out.device, out.data, out.flags) == ((dl.CPU, 0), tensor.address, flags)
    buffer.release()
    assert tensor.deleted == 0, "the export holds it"
    out.delete()
    assert tensor.deleted == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"dtype": (dl.BFLOAT, 16, 1)},
        {"dtype": (dl.FLOAT, 32, 2), "shape": (2,)},
        {"shape": (0,), "data": None},
        {"shape": (1,) * 12},
        {"dtype": (17, 4, 2)},
    ],
    ids=str,
)
def test_memory_of_the_cpu_has_index_0_whatever_the_producer_counts(arguments):
    """DLPack: vanilla CPU memory has the index 0."""
    tensor = Tensor(bytearray(64), device=(dl.CPU, 5), **arguments)
    buffer = sp.from_dlpack(tensor.capsule)
    assert buffer.device == "cpu" and buffer.__dlpack_device__() == (dl.CPU, 0)
    out = Taken(buffer.__dlpack__())
    assert out.device == (dl.CPU, 0)
    out.delete()
    buffer.release()
    assert tensor.deleted == 1


# What a producer says of its device -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", [(2**31, 0), (-(2**31) - 1, 0), (1, 2**31), (1, -(2**40))], ids=str)
def test_a_device_of_over_32_bits_is_refused(pair):
    with pytest.raises(ValueError, match="32 bits"):
        sp.from_dlpack(Producer(Tensor(), device=pair))


@without_cuda
@pytest.mark.parametrize("copy", [None, True, False])
def test_a_target_that_is_not_there_is_refused_before_anything_is_asked(copy):
    producer = Producer(Tensor())
    with pytest.raises(BufferError, match="cuda:0 is not there"):
        sp.from_dlpack(producer, device="cuda:0", copy=copy)
    assert producer.calls == []


def test_a_copy_that_the_producer_made_is_not_copied_again():
    """IS_COPIED: the consumer alone has it."""
    tensor = Tensor(flags=dl.IS_COPIED)
    producer = Producer(tensor)
    buffer = sp.from_dlpack(producer, copy=True)
    assert buffer.ptr == tensor.address and producer.calls[0]["copy"] is True and not buffer.readonly
    buffer.release()
    assert tensor.deleted == 1


@pytest.mark.parametrize("accepts", [("stream", "max_version"), ("max_version",), ()], ids=repr)
def test_copy_true_copies_where_the_producer_does_not(accepts):
    """It may not know the word, or forget to say that it did."""
    tensor = Tensor(bytearray(b"\1\0\0\0" * 4))
    buffer = sp.from_dlpack(Producer(tensor, accepts=accepts), copy=True)
    assert buffer.ptr != tensor.address and buffer.tolist() == [1] * 4 and not buffer.readonly
    assert tensor.deleted == 1


@needs_devices
@each_device
@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "legacy"])
def test_contents_of_a_capsule_are_ready_on_the_stream_that_producers_are_asked_for(device, versioned):
    memory = on(device)
    tensor = Tensor(shape=(60,), device=dl_device(device), data=memory.ptr, versioned=versioned)
    producer = Producer(
        tensor, accepts=("stream", "max_version") if versioned else ("stream",), device=dl_device(device)
    )
    buffer = sp.from_dlpack(producer)
    assert buffer.stream == producer.calls[-1]["stream"] == 1
    assert buffer.tobytes() == memory.tobytes()
    buffer.release()
    assert tensor.deleted == 1


# Who keeps what an array interface was made for -----------------------------------------------------------------------


class Kept(bytearray):
    """Memory whose end can be watched."""


def test_what_a_dict_holds_lives_as_long_as_the_buffer():
    """A getter may make its memory for this one dict, which holds the only reference to it."""

    class Making:
        @property
        def __array_interface__(self):
            memory = Kept(b"\1\2\3\4")
            made.append(weakref.ref(memory))
            block = (ctypes.c_uint8 * 4).from_buffer(memory)
            return {
                "version": 3,
                "typestr": "|u1",
                "shape": (4,),
                "data": (ctypes.addressof(block), False),
                "kept": block,
            }

    made = []
    buffer = sp.asbuffer(Making())
    gc.collect()
    assert made[-1]() is not None and buffer.tolist() == [1, 2, 3, 4]
    view = buffer[1:]
    buffer.release()
    assert made[-1]() is not None and view.tolist() == [2, 3, 4]
    view.release()
    gc.collect()
    assert made[-1]() is None


def test_the_capsule_of_a_struct_lives_as_long_as_the_buffer():
    """NumPy: the memory is the capsule's until it goes, so its destructor must not run before."""
    memory = Memory(next(e for e in HERE if e.name == "uint8"), (4,), (1,), (ctypes.c_uint8 * 4)(1, 2, 3, 4))
    destroyed = []
    destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(destroyed.append)

    class Making:
        @property
        def __array_struct__(self):
            return dl._new(ctypes.addressof(struct.c), None, ctypes.cast(destructor, ctypes.c_void_p))

    struct = by.Struct(memory)
    buffer = sp.asbuffer(Making())
    assert buffer.ptr == memory.address and not destroyed
    view = buffer[::2]
    buffer.release()
    assert view.tolist() == [1, 3] and not destroyed
    view.release()
    assert len(destroyed) == 1


def test_a_structure_keeps_its_fields_where_numpys_struct_forgets_them():
    """NumPy clears the flag that says where they are; its dict has them."""
    np = peer("numpy")
    records = np.array([(1, 2.5)], [("a", "<i4"), ("b", "<f8")])
    assert not by.PyArrayInterface.from_address(dl._pointer(records.__array_struct__, None)).flags & by.HAS_DESCR

    class Both:
        __array_struct__, __array_interface__ = records.__array_struct__, records.__array_interface__

    assert sp.asbuffer(Both()).tolist() == [(1, 2.5)]
