#include <string>

#include "runtime/checked.hpp"
#include "runtime/element_type.hpp"
#include "runtime/tuple_text.hpp"
#include "runtime/view_axes.hpp"
#include "strideport/view_ops.hpp"

namespace strideport {
namespace {

void check_references(const Format& format) {
  if (!format.has_references()) return;
  throw TypeMismatch("format '" + format.text() + "' holds references to Python objects, which no cast may forge");
}

int64_t new_itemsize(const Format& format, DType dtype) {
  check_element_type(format, dtype);
  if (!format && !dtype) throw InvalidArgument("cast needs a format or a dtype; both are empty");
  return format ? format.itemsize() : dtype.itemsize();
}

struct CastElement {
  const Format& format;
  DType dtype;
  int64_t itemsize;
};

std::string text_of(const CastElement& element) {
  const std::string name = element.format ? "'" + element.format.text() + "'" : to_string(element.dtype);
  return name + " (" + std::to_string(element.itemsize) + " bytes)";
}

[[noreturn]] void throw_unfit(const BufferView& view, const CastElement& to, const std::string& rule) {
  throw TypeMismatch("cannot cast " + text_of({view.format(), view.dtype(), view.itemsize()}) + " to " + text_of(to) +
                     ": " + rule);
}

// The extent of the last axis, in elements of the new size.
int64_t rescaled_extent(const BufferView& view, const CastElement& to) {
  if (view.ndim() == 0) throw_unfit(view, to, "a view without dimensions keeps its itemsize");
  const size_t last = view.shape().size() - 1;
  const int64_t extent = view.shape()[last];
  const auto axis = [last] { return "axis " + std::to_string(last); };
  if (view.has_suboffsets() && view.suboffsets()[last] >= 0) {
    throw_unfit(view, to, axis() + " is indirect; make the layout direct with .contiguous() first");
  }
  if (extent > 1 && !view.empty() && view.strides()[last] != view.itemsize()) {
    throw_unfit(view, to,
                axis() + " has stride " + std::to_string(view.strides()[last]) +
                    " and is not dense; copy with .contiguous() first");
  }
  const int64_t bytes = checked_mul(extent, view.itemsize(), "the last axis in bytes");
  if (to.itemsize == 0 || view.itemsize() == 0 || bytes % to.itemsize != 0) {
    throw_unfit(view, to, "the " + std::to_string(bytes) + " bytes of " + axis() + " are no multiple of it");
  }
  return bytes / to.itemsize;
}

}  // namespace

BufferView cast(const BufferView& view, const Format& format, DType dtype) {
  const int64_t itemsize = new_itemsize(format, dtype);
  check_references(view.format());
  check_references(format);
  const bool same_size = itemsize == view.itemsize();
  const int64_t extent = same_size ? 0 : rescaled_extent(view, {format, dtype, itemsize});
  if (ViewBuilder::is_inline(view)) {
    return ViewBuilder::retyped(view, itemsize, format, dtype, leaves_bits(dtype), extent);
  }
  ViewBuilder builder{view};
  if (!same_size) {
    builder.shape().back() = extent;
    builder.strides().back() = itemsize;
  }
  // A sub-byte type that does not fill its bytes has no packed reading here, so it must be padded.
  builder.set_element(itemsize, format, dtype, leaves_bits(dtype));
  return std::move(builder).finish();
}

BufferView cast(const BufferView& view, DType dtype) { return cast(view, Format::of(dtype), dtype); }

BufferView cast(const BufferView& view, const Format& format) { return cast(view, format, format.dtype()); }

}  // namespace strideport
