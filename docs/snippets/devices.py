"""The code of docs/python.md's part on devices, on the GPU where there is one, else on the simulated device."""

import os

os.environ.setdefault("STRIDEPORT_SIMULATED_DEVICES", "2")  # before the first call of a device

import numpy as np

import strideport as sp

# [there]
print(sp.devices())  # ['cpu', 'cuda:0', ...]; 'simulated:0' where STRIDEPORT_SIMULATED_DEVICES asks for it
print(sp.why_no_device("cuda"))  # None, or the reason: no driver, a driver that is too old, no device
device = "cuda:0" if sp.why_no_device("cuda") is None else "simulated:0"
print(sp.device_info(device)["name"])
# [/there]

# [move]
image = np.arange(480 * 640 * 3, dtype=np.uint8).reshape(480, 640, 3)
planes = sp.asbuffer(image).permute(2, 0, 1)  # (3, 480, 640): a view

on_device = planes.to(device, order="C")  # one call: moved, and transposed by the device
assert on_device.device == device and on_device.shape == (3, 480, 640)
assert on_device == planes  # by value; waits, and reads the elements back
print(planes.explain("C", device=device))  # the route that to() takes: who gathers, what is staged
# [/move]

# [use]
corner = on_device[:, :2, :2]  # a view, as on the host
assert corner.tolist() == planes[:, :2, :2].tolist()
on_device[0, :2] = planes[1, :2]  # done on return
sp.copy(on_device[:, ::2], planes[:, 1::2])  # any layout into any other
back = on_device.to("cpu")
assert np.array_equal(np.asarray(back)[:, ::2], np.asarray(planes)[:, 1::2])
# [/use]

# [streams]
stream = sp.Stream(device)
pinned = sp.empty((3, 480, 640), "uint8", pinned=True)  # memory of the host that the device reaches by itself
sp.copy(pinned, planes)

start = stream.record()
batch = pinned.to(device, stream=stream)  # queued; the host goes on
half = batch[:, ::2].contiguous(stream=stream)
end = stream.record()

assert half.tobytes() == planes[:, ::2].tobytes()  # waits for what is pending on `half`, and for no more
end.synchronize()
print(f"{end.seconds_since(start) * 1e3:.3f} ms on the device")
# [/streams]

# [waiting]
other = sp.Stream(device)
sp.copy(on_device, batch, stream=other)  # comes after the copy that fills `batch`: Strideport queued it, so it knows
other.wait(stream)  # for all else: work of `other` from now on comes after what `stream` has
event = other.record()
event.synchronize()
# [/waiting]

# [exchange]
capsule = on_device.__dlpack__(max_version=(1, 0), stream=stream.handle)  # for a consumer that works on `stream`
again = sp.from_dlpack(on_device)  # what CuPy, JAX and torch do
assert again.ptr == on_device.ptr

on_host = np.from_dlpack(on_device, device="cpu", copy=True)  # DLPack's dl_device: a copy that is done on return
assert on_host.tolist() == on_device.tolist()
to_device = sp.from_dlpack(image, device=device)
assert to_device.device == device
# [/exchange]

# [errors]
try:
    np.asarray(on_device)
except TypeError as error:
    print(error)  # .to("cpu") first
try:
    sp.empty(1 << 60, "uint8", device=device)
except sp.DeviceMemoryError as error:  # a DeviceError and a MemoryError
    print(error.code, error)
# [/errors]
