// Random structures through the copies that a device has a part in: 50,000 a run, between places drawn at random,
// against an oracle that walks host memory. Under a GPU's sanitizer so many take too long: STRIDEPORT_ROUNDS is the
// number a case.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "strideport/plan.hpp"
#include "strideport/view_ops.hpp"
#include "tests/support/copy_pair.hpp"
#include "tests/support/device_places.hpp"

namespace strideport {
namespace {

using namespace strideport::testing;  // NOLINT: the tests' own vocabulary

constexpr int64_t kRoomBytes = int64_t{256} << 10;

int64_t rounds() { return testing::rounds(10'000); }

int64_t random_itemsize(Random& random) {
  static constexpr int64_t kCommon[] = {1, 2, 4, 8, 16, 3, 12, 24, 6};
  if (one_in(random, 200)) return 1000;
  if (one_in(random, 4)) return pick(random, 1, 64);
  return kCommon[static_cast<size_t>(pick(random, 0, std::size(kCommon) - 1))];
}

// Mostly small: what a kernel gets wrong it gets wrong at edges. Some are large enough for tiles and vectors.
std::vector<int64_t> random_shape(Random& random, int64_t itemsize) {
  const int64_t limit = itemsize > 64 ? 12 : one_in(random, 12) ? 9000 : 150;
  return pair_shape(random, pick(random, 0, 7), limit);
}

/// Memory of one place that every round uses again: allocating is not what is tested here.
class Rooms {
 public:
  // `shadow` in the room of `place` on that side of a copy, at any alignment; and the bytes that it takes there.
  Buffer upload(Random& random, PlaceKind place, bool is_dst, const std::vector<std::byte>& shadow) {
    auto& room = rooms_[{place, is_dst}];
    if (room.empty()) room = bytes_in(place, kRoomBytes);
    Slice range;
    range.start = pick(random, 0, 70);
    range.stop = *range.start + static_cast<int64_t>(shadow.size());
    const Buffer part = room.rebind(slice(room.view(), 0, range));
    make_ready(part, StreamRef::host());
    from_contiguous(part.view(), shadow, Order::C, StreamRef::host());
    return part;
  }

 private:
  std::map<std::pair<PlaceKind, bool>, Buffer> rooms_;
};

uintptr_t place_in(Random& random, Side& side, int64_t itemsize, Arena& arena) {
  bound(side, itemsize);
  arena.randomise(random, side.upper - side.lower + pick(random, 0, 40));
  const int64_t slack = static_cast<int64_t>(arena.memory.size()) - (side.upper - side.lower);
  return arena.begin() + static_cast<uintptr_t>(pick(random, 0, slack) - side.lower);
}

class TransferRandom : public OnDevice {
 protected:
  void SetUp() override {
    OnDevice::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    places_ = places_here();
    for (int i = 0; i < std::min(device_count(), 2); ++i) streams_.push_back(Stream::create({device_type(), i}));
  }

  PlaceKind any_place(Random& random) {
    return places_[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(places_.size()) - 1))];
  }

  StreamRef any_stream(Random& random, PlaceKind to, PlaceKind from) {
    if (one_in(random, 4)) return StreamRef::host();
    const bool on_other = to == PlaceKind::other_device || (to != PlaceKind::device && from == PlaceKind::other_device);
    if (one_in(random, 8)) return one_in(random, 2) ? StreamRef::legacy_default() : StreamRef::per_thread_default();
    return streams_[on_other ? 1 : 0].ref();
  }

  // Gaps may make a small structure wide.
  static bool fits(const Arena& arena) { return !arena.memory.empty() && arena.memory.size() < kRoomBytes - 70; }

  void one_copy(Random& random, PlaceKind to, PlaceKind from) {
    const int64_t itemsize = random_itemsize(random);
    const auto shape = random_shape(random, itemsize);
    Side dst{with_unit_dims(random, shape), {}, {}};
    Side src{with_unit_dims(random, shape), {}, {}};
    dst.strides = nested_strides(random, dst.shape, itemsize);
    src.strides = source_strides(random, src.shape, itemsize);
    Arena dst_arena;
    Arena src_arena;
    const BufferView dst_shadow = view_at(place_in(random, dst, itemsize, dst_arena), dst, itemsize);
    const BufferView src_shadow = view_at(place_in(random, src, itemsize, src_arena), src, itemsize);
    const auto where = places(dst_shadow, dst_arena);
    if (repeats(where, dst_arena.memory.size())) return;  // the planner's tests refuse it
    if (!fits(dst_arena) || !fits(src_arena)) return;
    const Buffer dst_memory = rooms_.upload(random, to, true, dst_arena.memory);
    const Buffer src_memory = rooms_.upload(random, from, false, src_arena.memory);
    const BufferView dst_view = moved(dst_shadow, dst_arena.memory, dst_memory);
    const BufferView src_view = moved(src_shadow, src_arena.memory, src_memory);
    copy(dst_memory.rebind(dst_view), src_memory.rebind(src_view), any_stream(random, to, from));
    ASSERT_TRUE(get(dst_memory) == copied_by_hand(where, dst_arena, src_shadow))
        << name_of(from) << " to " << name_of(to) << "\n"
        << explain(dst_view, src_view);
    ++compared_;
  }

  Rooms rooms_;
  std::vector<PlaceKind> places_;
  std::vector<Stream> streams_;
  int64_t compared_ = 0;
};

TEST_F(TransferRandom, StructuresBetweenAnyPlacesEqualTheOdometer) {
  Random random = seeded_random("TransferRandom.StructuresBetweenAnyPlacesEqualTheOdometer");
  while (compared_ < rounds() && !HasFatalFailure()) {
    const PlaceKind to = any_place(random), from = any_place(random);
    one_copy(random, to, from);
  }
}

TEST_F(TransferRandom, StructuresOnOneDeviceEqualTheOdometer) {
  Random random = seeded_random("TransferRandom.StructuresOnOneDeviceEqualTheOdometer");
  while (compared_ < rounds() && !HasFatalFailure()) one_copy(random, PlaceKind::device, PlaceKind::device);
}

TEST_F(TransferRandom, StructuresFromTheHostEqualTheOdometer) {
  Random random = seeded_random("TransferRandom.StructuresFromTheHostEqualTheOdometer");
  while (compared_ < rounds() && !HasFatalFailure()) {
    one_copy(random, PlaceKind::device, one_in(random, 2) ? PlaceKind::pinned : PlaceKind::pageable);
  }
}

TEST_F(TransferRandom, StructuresToTheHostEqualTheOdometer) {
  Random random = seeded_random("TransferRandom.StructuresToTheHostEqualTheOdometer");
  while (compared_ < rounds() && !HasFatalFailure()) {
    one_copy(random, one_in(random, 2) ? PlaceKind::pinned : PlaceKind::pageable, PlaceKind::device);
  }
}

TEST_F(TransferRandom, StructuresBetweenDevicesEqualTheOdometer) {
  if (device_count() < 2) GTEST_SKIP() << "one device only";
  Random random = seeded_random("TransferRandom.StructuresBetweenDevicesEqualTheOdometer");
  while (compared_ < rounds() && !HasFatalFailure()) {
    const bool forth = one_in(random, 2);
    one_copy(random, forth ? PlaceKind::other_device : PlaceKind::device,
             forth ? PlaceKind::device : PlaceKind::other_device);
  }
}

}  // namespace
}  // namespace strideport
