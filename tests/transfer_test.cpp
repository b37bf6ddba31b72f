// Copies between any two places, against an oracle that walks host memory, on whole allocations.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "strideport/plan.hpp"
#include "strideport/view_ops.hpp"
#include "tests/support/copy_pair.hpp"
#include "tests/support/device_places.hpp"
#include "tests/support/throws.hpp"

namespace strideport {
namespace {

using namespace strideport::testing;  // NOLINT: the tests' own vocabulary

class Transfer : public OnDevice {};

// Strides in items; `pad_bytes` make them no multiple of the item.
struct Family {
  const char* name;
  std::vector<int64_t> shape;
  std::vector<int64_t> dst;
  std::vector<int64_t> src;
  int64_t dst_pad_bytes = 0;  // added to the outermost stride
  int64_t src_pad_bytes = 0;
};

const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      {"scalar", {}, {}, {}},
      {"one", {1}, {7}, {-3}},
      {"empty", {3, 0, 2}, {0, 2, 1}, {0, 2, 1}},
      {"block", {1000}, {1}, {1}},
      {"transpose", {37, 61}, {61, 1}, {1, 37}},
      {"transpose back", {64, 64}, {1, 64}, {64, 1}},
      {"pitched src", {40, 50}, {50, 1}, {64, 1}, 0, 5},
      {"pitched dst", {40, 50}, {64, 1}, {50, 1}, 3, 0},
      {"both pitched", {40, 50}, {53, 1}, {57, 1}, 1, 2},
      {"every second of src", {500}, {1}, {2}},
      {"every second of dst", {500}, {3}, {1}},
      {"reversed src", {300}, {1}, {-1}},
      {"reversed dst", {20, 30}, {-30, 1}, {30, -1}},
      {"repeated row", {30, 40}, {40, 1}, {0, 1}},
      {"repeated column", {30, 40}, {40, 1}, {1, 0}},
      {"repeated scalar", {30, 40}, {41, 1}, {0, 0}},
      {"channels last", {3, 24, 31}, {744, 31, 1}, {1, 93, 3}},
      {"channels first", {24, 31, 3}, {93, 3, 1}, {31, 1, 744}},
      {"0213", {4, 5, 6, 7}, {210, 42, 7, 1}, {210, 7, 35, 1}},
      {"210", {9, 10, 11}, {110, 11, 1}, {1, 9, 90}},
      {"rank 6", {2, 3, 2, 3, 2, 3}, {108, 36, 18, 6, 3, 1}, {1, 2, 6, 12, 36, 72}},
      {"windows", {50, 8}, {8, 1}, {1, 1}},
      {"short rows", {200, 3}, {3, 1}, {5, 1}},
  };
  return all;
}

constexpr int64_t kItemsizes[] = {1, 2, 4, 8, 16, 3, 12, 24};

// Both sides in host memory: what the copy starts from, and how it is checked.
struct Shadows {
  Arena dst_arena;
  Arena src_arena;
  BufferView dst;
  BufferView src;
};

BufferView lay_out(Random& random, Arena& arena, const std::vector<int64_t>& shape, std::vector<int64_t> strides,
                   int64_t itemsize, int64_t pad_bytes) {
  Side side{shape, std::move(strides), {}};
  for (int64_t& stride : side.strides) stride *= itemsize;
  if (!side.strides.empty() && pad_bytes != 0) side.strides[0] += side.strides[0] < 0 ? -pad_bytes : pad_bytes;
  const bool is_empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  if (!is_empty) bound(side, itemsize);
  const int64_t before = pick(random, 0, 40);
  arena.randomise(random, before + side.upper - side.lower + pick(random, 1, 40));
  return view_at(arena.begin() + static_cast<uintptr_t>(before - side.lower), side, itemsize);
}

void make_shadows(Random& random, const Family& family, int64_t itemsize, Shadows& made) {
  made.dst = lay_out(random, made.dst_arena, family.shape, family.dst, itemsize, family.dst_pad_bytes);
  made.src = lay_out(random, made.src_arena, family.shape, family.src, itemsize, family.src_pad_bytes);
}

// Copies between the two places and compares all of both allocations.
void check_copy(const Shadows& shadows, PlaceKind to, PlaceKind from, StreamRef stream) {
  const Buffer dst_memory = put(to, shadows.dst_arena.memory);
  const Buffer src_memory = put(from, shadows.src_arena.memory);
  const Buffer dst = dst_memory.rebind(moved(shadows.dst, shadows.dst_arena.memory, dst_memory));
  const Buffer src = src_memory.rebind(moved(shadows.src, shadows.src_arena.memory, src_memory));
  copy(dst, src, stream);
  const auto expected = copied_by_hand(places(shadows.dst, shadows.dst_arena), shadows.dst_arena, shadows.src);
  EXPECT_TRUE(get(dst_memory) == expected) << explain(dst.view(), src.view());
  EXPECT_TRUE(get(src_memory) == shadows.src_arena.memory) << "src changed";
}

