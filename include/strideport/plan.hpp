/// How a copy will be done, before it is done. Planning is pure: no memory is touched, no GPU is needed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "strideport/buffer_view.hpp"

namespace strideport {

/// The way of the executor through a plan.
enum class Strategy : uint8_t {
  nothing,    ///< no element to move, or source and destination are the same elements
  memcpy,     ///< one contiguous block
  rows,       ///< contiguous runs, one after another
  transpose,  ///< the densest dimension differs: cache tiles
  strided,    ///< no dense dimension on one side or both
  broadcast,  ///< one source item fills the innermost dimension
  staged,     ///< source and destination overlap partly: through a temporary
  indirect,   ///< row pointers (suboffsets): the plan is that of one block between them
};

/// One dimension of a plan. Units: extent in units of `CopyPlan::unit`, strides in bytes.
struct PlanDim {
  int64_t extent;
  int64_t dst_stride;
  int64_t src_stride;
  friend bool operator==(const PlanDim&, const PlanDim&) = default;
};

/// The dimensions of a plan, outermost first. Up to 8 need no allocation.
class PlanDims {
 public:
  static constexpr int kInline = 8;

  PlanDims() noexcept {}  // the inline dimensions stay uninitialised: a plan costs nanoseconds
  PlanDims(const PlanDims& other) { assign(other.data(), other.size()); }
  PlanDims(PlanDims&& other) noexcept : heap_(std::move(other.heap_)), size_(other.size_) {
    if (!heap_) std::copy_n(other.inline_, size_, inline_);
    other.size_ = 0;
  }
  PlanDims& operator=(const PlanDims& other) {
    if (this != &other) assign(other.data(), other.size());
    return *this;
  }
  PlanDims& operator=(PlanDims&& other) noexcept {
    if (this == &other) return *this;
    heap_ = std::move(other.heap_);
    size_ = other.size_;
    if (!heap_) std::copy_n(other.inline_, size_, inline_);
    other.size_ = 0;
    return *this;
  }
  ~PlanDims() = default;

  void assign(const PlanDim* dims, int count) { std::copy_n(dims, count, overwrite(count)); }

  /// Room for `count` dimensions, to be written by the caller; `shrink` gives back what was too much.
  PlanDim* overwrite(int count) {
    heap_ = count > kInline ? std::make_unique<PlanDim[]>(static_cast<size_t>(count)) : nullptr;
    size_ = count;
    return heap_ ? heap_.get() : inline_;
  }
  void shrink(int count) noexcept { size_ = count; }

  int size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const PlanDim* data() const noexcept { return heap_ ? heap_.get() : inline_; }
  const PlanDim* begin() const noexcept { return data(); }
  const PlanDim* end() const noexcept { return data() + size_; }
  const PlanDim& operator[](int i) const noexcept { return data()[i]; }
  const PlanDim& back() const noexcept { return data()[size_ - 1]; }
  friend bool operator==(const PlanDims& a, const PlanDims& b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  PlanDim inline_[kInline];
  std::unique_ptr<PlanDim[]> heap_;
  int size_ = 0;
};

/// A normalised copy: unit dims dropped, destination strides positive, sorted from widest to densest destination
/// stride (ties by source stride), adjacent dimensions merged, the unit widened up to 16 bytes where the run, every
/// stride and both addresses are multiples of it.
struct CopyPlan {
  Strategy strategy = Strategy::nothing;
  int unit = 1;            ///< bytes moved at a time: 1, 2, 4, 8 or 16
  PlanDims dims;           ///< of one block, if indirect
  int64_t dst_offset = 0;  ///< bytes from dst.buf() (from a block's start, if indirect) to the first unit
  int64_t src_offset = 0;
  int64_t bytes = 0;  ///< payload: bytes read, and again bytes written; 0 for nothing
  int64_t temporary_bytes = 0;
  int64_t blocks = 1;           ///< times that `dims` are done: over 1 only if indirect
  bool offsets_fit_32 = false;  ///< if true, every byte offset from the first unit fits a signed 32-bit number
  bool aligned = false;         ///< every address is a multiple of `unit`; false where row pointers decide
  bool overlapping = false;     ///< one block onto itself, shifted: moved in the order that keeps it right
};

/// Types:  two formats must be equal in meaning, else two DTypes; elements without either equal only each other.
/// Cost:   no allocation up to 8 dimensions after merging; with suboffsets a few short vectors.
/// Throws: InvalidArgument if shapes (unit dims dropped), element types or sizes differ, dst overlaps itself, or a kind
///         of memory is unknown;
///         ReadOnly; TypeMismatch for formats with references; BufferError for row pointers (suboffsets) in memory that
///         the host cannot read. What row pointers lead to is checked by `copy`, not here.
[[nodiscard]] CopyPlan plan_copy(const BufferView& dst, const BufferView& src);

/// The plan in words, and why a view would not have done. A line a fact, for people.
/// Throws: as `plan_copy`.
[[nodiscard]] std::string explain(const BufferView& dst, const BufferView& src);
[[nodiscard]] std::string to_string(Strategy strategy);

/// The dimensions as two layouts, `(4,8):(8,1)`: extents, then strides in bytes, of dst or of src.
[[nodiscard]] std::string dst_layout(const CopyPlan& plan);
[[nodiscard]] std::string src_layout(const CopyPlan& plan);

}  // namespace strideport
