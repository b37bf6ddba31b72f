/// Reading and writing, by the host, of memory that a driver knows: what the work pending on it leaves, and copies of
/// memory that only a device can reach.
#pragma once

#include <Python.h>

#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {

/// True for memory that needs any of what is here. Plain host memory is as good as it is.
inline bool has_driver(const BufferView& view) noexcept { return view.device().has_driver(); }

/// Waits, without the GIL, until no work is pending on the memory: the host may read and write it, if it can reach it.
/// Other threads may release `self` meanwhile. Throws PythonError, DeviceError.
void wait_for_host(BufferObject* self);

/// `self` where the host can read it: itself, once no work is pending on it, or a copy of device memory in host memory.
/// Waits without the GIL. Throws PythonError, DeviceError.
Ref readable(BufferObject* self);

/// One element of memory that a driver knows, as Python value. Throws also OutOfRange.
PyObject* read_element(BufferObject* self, std::span<const int64_t> indices);

/// Writes the values of one element, packed by `pack` (elements.hpp); padding stays as it is. Throws as read_element.
void write_element(BufferObject* self, std::span<const int64_t> indices, const void* packed);

/// The elements in new memory on a device, enqueued on `stream`, whichever the places are. Throws PythonError and what
/// C++'s empty_like and copy throw.
Buffer copied_to(BufferObject* self, Device device, Order order, StreamRef stream);

}  // namespace strideport::python
