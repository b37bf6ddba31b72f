"""05 Stage to GPU: a batch of NumPy images goes to the GPU, from any layout, from pinned and from pageable memory.

`copy(dst, src, stream=...)` takes any strides on both sides. From pinned memory it returns at once, and an event says when
the copy is done; pageable memory passes through a ring of pinned slots, and may be used again on return. `explain()`
says beforehand which way a copy will take. Every result is brought back and compared with NumPy's.

    python samples/05_stage_to_gpu.py [--images 64] [--size 224]

Takes the GPU if there is one, else a simulated device, where the figures say nothing about any GPU.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable

os.environ.setdefault("STRIDEPORT_SIMULATED_DEVICES", "1")  # read once, at the first use of a device

import numpy as np

import strideport as sp

# The same batch as the network is to see it: a view for each wish, none of them a copy. They are views of Buffers, which
# know that their memory is pinned; a NumPy array over pinned memory is like any other to whoever gets it.
LAYOUTS: dict[str, Callable[[sp.Buffer], sp.Buffer]] = {
    "as it lies (NHWC)": lambda batch: batch,
    "every second image": lambda batch: batch[::2],
    "cropped": lambda batch: batch[:, 16:-16, 16:-16],
    "planes (NCHW)": lambda batch: batch.permute(0, 3, 1, 2),
    "planes, RGB -> BGR, mirrored": lambda batch: batch[:, :, ::-1, ::-1].permute(0, 3, 1, 2),
}
FACTS = ("route:", "dims:", "over the bus:", "temporary:", "pinned slots:", "kernel launches:", "copies by", "host:")


def choose_device() -> str:
    """The first GPU, else the first simulated device."""
    found = [device for device in sp.devices() if device != "cpu"]
    if not found:
        raise SystemExit(f"no device: {sp.why_no_device('cuda')}")
    device = found[0]
    print(f"device: {device} ({sp.device_info(device)['name']})")
    if device.startswith("simulated"):
        print(f"  it is simulated: {sp.why_no_device('cuda')}")
    return device


def stage(name: str, images: sp.Buffer, device: str, stream: sp.Stream) -> None:
    """One copy to the device, timed, explained and checked."""
    target = sp.empty(images.shape, images.dtype, device=device)
    print(f"\n{name}: {images.shape} with strides {images.strides}")
    for fact in sp.explain(target, images).splitlines():
        if fact.startswith(FACTS):
            print(f"    {fact}")

    sp.copy(target, images, stream=stream)  # the first copy of a kind loads kernels and fills pools
    stream.synchronize()

    begin = time.perf_counter()
    start = stream.record()
    sp.copy(target, images, stream=stream)
    done = stream.record()
    returned = time.perf_counter() - begin
    done.synchronize()  # here the host would do something else; a consumer on the device would wait for the event
    whole = time.perf_counter() - begin
    print(
        f"    {images.nbytes / 2**20:.1f} MiB in {whole * 1e3:.2f} ms ({images.nbytes / whole / 1e9:.2f} GB/s), "
        f"{done.seconds_since(start) * 1e3:.2f} ms of them on the device; the call returned after {returned * 1e3:.2f} ms"
    )

    if not np.array_equal(np.asarray(target.to("cpu")), np.asarray(images)):
        raise SystemExit(f"{name}: what is on the device differs from the batch")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=64, help="in the batch (default: %(default)s)")
    parser.add_argument("--size", type=int, default=224, help="height and width of an image (default: %(default)s)")
    arguments = parser.parse_args()

    device = choose_device()
    stream = sp.Stream(device)
    shape = (arguments.images, arguments.size, arguments.size, 3)
    pageable = sp.asbuffer(np.empty(shape, "uint8"))
    pinned = sp.empty(shape, "uint8", pinned=True)
    for kind, batch in (("pageable", pageable), ("pinned", pinned)):
        np.asarray(batch)[...] = np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)
        for layout, view in LAYOUTS.items():
            stage(f"{kind}, {layout}", view(batch), device, stream)
    print("\nevery image on the device equals its NumPy view")
    return 0


if __name__ == "__main__":
    sys.exit(main())
