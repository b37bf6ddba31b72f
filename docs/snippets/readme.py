import numpy as np
import strideport as sp

photo = np.arange(480 * 640 * 3, dtype=np.uint8).reshape(480, 640, 3)  # height, width, channel

pixels = sp.asbuffer(photo)                    # NumPy's memory, not a copy
planes = pixels.permute(2, 0, 1)               # channel, height, width: still NumPy's memory
right_half = planes[:, :, 320:]
print(right_half)

packed = right_half.contiguous()               # the one copy, in C order
print(sp.explain(packed, right_half))          # how it was done

received = np.from_dlpack(packed)              # a view again, from here to any framework that speaks DLPack
assert np.array_equal(received, photo.transpose(2, 0, 1)[:, :, 320:])