StreamRef stream_for(PlaceKind to, PlaceKind from, const std::vector<Stream>& streams) {
  const bool on_other = to == PlaceKind::other_device || (to != PlaceKind::device && from == PlaceKind::other_device);
  return streams[on_other ? 1 : 0].ref();
}

std::vector<Stream> streams_here() {
  std::vector<Stream> streams;
  for (int i = 0; i < std::min(device_count(), 2); ++i) streams.push_back(Stream::create({device_type(), i}));
  return streams;
}

TEST_F(Transfer, MovesBlocksAsTheyAreSeenByTheHost) {
  // What the other tests upload and download with, checked where the host reads memory by itself.
  std::vector<std::byte> bytes(3'000'001);
  Random random = seeded_random("Blocks");
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  for (const PlaceKind place : places_here()) {
    SCOPED_TRACE(name_of(place));
    const Buffer there = put(place, bytes);
    const Buffer pinned = bytes_in(PlaceKind::pinned, bytes.size());
    copy(pinned, there, StreamRef::host());
    EXPECT_EQ(std::memcmp(pinned.buf(), bytes.data(), bytes.size()), 0);
    EXPECT_TRUE(get(there) == bytes);
  }
}

TEST_F(Transfer, IsRightBetweenAllPlacesForAllLayouts) {
  Random random = seeded_random("Transfer");
  const auto streams = streams_here();
  for (const Family& family : families()) {
    for (const int64_t itemsize : kItemsizes) {
      Shadows shadows;
      make_shadows(random, family, itemsize, shadows);
      for (const PlaceKind to : places_here()) {
        for (const PlaceKind from : places_here()) {
          SCOPED_TRACE(std::string(family.name) + " of " + std::to_string(itemsize) + " bytes, " + name_of(from) +
                       " to " + name_of(to));
          check_copy(shadows, to, from, StreamRef::host());
          check_copy(shadows, to, from, stream_for(to, from, streams));
          if (HasFailure()) return;
        }
      }
    }
  }
}

TEST_F(Transfer, IsRightForRandomLayouts) {
  Random random = seeded_random("TransferRandom");
  const auto streams = streams_here();
  const auto all_places = places_here();
  for (int i = 0; i < 2500 && !HasFailure(); ++i) {
    const int64_t itemsize = kItemsizes[static_cast<size_t>(pick(random, 0, std::size(kItemsizes) - 1))];
    const auto shape = pair_shape(random, pick(random, 0, 6), 400);
    Shadows shadows;
    const auto make = [&](Arena& arena, std::vector<int64_t> strides, const std::vector<int64_t>& extents) {
      Side side{extents, std::move(strides), {}};
      bound(side, itemsize);
      const int64_t before = pick(random, 0, 40) - std::min<int64_t>(side.lower, 0);
      arena.randomise(random, before + std::max<int64_t>(side.upper, 0) + 20);
      return view_at(arena.begin() + static_cast<uintptr_t>(before), side, itemsize);
    };
    const auto dst_shape = with_unit_dims(random, shape);
    const auto src_shape = with_unit_dims(random, shape);
    shadows.dst = make(shadows.dst_arena, nested_strides(random, dst_shape, itemsize), dst_shape);
    shadows.src = make(shadows.src_arena, source_strides(random, src_shape, itemsize), src_shape);
    const PlaceKind to = all_places[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(all_places.size()) - 1))];
    const PlaceKind from =
        all_places[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(all_places.size()) - 1))];
    SCOPED_TRACE(describe(shadows.dst, shadows.src) + ", " + name_of(from) + " to " + name_of(to));
    check_copy(shadows, to, from, one_in(random, 2) ? StreamRef::host() : stream_for(to, from, streams));
  }
}

TEST_F(Transfer, FollowsRowPointersOnTheHostsSide) {
  Random random = seeded_random("TransferRows");
  const auto all_places = places_here();
  for (int i = 0; i < 400 && !HasFailure(); ++i) {
    const int64_t itemsize = pick(random, 1, 8);
    std::vector<int64_t> shape;
    for (int64_t left = pick(random, 1, 4); left > 0; --left) shape.push_back(pick(random, 1, 6));
    const bool rows_are_src = one_in(random, 2);
    Arena rows_arena;
    Side rows{shape, nested_strides(random, shape, itemsize), {}};
    const uintptr_t rows_buf = make_indirect(random, rows, itemsize, rows_arena);
    const BufferView rows_view = view_at(rows_buf, rows, itemsize);
    Arena other_arena;
    Side other{shape, nested_strides(random, shape, itemsize), {}};
    bound(other, itemsize);
    other_arena.randomise(random, other.upper - other.lower + 9);
    const BufferView other_view =
        view_at(other_arena.begin() + static_cast<uintptr_t>(4 - other.lower), other, itemsize);
    const PlaceKind place =
        all_places[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(all_places.size()) - 1))];
    SCOPED_TRACE(layout_text(rows_view) + " and " + layout_text(other_view) + " in " + name_of(place));
    const Buffer memory = put(place, other_arena.memory);
    const BufferView there = moved(other_view, other_arena.memory, memory);
    if (rows_are_src) {
      const auto expected = copied_by_hand(places(other_view, other_arena), other_arena, rows_view);
      copy(there, rows_view, StreamRef::host());
      EXPECT_TRUE(get(memory) == expected);
    } else {
      const auto expected = copied_by_hand(places(rows_view, rows_arena), rows_arena, other_view);
      copy(rows_view, there, StreamRef::host());
      EXPECT_TRUE(rows_arena.memory == expected);
    }
  }
}

