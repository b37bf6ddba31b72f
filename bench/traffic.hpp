// What a copy costs a GPU's memory, counted by the simulated device: sectors against the fewest that hold the elements,
// and passes over shared memory against none that collide. Exact, and no time.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/device_layouts.hpp"
#include "device/kernels/launch.hpp"
#include "device/kernels/simulate.hpp"
#include "strideport/plan.hpp"

namespace strideport::bench {

constexpr uintptr_t kSectorBytes = 32;

/// Memory for one side, its lowest element `offset` elements past a page, and a page of room around it. Pages that
/// nobody touches cost nothing, so elements may lie gigabytes apart.
class Arena {
 public:
  Arena(const NamedLayout& layout, const std::vector<int64_t>& strides, int64_t offset) {
    int64_t lower = 0, upper = 1;
    for (size_t axis = 0; axis < strides.size(); ++axis) {
      (strides[axis] < 0 ? lower : upper) += (layout.shape[axis] - 1) * strides[axis];
    }
    bytes_ = static_cast<size_t>((upper - lower) * layout.itemsize);
    mapped_ = bytes_ + static_cast<size_t>(offset * layout.itemsize) + 2 * kPage;
    void* memory = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<std::byte*>(memory);
    begin_ = memory_ + kPage + offset * layout.itemsize;
    origin_ = begin_ - lower * layout.itemsize;
  }
  ~Arena() { munmap(memory_, mapped_); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  std::byte* origin() const noexcept { return origin_; }  ///< the element with all indices 0
  MemoryRange range() const noexcept { return {begin_, static_cast<int64_t>(bytes_)}; }

 private:
  static constexpr size_t kPage = 4096;
  std::byte* memory_;
  size_t mapped_;
  size_t bytes_;
  std::byte* begin_;
  std::byte* origin_;
};

/// The first byte of every element, in C order.
inline std::vector<uintptr_t> element_places(const NamedLayout& layout, const std::vector<int64_t>& strides,
                                             const std::byte* origin) {
  std::vector<uintptr_t> places{reinterpret_cast<uintptr_t>(origin)};
  for (size_t axis = 0; axis < layout.shape.size(); ++axis) {
    std::vector<uintptr_t> more;
    more.reserve(places.size() * static_cast<size_t>(layout.shape[axis]));
    const auto step = static_cast<uintptr_t>(strides[axis] * layout.itemsize);
    for (const uintptr_t place : places) {
      for (uintptr_t i = 0; i < static_cast<uintptr_t>(layout.shape[axis]); ++i) more.push_back(place + i * step);
    }
    places = std::move(more);
  }
  return places;
}

/// The fewest sectors that hold all elements.
inline uint64_t sectors_of(std::vector<uintptr_t> places, int64_t itemsize) {
  std::vector<uintptr_t> sectors;
  std::sort(places.begin(), places.end());
  for (const uintptr_t place : places) {
    for (uintptr_t s = place / kSectorBytes; s <= (place + static_cast<uintptr_t>(itemsize) - 1) / kSectorBytes; ++s) {
      if (sectors.empty() || sectors.back() < s) sectors.push_back(s);
    }
  }
  return sectors.size();
}

struct Counts {
  std::string kernel;
  char family = 0;
  kernels::Traffic traffic;
  uint64_t ideal_load_sectors = 0;
  uint64_t ideal_store_sectors = 0;

  // Over the ideal. `unique` counts a sector once a block, as if the cache kept what a block touches.
  double unique_loads() const { return ratio(traffic.unique_load_sectors, ideal_load_sectors); }
  double unique_stores() const { return ratio(traffic.unique_store_sectors, ideal_store_sectors); }
  double loads() const { return ratio(traffic.load_sectors, ideal_load_sectors); }
  double stores() const { return ratio(traffic.store_sectors, ideal_store_sectors); }
  double conflicts() const {
    return traffic.ideal_shared_wavefronts == 0 ? 1 : ratio(traffic.shared_wavefronts, traffic.ideal_shared_wavefronts);
  }

 private:
  static double ratio(uint64_t count, uint64_t ideal) {
    return static_cast<double>(count) / static_cast<double>(ideal);
  }
};

inline BufferView view_of(const NamedLayout& layout, const std::vector<int64_t>& strides, std::byte* origin) {
  std::vector<int64_t> bytes = strides;
  for (int64_t& stride : bytes) stride *= layout.itemsize;
  ViewSpec spec;
  spec.buf = origin;
  spec.shape = layout.shape;
  spec.strides = bytes;
  spec.itemsize = layout.itemsize;
  return BufferView::create(spec);
}

struct Simulated {
  kernels::Launch launch;
  kernels::Traffic traffic;
};

/// Runs the kernel that the library chooses, once `adjust` has had its launch.
/// Throws: std::runtime_error for a fault.
inline Simulated simulate_copy(
    const NamedLayout& layout, const Arena& dst, const Arena& src,
    const std::function<void(kernels::Launch&)>& adjust = [](kernels::Launch&) {}) {
  struct TwoArenas final : kernels::DeviceMemory {
    MemoryRange ranges[2];
    MemoryRange allocation_of(uintptr_t address) const override {
      for (const MemoryRange& range : ranges) {
        if (address - reinterpret_cast<uintptr_t>(range.begin) < static_cast<uintptr_t>(range.size)) return range;
      }
      return {};
    }
  } memory;
  memory.ranges[0] = dst.range();
  memory.ranges[1] = src.range();
  const CopyPlan plan =
      plan_copy(view_of(layout, layout.dst_strides, dst.origin()), view_of(layout, layout.src_strides, src.origin()));
  Simulated result;
  result.launch = kernels::prepare(plan, dst.origin() + plan.dst_offset, src.origin() + plan.src_offset);
  adjust(result.launch);
  const kernels::Simulation run = kernels::simulate(result.launch, kernels::MachineKind::counting, &memory);
  if (!run.fault.empty()) throw std::runtime_error(layout.name + ": " + run.fault);
  result.traffic = run.traffic;
  return result;
}

/// Does the whole copy, and looks at every element: a kernel that copies wrongly counts for nothing.
/// Throws: std::runtime_error for a fault, or a wrong element.
inline Counts count_traffic(const NamedLayout& layout) {
  const Arena dst(layout, layout.dst_strides, layout.dst_offset), src(layout, layout.src_strides, layout.src_offset);
  const auto to = element_places(layout, layout.dst_strides, dst.origin());
  const auto from = element_places(layout, layout.src_strides, src.origin());
  const auto item = static_cast<size_t>(layout.itemsize);
  uint64_t value = 0x9E3779B97F4A7C15;
  for (const uintptr_t place : from) {
    auto* bytes = reinterpret_cast<std::byte*>(place);
    for (size_t i = 0; i < item; ++i)
      bytes[i] = static_cast<std::byte>((value = value * 6364136223846793005 + 1) >> 56);
  }
  const Simulated result = simulate_copy(layout, dst, src);
  for (size_t i = 0; i < to.size(); ++i) {
    if (std::memcmp(reinterpret_cast<const void*>(to[i]), reinterpret_cast<const void*>(from[i]), item) != 0) {
      throw std::runtime_error(layout.name + ": " + result.launch.kernel + " copies element " + std::to_string(i) +
                               " wrongly");
    }
  }
  return {result.launch.kernel, result.launch.family, result.traffic, sectors_of(from, layout.itemsize),
          sectors_of(to, layout.itemsize)};
}

}  // namespace strideport::bench
