// Whether elements share bytes, decided exactly as far as a fixed bound of work allows.
//
// The bytes of two elements meet if the distance of their addresses lies in a window around 0. That distance is a sum
// of stride times index over the axes of both, so the question is a bounded linear Diophantine one:
//
//     is there x with 0 <= x[k] <= limit[k] and low <= sum(coefficient[k] * x[k]) <= high ?
//
// It is NP-complete in general and easy for layouts that people have, thanks to three exact reductions. (1) A term
// whose steps are no longer than the window is wide sweeps it without a gap: the window grows, the term goes.
// (2) A term whose coefficient is a multiple of a smaller one within that one's reach continues it: they become one.
// (3) In what is left, from the largest coefficient down, a choice is dropped where the rest cannot reach the window,
// or where no multiple of the greatest common divisor of the rest lies in it. C order, F order, slices and
// transpositions of them end in (1) and (2); the search in (3) has work only for interleaved strides. Where it is given
// up, the offsets of a small layout are sorted, which settles it; only of a large one "yes" may mean "perhaps".
#include "runtime/overlap.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "runtime/checked.hpp"
#include "runtime/indirection.hpp"
#include "runtime/stride_order.hpp"

namespace strideport {
namespace {

// Sums of two spans of int64 and an address difference: a little over 64 bits.
__extension__ typedef __int128 Wide;

constexpr int kSearchSteps = 1 << 15;      // a few milliseconds
constexpr int64_t kSortedElems = 1 << 20;  // 8 MB of offsets, some 100 milliseconds

Wide floor_div(Wide a, Wide b) noexcept { return a / b - (a % b < 0 ? 1 : 0); }  // b > 0
Wide ceil_div(Wide a, Wide b) noexcept { return -floor_div(-a, b); }

struct Term {
  Wide coefficient = 0;  // > 0
  Wide limit = 0;
};

class Problem {
 public:
  Problem(Wide low, Wide high) noexcept : low_(low), high_(high) {}

  // Adds coefficient * index for index in [0, extent - 1], of any sign: a negative one is counted from its far end.
  void add(Wide coefficient, Wide limit) noexcept {
    if (coefficient == 0 || limit == 0) return;
    if (coefficient < 0) {
      coefficient = -coefficient;
      low_ += coefficient * limit;
      high_ += coefficient * limit;
    }
    terms_[count_++] = {coefficient, limit};
  }

  // True if there is a solution, or if the search gave up.
  bool may_be_solvable() noexcept {
    reduce();
    Wide reach = 0;
    Wide divisor = 0;
    for (size_t i = 0; i < count_; ++i) {
      reach += terms_[i].coefficient * terms_[i].limit;
      divisor = std::gcd(static_cast<uint64_t>(divisor), static_cast<uint64_t>(terms_[i].coefficient));
      reach_[i] = reach;
      divisor_[i] = divisor;
    }
    steps_ = kSearchSteps;
    return search(count_, low_, high_);
  }

 private:
  void reduce() noexcept {
    std::sort(terms_.begin(), terms_.begin() + static_cast<std::ptrdiff_t>(count_),
              [](const Term& a, const Term& b) { return a.coefficient < b.coefficient; });
    size_t kept = 0;
    for (size_t i = 0; i < count_; ++i) {
      const Term term = terms_[i];
      if (kept == 0 && term.coefficient <= high_ - low_ + 1) {
        low_ -= term.coefficient * term.limit;
      } else if (kept > 0 && continues(terms_[kept - 1], term)) {
        terms_[kept - 1].limit += term.coefficient / terms_[kept - 1].coefficient * term.limit;
      } else {
        terms_[kept++] = term;
      }
    }
    count_ = kept;
  }

  static bool continues(const Term& fine, const Term& coarse) noexcept {
    return coarse.coefficient % fine.coefficient == 0 && coarse.coefficient <= fine.coefficient * (fine.limit + 1);
  }

  // Can the first `count` terms sum to something in [low, high]?
  bool search(size_t count, Wide low, Wide high) noexcept {
    if (low <= 0 && high >= 0) return true;
    if (count == 0 || high < 0 || low > reach_[count - 1]) return false;
    if (floor_div(high, divisor_[count - 1]) < ceil_div(low, divisor_[count - 1])) return false;
    const Term& term = terms_[count - 1];
    const Wide rest = count > 1 ? reach_[count - 2] : 0;
    const Wide first = std::max<Wide>(0, ceil_div(low - rest, term.coefficient));
    const Wide last = std::min(term.limit, floor_div(high, term.coefficient));
    for (Wide x = first; x <= last; ++x) {
      if (--steps_ < 0) return true;
      if (search(count - 1, low - x * term.coefficient, high - x * term.coefficient)) return true;
    }
    return false;
  }

