/// A copy between two arenas, done by a kernel on the machines of the host and compared with the odometer's, gaps
/// included.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "device/kernels/families.hpp"
#include "device/kernels/simulate.hpp"
#include "tests/support/copy_pair.hpp"
#include "tests/support/kernel_memory.hpp"

namespace strideport::testing {

using PrepareFunction = bool (*)(kernels::Launch&, const kernels::Problem&);

/// Both layouts, and how many bytes lie in front of what each reaches: the arenas are just as large as that needs.
struct KernelLayout {
  int64_t itemsize = 1;
  std::vector<int64_t> shape;
  std::vector<int64_t> dst_strides;  ///< bytes
  std::vector<int64_t> src_strides;
  int64_t dst_before = 0;
  int64_t src_before = 0;
  int64_t after = 0;
  bool aligned = false;  ///< both are counted from a multiple of 256 bytes
};

/// Not to be moved: views and addresses lead into it.
class KernelCase {
 public:
  KernelCase(Random& random, const KernelLayout& layout)
      : dst_(view(random, dst_arena_, layout, layout.dst_strides, layout.dst_before)),
        src_(view(random, src_arena_, layout, layout.src_strides, layout.src_before)),
        plan_(plan_copy(dst_, src_)) {
    memory_.add(dst_arena_.memory);
    memory_.add(src_arena_.memory);
    before_ = dst_arena_.memory;
    copy_by_hand();
  }
  KernelCase(const KernelCase&) = delete;
  KernelCase& operator=(const KernelCase&) = delete;

  const CopyPlan& plan() const { return plan_; }
  void* dst() const { return KernelMemory::on_device(static_cast<std::byte*>(dst_.buf()) + plan_.dst_offset); }
  const void* src() const { return KernelMemory::on_device(static_cast<std::byte*>(src_.buf()) + plan_.src_offset); }
  std::string text() const { return describe(dst_, src_); }

  /// Nothing where the plan is not of that kind.
  std::optional<kernels::Launch> prepared(PrepareFunction prepare) const {
    kernels::Launch launch;
    if (!prepare(launch, kernels::make_problem(plan_, dst(), src()))) return std::nullopt;
    return launch;
  }
  /// The sectors of 32 bytes that hold elements: what a copy must touch at least.
  uint64_t src_sectors() const { return sectors_of(src_); }
  uint64_t dst_sectors() const { return sectors_of(dst_); }
  kernels::Simulation run(const kernels::Launch& launch, kernels::MachineKind machine, uint64_t seed = 0) {
    dst_arena_.memory = before_;
    return kernels::simulate(launch, machine, &memory_, seed);
  }
  /// Runs a launch on the fast and on the checking machine.
  void expect_copies(const kernels::Launch& launch, uint64_t seed = 0) {
    for (const auto machine : {kernels::MachineKind::fast, kernels::MachineKind::checking}) {
      const kernels::Simulation simulation = run(launch, machine, seed);
      EXPECT_EQ(simulation.fault, "") << text();
      EXPECT_TRUE(dst_arena_.memory == expected_) << launch.kernel << " goes wrong: " << text();
    }
  }

 private:
  static BufferView view(Random& random, Arena& arena, const KernelLayout& layout, const std::vector<int64_t>& strides,
                         int64_t before) {
    Side side;
    side.shape = layout.shape;
    side.strides = strides;
    bound(side, layout.itemsize);
    constexpr uintptr_t kBoundary = 256;
    arena.randomise(random, before - side.lower + side.upper + layout.after + (layout.aligned ? kBoundary : 0));
    const uintptr_t begin = layout.aligned ? (arena.begin() + kBoundary - 1) / kBoundary * kBoundary : arena.begin();
    return view_at(begin + static_cast<uintptr_t>(before - side.lower), side, layout.itemsize);
  }

  static uint64_t sectors_of(const BufferView& view) {
    std::set<uintptr_t> sectors;
    for_each_index(view.shape(), [&](const Index& index) {
      auto address = reinterpret_cast<uintptr_t>(view.buf());
      for (size_t axis = 0; axis < index.size(); ++axis)
        address += static_cast<uintptr_t>(index[axis] * view.strides()[axis]);
      for (uintptr_t s = address / 32; s <= (address + static_cast<uintptr_t>(view.itemsize()) - 1) / 32; ++s)
        sectors.insert(s);
    });
    return sectors.size();
  }

  // The odometer's step by step addresses are too slow for runs of many thousand elements: here an index is multiplied.
  void copy_by_hand() {
    expected_ = before_;
    for_each_index(dst_.shape(), [&](const Index& index) {
      std::byte* to = expected_.data() + (static_cast<std::byte*>(dst_.buf()) - dst_arena_.memory.data());
      const auto* from = static_cast<const std::byte*>(src_.buf());
      for (size_t axis = 0; axis < index.size(); ++axis) {
        to += index[axis] * dst_.strides()[axis];
        from += index[axis] * src_.strides()[axis];
      }
      std::memcpy(to, from, static_cast<size_t>(dst_.itemsize()));
    });
  }

  Arena dst_arena_;
  Arena src_arena_;
  BufferView dst_;
  BufferView src_;
  CopyPlan plan_;
  KernelMemory memory_;
  std::vector<std::byte> before_;
  std::vector<std::byte> expected_;
};

/// Any structure at all, as copies meet them.
inline KernelLayout random_kernel_layout(Random& random) {
  static constexpr int64_t kItems[] = {1, 1, 2, 2, 3, 4, 4, 6, 8, 8, 12, 16, 24, 5};
  KernelLayout layout;
  layout.itemsize = kItems[static_cast<size_t>(pick(random, 0, std::size(kItems) - 1))];
  layout.shape = pair_shape(random, one_in(random, 30) ? pick(random, 7, 20) : pick(random, 0, 6), 3000);
  for (int64_t& extent : layout.shape) extent = std::max<int64_t>(extent, 1);
  layout.dst_strides = nested_strides(random, layout.shape, layout.itemsize);
  layout.src_strides = source_strides(random, layout.shape, layout.itemsize);
  layout.dst_before = pick(random, 0, 20);
  layout.src_before = pick(random, 0, 20);
  layout.after = pick(random, 0, 20);
  return layout;
}

}  // namespace strideport::testing
