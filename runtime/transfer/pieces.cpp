#include "runtime/transfer/pieces.hpp"

#include <algorithm>

#include "runtime/plan_steps.hpp"

namespace strideport::transfer {
namespace {

int64_t stride_of(const PlanDim& dim, PackedLike side) noexcept {
  return side == PackedLike::dst ? dim.dst_stride : dim.src_stride;
}

// Cuts fall on multiples of so many packed bytes where they can: what a GPU and its copy engines like.
constexpr int64_t kCutAlignment = 256;

int64_t stride_of(const PieceDim& dim, PackedLike side) noexcept { return side == PackedLike::dst ? dim.dst : dim.src; }

// Indices of a piece, at most `most`: about as many in each, and cuts where they are aligned.
int64_t even_step(int64_t extent, int64_t most, int64_t stride) noexcept {
  if (most >= extent) return extent;
  const int64_t parts = (extent + most - 1) / most;
  const int64_t even = (extent + parts - 1) / parts;
  const int64_t multiple = stride > 0 && stride < kCutAlignment ? kCutAlignment / stride : 1;
  const int64_t up = (even + multiple - 1) / multiple * multiple;
  if (up <= most) return up;
  return most >= multiple ? most - most % multiple : most;
}

}  // namespace

Pieces::Pieces(const CopyPlan& plan, PackedLike side, Packing packing, int64_t capacity_bytes) noexcept
    : unit_(plan.unit) {
  take_dims(plan, side);
  for (int i = 0; i < count_; ++i) dims_[i].packed = dims_[i].src == 0 ? 0 : stride_of(dims_[i], side);
  pack(packing);
  choose_cut(capacity_bytes);
}

// Outermost first by |stride| on that side, walked forwards there; what repeats goes last.
void Pieces::take_dims(const CopyPlan& plan, PackedLike side) noexcept {
  for (const PlanDim& given : plan.dims) {
    PieceDim dim{given.extent, given.dst_stride, given.src_stride, 0};
    if (stride_of(dim, side) < 0) {
      dst_offset_ = planning::wrapping_muladd(dst_offset_, dim.extent - 1, dim.dst);
      src_offset_ = planning::wrapping_muladd(src_offset_, dim.extent - 1, dim.src);
      dim.dst = planning::wrapping_negate(dim.dst);
      dim.src = planning::wrapping_negate(dim.src);
    }
    const auto goes_before = [side](const PieceDim& a, const PieceDim& b) {
      if ((a.src == 0) != (b.src == 0)) return b.src == 0;
      return stride_of(a, side) > stride_of(b, side);
    };
    int place = count_++;
    for (; place > 0 && goes_before(dim, dims_[place - 1]); --place) dims_[place] = dims_[place - 1];
    dims_[place] = dim;
  }
}

void Pieces::pack(Packing packing) noexcept {
  if (packing == Packing::image) return;
  int64_t dense = unit_;
  for (int i = count_; i-- > 0;) {
    if (dims_[i].packed == 0) continue;
    dims_[i].packed = dense;
    dense *= dims_[i].extent;
  }
}

void Pieces::choose_cut(int64_t capacity_bytes) noexcept {
  inner_span_ = unit_;
  inner_bytes_ = unit_;
  cut_ = count_;
  int64_t most = 1;  // indices of the dimension to cut that fit
  while (cut_ > 0) {
    const PieceDim& dim = dims_[cut_ - 1];
    --cut_;
    const int64_t room = (capacity_bytes - inner_span_) / std::max<int64_t>(dim.packed, 1);
    most = dim.packed == 0 ? dim.extent : std::min(dim.extent, std::max<int64_t>(room, 0) + 1);
    if (most < dim.extent || cut_ == 0) break;
    inner_span_ += (dim.extent - 1) * dim.packed;
    inner_bytes_ *= dim.extent;
  }
  if (count_ == 0) {
    parts_ = 1;
    largest_ = inner_span_;
    return;
  }
  const PieceDim& dim = dims_[cut_];
  step_ = even_step(dim.extent, most, dim.packed);
  parts_ = (dim.extent + step_ - 1) / step_;
  for (int i = 0; i < cut_; ++i) outer_ *= dims_[i].extent;
  largest_ = packed_span(step_);
}

int64_t Pieces::packed_span(int64_t cut_extent) const noexcept {
  return inner_span_ + (cut_extent - 1) * dims_[cut_].packed;
}

Piece Pieces::at(int64_t number) const noexcept {
  Piece piece{dims_, count_, cut_, 1, unit_, dst_offset_, src_offset_, inner_span_, inner_bytes_};
  if (count_ == 0) return piece;
  int64_t outer = number / parts_;
  const int64_t part = number % parts_;
  for (int i = cut_; i-- > 0; outer /= dims_[i].extent) {
    const int64_t index = outer % dims_[i].extent;
    piece.dst_offset += index * dims_[i].dst;
    piece.src_offset += index * dims_[i].src;
  }
  const PieceDim& dim = dims_[cut_];
  const int64_t begin = part * step_;
  piece.cut_extent = std::min(step_, dim.extent - begin);
  piece.dst_offset += begin * dim.dst;
  piece.src_offset += begin * dim.src;
  piece.packed_bytes = packed_span(piece.cut_extent);
  piece.bytes = inner_bytes_ * piece.cut_extent;
  return piece;
}

int64_t Pieces::total_bytes() const noexcept {
  if (count_ == 0) return largest_;
  // The parts of one box: parts_ times what is inside, and the steps between indices that are not cut.
  return outer_ * (parts_ * inner_span_ + (dims_[cut_].extent - parts_) * dims_[cut_].packed);
}

CopyPlan plan_between(const PlanDim* dims, int count, int unit, const void* dst, const void* src) noexcept {
  CopyPlan plan;
  planning::Draft draft;
  plan.bytes = unit;
  for (int i = 0; i < count; ++i) {
    if (dims[i].extent == 1) continue;
    draft.add(dims[i]);
    plan.bytes *= dims[i].extent;
  }
  const auto to = reinterpret_cast<uintptr_t>(dst) + static_cast<uintptr_t>(draft.dst_offset);
  const auto from = reinterpret_cast<uintptr_t>(src) + static_cast<uintptr_t>(draft.src_offset);
  (void)planning::finish(plan, draft, unit, to | from);
  return plan;
}

CopyPlan plan_leg(const Piece& piece, Leg leg, const void* dst, const void* src) noexcept {
  PlanDim dims[kMaxNdim + 1];
  int count = 0;
  for (int i = piece.cut; i < piece.count; ++i) {
    const PieceDim& dim = piece.dims[i];
    const int64_t extent = i == piece.cut ? piece.cut_extent : dim.extent;
    if (leg == Leg::packed_to_dst) {
      dims[count++] = {extent, dim.dst, dim.packed};
    } else if (dim.packed != 0) {
      dims[count++] = {extent, dim.packed, dim.src};
    }
  }
  return plan_between(dims, count, piece.unit, dst, src);
}

int64_t span_bytes(const CopyPlan& plan, PackedLike side) noexcept {
  int64_t span = plan.unit;
  for (const PlanDim& dim : plan.dims) {
    span += (dim.extent - 1) * static_cast<int64_t>(magnitude(stride_of(dim, side)));
  }
  return span;
}

bool gapless(const CopyPlan& plan, PackedLike side) noexcept {
  PieceDim dims[kMaxNdim + 1];  // only `extent` and `packed`, densest last
  int count = 0;
  for (const PlanDim& dim : plan.dims) {
    const auto stride = static_cast<int64_t>(magnitude(stride_of(dim, side)));
    if (stride == 0) continue;
    int place = count++;
    for (; place > 0 && stride > dims[place - 1].packed; --place) dims[place] = dims[place - 1];
    dims[place] = {dim.extent, 0, 0, stride};
  }
  int64_t span = plan.unit;
  for (int i = count; i-- > 0; span += (dims[i].extent - 1) * dims[i].packed) {
    if (dims[i].packed > span) return false;
  }
  return true;
}

bool repeats(const CopyPlan& plan) noexcept {
  return std::any_of(plan.dims.begin(), plan.dims.end(), [](const PlanDim& dim) { return dim.src_stride == 0; });
}

}  // namespace strideport::transfer
