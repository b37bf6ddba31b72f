"""The module's face: names, docstrings, stubs, repr, device and dtype attributes, abstract classes."""

import ast
import collections.abc
import importlib.metadata
import inspect
import re
from pathlib import Path

import pytest
import strideport as sp
from support import compare
from support.peers import peer

FUNCTIONS = (
    "asbuffer",
    "from_dlpack",
    "from_pointer",
    "empty",
    "empty_like",
    "copy",
    "explain",
    "devices",
    "size_from_format",
    "set_num_threads",
    "show_config",
)
CLASSES = ("Buffer", "DType", "DeviceError", "BufferLike")
ATTRIBUTES = ("obj", *compare.ATTRIBUTES, "ptr", "device", "dtype", "stream", "T")
METHODS = (
    "tobytes",
    "tolist",
    "cast",
    "toreadonly",
    "hex",
    "release",
    "count",
    "index",
    "permute",
    "reshape",
    "to",
    "explain",
    "__dlpack__",
    "__dlpack_device__",
    "__array__",
    "__enter__",
    "__exit__",
    "__len__",
    "__getitem__",
    "__setitem__",
    "__eq__",
    "__hash__",
    "__iter__",
)


@pytest.mark.parametrize("name", FUNCTIONS + CLASSES + ("__version__",))
def test_the_documented_names_exist_and_are_exported(name):
    assert hasattr(sp, name)
    assert name in sp.__all__ or name == "__version__"


def test_all_names_nothing_that_is_not_there():
    assert all(hasattr(sp, name) for name in sp.__all__) and len(set(sp.__all__)) == len(sp.__all__)
    public = {n for n in vars(sp) if not n.startswith("_") and not inspect.ismodule(getattr(sp, n))}
    assert public - {"annotations"} == set(sp.__all__) - {"__version__"}


@pytest.mark.parametrize("name", FUNCTIONS + ("Buffer", "DType", "DeviceError"))
def test_everything_public_has_a_docstring(name):
    doc = getattr(sp, name).__doc__
    assert doc and len(doc) > 40


@pytest.mark.parametrize("name", ATTRIBUTES + METHODS)
def test_buffers_attributes_exist_and_have_docstrings(name):
    assert hasattr(sp.Buffer, name)
    if not name.startswith("__"):
        assert getattr(sp.Buffer, name).__doc__


@pytest.mark.parametrize("name", [n for n in METHODS if not n.startswith("__")])
def test_methods_have_signatures(name):
    """help() and editors read them from __text_signature__."""
    assert inspect.signature(getattr(sp.Buffer, name)) is not None


def test_buffer_says_where_it_comes_from():
    assert sp.Buffer.__module__ == "strideport" and sp.Buffer.__name__ == "Buffer"
    assert sp.DeviceError.__module__ == "strideport" and issubclass(sp.DeviceError, RuntimeError)


def test_buffer_is_a_sequence_and_a_buffer():
    buffer = sp.Buffer(b"abc")
    assert isinstance(buffer, collections.abc.Sequence) and isinstance(buffer, collections.abc.Sized)
    if hasattr(collections.abc, "Buffer"):
        assert isinstance(buffer, collections.abc.Buffer)


def stub():
    return Path(sp.__file__).parent.joinpath("__init__.pyi")


def test_stubs_and_marker_ship():
    assert Path(sp.__file__).parent.joinpath("py.typed").exists() and stub().exists()


def test_stubs_name_what_exists_and_nothing_else():
    tree = ast.parse(stub().read_text(encoding="utf-8"))
    names, members = set(), {}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
            if isinstance(node, ast.ClassDef):
                members[node.name] = {n.name for n in node.body if isinstance(n, ast.FunctionDef)} | {
                    n.target.id for n in node.body if isinstance(n, ast.AnnAssign)
                }
        elif isinstance(node, ast.AnnAssign):
            names.add(node.target.id)
        elif isinstance(node, ast.Assign):
            names |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            names |= {(a.asname or a.name) for a in node.names if a.asname}
    assert set(sp.__all__) <= names
    real = {n for n in dir(sp.Buffer) if not n.startswith("_")}
    if "Buffer" in members:
        assert {n for n in members["Buffer"] if not n.startswith("_")} == real


