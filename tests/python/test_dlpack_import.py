"""DLPack in: hand-made capsules, every rule, and exactly one deleter call whatever happens."""

import gc
import signal
import struct

import pytest
import strideport as sp
from support import dlpack as dl
from support.children import run_python
from support.dlpack import Producer, Tensor
from support.peers import peer

VERSIONED = pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "legacy"])


def numbers(count=16):
    return bytearray(struct.pack(f"{count}i", *range(count)))


@VERSIONED
def test_tensors_come_in_without_a_copy(versioned):
    tensor = Tensor(numbers(), (3, 4), (4, 1), versioned=versioned)
    buffer = sp.from_dlpack(Producer(tensor))
    assert (buffer.shape, buffer.strides, buffer.itemsize, buffer.format) == ((3, 4), (16, 4), 4, "i")
    assert buffer.ptr == tensor.address and tensor.used and tensor.deleted == 0
    assert buffer.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    del buffer
    gc.collect()
    assert tensor.deleted == 1


@VERSIONED
def test_buffer_and_asbuffer_take_producers_too(versioned):
    for take in (sp.Buffer, sp.asbuffer, sp.from_dlpack):
        tensor = Tensor(numbers(), versioned=versioned)
        assert take(Producer(tensor)).tolist() == [0, 1, 2, 3]
        gc.collect()
        assert tensor.deleted == 1


@VERSIONED
def test_the_deleter_runs_when_the_last_view_goes(versioned):
    tensor = Tensor(numbers(), (4,), versioned=versioned)
    buffer = sp.from_dlpack(Producer(tensor))
    part, view, capsule = buffer[1:], memoryview(buffer[2:]), buffer.toreadonly().__dlpack__(max_version=(1, 0))
    buffer.release()
    del buffer
    assert tensor.deleted == 0
    del part
    view.release()
    del view
    assert tensor.deleted == 0, "a DLPack export holds the owner"
    del capsule
    gc.collect()
    assert tensor.deleted == 1


def test_release_calls_the_deleter_at_once():
    tensor = Tensor(numbers())
    buffer = sp.from_dlpack(Producer(tensor))
    buffer.release()
    assert tensor.deleted == 1
    del buffer
    gc.collect()
    assert tensor.deleted == 1


@VERSIONED
def test_a_capsule_is_claimed_once(versioned):
    tensor = Tensor(numbers(), versioned=versioned)
    producer = Producer(tensor)
    first = sp.from_dlpack(producer)
    for _ in range(3):
        with pytest.raises((BufferError, ValueError)):
            sp.from_dlpack(producer)
    assert tensor.deleted == 0 and first.tolist() == [0, 1, 2, 3]
    del first
    gc.collect()
    with pytest.raises((BufferError, ValueError)):
        sp.from_dlpack(producer)
    assert tensor.deleted == 1


@VERSIONED
def test_null_deleters_are_legal(versioned):
    tensor = Tensor(numbers(), deleter=False, versioned=versioned)
    buffer = sp.from_dlpack(Producer(tensor))
    assert buffer.tolist() == [0, 1, 2, 3]
    buffer.release()
    with pytest.raises(BufferError):
        sp.from_dlpack(Producer(Tensor(numbers(), deleter=False, versioned=versioned, device=(99, 0))))


@VERSIONED
def test_null_strides_mean_c_order(versioned):
    tensor = Tensor(numbers(), (2, 3, 2), None, versioned=versioned)
    buffer = sp.from_dlpack(Producer(tensor))
    assert buffer.strides == (24, 8, 4) and buffer.c_contiguous


@VERSIONED
def test_strides_are_in_elements_of_any_sign(versioned):
    tensor = Tensor(numbers(), (4, 2), (-2, 1), byte_offset=24, versioned=versioned)
    buffer = sp.from_dlpack(Producer(tensor))
    assert buffer.strides == (-8, 4) and buffer.ptr == tensor.address + 24
    assert buffer.tolist() == [[6, 7], [4, 5], [2, 3], [0, 1]]
    repeated = sp.from_dlpack(Producer(Tensor(numbers(), (3, 2), (0, 1), versioned=versioned)))
    assert repeated.tolist() == [[0, 1]] * 3


