"""What imports remember of a producer's type: asked once, weakly, and what a class may change afterwards."""

import gc
import textwrap
import weakref

import pytest
import strideport as sp
from support.children import run_python
from support.dlpack import Tensor
from support.protocols import Exchanging, exchanging_type

IMPORTS = {"asbuffer": sp.asbuffer, "Buffer": sp.Buffer, "from_dlpack": sp.from_dlpack}


def numbers():
    return bytearray(b"\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0")


def holding(kind, tensor):
    """An instance whose tensor is this one."""
    producer = kind()
    producer.tensor = lambda: tensor
    return producer


def used(kind):
    """Whether an import uses the table; it works either way."""
    producer = holding(kind, Tensor(numbers()))
    assert sp.asbuffer(producer).tolist() == [1, 2, 3, 4]
    assert producer.asked_by_table + producer.asked_by_method == 1
    return producer.asked_by_table == 1


class Counted:
    """A table that counts how often it is asked for."""

    def __init__(self, capsule):
        self.capsule = capsule
        self.asked = 0

    def __get__(self, obj, owner):
        self.asked += 1
        return self.capsule


@pytest.mark.parametrize("case", [{}, {"major": 2}], ids=["yes", "no"])
def test_a_type_is_asked_once(case):
    whole = exchanging_type(**case)
    counted = Counted(whole.__dlpack_c_exchange_api__)
    kind = type("Asked", (Exchanging,), {"__dlpack_c_exchange_api__": counted, "table": whole.table})
    for _ in range(5):
        assert used(kind) is not bool(case)
        sp.from_dlpack(holding(kind, Tensor(numbers())))
    assert counted.asked == 1


class RaisingMro(type):
    @property
    def __mro__(cls):
        raise RuntimeError("no __mro__")


class LyingMro(type):
    @property
    def __mro__(cls):
        return 5


class EmptyMro(type):
    @property
    def __mro__(cls):
        return ()


class RaisingDict(type):
    @property
    def __dict__(cls):
        raise RuntimeError("no __dict__")


class Deaf(type):
    def __getattribute__(cls, name):
        raise RuntimeError(f"no {name}")


@pytest.mark.parametrize("meta", [RaisingMro, LyingMro, EmptyMro, RaisingDict, Deaf])
@pytest.mark.parametrize("has_table", [True, False], ids=["table", "method"])
def test_what_a_metaclass_says_of_a_class_is_not_asked(meta, has_table):
    """Attributes are where they are for the instances, too."""
    base = exchanging_type() if has_table else Exchanging
    kind = meta("Odd", (base,), {})
    assert used(kind) is has_table
    with pytest.raises(TypeError, match="offers no memory"):
        sp.asbuffer(meta("Bare", (), {})())


def test_types_are_remembered_weakly():
    """In a process that has never had a second thread: from then on no class dies in CPython 3.13 without a GIL."""
    run_python("""
        import gc, weakref
        from test_dlpack_producer_types import exchanging_type, used

        def make():
            kind = type("Short", (exchanging_type(),), {})
            assert used(kind)
            return weakref.ref(kind)

        gone = [make() for _ in range(50)]
        gc.collect()
        assert not any(kind() for kind in gone)
    """)


def test_a_new_type_at_an_old_address_is_asked_again():
    """Yes and no take turns: an answer that outlived its type would be believed of the next one."""
    for round_ in range(200):
        expected = round_ % 2 == 0
        kind = exchanging_type(major=1 if expected else 2)
        assert used(kind) is expected
        del kind
        gc.collect(0)
    gc.collect()


def test_an_answer_is_believed_only_while_its_type_lives():
    """A garbage collector may let a type go without calling what would forget it; here that does nothing."""
    run_python("""
        import ctypes, gc, weakref
        from support.dlpack import _api
        from test_dlpack_producer_types import exchanging_type, used

        def make(expected):
            kind = exchanging_type(major=1 if expected else 2)
            assert used(kind) is expected
            return weakref.getweakrefs(kind)[-1].__callback__

        callback = make(True)
        gc.collect()
        set_context = _api.PyCapsule_SetContext
        set_context.argtypes, set_context.restype = [ctypes.py_object, ctypes.c_void_p], ctypes.c_int
        set_context(callback.__self__, None)
        for round_ in range(200):  # at addresses used before, unless AddressSanitizer keeps them
            make(round_ % 2 == 0)
            gc.collect()
    """)


def test_a_class_that_gains_a_table_goes_on_as_before():
    kind = type("Late", (Exchanging,), {})
    assert not used(kind)
    other = exchanging_type()
    kind.__dlpack_c_exchange_api__ = other.__dlpack_c_exchange_api__
    assert not used(kind)


def test_a_class_that_loses_its_table_is_believed_as_dlpack_allows():
    kind = exchanging_type()
    keep = kind.table
    assert used(kind)
    capsule = kind.__dlpack_c_exchange_api__
    del kind.__dlpack_c_exchange_api__
    assert used(kind) and keep is not None and capsule is not None


def test_a_class_that_loses_dlpack_offers_it_no_longer():
    class Losing:
        def __dlpack__(self, **keywords):
            return Tensor(numbers()).capsule

    tensors = [Tensor(numbers()), Tensor(numbers())]
    Losing.__dlpack__ = lambda self, **keywords: tensors.pop().capsule
    assert sp.asbuffer(Losing()).tolist() == [1, 2, 3, 4]
    method = Losing.__dlpack__
    del Losing.__dlpack__
    for take in IMPORTS.values():
        with pytest.raises(TypeError):
            take(Losing())
    Losing.__dlpack__ = method
    assert sp.asbuffer(Losing()).tolist() == [1, 2, 3, 4]


def test_an_attribute_error_inside_dlpack_comes_through():
    class Raising:
        def __dlpack__(self, **keywords):
            raise AttributeError("mine")

    with pytest.raises(AttributeError, match="mine"):
        sp.asbuffer(Raising())


def test_instances_may_have_dlpack_of_their_own():
    class Plain:
        pass

    tensor = Tensor(numbers())
    producer = Plain()
    with pytest.raises(TypeError):
        sp.asbuffer(producer)
    producer.__dlpack__ = lambda **keywords: tensor.capsule
    assert sp.asbuffer(producer).tolist() == [1, 2, 3, 4]
    with pytest.raises(TypeError):
        sp.asbuffer(Plain())


def test_the_callback_of_our_weak_references_is_harmless_in_other_hands():
    kind = exchanging_type()
    assert used(kind)
    ours = [ref for ref in weakref.getweakrefs(kind) if getattr(ref.__callback__, "__name__", "") == "_forget_type"]
    assert len(ours) == 1
    ours[0].__callback__(None)
    assert used(kind)
    ours[0].__callback__(ours[0])
    assert used(kind)
    assert len([ref for ref in weakref.getweakrefs(kind) if ref is not ours[0]]) >= 1


def test_nobody_waits_for_a_module_that_another_thread_imports(tmp_path):
    """Imports ask whether a producer is torch's; torch may be waiting for that very import."""
    (tmp_path / "torch.py").write_text(
        textwrap.dedent("""
        import threading
        import strideport as sp
        from support.dlpack import Tensor

        class Producer:
            def __dlpack__(self, **keywords):
                return Tensor().capsule

            def __dlpack_device__(self):
                return (1, 0)

        done = threading.Event()
        threading.Thread(target=lambda: (sp.from_dlpack(Producer()), done.set()), daemon=True).start()
        assert done.wait(60)
        """)
    )
    run_python(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import torch")
