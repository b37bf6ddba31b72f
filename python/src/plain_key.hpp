/// The subscripts that nearly all are, without memory of their own. subscript_key.hpp has the others.
#pragma once

#include <Python.h>

#include <algorithm>
#include <cstdint>
#include <span>

#include "arguments.hpp"
#include "errors.hpp"
#include "strideport/strideport.hpp"

namespace strideport::python {

/// A key (i, j:k, ...) of a few plain integers and slices. Nothing of it may be used before `holds` says yes.
class PlainKey {
 public:
  static constexpr size_t kMost = 4;

  /// False for other keys, and for more parts than dimensions. Runs no foreign code.
  bool holds(PyObject* key, int ndim) noexcept {
    if (!PyTuple_CheckExact(key) || Py_SIZE(key) > std::min(ndim, static_cast<int>(kMost))) return false;
    size_ = static_cast<size_t>(Py_SIZE(key));
    size_t indices = 0;
    for (size_t i = 0; i < size_; ++i) {
      PyObject* const part = PyTuple_GetItem(key, static_cast<Py_ssize_t>(i));
      if (is_plain_int(part, positions_[i])) {
        slices_[i] = nullptr;
        ++indices;
      } else if (PySlice_Check(part)) {
        slices_[i] = part;
      } else {
        return false;
      }
    }
    is_full_index_ = indices == static_cast<size_t>(ndim);
    return true;
  }
  bool is_full_index() const noexcept { return is_full_index_; }
  std::span<const int64_t> indices() const noexcept { return {positions_, size_}; }

  /// Of any other key: the bounds of its slices. Runs foreign code (__index__). Throws PythonError.
  void read() {
    for (size_t i = 0; i < size_; ++i) {
      Bounds& at = bounds_[i];
      if (slices_[i] != nullptr && PySlice_Unpack(slices_[i], &at.start, &at.stop, &at.step) < 0) throw PythonError{};
    }
  }
  /// Once read. Throws as `slice` and `index` do.
  BufferView apply(const BufferView& view) const { return apply_from(0, 0, view); }

 private:
  struct Bounds {
    Py_ssize_t start;
    Py_ssize_t stop;
    Py_ssize_t step;
  };

  BufferView one(size_t i, int axis, const BufferView& view) const {
    if (slices_[i] == nullptr) return strideport::index(view, axis, positions_[i]);
    return strideport::slice(view, axis, Slice{bounds_[i].start, bounds_[i].stop, bounds_[i].step});
  }

  // Each part makes a view of the one before; the last is made where it stays.
  BufferView apply_from(size_t i, int axis, const BufferView& view) const {
    if (i + 1 >= size_) return size_ == 0 ? view : one(i, axis, view);
    return apply_from(i + 1, slices_[i] == nullptr ? axis : axis + 1, one(i, axis, view));
  }

  PyObject* slices_[kMost];  // null for an index
  int64_t positions_[kMost];
  Bounds bounds_[kMost];
  size_t size_ = 0;
  bool is_full_index_ = false;
};

}  // namespace strideport::python
