"""memoryview, for every device."""

from strideport._config import show_config as show_config
from strideport._core import Buffer as Buffer
from strideport._core import DeviceError as DeviceError
from strideport._core import DeviceMemoryError as DeviceMemoryError
from strideport._core import Event as Event
from strideport._core import Stream as Stream
from strideport._core import __version__ as __version__
from strideport._core import asbuffer as asbuffer
from strideport._core import byte_range as byte_range
from strideport._core import check_buffer as check_buffer
from strideport._core import contiguous_strides as contiguous_strides
from strideport._core import copy as copy
from strideport._core import device_info as device_info
from strideport._core import devices as devices
from strideport._core import empty as empty
from strideport._core import empty_like as empty_like
from strideport._core import explain as explain
from strideport._core import from_contiguous as from_contiguous
from strideport._core import from_dlpack as from_dlpack
from strideport._core import from_memory as from_memory
from strideport._core import from_pointer as from_pointer
from strideport._core import get_buffer as get_buffer
from strideport._core import get_contiguous as get_contiguous
from strideport._core import is_contiguous as is_contiguous
from strideport._core import item_pointer as item_pointer
from strideport._core import num_threads as num_threads
from strideport._core import set_num_threads as set_num_threads
from strideport._core import size_from_format as size_from_format
from strideport._core import to_contiguous as to_contiguous
from strideport._core import trim_host as trim_host
from strideport._core import why_no_device as why_no_device
from strideport._dtype import DType as DType
from strideport._typing import BufferLike as BufferLike
from strideport._typing import DTypeLike as DTypeLike

__all__ = [
    "Buffer",
    "BufferLike",
    "DType",
    "DTypeLike",
    "DeviceError",
    "DeviceMemoryError",
    "Event",
    "Stream",
    "__version__",
    "asbuffer",
    "byte_range",
    "check_buffer",
    "contiguous_strides",
    "copy",
    "device_info",
    "devices",
    "empty",
    "empty_like",
    "explain",
    "from_contiguous",
    "from_dlpack",
    "from_memory",
    "from_pointer",
    "get_buffer",
    "get_contiguous",
    "is_contiguous",
    "item_pointer",
    "num_threads",
    "set_num_threads",
    "show_config",
    "size_from_format",
    "to_contiguous",
    "trim_host",
    "why_no_device",
]