def test_version_agrees_with_the_distribution():
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", sp.__version__)
    try:
        assert importlib.metadata.version("strideport") == sp.__version__
    except importlib.metadata.PackageNotFoundError:
        pass  # run from the build folder


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda np: sp.Buffer(b"abc"), ["3", "cpu", "(?i)read-?only", "bytes|B|uint8"]),
        (lambda np: sp.Buffer(np.zeros((4, 8), "f4").T), ["8, 4|8,4", "float32", "ndarray"]),
        (lambda np: sp.empty((2, 3), "bfloat16"), ["2, 3|2,3", "bfloat16", "cpu"]),
        (lambda np: sp.Buffer(np.zeros(2, "i4,f8")), ["T{|struct|i"]),
    ],
)
def test_repr_gives_type_layout_device_and_owner(make, words):
    text = repr(make(peer("numpy")))
    assert "Buffer" in text and len(text) < 300
    for word in words:
        assert re.search(word.replace("{", "[{]"), text), (word, text)


def test_repr_of_long_things_stays_short():
    np = peer("numpy")
    assert len(repr(sp.Buffer(np.zeros((1,) * 32)))) < 600
    assert len(repr(sp.Buffer(bytes(1 << 20)))) < 300
    many = np.zeros(1, [(f"field_with_a_long_name_{i}", "f8") for i in range(200)])
    assert len(repr(sp.Buffer(many))) < 1000


def test_devices_and_streams_of_host_memory():
    buffer = sp.Buffer(b"abc")
    assert str(buffer.device).startswith("cpu") and buffer.device == sp.empty((1,), "int8").device
    assert buffer.stream is None
    assert any(str(d).startswith("cpu") for d in sp.devices())


def test_ptr_is_the_address_of_the_first_element():
    np = peer("numpy")
    array = np.arange(6, dtype="i4")
    assert sp.Buffer(array).ptr == array.ctypes.data and sp.Buffer(array[::-1]).ptr == array.ctypes.data + 20
    assert type(sp.Buffer(array).ptr) is int


def test_show_config_prints_something(capsys):
    result = sp.show_config()
    printed = capsys.readouterr().out + (result or "")
    assert sp.__version__ in printed


@pytest.mark.parametrize(
    "bad, error",
    [(-1, ValueError), ("2", TypeError), (1.5, TypeError), (None, TypeError), (2**70, (OverflowError, ValueError))],
    ids=str,
)
def test_thread_counts_are_judged(bad, error):
    with pytest.raises(error):
        sp.set_num_threads(bad)
    sp.set_num_threads(0)


def test_asbuffer_is_the_constructor():
    memory = bytearray(4)
    for make in (sp.asbuffer, sp.Buffer):
        buffer = make(memory)
        assert type(buffer) is sp.Buffer and buffer.obj is memory
    with pytest.raises(TypeError):
        sp.asbuffer(obj=memory)
    with pytest.raises(TypeError):
        sp.asbuffer()


def test_refusals_name_every_protocol_that_was_tried():
    """'The last error names them all.'"""

    class Refuses:
        def __dlpack__(self, **keywords):
            raise BufferError("dlpack says no")

        def __dlpack_device__(self):
            return (1, 0)

        @property
        def __array_interface__(self):
            return {"version": 3, "typestr": "<i4", "shape": (-5,), "data": (4096, False)}

    with pytest.raises((BufferError, ValueError)) as caught:
        sp.Buffer(Refuses())
    message = str(caught.value)
    assert (
        "dlpack says no" in message and "__dlpack__" in message and "__array_interface__" in message and "-5" in message
    )


def test_a_type_without_any_protocol_is_named():
    class Nothing:
        pass

    with pytest.raises(TypeError, match="Nothing"):
        sp.Buffer(Nothing())
