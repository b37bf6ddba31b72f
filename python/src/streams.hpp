/// strideport.Stream and strideport.Event, and what users pass where a stream is asked for.
#pragma once

#include <Python.h>

#include <optional>

#include "object.hpp"

namespace strideport::python {

// stream_type.cpp, event_type.cpp: null with the error set on failure -----------------------------------------
PyTypeObject* make_stream_type(PyObject* module);
PyTypeObject* make_event_type(PyObject* module);

/// The C++ value inside. Precondition: `object` is of that type.
const Stream& stream_in(PyObject* object) noexcept;
const Event& event_in(PyObject* object) noexcept;
PyObject* wrap_event(ModuleState* state, Event event);  ///< throws PythonError

// stream_argument.cpp -----------------------------------------------------------------------------------------

/// None (StreamRef::host()), a Stream of ours, a handle over 0 as an int, or an object of another library: anything
/// with `__cuda_stream__`, torch's streams (`cuda_stream`), CuPy's (`ptr`). The handle 0 of such an object is the
/// legacy default stream, as it is in those libraries; the bare int 0 is refused. Runs foreign code. `object` may be
/// null (None), and has to outlive the use of the result. Throws PythonError: TypeError for what is no stream,
/// ValueError for a bad handle.
StreamRef parse_stream(ModuleState* state, PyObject* object, const char* name = "stream");

/// The same where the work may be all on the host: plain memory has no stream, so that only None is one.
StreamRef parse_stream_for(ModuleState* state, PyObject* object, bool has_driver);

/// The check in that: throws PythonError (ValueError) unless there is a driver or no stream.
StreamRef checked_stream(StreamRef stream, bool has_driver);

/// A Stream's own device; nothing for any other object: only the driver knows.
std::optional<Device> device_of_stream(ModuleState* state, PyObject* object) noexcept;

/// CUDA's protocols name addresses and handles that every CUDA library takes for its own, so what is simulated offers
/// them only where there is no CUDA device to be damaged. Throws PythonError of `type`.
void check_not_mistaken_for_cuda(Device device, PyObject* type, const char* what);

}  // namespace strideport::python
