// Every compiled kernel, launched on the device by the public copy between Buffers, and its results on whole
// allocations against an oracle that walks host memory.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/kernel_widths.hpp"
#include "bench/traffic_tables.hpp"
#include "device/kernels/registry.hpp"
#include "device/simulated/control.hpp"
#include "runtime/device_api.hpp"
#include "strideport/plan.hpp"
#include "tests/support/copy_pair.hpp"
#include "tests/support/device_places.hpp"

namespace strideport {
namespace {

using namespace strideport::testing;  // NOLINT: the tests' own vocabulary
using bench::NamedLayout;

constexpr int64_t kGuardBytes = 256;  // as aligned as allocations are
constexpr int64_t kMostBytes = 24'000;
constexpr int kEnough = 3;  // copies by one kernel

// One side of a layout: strides in bytes, and where they reach.
Side side_of(const NamedLayout& layout, const std::vector<int64_t>& strides) {
  Side side{layout.shape, strides, {}};
  for (int64_t& stride : side.strides) stride *= layout.itemsize;
  bound(side, layout.itemsize);
  return side;
}

int64_t distance_of_first(const Side& side, const NamedLayout& layout, int64_t offset) {
  return kGuardBytes + offset * layout.itemsize - side.lower;
}

// The view of a side in memory that begins at `begin`.
BufferView view_in(uintptr_t begin, const NamedLayout& layout, bool is_dst) {
  const Side side = side_of(layout, is_dst ? layout.dst_strides : layout.src_strides);
  const int64_t distance = distance_of_first(side, layout, is_dst ? layout.dst_offset : layout.src_offset);
  return view_at(begin + static_cast<uintptr_t>(distance), side, layout.itemsize);
}

int64_t bytes_of(const NamedLayout& layout, bool is_dst) {
  const Side side = side_of(layout, is_dst ? layout.dst_strides : layout.src_strides);
  const int64_t offset = is_dst ? layout.dst_offset : layout.src_offset;
  return distance_of_first(side, layout, offset) + side.upper + kGuardBytes;
}

KernelChoice chosen(const BufferView& dst, const BufferView& src, BlockBy block_by) {
  const CopyPlan plan = plan_copy(dst, src);
  return choose_kernel(plan, static_cast<std::byte*>(dst.buf()) + plan.dst_offset,
                       static_cast<std::byte*>(src.buf()) + plan.src_offset, block_by);
}

class DeviceKernels : public OnDevice {
 protected:
  void SetUp() override {
    OnDevice::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) stream_.emplace(Stream::create({device_type(), 0}));
  }

  // Copies where the kernel that it takes was not tried enough. A block between device memories is the driver's,
  // between pinned memories a kernel's.
  void try_layout(const NamedLayout& layout) {
    constexpr uintptr_t kSomewhere = uintptr_t{1} << 40, kElsewhere = uintptr_t{1} << 44;
    const BufferView dst = view_in(kSomewhere, layout, true), src = view_in(kElsewhere, layout, false);
    const bool is_block = chosen(dst, src, BlockBy::driver).family == 0;
    const std::string kernel = chosen(dst, src, BlockBy::kernel).kernel;
    if (tried_[kernel] >= kEnough || std::max(bytes_of(layout, true), bytes_of(layout, false)) > 1 << 24) return;
    SCOPED_TRACE(layout.name + " by " + kernel);
    copy_and_compare(layout, is_block ? PlaceKind::pinned : PlaceKind::device, kernel);
  }

  void copy_and_compare(const NamedLayout& layout, PlaceKind place, const std::string& kernel) {
    Arena dst_arena, src_arena;
    dst_arena.randomise(random_, bytes_of(layout, true));
    src_arena.randomise(random_, bytes_of(layout, false));
    const BufferView dst_shadow = view_in(dst_arena.begin(), layout, true);
    const BufferView src_shadow = view_in(src_arena.begin(), layout, false);
    const Buffer dst_memory = put(place, dst_arena.memory), src_memory = put(place, src_arena.memory);
    launch(dst_memory.rebind(moved(dst_shadow, dst_arena.memory, dst_memory)),
           src_memory.rebind(moved(src_shadow, src_arena.memory, src_memory)), kernel);
    const auto result = get(dst_memory);
    EXPECT_TRUE(result == copied_by_hand(places(dst_shadow, dst_arena), dst_arena, src_shadow));
    EXPECT_TRUE(get(src_memory) == src_arena.memory) << "src was written to";
  }

