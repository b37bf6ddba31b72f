#include <string>

#include "runtime/checked.hpp"
#include "runtime/tuple_text.hpp"
#include "runtime/view_axes.hpp"
#include "strideport/view_ops.hpp"

namespace strideport {
namespace {

std::string element_text(const Format& format, DType dtype, int64_t itemsize) {
  const std::string name = format ? "'" + format.text() + "'" : to_string(dtype);
  return name + " (" + std::to_string(itemsize) + " bytes)";
}

void check_references(const Format& format) {
  if (!format.has_references()) return;
  throw TypeMismatch("format '" + format.text() + "' holds references to Python objects, which no cast may forge");
}

int64_t new_itemsize(const Format& format, DType dtype) {
  if (!format && !dtype) throw InvalidArgument("cast needs a format or a dtype; both are empty");
  if (format && dtype && format.itemsize() != dtype.itemsize()) {
    throw InvalidArgument("format '" + format.text() + "' has " + std::to_string(format.itemsize()) +
                          " bytes, but dtype " + to_string(dtype) + " has " + std::to_string(dtype.itemsize()));
  }
  return format ? format.itemsize() : dtype.itemsize();
}

// The extent of the last axis, in elements of the new size.
int64_t rescaled_extent(const BufferView& view, int64_t itemsize, const std::string& from, const std::string& to) {
  const std::string rule = "cannot cast " + from + " to " + to + ": ";
  if (view.ndim() == 0) throw TypeMismatch(rule + "a view without dimensions keeps its itemsize");
  const size_t last = view.shape().size() - 1;
  const std::string axis = "axis " + std::to_string(last);
  if (view.has_suboffsets() && view.suboffsets()[last] >= 0) {
    throw TypeMismatch(rule + axis + " is indirect; make the layout direct with .contiguous() first");
  }
  const int64_t extent = view.shape()[last];
  if (extent > 1 && !view.empty() && view.strides()[last] != view.itemsize()) {
    throw TypeMismatch(rule + axis + " has stride " + std::to_string(view.strides()[last]) +
                       " and is not dense; copy with .contiguous() first");
  }
  const int64_t bytes = checked_mul(extent, view.itemsize(), "the last axis in bytes");
  if (itemsize == 0 || view.itemsize() == 0 || bytes % itemsize != 0) {
    throw TypeMismatch(rule + "the " + std::to_string(bytes) + " bytes of " + axis + " are no multiple of it");
  }
  return bytes / itemsize;
}

}  // namespace

BufferView cast(const BufferView& view, const Format& format, DType dtype) {
  const int64_t itemsize = new_itemsize(format, dtype);
  check_references(view.format());
  check_references(format);
  ViewBuilder builder{view};
  if (itemsize != view.itemsize()) {
    const std::string from = element_text(view.format(), view.dtype(), view.itemsize());
    const int64_t extent = rescaled_extent(view, itemsize, from, element_text(format, dtype, itemsize));
    builder.shape().back() = extent;
    builder.strides().back() = itemsize;
  }
  // A sub-byte type that does not fill its bytes has no packed reading here, so it must be padded.
  builder.set_element(itemsize, format, dtype, dtype.is_subbyte() && dtype.bits * dtype.lanes % 8 != 0);
  return std::move(builder).finish();
}

BufferView cast(const BufferView& view, DType dtype) { return cast(view, Format::of(dtype), dtype); }

BufferView cast(const BufferView& view, const Format& format) { return cast(view, format, format.dtype()); }

}  // namespace strideport
