"""torch through its C exchange API: quick where its __dlpack__ would say yes, and refused where that refuses."""

import gc
import weakref

import pytest
import strideport as sp
from support.peers import peer

torch = peer("torch")

IMPORTS = {"asbuffer": sp.asbuffer, "from_dlpack": sp.from_dlpack}
every_import = pytest.mark.parametrize("take", IMPORTS.values(), ids=IMPORTS.keys())
has_table = pytest.mark.skipif(
    not hasattr(torch.Tensor, "__dlpack_c_exchange_api__"),
    reason="this torch offers no C exchange API",
)


def complex_numbers():
    return torch.tensor([1 + 2j, 3 - 4j])


class Derived(torch.Tensor):
    pass


class Intercepting(torch.Tensor):
    """What it is asked goes through Python."""

    asked = 0

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        cls.asked += 1
        return super().__torch_function__(function, types, args, kwargs or {})


def test_plain_tensors_come_in():
    for tensor in (
        torch.arange(6).reshape(2, 3).T,
        torch.zeros(0, 3),
        torch.tensor(5.0),
        torch.ones(2, 2)[::2],
    ):
        buffer = sp.asbuffer(tensor)
        assert buffer.tolist() == tensor.tolist() and buffer.shape == tuple(tensor.shape)
        assert buffer.ptr == tensor.data_ptr() or tensor.numel() == 0
        assert buffer.obj is tensor and not buffer.readonly


@every_import
@has_table
def test_the_table_takes_the_place_of_dlpack(take, monkeypatch):
    """A refusing __dlpack__ in torch.Tensor itself, beside the table, is not called."""

    def refuse(self, **keywords):
        raise AssertionError("the table should have been used")

    monkeypatch.setattr(torch.Tensor, "__dlpack__", refuse)
    assert take(torch.arange(3)).tolist() == [0, 1, 2]


REFUSED = {
    "requires_grad": lambda: torch.ones(3, requires_grad=True),
    "computed with gradient": lambda: torch.ones(3, requires_grad=True) * 2,
    "parameter": lambda: torch.nn.Parameter(torch.ones(3)),
    "conjugate": lambda: complex_numbers().conj(),
    "negative": lambda: complex_numbers().conj().imag,
    "negative integers": lambda: torch._neg_view(torch.arange(3)),
    "conjugate and negative": lambda: torch._neg_view(complex_numbers().conj()),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "derived, requires_grad": lambda: torch.ones(3).as_subclass(Derived).requires_grad_(),
    "derived, conjugate": lambda: complex_numbers().as_subclass(Derived).conj(),
    "derived, negative": lambda: complex_numbers().as_subclass(Derived).conj().imag,
    "intercepting, requires_grad": lambda: torch.ones(3).as_subclass(Intercepting).requires_grad_(),
    "intercepting, negative": lambda: complex_numbers().as_subclass(Intercepting).conj().imag,
}


@every_import
@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
def test_what_memory_does_not_hold_is_refused(take, make):
    tensor = make()
    with pytest.raises(BufferError, match="grad|conj|negative|layout"):
        take(tensor)
    alive = weakref.ref(tensor)
    del tensor
    gc.collect()
    assert alive() is None


