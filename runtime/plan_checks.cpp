#include "runtime/plan_checks.hpp"

#include <string>

#include "runtime/device_api.hpp"
#include "runtime/tuple_text.hpp"

namespace strideport::planning {
namespace {

std::string element_text(const BufferView& view) {
  if (view.format()) return "format '" + view.format().text() + "'";
  if (view.dtype()) return to_string(view.dtype());
  return std::to_string(view.itemsize()) + " bytes without a type";
}

// A format says more than a DType (byte order, fields), so it decides where both sides have one. A format without a
// DType equals no element that has a DType alone, nor one that has neither.
bool same_elements(const BufferView& dst, const BufferView& src) {
  if (dst.itemsize() != src.itemsize() || dst.padded() != src.padded()) return false;
  if (dst.format() && src.format()) return dst.format() == src.format();
  if (!dst.format() && !src.format()) return dst.dtype() == src.dtype();
  return dst.dtype() && dst.dtype() == src.dtype();
}

[[noreturn]] void throw_elements_differ(const BufferView& dst, const BufferView& src) {
  std::string message = "dst has elements of " + element_text(dst) + ", src of " + element_text(src);
  if (dst.itemsize() != src.itemsize()) {
    message += " (dst.itemsize " + std::to_string(dst.itemsize()) + " differs from src.itemsize " +
               std::to_string(src.itemsize()) + "); a copy converts nothing: convert one side first";
  } else if (dst.padded() != src.padded()) {
    message += " (one is packed, the other padded); a copy converts nothing: convert one side first";
  } else {
    message += "; a copy converts nothing: cast() one side to read its bytes as the other's type";
  }
  throw InvalidArgument(message);
}

void check_references(const BufferView& view, const char* name) {
  if (!view.format() || !view.format().has_references()) return;
  throw TypeMismatch(std::string(name) + ".format '" + view.format().text() +
                     "' contains 'O', references to Python objects: copying their bytes would break the reference "
                     "counts; copy the objects in Python");
}

void check_reachable(const BufferView& view, const char* name) {
  if (!is_known(view.device().type)) {
    throw InvalidArgument(std::string(name) + " is on " + to_string(view.device()) +
                          ", a kind of memory that Strideport does not know");
  }
  if (!view.has_suboffsets() || view.device().host_accessible()) return;
  throw BufferError(std::string(name) + " has suboffsets, row pointers that only the host follows, in memory of " +
                    to_string(view.device()) + ", which the host cannot read");
}

// Nearly every view is; it is asked for every plan.
bool is_plain_host(const BufferView& view) noexcept {
  return view.device().type == DeviceType::cpu && !view.has_suboffsets();
}

}  // namespace

void check_elements(const BufferView& dst, const BufferView& src) {
  if (dst.readonly()) throw ReadOnly("dst is read-only: give copy a writable destination");
  check_references(dst, "dst");
  check_references(src, "src");
  if (!same_elements(dst, src)) throw_elements_differ(dst, src);
  if (is_plain_host(dst) && is_plain_host(src)) return;
  check_reachable(dst, "dst");
  check_reachable(src, "src");
}

void throw_shapes_differ(const BufferView& dst, const BufferView& src) {
  throw InvalidArgument("dst.shape " + tuple_text(dst.shape()) + " differs from src.shape " + tuple_text(src.shape()) +
                        " (dimensions of extent 1 do not count)");
}

void throw_dst_overlaps_itself(const BufferView& dst) {
  throw InvalidArgument(
      "dst overlaps itself: with shape " + tuple_text(dst.shape()) + ", strides " + tuple_text(dst.strides()) +
      " and itemsize " + std::to_string(dst.itemsize()) +
      " several indices share bytes (or may: past 2^20 interleaved elements the search is given up), so no "
      "order of writes is right; copy into memory of its own");
}

}  // namespace strideport::planning