TEST_F(Transfer, CutsRowsBehindPointersIntoPieces) {
  constexpr int64_t kRows = 11, kColumns = 1 << 20;
  std::vector<std::vector<std::byte>> rows(kRows, std::vector<std::byte>(kColumns));
  Random random = seeded_random("Rows");
  std::vector<std::byte*> pointers;
  for (auto& row : rows) {
    for (std::byte& byte : row) byte = static_cast<std::byte>(random());
    pointers.push_back(row.data());
  }
  ViewSpec spec;
  const int64_t shape[] = {kRows, kColumns};
  const int64_t strides[] = {sizeof(void*), 1};
  const int64_t suboffsets[] = {0, -1};
  spec.buf = pointers.data();
  spec.shape = shape;
  spec.strides = strides;
  spec.suboffsets = suboffsets;
  const BufferView source = BufferView::create(spec);
  const Buffer there = to_contiguous(source, Order::C, StreamRef::host());
  const Buffer device = empty_like(source, Order::F, device_of(PlaceKind::device));
  copy(device.view(), source, StreamRef::host());
  copy(there.view(), device.view(), StreamRef::host());
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(std::memcmp(static_cast<std::byte*>(there.buf()) + static_cast<int64_t>(i) * kColumns, rows[i].data(),
                          kColumns),
              0);
  }
  const auto before = rows;
  for (auto& row : rows) std::fill(row.begin(), row.end(), std::byte{0});
  copy(source, device.view(), StreamRef::host());
  EXPECT_TRUE(rows == before);
}

// Values that tell where they come from.
std::vector<uint32_t> numbered(int64_t count) {
  std::vector<uint32_t> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint32_t>(i * 2654435761u);
  return values;
}

TEST_F(Transfer, TurnsMoreThanTheRingHolds) {
  constexpr int64_t kHeight = 2051, kWidth = 3001;  // 24 MB: six slots, none of them even
  const std::vector<uint32_t> values = numbered(kHeight * kWidth);
  const BufferView source = transpose(BufferView::of(values.data(), {kHeight, kWidth}));
  for (const PlaceKind place : places_here()) {
    SCOPED_TRACE(name_of(place));
    const Buffer turned = empty({kWidth, kHeight}, dtype_of<uint32_t>(), Order::C, device_of(place));
    copy(turned.view(), source, StreamRef::host());
    std::vector<uint32_t> found(values.size());
    const BufferView target = transpose(BufferView::of(found.data(), {kHeight, kWidth}));
    copy(target, turned.view(), StreamRef::host());
    EXPECT_TRUE(found == values);
    std::fill(found.begin(), found.end(), 0u);
    copy(BufferView::of(found.data(), {kWidth, kHeight}), turned.view(), StreamRef::host());
    for (int64_t i = 0; i < kWidth; i += 97) {
      for (int64_t j = 0; j < kHeight; j += 13) {
        ASSERT_EQ(found[static_cast<size_t>(i * kHeight + j)], values[static_cast<size_t>(j * kWidth + i)]);
      }
    }
  }
}

TEST_F(Transfer, BatchesLongRuns) {
  constexpr int64_t kRun = 2 << 10;  // items of 16 bytes
  const Family family{"long runs", {3, 5, kRun}, {6 * kRun, kRun, 1}, {11 * kRun, 2 * kRun, 1}};
  Random random = seeded_random("Batches");
  Shadows shadows;
  make_shadows(random, family, 16, shadows);
  for (const StreamRef stream : {StreamRef::host(), StreamRef::legacy_default(), StreamRef::per_thread_default()}) {
    check_copy(shadows, PlaceKind::device, PlaceKind::pinned, stream);
    check_copy(shadows, PlaceKind::pinned, PlaceKind::device, stream);
  }
}

