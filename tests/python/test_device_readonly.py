"""Read-only is never lost on the way through devices, whatever the chain of protocols."""

import itertools

import pytest
import strideport as sp
from support.devices import PLACES, each_place, needs_devices

pytestmark = needs_devices


class Array:
    def __init__(self, buffer):
        self.buffer = buffer

    @property
    def __cuda_array_interface__(self):
        view = self.buffer
        return {
            "version": 3,
            "shape": view.shape,
            "typestr": "|u1",
            "data": (view.ptr, view.readonly),
            "strides": view.strides,
        }


class Tensor:
    def __init__(self, buffer):
        self.buffer = buffer

    def __dlpack__(self, **keywords):
        return self.buffer.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self.buffer.__dlpack_device__()


STEPS = {
    "slice": lambda b: b[::2],
    "transpose": lambda b: b.T,
    "asbuffer": sp.asbuffer,
    "dlpack": lambda b: sp.from_dlpack(Tensor(b)),
    "cuda array": lambda b: b if b.device == "cpu" else sp.asbuffer(Array(b)),
    "to itself": lambda b: b.to(b.device),
    "from_dlpack": sp.from_dlpack,
}


@pytest.mark.parametrize("chain", list(itertools.product(STEPS, repeat=2)), ids=" ".join)
@each_place
def test_read_only_survives_every_chain(place, chain):
    memory = sp.asbuffer(bytes(range(64))).to(place, copy=True)
    buffer = memory.toreadonly()
    for step in chain:
        buffer = STEPS[step](buffer)
    assert buffer.readonly
    for write in (
        lambda: buffer.__setitem__(0, 1),
        lambda: buffer.__setitem__(slice(None), bytes(len(buffer))),
        lambda: sp.copy(buffer, bytes(len(buffer))),
        lambda: sp.from_contiguous(buffer, bytes(len(buffer))),
    ):
        with pytest.raises(TypeError):
            write()
    with pytest.raises(BufferError):
        buffer.__dlpack__()
    with pytest.raises(BufferError, match="read-only"):
        sp.asbuffer(buffer, writable=True)
    assert memory.tobytes() == bytes(range(64))
    assert not buffer.to(place, copy=True).readonly


def test_every_place_is_tried():
    assert set(PLACES) >= {"cpu"}
