/// What the array interfaces have in common, NumPy's and CUDA's: a dict of shape, strides, typestr and an address.
#pragma once

#include <Python.h>

#include <cstdint>
#include <string>
#include <vector>

#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {

struct ImportNames;

/// The dict with the name of its protocol, for messages.
class InterfaceDict {
 public:
  /// Throws PythonError unless `dict` is one.
  InterfaceDict(const ImportNames& names, const char* name, Ref dict);

  /// The value of a key, or null where it is missing or None. Throws PythonError.
  Ref entry(const Ref& key) const;
  /// Throws PythonError where it is missing.
  Ref required(const Ref& key) const;
  int64_t number(PyObject* value, const char* key) const;
  /// Throws BufferError for a mask: a buffer has no counterpart of it.
  void check_mask() const;

  const char* name() const noexcept { return name_; }
  const ImportNames& names() const noexcept { return names_; }
  Ref take() noexcept { return std::move(dict_); }

  /// Shape, strides and element type; address, device and the rest are left as they are. `spec` then points into
  /// `this`. `producer` may know its type better (registered dtypes). Throws PythonError, InvalidArgument.
  void describe(ViewSpec& spec, PyObject* producer);
  /// `data` of the form (address, read-only).
  void set_address(ViewSpec& spec, PyObject* data) const;

 private:
  std::vector<int64_t> ints(PyObject* tuple, const char* key) const;
  std::string where(const char* key) const { return std::string(name_) + ": " + key; }

  const ImportNames& names_;
  const char* name_;
  Ref dict_;
  std::vector<int64_t> shape_;
  std::vector<int64_t> strides_;
};

/// The element type of a typestr, with `descr` for structures. Throws PythonError, InvalidArgument. import_array.cpp.
void set_element(ViewSpec& spec, PyObject* producer, PyObject* descr, const std::string& typestr);

}  // namespace strideport::python
