/// How a copy will be done, before it is done. Planning is pure: no memory is touched, no GPU is needed.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "strideport/buffer_view.hpp"

namespace strideport {

/// The way of the executor through a plan.
enum class Strategy : uint8_t {
  nothing,     ///< no element to move
  memcpy,      ///< one contiguous block
  rows,        ///< contiguous runs, one after another
  transpose,   ///< the densest dimension differs: cache tiles
  strided,     ///< no dense dimension on one side or both
  broadcast,   ///< a source stride of 0 in the innermost dimension
  staged,      ///< source and destination overlap partly: through a temporary
};

/// One dimension of a plan. Units: extent in units of `CopyPlan::unit`, strides in bytes.
struct PlanDim {
  int64_t extent = 1;
  int64_t dst_stride = 0;
  int64_t src_stride = 0;
  friend bool operator==(const PlanDim&, const PlanDim&) = default;
};

/// A normalised copy: unit dims dropped, destination strides positive, sorted from widest to densest destination
/// stride, adjacent dimensions merged, the unit widened up to 16 bytes.
struct CopyPlan {
  Strategy strategy = Strategy::nothing;
  int unit = 1;                       ///< bytes moved at a time: 1, 2, 4, 8 or 16
  std::vector<PlanDim> dims;          ///< outermost first (TODO(planner): inline storage)
  int64_t dst_offset = 0;             ///< bytes from dst.buf() to the first unit
  int64_t src_offset = 0;
  int64_t bytes = 0;                  ///< payload: bytes read, and again bytes written
  int64_t temporary_bytes = 0;
  bool offsets_fit_32 = false;        ///< every inner offset fits a signed 32-bit number
};

/// Throws: InvalidArgument if shapes (unit dims dropped), element types or sizes differ, or dst overlaps itself;
///         ReadOnly; TypeMismatch for formats with references.
CopyPlan plan_copy(const BufferView& dst, const BufferView& src);

/// The plan in words, and why a view would not have done. A line a fact, for people.
std::string explain(const BufferView& dst, const BufferView& src);
std::string to_string(Strategy strategy);

}  // namespace strideport
