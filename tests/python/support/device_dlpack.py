"""What the tests of DLPack on devices share: a buffer in a place, DLPack's name of it, and what a consumer takes."""

import strideport as sp

from support import dlpack as dl
from support.devices import DEVICES
from support.dlpack import Taken

EXT_DEV = 12
DATA = bytes(range(240))


def dl_device(place):
    """What DLPack says of a place: the simulated driver's host memory is the CPU's."""
    name, _, index = place.partition(":")
    if name in ("cpu", "simulated_host", "simulated_managed"):
        return (dl.CPU, 0)
    return ({"cuda": 2, "cuda_host": 3, "simulated": EXT_DEV, "cuda_managed": 13}[name], int(index))


def on(place, shape=(15, 4)):
    return sp.asbuffer(DATA).cast("i", shape).to(place, copy=True)


def taken(buffer, **keywords):
    return Taken(buffer.__dlpack__(**{"max_version": (1, 0), **keywords}))


def numbers_at(out):
    """The tensor that a consumer took who works on the legacy default stream, as a Buffer that imports it anew."""
    strides = [stride * 4 for stride in out.strides]
    place = {dl.CPU: "cpu", 2: "cuda", 3: "cuda_host", EXT_DEV: "simulated", 13: "cuda_managed"}[out.device[0]]
    where = "cpu" if place == "cpu" else f"{place}:{out.device[1]}"
    if where in DEVICES:
        sp.Event.record(1, where).synchronize()
    return sp.from_pointer(out.data, out.shape, "int32", strides, device=where)
