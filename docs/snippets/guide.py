"""The code of docs/python.md, part by part."""

import pickle

import numpy as np

import strideport as sp

# [import]
image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
buffer = sp.asbuffer(image)  # Buffer(image) is the same

assert buffer.ptr == image.ctypes.data  # NumPy's memory, not a copy
assert buffer.shape == (4, 6, 3) and buffer.strides == (18, 3, 1)
assert buffer.dtype == "uint8" and buffer.format == "B"
assert buffer.obj is image and not buffer.readonly
# [/import]

# [views]
planes = buffer.permute(2, 0, 1)  # (3, 4, 6)
mirrored = planes[:, :, ::-1]
corner = planes[..., -1, -1]
assert planes.ptr == buffer.ptr  # no element was copied
assert corner.tolist() == image[-1, -1].tolist()
# [/views]

# [copies]
print(mirrored.explain())  # what contiguous() would do, and why it cannot be a view
packed = mirrored.contiguous()  # new memory in C order; contiguous("F") for Fortran's

target = np.zeros((3, 4, 12), np.uint8)
sp.copy(target[:, :, ::2], mirrored)  # the destination first; any layout into any other
assert np.array_equal(target[:, :, ::2], mirrored)
# [/copies]

# [exports]
assert np.from_dlpack(packed).ctypes.data == packed.ptr  # DLPack
assert memoryview(packed).tolist() == packed.tolist()  # buffer protocol
assert np.asarray(packed).__array_interface__["data"][0] == packed.ptr  # array interface
# [/exports]

# [readonly]
frozen = sp.asbuffer(image).toreadonly()
assert not np.from_dlpack(frozen).flags.writeable  # read-only stays read-only through every protocol
try:
    frozen[0, 0, 0] = 1
except TypeError as error:
    print(error)
# [/readonly]

# [structs]
points = np.array([(1, (0.5, 1.5)), (2, (2.5, 3.5))], dtype=[("id", "<i4"), ("xy", "<f8", 2)])
assert sp.asbuffer(points).tolist() == [(1, [0.5, 1.5]), (2, [2.5, 3.5])]  # a struct is a tuple, a sub-array a list
# [/structs]

# [pickle]
blocks: list[pickle.PickleBuffer] = []
data = pickle.dumps(packed, protocol=5, buffer_callback=blocks.append)  # the elements are not in `data`
assert pickle.loads(data, buffers=blocks).ptr == packed.ptr  # in this process: the very same memory
# [/pickle]

# [lifetime]
with sp.asbuffer(bytearray(b"abc")) as view:
    assert view[0] == ord("a")
try:
    view[0]
except ValueError as error:
    print(error)  # released: as memoryview does
# [/lifetime]
