/// What users pass to functions, checked and turned into C++: shapes, orders, devices, element types, operands.
/// Each throws PythonError: TypeError for a wrong type, ValueError for a bad value, both naming the argument.
#pragma once

#include <Python.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "errors.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {

/// What nearly every number is: an int itself, of 64 bits. Runs no foreign code.
inline bool is_plain_int(PyObject* object, int64_t& value) noexcept {
  if (!PyLong_CheckExact(object)) return false;
  int overflow = 0;
  value = PyLong_AsLongLongAndOverflow(object, &overflow);
  return overflow == 0;
}

/// An int, or anything with `__index__`, that fits 64 bits.
int64_t parse_int(PyObject* object, const char* name);

/// An int (one entry) or a sequence of ints.
std::vector<int64_t> parse_ints(PyObject* object, const char* name);

/// An address: an int in [0, 2**64).
void* parse_pointer(PyObject* object, const char* name);

/// One of the letters in `allowed`.
Order parse_order(PyObject* object, const char* allowed);

/// None (the CPU), "cuda:0", or DLPack's (type, id).
Device parse_device_argument(PyObject* object);

/// None, True or False; nothing else is taken for a truth value.
std::optional<bool> parse_flag(PyObject* object, const char* name);

/// A stream of `__dlpack__` for memory of the host: only None.
StreamRef parse_host_stream(PyObject* object);

/// What `pinned=True` makes of `device=`: pinned memory of the driver of the device, or of pinned memory, that was
/// named; for the plain host of the driver of `near`, and where that is the host too of the driver that there is,
/// CUDA's first. Throws PythonError for managed memory, DeviceError where there is no driver. Initialises drivers.
Device pinned_memory(Device asked, Device near);

/// The UTF-8 text of a str, valid while the str lives.
std::string_view parse_text(PyObject* object, const char* name);

/// PyArg_ParseTupleAndKeywords, throwing. `names` ends with a null.
template <size_t N, class... Out>
void parse_arguments(PyObject* args, PyObject* kwargs, const char* format, const char* const (&names)[N], Out*... out) {
  static_assert(N == sizeof...(Out) + 1, "one name for each result, and the null that ends them");
  if (PyArg_ParseTupleAndKeywords(args, kwargs, format, const_cast<char**>(names), out...) == 0) throw PythonError{};
}

/// What a vector call gives: positional values, then the values of `names`, a tuple of keywords or null.
struct VectorCall {
  PyObject* const* values;
  Py_ssize_t count;  ///< positional ones
  PyObject* names;
};

/// The same as `parse_arguments` takes it: a tuple, and a dict or null. Throws PythonError.
struct PlainCall {
  Ref args;
  Ref kwargs;

  explicit PlainCall(const VectorCall& call);
};

std::string type_name(PyObject* object);

/// A tuple of ints.
Ref tuple_of(std::span<const int64_t> values);

/// Any object as memory for the length of a call: its lease cannot end before. Needs the GIL on both ends.
class Operand {
 public:
  Operand(ModuleState* state, PyObject* object)
      : buffer_(Py_TYPE(object) == state->buffer_type ? Ref::borrow(object)
                                                      : Ref::steal(import_object(state, object, Writable::any))),
        hold_(as_buffer(buffer_.get())) {}

  const BufferView& view() const noexcept { return as_buffer(buffer_.get())->view; }
  BufferObject* buffer() const noexcept { return as_buffer(buffer_.get()); }

 private:
  Ref buffer_;
  LeaseHold hold_;
};

}  // namespace strideport::python
