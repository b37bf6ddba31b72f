/// Elements as Python values, in the parts that `pack` and `unpack` (object.hpp) are made of.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "object.hpp"

namespace strideport::python {

/// One value of an item, its sub-array included. Throws PythonError.
PyObject* unpack_item(const FormatItem& item, const std::byte* memory);
void pack_item(const FormatItem& item, std::byte* memory, PyObject* value);

/// Values of a structure, repeats counted. Throws PythonError where no tuple holds as many.
int64_t value_count(const FormatItem& structure);

/// The same for an element that only a DType describes; more than one lane is a list.
PyObject* unpack_dtype(DType dtype, const std::byte* memory);
void pack_dtype(DType dtype, std::byte* memory, PyObject* value);

/// Copies the values of one element, and not the padding between its fields, which may be a field that the
/// producer did not select. Runs no Python code.
void commit_value(const BufferView& view, void* memory, const void* packed) noexcept;

/// True if `unpack` can start a garbage collection, and with it code that releases the buffer.
bool makes_containers(const BufferView& view) noexcept;

/// `unpack` with the decision by element type taken once. Borrows the view.
class ElementReader {
 public:
  explicit ElementReader(const BufferView& view) noexcept;
  PyObject* operator()(const std::byte* memory) const { return read_(*this, memory); }

 private:
  using Read = PyObject* (*)(const ElementReader&, const std::byte*);
  static PyObject* read_item(const ElementReader& self, const std::byte* memory);
  static PyObject* read_sole_field(const ElementReader& self, const std::byte* memory);
  static PyObject* read_dtype(const ElementReader& self, const std::byte* memory);
  static PyObject* read_bytes(const ElementReader& self, const std::byte* memory);
  template <class T>
  static PyObject* read_native(const ElementReader& self, const std::byte* memory);
  static Read native_reader(const FormatItem& item) noexcept;

  const BufferView& view_;
  Read read_;
};

/// What an element is called in messages: "format 'b'" or "int4". Made into text only where it is needed.
struct ElementName {
  const FormatItem* item = nullptr;
  DType dtype;
  std::string text() const;
};

/// PyNumber_Index and then a C integer. Throws PythonError: TypeError for what is no integer, ValueError out of range,
/// other exceptions of __index__ as they are.
int64_t to_signed(PyObject* value, int bits, const ElementName& name);
uint64_t to_unsigned(PyObject* value, int bits, const ElementName& name);
/// PyFloat_AsDouble with the same exceptions.
double to_double(PyObject* value, const ElementName& name);

/// Replaces a TypeError by "<name> takes <wanted>, not <type>", an OverflowError or ValueError by a ValueError; keeps
/// any other. Throws PythonError.
[[noreturn]] void fail_conversion(PyObject* value, const ElementName& name, const char* wanted);

}  // namespace strideport::python