  void launch(const Buffer& dst, const Buffer& src, const std::string& kernel) {
    ASSERT_EQ(chosen(dst.view(), src.view(), BlockBy::kernel).kernel, kernel);
    copy(dst, src, stream_->ref());
    stream_->synchronize();
    if (on_simulated_device()) {
      EXPECT_EQ(simulated::kernel_log(), std::vector<std::string>{kernel});
      simulated::forget_calls();
    }
    ++tried_[kernel];
  }

  Random random_ = seeded_random("DeviceKernels");
  std::optional<Stream> stream_;
  std::map<std::string, int> tried_;
};

// Two windows that lie further apart than 32 bits reach, in memory of which nothing else is looked at.
NamedLayout far_layout(int64_t itemsize) {
  NamedLayout layout;
  layout.name = "far_" + std::to_string(itemsize);
  layout.itemsize = itemsize;
  layout.shape = {2, 5, 7};
  layout.dst_strides = {61 * 5, 61, 2};
  layout.src_strides = {((int64_t{1} << 31) + (int64_t{1} << 20)) / itemsize, 89, 3};
  return layout;
}

TEST_F(DeviceKernels, AllThatAreCompiledCopyRight) {
  simulated::forget_calls();
  for (NamedLayout layout : bench::read_layouts(STRIDEPORT_BENCH_DIR "/device_layouts.tsv")) {
    try_layout(bench::cut(layout, kMostBytes / layout.itemsize));
  }
  bench::LayoutSource source(1);
  for (int i = 0; i < bench::kDraws && !HasFatalFailure(); ++i) try_layout(source.next());
  for (const int64_t run : {200, 500, 1'000, 3'000, 20'000}) try_layout(bench::pitched_rows(run));
  for (const auto family : kernels::kernel_families()) {
    for (const kernels::Kernel& kernel : family) {
      const std::string name = kernel.name;
      if (name.ends_with("_far")) continue;   // the next case
      if (name.ends_with("_many")) continue;  // for over 2^31 units: dst alone would have 2 to 32 GiB
      EXPECT_GE(tried_[name], 1) << name << " was launched by no copy";
    }
  }
}

TEST_F(DeviceKernels, ThoseForFarOffsetsCopyRight) {
  simulated::forget_calls();
  const Buffer src_memory = bytes_in(PlaceKind::device, (size_t{1} << 31) + (size_t{1} << 21));
  for (const int64_t itemsize : {1, 2, 4, 8, 16}) {
    const NamedLayout layout = far_layout(itemsize);
    SCOPED_TRACE(layout.name);
    // The source near to itself: two windows of which the second is moved away.
    NamedLayout near = layout;
    near.src_strides[0] = 1'000;
    const int64_t window_items = 4 * layout.src_strides[1] + 6 * layout.src_strides[2] + 1;
    Arena dst_arena, src_arena;
    dst_arena.randomise(random_, bytes_of(near, true));
    src_arena.randomise(random_, bytes_of(near, false));
    const BufferView dst_shadow = view_in(dst_arena.begin(), near, true);
    const BufferView src_shadow = view_in(src_arena.begin(), near, false);
    for (const int64_t window : {0, 1}) {
      const std::span<const std::byte> bytes(src_arena.memory.data() + kGuardBytes + window * 1'000 * itemsize,
                                             static_cast<size_t>(window_items * itemsize));
      Slice range;
      range.start = kGuardBytes + window * layout.src_strides[0] * itemsize;
      range.stop = *range.start + static_cast<int64_t>(bytes.size());
      from_contiguous(slice(src_memory.view(), 0, range), bytes, Order::C, StreamRef::host());
    }
    const Buffer dst_memory = put(PlaceKind::device, dst_arena.memory);
    const BufferView far_view = view_in(reinterpret_cast<uintptr_t>(src_memory.buf()), layout, false);
    ViewSpec src = far_view.spec();
    src.device = src_memory.device();
    launch(dst_memory.rebind(moved(dst_shadow, dst_arena.memory, dst_memory)),
           src_memory.rebind(BufferView::create(src)), "strideport_generic_" + std::to_string(itemsize) + "_far");
    EXPECT_TRUE(get(dst_memory) == copied_by_hand(places(dst_shadow, dst_arena), dst_arena, src_shadow));
  }
}

}  // namespace
}  // namespace strideport