@VERSIONED
def test_byte_offset_is_added_once(versioned):
    tensor = Tensor(numbers(), (2,), byte_offset=8, versioned=versioned)
    assert sp.from_dlpack(Producer(tensor)).tolist() == [2, 3]


@VERSIONED
def test_null_data_is_legal_for_empty_tensors_alone(versioned):
    for shape in ((0,), (3, 0, 2)):
        tensor = Tensor(shape=shape, data=None, versioned=versioned)
        buffer = sp.from_dlpack(Producer(tensor))
        assert buffer.shape == shape and buffer.nbytes == 0 and buffer.tobytes() == b""
        buffer.release()
        assert tensor.deleted == 1
    for shape in ((1,), (2, 2), ()):
        tensor = Tensor(shape=shape, data=None, versioned=versioned)
        with pytest.raises((ValueError, BufferError)):
            sp.from_dlpack(Producer(tensor))
        assert tensor.deleted == 1


@VERSIONED
def test_scalars_come_in(versioned):
    for null_shape in (True, False):
        tensor = Tensor(numbers(), (), byte_offset=4, null_shape=null_shape, versioned=versioned)
        buffer = sp.from_dlpack(Producer(tensor))
        assert buffer.shape == () and buffer.tolist() == 1 and buffer[()] == 1


def test_flags_are_honoured():
    for flags, readonly in (
        (0, False),
        (dl.READ_ONLY, True),
        (dl.IS_COPIED, False),
        (dl.READ_ONLY | dl.IS_COPIED, True),
    ):
        tensor = Tensor(numbers(), flags=flags)
        buffer = sp.from_dlpack(Producer(tensor))
        assert buffer.readonly is readonly
        if not readonly:
            buffer[0] = 77
            assert tensor.memory[0] == 77


def test_capsules_without_flags_are_read_only():
    """As in NumPy: a legacy capsule cannot say that it may be written."""
    buffer = sp.from_dlpack(Producer(Tensor(numbers(), versioned=False)))
    assert buffer.readonly
    with pytest.raises(TypeError):
        buffer[0] = 1


def test_newer_minor_versions_are_read():
    for minor in (0, 1, 3, 4, 99):
        assert sp.from_dlpack(Producer(Tensor(numbers(), version=(1, minor)))).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("major", [0, 2, 3, 2**32 - 1])
def test_other_major_versions_are_deleted_unread(major):
    """Nothing but version and deleter is laid out as we know it: the rest is poison here."""
    tensor = Tensor(numbers(), version=(major, 0), data=0xDEAD, ndim=-5, device=(77, 7), null_shape=True)
    with pytest.raises(BufferError, match=str(major)):
        sp.from_dlpack(Producer(tensor))
    assert tensor.deleted == 1


BAD = {
    "unknown device": (dict(device=(99, 0)), "99"),
    "negative device": (dict(device=(-1, 0)), "-1"),
    "device 0": (dict(device=(0, 0)), "0"),
    "absent device": (dict(device=(dl.CUDA, 0)), "cuda|2"),
    "opencl": (dict(device=(4, 0)), "4"),
    "unknown type code": (dict(dtype=(200, 32, 1)), "200"),
    "code 18": (dict(dtype=(18, 8, 1)), "18"),
    "no bits": (dict(dtype=(dl.INT, 0, 1)), "0"),
    "odd width": (dict(dtype=(dl.INT, 37, 1)), "37"),
    "float24": (dict(dtype=(dl.FLOAT, 24, 1)), "24"),
    "bool16": (dict(dtype=(dl.BOOL, 16, 1)), "16"),
    "bfloat32": (dict(dtype=(dl.BFLOAT, 32, 1)), "32"),
    "complex8": (dict(dtype=(dl.COMPLEX, 8, 1)), "8"),
    "no lanes": (dict(dtype=(dl.FLOAT, 32, 0)), "0"),
    "negative ndim": (dict(ndim=-1), "-1"),
    "65 dimensions": (dict(shape=(1,) * 65), "65"),
    "2^31-1 dimensions": (dict(ndim=2**31 - 1), "2147483647"),
    "no shape": (dict(null_shape=True), "shape"),
    "negative extent": (dict(shape=(2, -3)), "-3"),
    "INT64_MIN extent": (dict(shape=(-(2**63),)), "9223372036854775808"),
    "product overflows": (dict(shape=(2**40, 2**40)), "1099511627776"),
    "bytes overflow": (dict(shape=(2**62,)), "461168601842738790"),
    "stride overflows": (dict(shape=(2,), strides=(2**62,)), "4611686018427387904"),
    "INT64_MIN stride": (dict(shape=(2,), strides=(-(2**63),)), "9223372036854775808"),
    "reach overflows": (dict(shape=(5,), strides=(2**60,)), "1152921504606846976|4611686018427387904"),
    "byte_offset 2^63": (dict(byte_offset=2**63), "9223372036854775808"),
    "byte_offset 2^64-1": (dict(byte_offset=2**64 - 1), "18446744073709551615"),
    "byte_offset wraps": (dict(byte_offset=2**64 - 4096), "18446744073709547520"),
}


