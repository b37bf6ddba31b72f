/// A copy done by one kernel on a simulated machine, over arenas that are compared whole with the copy done by hand.
///
/// The oracle adds up addresses one index at a time. It shares nothing with the library but the plan, and what the plan
/// says is checked on the way: the kernel must move every element of both views.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "device/kernels/families.hpp"
#include "device/kernels/params.hpp"
#include "device/kernels/simulate.hpp"
#include "strideport/plan.hpp"
#include "tests/support/odometer.hpp"
#include "tests/support/seed.hpp"

namespace strideport::testing {

/// A copy: strides in bytes; the bytes by which each side's lowest element is off a 256-byte boundary.
struct KernelCopy {
  int64_t itemsize = 4;
  Index shape;
  Index dst_strides;
  Index src_strides;
  int64_t dst_shift = 0;
  int64_t src_shift = 0;

  std::string text() const {
    return "dst " + layout_text(shape, dst_strides) + "+" + std::to_string(dst_shift) + " src " +
           layout_text(shape, src_strides) + "+" + std::to_string(src_shift) + " itemsize " + std::to_string(itemsize);
  }
};

/// C-contiguous strides of a shape.
inline Index dense_strides(const Index& shape, int64_t itemsize) {
  Index strides(shape.size());
  int64_t stride = itemsize;
  for (size_t i = shape.size(); i-- > 0; stride *= shape[i]) strides[i] = stride;
  return strides;
}

/// Memory that ends exactly where the elements do, at an address with the alignment asked for.
class ExactArena {
 public:
  ExactArena(const Index& shape, const Index& strides, int64_t itemsize, int64_t shift) {
    int64_t lower = 0;
    int64_t upper = itemsize;
    for (size_t i = 0; i < shape.size(); ++i) (strides[i] < 0 ? lower : upper) += (shape[i] - 1) * strides[i];
    bytes_ = static_cast<size_t>(upper - lower);
    memory_.resize(bytes_ + 2 * kBoundary + static_cast<size_t>(shift));
    const auto start = reinterpret_cast<uintptr_t>(memory_.data());
    margin_ = (kBoundary - start % kBoundary) % kBoundary + static_cast<size_t>(shift);
    origin_ = begin() - lower;
  }
  std::byte* begin() { return memory_.data() + margin_; }
  size_t size() const { return bytes_; }
  /// The element with all indices 0.
  std::byte* origin() { return origin_; }
  std::vector<std::byte>& memory() { return memory_; }
  void randomise(uint64_t seed) {
    Random random(seed);
    size_t i = 0;
    for (; i + 8 <= memory_.size(); i += 8) {
      const uint64_t bits = random();
      std::memcpy(memory_.data() + i, &bits, 8);
    }
  }

 private:
  static constexpr size_t kBoundary = 256;
  size_t bytes_ = 0;
  size_t margin_ = 0;
  std::vector<std::byte> memory_;
  std::byte* origin_ = nullptr;
};

/// Two allocations, at their own addresses.
class TwoArenas final : public kernels::DeviceMemory {
 public:
  TwoArenas(ExactArena& a, ExactArena& b) : ranges_{{a.begin(), length(a)}, {b.begin(), length(b)}} {}
  MemoryRange allocation_of(uintptr_t address) const override {
    for (const MemoryRange& range : ranges_) {
      if (address - reinterpret_cast<uintptr_t>(range.begin) < static_cast<uintptr_t>(range.size)) return range;
    }
    return {};
  }

 private:
  static int64_t length(const ExactArena& arena) { return static_cast<int64_t>(arena.size()); }
  MemoryRange ranges_[2];
};

/// One allocation that both sides lie in.
class OneArena final : public kernels::DeviceMemory {
 public:
  explicit OneArena(const std::vector<uint8_t>& memory) : range_{memory.data(), std::ssize(memory)} {}
  MemoryRange allocation_of(uintptr_t) const override { return range_; }

 private:
  MemoryRange range_;
};

using Prepare = bool (*)(kernels::Launch&, const kernels::Problem&);

struct KernelRun {
  bool prepared = false;
  kernels::Launch launch;
  kernels::Traffic traffic;
  /// The least that a copy can do, in sectors.
  uint64_t ideal_load_sectors = 0;
  uint64_t ideal_store_sectors = 0;
};

inline BufferView view_of(const KernelCopy& c, const Index& strides, std::byte* origin) {
  ViewSpec spec;
  spec.buf = origin;
  spec.shape = c.shape;
  spec.strides = strides;
  spec.itemsize = c.itemsize;
  return BufferView::create(spec);
}

/// Sectors that hold bytes of the view.
inline uint64_t touched_sectors(const BufferView& view) {
  std::vector<uintptr_t> sectors;
  for (const uintptr_t address : addresses(view)) {
    for (uintptr_t s = address / 32; s <= (address + static_cast<uintptr_t>(view.itemsize()) - 1) / 32; ++s) {
      if (sectors.empty() || sectors.back() != s) sectors.push_back(s);
    }
  }
  std::sort(sectors.begin(), sectors.end());
  return static_cast<uint64_t>(std::unique(sectors.begin(), sectors.end()) - sectors.begin());
}

/// Prepares and runs one copy. What `prepare` declines is not run; everything else must be right to the last byte.
inline KernelRun run_kernel(const KernelCopy& c, Prepare prepare, kernels::MachineKind machine, uint64_t seed = 0) {
  ExactArena dst(c.shape, c.dst_strides, c.itemsize, c.dst_shift);
  ExactArena src(c.shape, c.src_strides, c.itemsize, c.src_shift);
  dst.randomise(1);
  src.randomise(2);
  const BufferView dst_view = view_of(c, c.dst_strides, dst.origin());
  const BufferView src_view = view_of(c, c.src_strides, src.origin());
  const CopyPlan plan = plan_copy(dst_view, src_view);
  KernelRun outcome;
  if (plan.strategy == Strategy::nothing) return outcome;
  const kernels::Problem problem =
      kernels::make_problem(plan, dst.origin() + plan.dst_offset, src.origin() + plan.src_offset);
  outcome.prepared = prepare(outcome.launch, problem);
  if (!outcome.prepared) return outcome;

  std::vector<std::byte> expected = dst.memory();
  const std::vector<uintptr_t> to = addresses(dst_view);
  const std::vector<uintptr_t> from = addresses(src_view);
  const auto start = reinterpret_cast<uintptr_t>(dst.memory().data());
  for (size_t i = 0; i < to.size(); ++i) {
    std::memcpy(expected.data() + (to[i] - start), reinterpret_cast<const void*>(from[i]),
                static_cast<size_t>(c.itemsize));
  }
  const TwoArenas memory(dst, src);
  const kernels::Simulation result = kernels::simulate(outcome.launch, machine, &memory, seed);
  outcome.traffic = result.traffic;
  EXPECT_EQ(result.fault, "") << c.text();
  const auto differs = std::mismatch(expected.begin(), expected.end(), dst.memory().begin());
  EXPECT_EQ(differs.first - expected.begin(), std::ssize(expected)) << "first wrong byte; " << c.text();
  if (machine == kernels::MachineKind::counting) {
    outcome.ideal_load_sectors = touched_sectors(src_view);
    outcome.ideal_store_sectors = touched_sectors(dst_view);
  }
  return outcome;
}

inline double ratio(uint64_t count, uint64_t ideal) { return static_cast<double>(count) / static_cast<double>(ideal); }

}  // namespace strideport::testing
