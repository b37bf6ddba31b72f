/// A copy in pieces that fit a slot of staging memory: boxes of the plan's dimensions, each packed on its way.
///
/// A box is cut from one dimension; those outside of it are walked index by index, those inside are whole. Dimensions
/// in which the source repeats (stride 0) come last and are not packed: they travel once.
#pragma once

#include <cstdint>

#include "strideport/layout.hpp"
#include "strideport/plan.hpp"

namespace strideport::transfer {

/// The side whose order of memory the packed bytes have.
enum class PackedLike : uint8_t { dst, src };

/// How the packed bytes lie: one after another, or as on that side, gaps included.
enum class Packing : uint8_t { dense, image };

/// A dimension on its three sides. Units: strides in bytes.
struct PieceDim {
  int64_t extent;
  int64_t dst;
  int64_t src;
  int64_t packed;  ///< never negative; 0 where the source repeats
};

/// One box. Offsets are bytes from the first unit of the whole.
struct Piece {
  const PieceDim* dims;  ///< of Pieces, but for the extent of dimension `cut`; those before it count as 1
  int count;
  int cut;
  int64_t cut_extent;
  int unit;
  int64_t dst_offset;
  int64_t src_offset;
  int64_t packed_bytes;  ///< from the first to the last packed byte
  int64_t bytes;         ///< payload
};

/// A direction in which a piece moves: between two of its sides.
enum class Leg : uint8_t { src_to_packed, packed_to_dst };

class Pieces {
 public:
  Pieces() noexcept {}  // `dims_` stays uninitialised

  /// Cuts `plan` so that no piece takes more than `capacity_bytes`, at least 16, of packed memory.
  Pieces(const CopyPlan& plan, PackedLike side, Packing packing, int64_t capacity_bytes) noexcept;

  int64_t count() const noexcept { return outer_ * parts_; }
  /// Shapes: 0 <= number < count(). The piece refers into this.
  Piece at(int64_t number) const noexcept;
  /// Packed bytes of the largest piece, and of all together.
  int64_t largest_bytes() const noexcept { return largest_; }
  int64_t total_bytes() const noexcept;

 private:
  void take_dims(const CopyPlan& plan, PackedLike side) noexcept;
  void pack(Packing packing) noexcept;
  void choose_cut(int64_t capacity_bytes) noexcept;
  int64_t packed_span(int64_t cut_extent) const noexcept;

  PieceDim dims_[kMaxNdim + 1];
  int count_ = 0;
  int unit_ = 1;
  int cut_ = 0;              // count_ where there is nothing to cut
  int64_t parts_ = 0;        // of dimension cut_
  int64_t step_ = 1;         // indices in each of them but the last
  int64_t outer_ = 1;        // boxes outside of it
  int64_t inner_span_ = 0;   // packed bytes of what is inside of it
  int64_t inner_bytes_ = 0;  // payload of the same
  int64_t largest_ = 0;
  int64_t dst_offset_ = 0;
  int64_t src_offset_ = 0;
};

/// A normalised plan of dimensions between two addresses of first units. Units: dimensions as of CopyPlan, in any order
/// and of any sign, those of dst without overlap. The result's offsets count from these addresses.
[[nodiscard]] CopyPlan plan_between(const PlanDim* dims, int count, int unit, const void* dst,
                                    const void* src) noexcept;

/// The plan of one leg of a piece. Addresses: of the piece's first unit on the side that is no packed memory, and of
/// its first packed byte.
[[nodiscard]] CopyPlan plan_leg(const Piece& piece, Leg leg, const void* dst, const void* src) noexcept;

/// Bytes from the first to the last of that side.
[[nodiscard]] int64_t span_bytes(const CopyPlan& plan, PackedLike side) noexcept;

/// True if that side's elements leave no byte between the first and the last unused.
[[nodiscard]] bool gapless(const CopyPlan& plan, PackedLike side) noexcept;

/// True if the source repeats in a dimension.
[[nodiscard]] bool repeats(const CopyPlan& plan) noexcept;

}  // namespace strideport::transfer
