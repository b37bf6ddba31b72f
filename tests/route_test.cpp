// Routes and their pieces: pure, so on every machine. The addresses of devices are made up.
#include "runtime/transfer/route.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/host/executor.hpp"
#include "strideport/buffer.hpp"
#include "strideport/plan.hpp"
#include "tests/support/copy_pair.hpp"
#include "tests/support/throws.hpp"

namespace strideport::transfer {
namespace {

using strideport::testing::Arena;
using strideport::testing::expect_throws;
using strideport::testing::one_in;
using strideport::testing::pick;
using strideport::testing::Random;

constexpr uintptr_t kDst = uintptr_t{1} << 40;
constexpr uintptr_t kSrc = uintptr_t{1} << 44;
constexpr Device kCpu{};
constexpr Device kCuda{DeviceType::cuda, 0};
constexpr Device kOther{DeviceType::cuda, 1};
constexpr Device kPinned{DeviceType::cuda_host, 0};
constexpr Device kManaged{DeviceType::cuda_managed, 0};

struct Layout {
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  int64_t itemsize = 1;
  std::vector<int64_t> suboffsets = {};
};

BufferView view(uintptr_t buf, const Layout& layout, Device device) {
  ViewSpec spec;
  spec.buf = reinterpret_cast<void*>(buf);
  spec.shape = layout.shape;
  spec.strides = layout.strides;
  spec.suboffsets = layout.suboffsets;
  spec.itemsize = layout.itemsize;
  spec.device = device;
  return BufferView::create(spec);
}

Route route(const BufferView& dst, const BufferView& src, const TransferRates& rates = {}, Situation situation = {}) {
  return plan_route(plan_copy(dst, src), dst, src, rates, situation);
}

const Layout kBlock{{1024, 1024}, {4096, 4}, 4};
const Layout kTurned{{1024, 1024}, {4, 4096}, 4};
const Layout kWithGaps{{1024, 1024}, {8192, 8}, 4};
const Layout kRows{{1024, 1024}, {8192, 4}, 4};

TransferRates with_batches() {
  TransferRates rates;
  rates.batch_copies = true;
  return rates;
}

TEST(Route, IsTheHostsBetweenHostMemory) {
  EXPECT_EQ(route(view(kDst, kBlock, kCpu), view(kSrc, kTurned, kCpu)).path, Path::host);
  EXPECT_EQ(route(view(kDst, kBlock, kPinned), view(kSrc, kTurned, kCpu)).path, Path::host);
  EXPECT_EQ(route(view(kDst, kBlock, kCpu), view(kSrc, kTurned, kManaged)).path, Path::host);
}

TEST(Route, LeavesPinnedMemoryOnAStreamToTheDevice) {
  const BufferView dst = view(kDst, kBlock, kPinned), src = view(kSrc, kTurned, kPinned);
  EXPECT_EQ(route(dst, src).path, Path::launch);
  EXPECT_EQ(route(dst, src, {}, {false, false}).path, Path::host);
}

TEST(Route, IsOneLaunchOnOneDevice) {
  for (const Layout& layout : {kBlock, kTurned, kWithGaps, kRows}) {
    const Route found = route(view(kDst, kBlock, kCuda), view(kSrc, layout, kCuda));
    EXPECT_EQ(found.path, Path::launch);
    EXPECT_EQ(found.kernel_plans, 1);
    EXPECT_EQ(found.temporary_bytes, 0);
    EXPECT_EQ(found.bus_bytes, 0);
    EXPECT_FALSE(found.host_waits);
  }
  EXPECT_EQ(route(view(kDst, kBlock, kManaged), view(kSrc, kTurned, kCuda)).path, Path::launch);
}

TEST(Route, StagesAnOverlapOnTheDevice) {
  const Route turned = route(view(kDst, kBlock, kCuda), view(kDst, kTurned, kCuda));
  EXPECT_EQ(turned.path, Path::temporary);
  EXPECT_EQ(turned.temporary_bytes, 4 << 20);
  EXPECT_EQ(route(view(kDst, kBlock, kCuda), view(kDst + 4, kBlock, kCuda)).path, Path::temporary);
  EXPECT_EQ(route(view(kDst, kBlock, kCuda), view(kDst, kBlock, kCuda)).path, Path::nothing);
}

TEST(Route, MovesPinnedBlocksByOneDma) {
  const Route to = route(view(kDst, kBlock, kCuda), view(kSrc, kBlock, kPinned));
  EXPECT_EQ(to.path, Path::dma);
  EXPECT_EQ(to.dmas, 1);
  EXPECT_EQ(to.kernel_plans, 0);
  EXPECT_FALSE(to.to_host);
  const Route from = route(view(kDst, kTurned, kPinned), view(kSrc, kTurned, kCuda));
  EXPECT_EQ(from.path, Path::dma);
  EXPECT_TRUE(from.to_host);
}

TEST(Route, MovesLongRowsWithAPitchByOneCopy) {
  EXPECT_EQ(route(view(kDst, kBlock, kCuda), view(kSrc, kRows, kPinned)).path, Path::pitched);
  EXPECT_EQ(route(view(kDst, kRows, kPinned), view(kSrc, kBlock, kCuda)).path, Path::pitched);
  // Upside down a row has no pitch that a driver takes.
  EXPECT_NE(route(view(kDst, kBlock, kCuda), view(kSrc + (1 << 30), {{1024, 1024}, {-8192, 4}, 4}, kPinned)).path,
            Path::pitched);
  const Layout wide{{3, 8192}, {int64_t{3} << 30, 1}, 1};
  EXPECT_NE(route(view(kDst, {{3, 8192}, {8192, 1}, 1}, kCuda), view(kSrc, wide, kPinned)).path, Path::pitched);
}

TEST(Route, BatchesLongRunsWhereTheDriverCan) {
  const Layout block{{4, 4, 32768}, {131072, 32768, 1}, 1};
  const Layout apart{{4, 4, 32768}, {1 << 20, 1 << 17, 1}, 1};
  const Route found = route(view(kDst, block, kCuda), view(kSrc, apart, kPinned), with_batches());
  EXPECT_EQ(found.path, Path::batch);
  EXPECT_EQ(found.dmas, 16);
  EXPECT_EQ(found.run_bytes, 32768);
  EXPECT_NE(route(view(kDst, block, kCuda), view(kSrc, apart, kPinned)).path, Path::batch);
  EXPECT_EQ(route(view(kDst, block, kCuda), view(kSrc, apart, kPinned), with_batches(), {true, true}).path,
            Path::zero_copy);
}

TEST(Route, MovesTheSpanOfDensePinnedMemory) {
  const Route found = route(view(kDst, kBlock, kCuda), view(kSrc, kTurned, kPinned));
  EXPECT_EQ(found.path, Path::span);
  EXPECT_EQ(found.bus_bytes, 4 << 20);
  EXPECT_EQ(found.temporary_bytes, 4 << 20);
  EXPECT_EQ(found.dmas, 1);
  EXPECT_TRUE(found.unpacks);
  EXPECT_FALSE(found.host_waits);
  EXPECT_EQ(route(view(kDst, kBlock, kCuda), view(kSrc, kTurned, kPinned), {}, {true, true}).path, Path::zero_copy);
}

TEST(Route, ReachesSparsePinnedMemoryFromAKernel) {
  EXPECT_EQ(route(view(kDst, kBlock, kCuda), view(kSrc, kWithGaps, kPinned)).path, Path::zero_copy);
  const Route to_host = route(view(kDst, kTurned, kPinned), view(kSrc, kBlock, kCuda));
  EXPECT_EQ(to_host.path, Path::zero_copy);
  EXPECT_FALSE(to_host.host_waits);
}

TEST(Route, WeighsTheRatesThatWereMeasured) {
  TransferRates rates;
  rates.dma_to_device = rates.dma_to_host = 50e9;
  rates.zero_copy_to_device = rates.zero_copy_to_host = 5e9;
  EXPECT_EQ(route(view(kDst, kBlock, kCuda), view(kSrc, kWithGaps, kPinned), rates).path, Path::span);
  EXPECT_EQ(route(view(kDst, kTurned, kPinned), view(kSrc, kBlock, kCuda), rates).path, Path::span);
  // A block over the gaps of dst would write to them.
  EXPECT_EQ(route(view(kDst, kWithGaps, kPinned), view(kSrc, kBlock, kCuda), rates).path, Path::zero_copy);
  rates.zero_copy_to_device = 60e9;
  EXPECT_EQ(route(view(kDst, kBlock, kCuda), view(kSrc, kTurned, kPinned), rates).path, Path::zero_copy);
}

TEST(Route, MovesWhatRepeatsOnce) {
  const Layout repeated{{1000, 1000}, {0, 4}, 4};
  const Layout block{{1000, 1000}, {4000, 4}, 4};
  EXPECT_EQ(route(view(kDst, block, kCuda), view(kSrc, repeated, kPinned)).bus_bytes, 4000);
  EXPECT_EQ(route(view(kDst, block, kCuda), view(kSrc, repeated, kCpu)).bus_bytes, 4000);
  EXPECT_EQ(route(view(kDst, block, kCpu), view(kSrc, repeated, kCuda)).bus_bytes, 4000);
  EXPECT_EQ(route(view(kDst, block, kOther), view(kSrc, repeated, kCuda)).bus_bytes, 4000);
}

TEST(Route, TakesPageableMemoryThroughTheRing) {
  const Route straight = route(view(kDst, kBlock, kCuda), view(kSrc, kBlock, kCpu));
  EXPECT_EQ(straight.path, Path::ring);
  EXPECT_EQ(straight.kernel_plans, 0);
  EXPECT_EQ(straight.temporary_bytes, 0);
  EXPECT_FALSE(straight.host_waits);
  const Route gathered = route(view(kDst, kBlock, kCuda), view(kSrc, kWithGaps, kCpu));
  EXPECT_EQ(gathered.kernel_plans, 0) << "the host gathers runs; packed, they are the device's layout";
  const Route turned = route(view(kDst, kBlock, kCuda), view(kSrc, kTurned, kCpu));
  EXPECT_EQ(turned.kernel_plans, 1);
  EXPECT_EQ(turned.bus_bytes, 4 << 20);
  const Route back = route(view(kDst, kTurned, kCpu), view(kSrc, kBlock, kCuda));
  EXPECT_TRUE(back.packs);
  EXPECT_TRUE(back.host_waits);
}

TEST(Route, CutsLargeCopiesIntoSlots) {
  const Layout large{{1 << 12, 1 << 20}, {1 << 20, 1}, 1};
  const Route found = route(view(kDst, large, kCuda), view(kSrc, large, kCpu));
  EXPECT_EQ(found.piece_count, 1 << 10);
  EXPECT_EQ(found.dmas, 1 << 10);
  EXPECT_EQ(found.pinned_bytes, kSlots * kSlotBytes);
  EXPECT_EQ(found.pieces.largest_bytes(), kSlotBytes);
}

TEST(Route, FollowsRowPointersByTheHost) {
  const Layout rows{{4, 8}, {8, 1}, 1, {0, -1}};
  const Layout block{{4, 8}, {8, 1}, 1};
  EXPECT_EQ(route(view(kDst, block, kCuda), view(kSrc, rows, kCpu)).path, Path::ring_rows);
  EXPECT_EQ(route(view(kDst, rows, kPinned), view(kSrc, block, kCuda)).path, Path::ring_rows);
  EXPECT_EQ(route(view(kDst, rows, kPinned), view(kSrc, block, kPinned)).path, Path::host);
}

TEST(Route, PacksBetweenDevices) {
  EXPECT_EQ(route(view(kDst, kBlock, kOther), view(kSrc, kBlock, kCuda)).path, Path::peer);
  const Route pack = route(view(kDst, kBlock, kOther), view(kSrc, kWithGaps, kCuda));
  EXPECT_EQ(pack.path, Path::peer_packed);
  EXPECT_TRUE(pack.packs);
  EXPECT_FALSE(pack.unpacks);
  const Route unpack = route(view(kDst, kWithGaps, kOther), view(kSrc, kBlock, kCuda));
  EXPECT_FALSE(unpack.packs);
  EXPECT_TRUE(unpack.unpacks);
  const Route turned = route(view(kDst, kTurned, kOther), view(kSrc, kBlock, kCuda));
  EXPECT_NE(turned.packs, turned.unpacks) << "one of the sides has no gaps: a kernel on the other one is enough";
  const Route both = route(view(kDst, kRows, kOther), view(kSrc, kWithGaps, kCuda));
  EXPECT_TRUE(both.packs && both.unpacks);
}

TEST(Route, RefusesTwoDrivers) {
  expect_throws<InvalidArgument>(
      [] {
        route(view(kDst, kBlock, {DeviceType::simulated, 0}), view(kSrc, kBlock, kCuda));
      },
      {"simulated:0", "cuda:0", "through the cpu"});
  expect_throws<InvalidArgument>(
      [] {
        route(view(kDst, kBlock, {DeviceType::simulated, 0}), view(kSrc, kBlock, kPinned));
      },
      {"cuda_host:0"});
}

TEST(Route, LeavesGapsUnreadThatAreNobodys) {
  const Layout some_gaps{{1000, 1000}, {4, 4400}, 4};
  const Layout block{{1000, 1000}, {4000, 4}, 4};
  const BufferView dst = view(kDst, block, kCuda), src = view(kSrc, some_gaps, kPinned);
  EXPECT_EQ(route(dst, src).path, Path::span);
  EXPECT_EQ(route(dst, src, {}, {true, false, false}).path, Path::zero_copy);
  EXPECT_EQ(route(dst, view(kSrc, {{1000, 1000}, {4, 4000}, 4}, kPinned), {}, {true, false, false}).path, Path::span);
}

TEST(Route, RefusesKindsOfMemoryThatNobodyKnows) {
  expect_throws<InvalidArgument>(
      [] {
        route(view(kDst, kBlock, {static_cast<DeviceType>(10), 0}), view(kSrc, kBlock, kCpu));
      },
      {"dst is on rocm:0", "does not know"});
  EXPECT_THROW(strideport::empty({4}, dtype_of<int>(), Order::C, {static_cast<DeviceType>(77), 0}), InvalidArgument);
}

TEST(Route, RefusesInACaptureWhatNoGraphCanRepeat) {
  const Situation captures{true, true};
  const auto refused = [&](const BufferView& dst, const BufferView& src, const char* what) {
    expect_throws<BufferError>([&] { route(dst, src, {}, captures); }, {"captures", what});
  };
  refused(view(kDst, kBlock, kCuda), view(kSrc, kBlock, kCpu), "pageable");
  refused(view(kDst, kBlock, kCpu), view(kSrc, kBlock, kCuda), "pageable");
  refused(view(kDst, kBlock, kCpu), view(kSrc, kBlock, kPinned), "host");
  refused(view(kDst, kBlock, kCuda), view(kDst, kTurned, kCuda), "temporary");
  refused(view(kDst, kBlock, kOther), view(kSrc, kTurned, kCuda), "temporaries");
  EXPECT_EQ(route(view(kDst, kBlock, kOther), view(kSrc, kBlock, kCuda), {}, captures).path, Path::peer);
  EXPECT_EQ(route(view(kDst, kBlock, kCuda), view(kSrc, kTurned, kCuda), {}, captures).path, Path::launch);
  EXPECT_EQ(route(view(kDst, kBlock, kCpu), view(kSrc, kBlock, kCpu), {}, captures).path, Path::host);
}

TEST(Route, NeedsNothingForNoElements) {
  for (const Device device : {kCuda, kOther, kPinned, kManaged}) {
    const Route found = route(view(kDst, {{0, 3}, {3, 1}}, kCuda), view(kSrc, {{0, 3}, {3, 1}}, device));
    EXPECT_EQ(found.path, Path::nothing);
    EXPECT_EQ(found.dmas + found.kernel_plans + found.temporary_bytes, 0);
  }
}

TEST(Explain, TellsTheRouteOfADeviceCopyWithoutADevice) {
  const std::string text = explain(view(kDst, kBlock, kCuda), view(kSrc, kTurned, kCpu));
  EXPECT_EQ(text.rfind("route: ring (src is pageable memory)\n", 0), 0u) << text;
  for (const char* line :
       {"over the bus: 4194304 bytes\n", "temporary: 4194304 bytes", "pinned slots: 1 slot of 4194304",
        "copies by the driver: 1\n", "host: fills the slots", "not a view: "}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << " is not in:\n" << text;
  }
}

TEST(Explain, SaysWhatTheHostDoes) {
  const auto text = [](Device to, const Layout& dst, Device from, const Layout& src) {
    return explain(view(kDst, dst, to), view(kSrc, src, from));
  };
  const auto has = [](const std::string& in, const char* part) { return in.find(part) != std::string::npos; };
  EXPECT_TRUE(has(text(kCpu, kBlock, kCuda, kTurned), "host: empties the slots"));
  EXPECT_TRUE(has(text(kCuda, kBlock, kPinned, kTurned), "host: does not wait, unless there is no stream"));
  EXPECT_TRUE(has(text(kPinned, kBlock, kPinned, kTurned), "without a stream it copies by itself"));
  EXPECT_TRUE(has(text(kCpu, kBlock, kPinned, kTurned), "host: copies by itself"));
  EXPECT_TRUE(has(text(kCuda, {{0}, {1}}, kPinned, {{0}, {1}}), "route: nothing\n"));
}

// The pieces of a plan, done one by one on host memory: as the device will, and in an order that must not matter.
void copy_in_pieces(const CopyPlan& plan, const BufferView& dst, const BufferView& src, const Pieces& pieces) {
  std::vector<std::byte> packed(static_cast<size_t>(pieces.largest_bytes()) + 16);
  const auto move = [](const CopyPlan& leg, std::byte* to, const std::byte* from) {
    host::execute({leg.dims.data(), leg.dims.size(), leg.unit, leg.bytes}, to + leg.dst_offset, from + leg.src_offset);
  };
  int64_t bytes = 0;
  int64_t travelled = 0;
  for (int64_t i = pieces.count(); i-- > 0;) {
    const Piece piece = pieces.at(i);
    ASSERT_LE(piece.packed_bytes, pieces.largest_bytes());
    std::fill(packed.begin(), packed.end(), std::byte{0xEE});
    std::byte* const to = static_cast<std::byte*>(dst.buf()) + plan.dst_offset + piece.dst_offset;
    const std::byte* const from = static_cast<std::byte*>(src.buf()) + plan.src_offset + piece.src_offset;
    move(plan_leg(piece, Leg::src_to_packed, packed.data(), from), packed.data(), from);
    for (size_t at = static_cast<size_t>(piece.packed_bytes); at < packed.size(); ++at) {
      ASSERT_EQ(packed[at], std::byte{0xEE}) << "piece " << i << " writes past its " << piece.packed_bytes << " bytes";
    }
    move(plan_leg(piece, Leg::packed_to_dst, to, packed.data()), to, packed.data());
    bytes += piece.bytes;
    travelled += piece.packed_bytes;
  }
  EXPECT_EQ(bytes, plan.bytes);
  EXPECT_EQ(travelled, pieces.total_bytes());
}

struct Case {
  Arena dst_arena;
  Arena src_arena;
  strideport::testing::Side dst;
  strideport::testing::Side src;
  int64_t itemsize;
};

void make_case(Random& random, Case& made) {
  static constexpr int64_t kItemsizes[] = {1, 2, 3, 4, 8, 12, 16, 24};
  made.itemsize = kItemsizes[pick(random, 0, std::size(kItemsizes) - 1)];
  const auto shape = strideport::testing::pair_shape(random, pick(random, 0, 5), 300);
  made.dst.shape = made.src.shape = shape;
  made.dst.strides = strideport::testing::nested_strides(random, shape, made.itemsize);
  made.src.strides = strideport::testing::source_strides(random, shape, made.itemsize);
  strideport::testing::bound(made.dst, made.itemsize);
  strideport::testing::bound(made.src, made.itemsize);
}

TEST(Pieces, MoveEveryByteOnceInAnyOrder) {
  Random random = strideport::testing::seeded_random("Pieces");
  for (int i = 0; i < 20000 && !::testing::Test::HasFailure(); ++i) {
    Case made;
    make_case(random, made);
    if (std::find(made.dst.shape.begin(), made.dst.shape.end(), 0) != made.dst.shape.end()) continue;
    made.dst_arena.randomise(random, made.dst.upper - made.dst.lower + 7);
    made.src_arena.randomise(random, made.src.upper - made.src.lower + 9);
    const BufferView dst = strideport::testing::view_at(
        made.dst_arena.begin() + static_cast<uintptr_t>(3 - made.dst.lower), made.dst, made.itemsize);
    const BufferView src = strideport::testing::view_at(
        made.src_arena.begin() + static_cast<uintptr_t>(5 - made.src.lower), made.src, made.itemsize);
    const CopyPlan plan = plan_copy(dst, src);
    const PackedLike side = one_in(random, 2) ? PackedLike::dst : PackedLike::src;
    const Packing packing = side == PackedLike::src && one_in(random, 2) ? Packing::image : Packing::dense;
    const int64_t capacity = one_in(random, 4) ? INT64_MAX : pick(random, 16, 700);
    const Pieces pieces(plan, side, packing, capacity);
    ASSERT_LE(pieces.largest_bytes(), capacity);
    const auto expected =
        strideport::testing::copied_by_hand(strideport::testing::places(dst, made.dst_arena), made.dst_arena, src);
    copy_in_pieces(plan, dst, src, pieces);
    ASSERT_EQ(made.dst_arena.memory, expected) << strideport::testing::describe(dst, src) << " capacity " << capacity;
  }
}

TEST(Pieces, CutWhereCopyEnginesLikeIt) {
  const Layout bytes{{10'000'019}, {1}, 1};
  const BufferView dst = view(kDst, bytes, kCuda), src = view(kSrc, bytes, kCpu);
  const Pieces pieces(plan_copy(dst, src), PackedLike::src, Packing::dense, kSlotBytes);
  ASSERT_EQ(pieces.count(), 3);
  for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(pieces.at(i).dst_offset % 256, 0);
}

TEST(Pieces, CountWithoutOverflowPastTwoToThe31) {
  const Layout large{{int64_t{1} << 40, 4}, {4, int64_t{1} << 42}, 1};
  const Layout block{{int64_t{1} << 40, 4}, {4, 1}, 1};
  const BufferView dst = view(kDst, block, kCuda), src = view(kSrc, large, kCpu);
  const Pieces pieces(plan_copy(dst, src), PackedLike::src, Packing::dense, kSlotBytes);
  EXPECT_EQ(pieces.total_bytes(), int64_t{1} << 42);
  EXPECT_EQ(pieces.count(), int64_t{1} << 20);
  const Piece last = pieces.at(pieces.count() - 1);
  EXPECT_EQ(last.bytes, kSlotBytes);
}

}  // namespace
}  // namespace strideport::transfer
