"""Exchange with NumPy, JAX, Arrow, PyTorch and ml_dtypes, both ways: the same memory, the same elements."""

import itertools

import pytest
import strideport as sp
from support import pybuffer as pb
from support.peers import peer

np = peer("numpy")

DTYPES = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
LAYOUTS = {
    "C": lambda a: a,
    "F": lambda a: np.asfortranarray(a),
    "transposed": lambda a: a.T,
    "flipped": lambda a: a[::-1, ::-1],
    "stepped": lambda a: a[::2, 1::2],
    "row": lambda a: a[1],
    "scalar": lambda a: a[1, 2, ...],
    "empty": lambda a: a[:0],
    "one": lambda a: a[:1, :1],
    "broadcast": lambda a: np.broadcast_to(a[0], (3, *a[0].shape)),
}


def make(dtype, layout):
    base = np.arange(24).reshape(4, 6)
    return LAYOUTS[layout]((base % 2 if dtype == "?" else base).astype(dtype))


def start(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("dtype, layout", list(itertools.product(DTYPES, LAYOUTS)))
def test_numpy_gets_its_own_memory_back(dtype, layout):
    array = make(dtype, layout)
    buffer = sp.Buffer(array)
    for back in (np.from_dlpack(buffer), np.asarray(buffer), np.asarray(memoryview(buffer)), buffer.__array__()):
        assert back.dtype == array.dtype and back.shape == array.shape
        assert back.tobytes() == array.tobytes()
        assert not array.size or start(back) == start(array)
        assert back.flags.writeable == array.flags.writeable


@pytest.mark.parametrize("dtype, layout", list(itertools.product(DTYPES, LAYOUTS)))
def test_numpys_dlpack_comes_in(dtype, layout):
    array = make(dtype, layout)

    class OnlyDLPack:
        def __dlpack__(self, **keywords):
            return array.__dlpack__(**keywords)

        def __dlpack_device__(self):
            return array.__dlpack_device__()

    if not array.flags.writeable and np.lib.NumpyVersion(np.__version__) < "2.1.0":
        pytest.skip("NumPy before 2.1 exports no read-only array")
    buffer = sp.Buffer(OnlyDLPack())
    assert (
        buffer.tobytes() == array.tobytes()
        and buffer.shape == array.shape
        and np.dtype(str(buffer.dtype)) == array.dtype
    )
    assert not array.size or buffer.ptr == start(array)


def test_from_dlpack_by_numpy_honours_its_arguments():
    array = make("f4", "C")
    assert start(np.from_dlpack(sp.Buffer(array), copy=True)) != start(array)
    assert start(np.from_dlpack(sp.Buffer(array), copy=False)) == start(array)
    assert np.from_dlpack(sp.Buffer(array), device="cpu").shape == array.shape


def test_numpy_array_protocol():
    array = make("i4", "transposed")
    buffer = sp.Buffer(array)
    assert buffer.__array__("f8").dtype == np.float64 and start(buffer.__array__()) == start(array)
    assert start(np.array(buffer, copy=True)) != start(array)
    assert start(buffer.__array__(copy=True)) != start(array)
    with pytest.raises(ValueError):
        buffer.__array__("f8", copy=False)
    assert (np.asarray(buffer, dtype="f8") == array).all()


def test_numpy_sees_readonly_and_writes_through():
    array = make("i4", "C")
    with pytest.raises(ValueError):
        np.asarray(sp.Buffer(array).toreadonly())[0] = 1
    np.asarray(sp.Buffer(array))[0, 0] = 99
    assert array[0, 0] == 99


@pytest.mark.parametrize(
    "name",
    [
        "bfloat16",
        "float8_e4m3fn",
        "float8_e5m2",
        "float8_e4m3",
        "float8_e3m4",
        "float8_e4m3b11fnuz",
        "float8_e4m3fnuz",
        "float8_e5m2fnuz",
        "float8_e8m0fnu",
        "int4",
        "uint4",
        "int2",
        "uint2",
        "float4_e2m1fn",
        "float6_e2m3fn",
        "float6_e3m2fn",
    ],
)
def test_ml_dtypes_arrays_come_in_and_go_out(name):
    """Their buffers and typestrs say 'some bytes', or something wrong: the dtype's name is what counts."""
    ml_dtypes = peer("ml_dtypes")
    dtype = np.dtype(getattr(ml_dtypes, name))
    base = np.ones((3, 4), np.float32).astype(dtype)
    for array in (base, base.T, base[::-1, ::2], base[0, 0, ...], base[:0]):
        buffer = sp.Buffer(array)
        assert str(buffer.dtype) == name and buffer.itemsize == 1 + (name == "bfloat16")
        assert buffer.shape == array.shape and (not array.size or buffer.ptr == start(array))
        assert buffer.tobytes() == array.tobytes()
        back = np.asarray(buffer)
        assert back.dtype == dtype and back.tobytes() == array.tobytes()
        assert buffer.contiguous().tobytes() == array.tobytes()
    protected = base.copy()
    protected.flags.writeable = False
    assert sp.Buffer(protected).readonly and not sp.Buffer(base).readonly
    assert sp.DType(dtype) == name


@pytest.mark.parametrize("name", ["bool", "int8", "int32", "uint16", "float16", "bfloat16", "float32", "complex64"])
def test_jax_arrays_come_in_and_go_out(name):
    jax, jnp = peer("jax"), peer("jax.numpy")
    value = jnp.arange(24).reshape(4, 6).astype(name)
    for array in (value, value.T.copy(), value[1], value[0, 0], value[:0]):
        buffer = sp.from_dlpack(array)
        assert buffer.shape == array.shape and str(buffer.dtype) == name
        assert buffer.tobytes() == np.asarray(array).tobytes()
        assert sp.Buffer(array).tobytes() == buffer.tobytes()
        if array.size:
            assert buffer.ptr == array.unsafe_buffer_pointer()
            try:
                back = jax.dlpack.from_dlpack(buffer)
            except BufferError as error:  # JAX before 0.11 asks for the legacy struct, which cannot say read-only
                assert "read-only" in str(error)
                back = jax.dlpack.from_dlpack(buffer.to("cpu", copy=True))
            assert back.dtype == array.dtype and bool((back == array).all())


def test_jax_memory_is_never_writable():
    """XLA may share buffers: a writable view of one would change values that nobody wrote."""
    peer("jax")
    jnp = peer("jax.numpy")
    assert memoryview(sp.Buffer(jnp.arange(4))).readonly or not _jax_says_readonly()


def _jax_says_readonly():
    """Whether JAX's own export carries the flag (its buffer protocol does)."""
    jnp = peer("jax.numpy")
    try:
        return memoryview(jnp.arange(4)).readonly
    except TypeError:
        return False


def test_strided_buffers_reach_jax():
    jax = peer("jax")
    array = np.arange(24, dtype="f4").reshape(4, 6)
    for view in (array, array.T):
        try:
            back = jax.dlpack.from_dlpack(sp.Buffer(view))
        except Exception:  # noqa: BLE001 - JAX takes only some layouts; contiguous() is what we name
            back = jax.dlpack.from_dlpack(sp.Buffer(view).contiguous())
        assert np.array_equal(np.asarray(back), view)


def test_arrow_arrays_come_in_and_go_out():
    pa = peer("pyarrow")
    for kind in ("int8", "uint16", "int32", "uint64", "float32", "float64"):
        array = pa.array([1, 2, 3, 4], getattr(pa, kind)())
        buffer = sp.from_dlpack(array)
        assert str(buffer.dtype) == kind and buffer.tolist() == [1, 2, 3, 4] and buffer.readonly
        assert sp.Buffer(array.slice(1, 2)).tolist() == [2, 3]
        assert buffer.ptr == array.buffers()[1].address
    with_null = pa.array([1, None])
    with pytest.raises((BufferError, ValueError, TypeError)):
        sp.from_dlpack(with_null)


def test_arrow_buffers_share_memory():
    pa = peer("pyarrow")
    memory = bytearray(b"abcdef")
    for buffer in (pa.py_buffer(memory), pa.py_buffer(b"abcdef")):
        taken = sp.Buffer(buffer)
        assert taken.tobytes() == b"abcdef" and taken.ptr == buffer.address
    wrapped = pa.py_buffer(sp.Buffer(memory))
    assert wrapped.address == pb.address(memory) and wrapped.to_pybytes() == b"abcdef"


def test_arrow_tensors_share_memory():
    pa = peer("pyarrow")
    array = np.arange(12, dtype="f8").reshape(3, 4).T
    buffer = sp.Buffer(pa.Tensor.from_numpy(array))
    assert buffer.ptr == start(array) and buffer.shape == (4, 3) and buffer.strides == array.strides


@pytest.mark.parametrize(
    "name",
    [
        "bool",
        "uint8",
        "int8",
        "int16",
        "int32",
        "int64",
        "float16",
        "bfloat16",
        "float32",
        "float64",
        "complex64",
        "complex128",
        "float8_e4m3fn",
    ],
)
def test_torch_tensors_come_in_and_go_out(name):
    torch = peer("torch")
    base = torch.arange(24).reshape(4, 6).to(getattr(torch, name))
    for tensor in (base, base.T, base[1:, ::2], base[0, 0], base[:0]):
        buffer = sp.Buffer(tensor)
        assert buffer.shape == tuple(tensor.shape) and str(buffer.dtype) == name
        assert not tensor.numel() or buffer.ptr == tensor.data_ptr()
        back = torch.from_dlpack(buffer)
        assert back.dtype == tensor.dtype and (not tensor.numel() or back.data_ptr() == tensor.data_ptr())
        assert back.stride() == tensor.stride() or tensor.numel() < 2


def test_torch_tensors_that_are_more_than_memory_are_refused():
    """Their numbers are not those in memory, or autograd must see every change."""
    torch = peer("torch")
    for tensor in (
        torch.ones(3, requires_grad=True),
        torch.ones(3, dtype=torch.complex64).conj(),
        torch.tensor([1 + 2j]).conj().imag,
        torch.eye(3).to_sparse(),
        torch.ones(3, device="meta"),
    ):
        with pytest.raises((BufferError, ValueError, TypeError, RuntimeError)):
            sp.Buffer(tensor)
    assert sp.Buffer(torch.ones(3, requires_grad=True).detach()).tolist() == [1, 1, 1]


def test_tvm_ffi_tensors_come_in():
    tvm_ffi = peer("tvm_ffi")
    array = np.arange(6, dtype="f4").reshape(2, 3)
    tensor = tvm_ffi.from_dlpack(sp.Buffer(array))
    buffer = sp.Buffer(tensor)
    assert buffer.ptr == start(array) and buffer.tolist() == array.tolist()


def test_a_chain_through_every_framework_keeps_the_address():
    array = np.arange(6, dtype="f4")
    value, names = array, []
    steps = [
        ("numpy", lambda v: np.from_dlpack(sp.Buffer(v))),
        ("sp", lambda v: sp.from_dlpack(sp.Buffer(v))),
        ("memoryview", lambda v: memoryview(sp.Buffer(v))),
        ("numpy again", lambda v: np.asarray(v)),
    ]
    for name, step in steps:
        value = step(value)
        names.append(name)
        assert sp.Buffer(value).ptr == start(array), names
    value[0] = 42
    assert array[0] == 42