  Wide low_;
  Wide high_;
  std::array<Term, 2 * kMaxNdim> terms_;
  std::array<Wide, 2 * kMaxNdim> reach_;    // of the terms up to this one
  std::array<Wide, 2 * kMaxNdim> divisor_;  // greatest common one of the terms up to this one
  size_t count_ = 0;
  int steps_ = 0;
};

// Where each stride is as long as everything below it spans, elements lie apart. All ordinary layouts do.
bool is_nested(std::span<const int64_t> shape, std::span<const int64_t> strides, int64_t itemsize,
               std::span<const int> axes) noexcept {
  auto span = static_cast<uint64_t>(itemsize);
  for (const int axis : axes) {
    const auto i = static_cast<size_t>(axis);
    const uint64_t stride = magnitude(strides[i]);
    if (stride < span) return false;
    span += stride * static_cast<uint64_t>(shape[i] - 1);
  }
  return true;
}

// Two different indices differ first, from the widest stride down, in some axis: there by 1 or more, say, and in
// denser ones by anything. One problem for each axis that may be that one. True also where a search is given up.
bool some_pair_meets(std::span<const int64_t> shape, std::span<const int64_t> strides, int64_t itemsize,
                     std::span<const int> axes) noexcept {
  for (size_t lead = 0; lead < axes.size(); ++lead) {
    const auto stride_of = [&](size_t k) {
      return Wide{static_cast<Wide>(magnitude(strides[static_cast<size_t>(axes[k])]))};
    };
    const auto limit_of = [&](size_t k) { return Wide{shape[static_cast<size_t>(axes[k])]} - 1; };
    Wide fixed = stride_of(lead);
    for (size_t k = 0; k < lead; ++k) fixed -= stride_of(k) * limit_of(k);
    Problem problem(1 - itemsize - fixed, itemsize - 1 - fixed);
    problem.add(stride_of(lead), limit_of(lead) - 1);
    for (size_t k = 0; k < lead; ++k) problem.add(stride_of(k), 2 * limit_of(k));
    if (problem.may_be_solvable()) return true;
  }
  return false;
}

// The same question by brute force: all offsets, sorted.
bool sorted_neighbours_meet(std::span<const int64_t> shape, std::span<const int64_t> strides, int64_t itemsize,
                            int64_t count) {
  std::vector<int64_t> offsets{0};
  offsets.reserve(static_cast<size_t>(count));
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    const size_t inner = offsets.size();
    for (int64_t index = 1; index < shape[axis]; ++index) {
      for (size_t i = 0; i < inner; ++i) offsets.push_back(offsets[i] + index * strides[axis]);
    }
  }
  std::sort(offsets.begin(), offsets.end());
  return std::adjacent_find(offsets.begin(), offsets.end(),
                            [itemsize](int64_t a, int64_t b) { return b - a < itemsize; }) != offsets.end();
}

void add_axes(Problem& problem, const BufferView& view, Wide sign) noexcept {
  for (size_t i = 0; i < view.shape().size(); ++i) {
    problem.add(sign * view.strides()[i], Wide{view.shape()[i]} - 1);
  }
}

Wide address_of(const BufferView& view) noexcept { return static_cast<Wide>(reinterpret_cast<uintptr_t>(view.buf())); }

}  // namespace

bool overlaps_itself(std::span<const int64_t> shape, std::span<const int64_t> strides, int64_t itemsize) {
  const OffsetBounds bounds = offset_bounds(shape, strides, itemsize);
  if (itemsize == 0 || bounds == OffsetBounds{}) return false;
  const AxesByStride sorted(shape, strides);
  const auto axes = sorted.densest_first();
  if (is_nested(shape, strides, itemsize, axes)) return false;
  int64_t len = itemsize;  // more bytes than the span has must share some
  for (const int64_t extent : shape) {
    if (!try_mul(len, extent, len) || len > bounds.upper - bounds.lower) return true;
  }
  if (!some_pair_meets(shape, strides, itemsize, axes)) return false;
  const int64_t count = len / itemsize;
  return count > kSortedElems || sorted_neighbours_meet(shape, strides, itemsize, count);
}

bool may_overlap(const BufferView& a, const BufferView& b) noexcept {
  if (a.empty() || b.empty()) return false;
  if (a.has_suboffsets() || b.has_suboffsets()) return true;
  const OffsetBounds of_a = offset_bounds(a.shape(), a.strides(), a.itemsize());
  const OffsetBounds of_b = offset_bounds(b.shape(), b.strides(), b.itemsize());
  const Wide distance = address_of(a) - address_of(b);
  return distance + of_a.upper > of_b.lower && distance + of_a.lower < of_b.upper;
}

bool may_share_elements(const BufferView& a, const BufferView& b) {
  if (!may_overlap(a, b)) return false;
  if (a.has_suboffsets() || b.has_suboffsets()) return true;
  const Wide distance = address_of(a) - address_of(b);
  Problem problem(1 - a.itemsize() - distance, b.itemsize() - 1 - distance);
  add_axes(problem, a, 1);
  add_axes(problem, b, -1);
  return problem.may_be_solvable();
}

}  // namespace strideport
