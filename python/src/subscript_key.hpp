/// What stands between the brackets of b[...], in C numbers.
#pragma once

#include <Python.h>

#include <cstdint>
#include <vector>

#include "strideport/strideport.hpp"

namespace strideport::python {

struct KeyPart {
  enum class Kind : uint8_t { index, slice, new_axis, ellipsis };
  Kind kind = Kind::index;
  int64_t position = 0;
  Slice range;
  /// True for `:` and its like on any axis.
  bool takes_all() const noexcept { return range.step == 1 && range.start == 0 && range.stop == INT64_MAX; }
};

struct SubscriptKey {
  std::vector<KeyPart> parts;
  bool full_index = false;  ///< one index a dimension and nothing else: an element, not a view

  /// True if `key` will turn out a full index. Runs no foreign code.
  static bool is_full_index(PyObject* key, int ndim);

  /// Runs foreign code (__index__): the buffer's liveness is open again afterwards.
  /// Throws PythonError: TypeError for keys that are none and for more indices than dimensions.
  static SubscriptKey parse(PyObject* key, int ndim);

  /// Throws PythonError as `parse`, and sets `full_index`.
  void check_kinds(int ndim);
  int count(KeyPart::Kind kind) const noexcept;
  std::vector<int64_t> indices() const;  ///< of a full index
  BufferView apply(const BufferView& view) const;
};

}  // namespace strideport::python