@VERSIONED
@pytest.mark.parametrize("case", BAD)
def test_malformed_tensors_are_refused_and_deleted_once(case, versioned):
    arguments, value = BAD[case]
    tensor = Tensor(numbers(), versioned=versioned, **{"shape": (4,), **arguments})
    with pytest.raises((BufferError, ValueError), match=value):
        sp.from_dlpack(Producer(tensor, device=arguments.get("device", (1, 0))))
    gc.collect()
    # A producer on a device that we do not have may be refused before its __dlpack__ is called at all.
    assert tensor.deleted == (1 if tensor.used else 0)
    if "device" not in arguments:
        assert tensor.deleted == 1


@VERSIONED
@pytest.mark.parametrize("case", ["unknown device", "absent device", "negative device"])
def test_a_device_that_contradicts_the_producers_word_is_refused_and_deleted_once(case, versioned):
    arguments, value = BAD[case]
    tensor = Tensor(numbers(), versioned=versioned, **arguments)
    with pytest.raises((BufferError, ValueError)):
        sp.from_dlpack(Producer(tensor))
    assert tensor.deleted == 1


@VERSIONED
@pytest.mark.parametrize("type_", [2, 13])
def test_capsules_of_a_device_that_is_not_there_are_refused_and_deleted_once(type_, versioned):
    if sp.why_no_device("cuda:0") is None:
        pytest.skip("there is a GPU")
    tensor = Tensor(numbers(), versioned=versioned, device=(type_, 0))
    with pytest.raises(BufferError):
        sp.from_dlpack(tensor.capsule)
    assert tensor.deleted == 1


def test_unknown_flags_end_in_one_deleter_call_either_way():
    for bit in range(3, 64):
        tensor = Tensor(numbers(), flags=1 << bit)
        try:
            buffer = sp.from_dlpack(Producer(tensor))
        except BufferError:
            pass
        else:
            buffer.release()
        assert tensor.deleted == 1, bit


@pytest.mark.parametrize(
    "name",
    [b"arbitrary", b"used_dltensor", b"used_dltensor_versioned", b"DLTENSOR", b"dltensor_versioned2", b"dltenso", None],
    ids=repr,
)
def test_foreign_capsules_are_refused_and_left_alone(name):
    tensor = Tensor(numbers(), name=name)
    with pytest.raises((BufferError, ValueError, TypeError)):
        sp.from_dlpack(Producer(tensor))
    assert tensor.deleted == 0 and dl.capsule_name(tensor.capsule) == name


def test_padded_and_packed_subbyte_types():
    """Packed is DLPack's default: shape (4, 8) of 4 bits comes in as bytes; the flag says one byte each."""
    packed = sp.from_dlpack(Producer(Tensor(bytearray(16), (4, 8), dtype=(17, 4, 1))))
    assert packed.nbytes == 16
    padded = sp.from_dlpack(Producer(Tensor(bytearray(32), (4, 8), dtype=(17, 4, 1), flags=dl.SUBBYTE_PADDED)))
    assert padded.nbytes == 32 and padded.shape == (4, 8)
    tensor = Tensor(bytearray(16), (3, 3), dtype=(17, 4, 1))
    with pytest.raises((ValueError, BufferError)):
        sp.from_dlpack(Producer(tensor))
    assert tensor.deleted == 1