TEST_F(Transfer, ReadsWhatOverlapsBeforeItIsWritten) {
  Random random = seeded_random("Overlap");
  for (const PlaceKind place : places_here()) {
    if (place == PlaceKind::pageable) continue;
    SCOPED_TRACE(name_of(place));
    Arena arena;
    arena.randomise(random, 4000);
    const auto side = [&](std::vector<int64_t> strides, uintptr_t offset) {
      return view_at(arena.begin() + offset, {{30, 30}, std::move(strides), {}}, 4);
    };
    for (const auto& [dst, src] :
         {std::pair(side({120, 4}, 0), side({4, 120}, 0)),   // in place
          std::pair(side({120, 4}, 16), side({120, 4}, 0)),  // a block onto itself
          std::pair(side({120, 4}, 0), side({120, 4}, 16)), std::pair(side({120, 4}, 8), side({-120, -4}, 3596))}) {
      const Buffer memory = put(place, arena.memory);
      copy(moved(dst, arena.memory, memory), moved(src, arena.memory, memory), StreamRef::host());
      EXPECT_TRUE(get(memory) == copied_by_hand(places(dst, arena), arena, src)) << describe(dst, src);
    }
  }
}

TEST_F(Transfer, FillsAndEmptiesBlocksOfTheHost) {
  const std::vector<uint32_t> values = numbered(6 * 7);
  for (const PlaceKind place : places_here()) {
    const Buffer there = empty({6, 7}, dtype_of<uint32_t>(), Order::F, device_of(place));
    from_contiguous(there.view(), std::as_bytes(std::span(values)), Order::C, StreamRef::host());
    std::vector<uint32_t> back(values.size());
    to_contiguous(std::as_writable_bytes(std::span(back)), there.view(), Order::C, StreamRef::host());
    EXPECT_EQ(back, values);
    const Buffer block = to_contiguous(there.view(), Order::C, StreamRef::host());
    EXPECT_EQ(block.device(), there.device());
    EXPECT_TRUE(block.is_contiguous(Order::C));
    to_contiguous(std::as_writable_bytes(std::span(back)), block.view(), Order::C, StreamRef::host());
    EXPECT_EQ(back, values);
  }
}

TEST_F(Transfer, GivesTheBufferItselfWhereItIsThereAlready) {
  const std::vector<uint32_t> values = numbered(6 * 7);
  Buffer host = empty({6, 7}, dtype_of<uint32_t>());
  std::memcpy(host.buf(), values.data(), values.size() * 4);
  const Device device = device_of(PlaceKind::device);
  const Buffer there = to(host, device, Order::F, StreamRef::host());
  EXPECT_EQ(there.device(), device);
  EXPECT_TRUE(there.is_contiguous(Order::F));
  EXPECT_EQ(to(there, device, Order::F, StreamRef::host()).buf(), there.buf());
  EXPECT_EQ(to(there, device, Order::K, StreamRef::host()).buf(), there.buf());
  EXPECT_EQ(to(there, device, Order::A, StreamRef::host()).buf(), there.buf());
  EXPECT_NE(to(there, device, Order::C, StreamRef::host()).buf(), there.buf());
  const Buffer back = to(there, {}, Order::C, StreamRef::host());
  EXPECT_EQ(std::memcmp(back.buf(), values.data(), values.size() * 4), 0);
}

TEST_F(Transfer, RefusesBeforeAnythingIsWritten) {
  const Buffer device = bytes_in(PlaceKind::device, 8);
  std::vector<std::byte> bytes(9);
  expect_throws<InvalidArgument>([&] { to_contiguous(bytes, device.view(), Order::C, StreamRef::host()); },
                                 {"9 bytes", "8"});
  expect_throws<ReadOnly>([&] { copy(device.toreadonly(), device, StreamRef::host()); }, {"read-only"});
  const int64_t shape[] = {8};
  EXPECT_THROW(empty(shape, dtype_of<std::byte>(), Order::C, {device_type(), 99}), InvalidArgument);
  EXPECT_THROW(empty({int64_t{1} << 46}, dtype_of<std::byte>(), Order::C, device_of(PlaceKind::device)),
               DeviceOutOfMemory);
  EXPECT_TRUE(get(put(PlaceKind::device, bytes)) == bytes) << "the library is usable afterwards";
}

TEST_F(Transfer, RefusesAStreamOfAThirdDevice) {
  if (device_count() < 2) GTEST_SKIP() << "one device";
  const Stream other = Stream::create({device_type(), 1});
  const Buffer device = bytes_in(PlaceKind::device, 8);
  const Buffer pinned = bytes_in(PlaceKind::pinned, 8);
  expect_throws<InvalidArgument>([&] { copy(device, pinned, other.ref()); }, {"the stream belongs to", ":1"});
  const Buffer on_other = bytes_in(PlaceKind::other_device, 8);
  copy(device, on_other, other.ref());
  make_ready(device, StreamRef::host());
}

}  // namespace
}  // namespace strideport
