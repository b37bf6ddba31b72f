/// Docstrings of strideport.Stream, strideport.Event and the errors of devices.
#pragma once

namespace strideport::python::doc {

inline constexpr char device_error[] =
    R"(A device or its driver failed, or is not there.

Attributes
----------
code : int
    The driver's number for the error (its CUresult); 0 where no driver was asked.
)";

inline constexpr char device_memory_error[] = "The device has no room for an allocation: a DeviceError and a MemoryError.";

inline constexpr char stream_type[] =
    R"(Stream(device='cuda', priority=0)
--

A stream of its own on a device: work that is queued on it is done in order, beside that of other streams.

It does not synchronise with the legacy default stream. Work that is queued when the last reference goes is still done.

Parameters
----------
device : str or (int, int)
    'cuda:0', 'simulated:0', ...
priority : int
    0 is the lowest; negative numbers go first, clipped to what the driver has.

Raises
------
ValueError
    For memory that is no device's, such as 'cpu' and 'cuda_host', and for an index beyond the devices that there are.
DeviceError
    If there is no driver, or it fails.

Notes
-----
Wherever Strideport asks for a stream it takes one of these, a handle as an int, an object with ``__cuda_stream__``, torch's
and CuPy's streams, and None, which means: done when the call returns. Equal if the handles are.
)";

inline constexpr char stream_handle[] =
    "The driver's handle as an int: a CUstream, which is cudaStream_t too, torch's `cuda_stream` and CuPy's `ptr`.";
inline constexpr char stream_device[] = "The device that it belongs to: 'cuda:0', 'simulated:1', ...";
inline constexpr char stream_done[] = "True if no work is left. Asks the driver; never waits.";

inline constexpr char stream_synchronize[] =
    R"(synchronize($self, /)
--

Waits, without the GIL, until all work queued so far is done.

Raises
------
DeviceError
    Also for an earlier failure of that work.
)";

inline constexpr char stream_wait[] =
    R"(wait($self, other, /)
--

Makes work that is queued from now on come after an event, or after the work queued so far on another stream.

The host does not wait.

Parameters
----------
other : Event or stream
    Of any device of the same driver.
)";

inline constexpr char stream_record[] =
    R"(record($self, /)
--

An event after all the work queued so far.

Returns
-------
Event
)";

inline constexpr char cuda_stream[] =
    R"(__cuda_stream__($self, /)
--

CUDA's protocol of streams: the tuple (0, handle).

Raises
------
TypeError
    For a simulated stream on a machine with a CUDA device.
)";

inline constexpr char event_type[] =
    R"(A point in a stream, reached once all the work before it is done.

`Stream.record` and `Event.record` make them; an Event never changes.
)";

inline constexpr char event_record[] =
    R"(record($type, /, stream, device='cuda')
--

An event after all the work queued so far on any stream, those of other libraries included.

Parameters
----------
stream : stream
    Not None.
device : str or (int, int), optional
    Of a strideport.Stream it is known. For others it names the driver, and the device whose default stream the
    handles 1 and 2 mean.

Returns
-------
Event

Raises
------
ValueError
    For a stream of another device, or one that captures.
DeviceError
)";

inline constexpr char event_device[] = "The device of the stream that it was recorded on.";
inline constexpr char event_done[] = "True if it is reached. Asks the driver; never waits.";
inline constexpr char event_synchronize[] =
    R"(synchronize($self, /)
--

Waits, without the GIL, until it is reached.
)";
inline constexpr char event_make_wait[] =
    R"(make_wait($self, stream, /)
--

Makes work that is queued on a stream from now on come after this event. The host does not wait.

Parameters
----------
stream : stream
    Of any library, and of any device of the same driver.
)";
inline constexpr char event_seconds_since[] =
    R"(seconds_since($self, start, /)
--

Seconds from another event to this one, on the device's clock.

Parameters
----------
start : Event
    Of the same device.

Returns
-------
float

Raises
------
DeviceError
    Unless both are reached.
)";

}  // namespace strideport::python::doc