class Lying(torch.overrides.TorchFunctionMode):
    """Answers False whatever torch is asked."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        return False


MARKED = [name for name in REFUSED if name != "sparse"]


@pytest.mark.parametrize("name", MARKED)
@has_table
def test_a_mode_of_torch_answers_for_no_tensor(name):
    tensor = REFUSED[name]()
    plain = torch.arange(3)
    with Lying():
        assert tensor.requires_grad is False and tensor.is_conj() is False
        assert sp.asbuffer(plain).tolist() == [0, 1, 2]
        with pytest.raises(TypeError, match=r"^__dlpack_device__\(\) of .* returned False, not a tuple"):
            sp.asbuffer(tensor)  # its bits are seen, so its methods are asked, which the mode answers


@every_import
@pytest.mark.parametrize("name", MARKED)
def test_attributes_of_a_tensor_or_its_class_answer_for_no_tensor(take, name):
    class Denying(torch.Tensor):
        requires_grad = False

        def is_neg(self):
            return False

        is_conj = is_neg

    tensor = REFUSED[name]()
    if type(tensor) is torch.Tensor and not tensor.requires_grad:
        with pytest.raises(BufferError, match="conj|negative"):
            take(tensor.as_subclass(Denying))
    tensor.is_neg = tensor.is_conj = lambda: False
    with pytest.raises(BufferError, match="grad|conj|negative"):
        take(tensor)


def test_tensors_without_a_storage_are_refused_in_torchs_words():
    """torch cannot say their device. asbuffer goes on to the interfaces, where torch raises a RuntimeError."""
    tensor = torch.eye(3).to_mkldnn()
    with pytest.raises(NotImplementedError):
        tensor.__dlpack_device__()
    with pytest.raises(BufferError, match="layout"):
        sp.from_dlpack(tensor)
    with pytest.raises((BufferError, RuntimeError)):
        sp.asbuffer(tensor)


@every_import
def test_what_was_resolved_comes_in(take):
    values = complex_numbers().conj()
    assert take(values.resolve_conj()).tolist() == [1 - 2j, 3 + 4j]
    assert take(values.imag.resolve_neg()).tolist() == [-2.0, 4.0]
    assert take(torch.ones(2, requires_grad=True).detach()).tolist() == [1.0, 1.0]
    assert take(torch.nn.Parameter(torch.ones(2), requires_grad=False)).tolist() == [
        1.0,
        1.0,
    ]


@every_import
def test_a_tensor_that_changes_is_asked_anew(take):
    """Of a type much is remembered, of a tensor nothing."""
    tensor = torch.ones(2)
    assert take(tensor).tolist() == [1.0, 1.0]
    tensor.requires_grad_()
    with pytest.raises(BufferError):
        take(tensor)
    tensor.requires_grad_(False)
    assert take(tensor).tolist() == [1.0, 1.0]


@every_import
def test_derived_classes(take):
    assert take(torch.arange(3).as_subclass(Derived)).tolist() == [0, 1, 2]
    assert take(torch.arange(3).as_subclass(Intercepting)).tolist() == [0, 1, 2]


@every_import
def test_a_derived_class_with_its_own_dlpack_has_its_say(take):
    class Refusing(torch.Tensor):
        def __dlpack__(self, **keywords):
            raise BufferError("mine")

    with pytest.raises(BufferError, match="mine"):
        take(torch.ones(3).as_subclass(Refusing))


@every_import
def test_tensors_without_memory_are_refused(take):
    """Their address is NULL, or there is none."""
    from torch._subclasses import FakeTensorMode

    with FakeTensorMode():
        fake = torch.ones(3)
    for tensor in (
        fake,
        torch._efficientzerotensor((3,)),
        torch.nn.parameter.UninitializedParameter(),
    ):
        with pytest.raises((BufferError, ValueError)):
            take(tensor)


@every_import
def test_read_only_wrappers_stay_read_only(take):
    wrapper = getattr(torch.utils.dlpack, "ReadOnlyTensorWrapper", None)
    if wrapper is None:
        pytest.skip("this torch has no ReadOnlyTensorWrapper")
    tensor = torch.ones(3)
    buffer = take(wrapper(tensor))
    assert buffer.readonly and buffer.ptr == tensor.data_ptr()
    for refused in (torch.ones(3, requires_grad=True), complex_numbers().conj().imag):
        with pytest.raises((BufferError, RuntimeError)):
            take(wrapper(refused))


def test_the_tensor_is_kept_while_the_buffer_lives():
    tensor = torch.arange(1000)
    buffer = sp.asbuffer(tensor)
    shown, address = weakref.ref(tensor), tensor.data_ptr()
    del tensor
    assert shown() is buffer.obj
    assert buffer.ptr == address and buffer[999] == 999
    buffer.release()
    del buffer
    gc.collect()
    assert shown() is None


def test_rounds_leak_no_tensor():
    tensor = torch.arange(4)
    sp.asbuffer(tensor)
    use = tensor.untyped_storage()._use_count() if hasattr(torch.UntypedStorage, "_use_count") else None
    for _ in range(10_000):
        sp.asbuffer(tensor)
    held = weakref.ref(tensor)
    if use is not None:
        assert tensor.untyped_storage()._use_count() == use
    del tensor
    gc.collect()
    assert held() is None