@pytest.mark.parametrize(
    "dtype, fmt",
    [
        ((dl.INT, 8, 1), "b"),
        ((dl.INT, 16, 1), "h"),
        ((dl.INT, 32, 1), "i"),
        ((dl.INT, 64, 1), "q"),
        ((dl.UINT, 8, 1), "B"),
        ((dl.UINT, 16, 1), "H"),
        ((dl.UINT, 32, 1), "I"),
        ((dl.UINT, 64, 1), "Q"),
        ((dl.FLOAT, 16, 1), "e"),
        ((dl.FLOAT, 32, 1), "f"),
        ((dl.FLOAT, 64, 1), "d"),
        ((dl.BOOL, 8, 1), "?"),
        ((dl.COMPLEX, 64, 1), "Zf"),
        ((dl.COMPLEX, 128, 1), "Zd"),
        ((dl.BFLOAT, 16, 1), None),
        ((10, 8, 1), None),
        ((12, 8, 1), None),
        ((14, 8, 1), None),
    ],
    ids=str,
)
def test_element_types_get_their_format(dtype, fmt):
    buffer = sp.from_dlpack(Producer(Tensor(bytearray(64), (2,), dtype=dtype)))
    assert buffer.itemsize == dtype[1] // 8
    if fmt in ("q", "Q"):
        assert buffer.format in (fmt, {"q": "l", "Q": "L"}[fmt])
    else:
        assert buffer.format == fmt


def test_lanes_make_wider_elements():
    buffer = sp.from_dlpack(Producer(Tensor(bytearray(64), (4,), dtype=(dl.FLOAT, 32, 4))))
    assert buffer.itemsize == 16 and buffer.shape == (4,) and buffer.nbytes == 64 and "float32x4" in str(buffer.dtype)


def test_deleters_that_run_python_keep_the_error_in_flight():
    """A Buffer that dies while an exception unwinds must not disturb it."""
    tensor = Tensor(numbers())

    def work():
        buffer = sp.from_dlpack(Producer(tensor))
        raise LookupError(buffer.shape)

    with pytest.raises(LookupError) as caught:
        work()
    caught.value.__traceback__ = None
    del caught
    gc.collect()
    assert tensor.deleted == 1


def test_no_deleter_sees_the_error_that_gives_its_tensor_up():
    """Where there is no memory for the Buffer. The deleter, PyErr_Clear, would lose the MemoryError."""
    peer("_testcapi")
    result = run_python("""
        import ctypes, _testcapi
        import strideport as sp
        from support import dlpack as dl

        def take(versioned, failing):
            kept = [sp.asbuffer(b"a") for _ in range(64)]  # no memory of Buffers before is left
            tensor = dl.Tensor(versioned=versioned)
            tensor.managed.deleter = ctypes.cast(ctypes.pythonapi.PyErr_Clear, dl.Deleter)
            capsule = tensor.capsule
            try:
                _testcapi.set_nomemory(failing, failing + 1)
                sp.from_dlpack(capsule)
            except BaseException as error:
                _testcapi.remove_mem_hooks()
                return type(error)
            else:
                _testcapi.remove_mem_hooks()
                return None

        for versioned in (True, False):
            print(*{take(versioned, failing) for failing in range(6)} - {None})
    """)
    assert result.stdout.split("\n") == ["<class 'MemoryError'>"] * 2 + [""]


def test_copy_false_refuses_what_the_producer_copied():
    tensor = Tensor(numbers(), flags=dl.IS_COPIED)
    with pytest.raises(BufferError, match="copy=False.*made a copy"):
        sp.from_dlpack(Producer(tensor), copy=False)
    assert tensor.deleted == 1


def test_an_exception_of_cpp_from_a_deleter_ends_the_process_with_its_name():
    """Nothing can be made of it; but it is no end of the interpreter, which the thread would wait for."""
    result = run_python(
        """
        import ctypes
        import strideport as sp
        from support import dlpack as dl

        throwing = ctypes.CDLL("libstdc++.so.6")["_ZSt17__throw_bad_allocv"]
        tensor = dl.Tensor()
        tensor.managed.deleter = ctypes.cast(throwing, dl.Deleter)
        sp.from_dlpack(tensor.capsule).release()
        """,
        check=False,
    )
    assert result.returncode == -signal.SIGABRT and "std::bad_alloc" in result.stderr
