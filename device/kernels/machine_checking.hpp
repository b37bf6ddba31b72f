/// The machine that finds what a GPU would have answered with an error, or wrongly: accesses outside of live
/// allocations, shared memory that is read before it is written, and races.
///
/// A race is a byte that two threads touch, one of them writing, with no barrier between: a block barrier, or one of
/// the warp where both are lanes of it. Between two blocks of a launch there is none.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "device/kernels/machine_traced.hpp"

namespace strideport::kernels {

/// Who touched a byte last, as a stamp: when, and which thread.
struct ByteHistory {
  uint64_t writer = 0;
  uint64_t reader = 0;
};

/// The barriers of the block that runs, and the order that they bring.
class BarrierClock {
 public:
  void begin_block() noexcept { block_first_ = sync_first_ = warp_first_ = ++now_; }
  void pass(Sync barrier) noexcept {
    if (barrier == Sync::none) return;
    warp_first_ = ++now_;
    if (barrier == Sync::block) sync_first_ = now_;
  }
  /// True if the byte may be touched so; takes it down.
  bool touch(ByteHistory& byte, uint32_t thread, bool writes) const noexcept;
  /// True if a thread of this block wrote the byte.
  bool written_by_block(const ByteHistory& byte) const noexcept { return when(byte.writer) >= block_first_; }

 private:
  // A stamp holds a thread below 1024, or the lanes of a warp, or more than that.
  static constexpr uint32_t kWarp = 1024;
  static constexpr uint32_t kManyWarps = 2046;
  static constexpr uint32_t kManyBlocks = 2047;
  static constexpr uint64_t stamp(uint64_t when, uint32_t who) noexcept { return when << 11 | who; }
  static constexpr uint64_t when(uint64_t stamp) noexcept { return stamp >> 11; }
  static constexpr uint32_t who(uint64_t stamp) noexcept { return static_cast<uint32_t>(stamp & 2047); }
  bool comes_after(uint64_t earlier, uint32_t thread) const noexcept;
  uint64_t joined(uint64_t readers, uint32_t thread) const noexcept;

  uint64_t now_ = 0;
  uint64_t block_first_ = 0;
  uint64_t sync_first_ = 0;
  uint64_t warp_first_ = 0;
};

class Checker {
 public:
  Checker(const DeviceMemory* memory, uint32_t shared_bytes, Trace&) : memory_(memory), shared_(shared_bytes) {}

  void begin_block() noexcept { clock_.begin_block(); }
  void begin_phase(Sync before) noexcept { clock_.pass(before); }
  void end_phase(const Trace&) noexcept {}
  void end_block() noexcept {}
  bool allows(Trace& trace, const Access& access);

 private:
  static constexpr uint64_t kPageBytes = 4096;
  using Page = std::array<ByteHistory, kPageBytes>;

  bool is_allocated(Trace& trace, const Access& access);
  bool is_in_shared(Trace& trace, const Access& access);
  bool is_free_of_races(Trace& trace, const Access& access, ByteHistory* history);
  ByteHistory* history_of(const Access& access);

  const DeviceMemory* memory_;
  std::vector<ByteHistory> shared_;
  BarrierClock clock_;
  std::unordered_map<uint64_t, std::unique_ptr<Page>> pages_;
  // What the last load and the last store met: the next is seldom elsewhere.
  struct Recent {
    uintptr_t begin = 1;
    uintptr_t end = 0;
    uint64_t page_number = ~uint64_t{0};
    Page* page = nullptr;
  };
  Recent recent_[2];
};

using CheckingMachine = TracedMachine<Checker>;

}  // namespace strideport::kernels
