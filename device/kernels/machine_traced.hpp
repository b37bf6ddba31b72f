/// What the checking and the counting machine have in common: they follow the sequence of accesses of every thread, and
/// find misaligned accesses and threads that part ways.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "device/kernels/machine_fast.hpp"
#include "device/kernels/program.hpp"
#include "device/kernels/simulate.hpp"

namespace strideport::kernels {

enum class AccessKind : uint8_t { load, store, load_shared, store_shared, peer };

struct Access {
  AccessKind kind;
  uint8_t bytes;
  bool on;
  uint64_t address;  ///< offset, in shared memory
};

[[nodiscard]] constexpr bool is_global(AccessKind kind) noexcept {
  return kind == AccessKind::load || kind == AccessKind::store;
}
[[nodiscard]] constexpr bool is_write(AccessKind kind) noexcept {
  return kind == AccessKind::store || kind == AccessKind::store_shared;
}

/// The accesses of all threads of a block, phase by phase, and the first fault.
class Trace {
 public:
  explicit Trace(uint32_t threads) noexcept : threads_(threads) {}

  uint32_t threads() const noexcept { return threads_; }
  uint32_t thread() const noexcept { return thread_; }
  const std::string& fault() const noexcept { return fault_; }
  /// The first fault stays.
  void fail(const std::string& what) {
    if (fault_.empty()) fault_ = place() + ": " + what;
  }
  void fail(const Access& access, const std::string& what);

  void begin_block(uint32_t block) noexcept { block_ = block; }
  void begin_phase(uint32_t phase) noexcept;
  void begin_thread(uint32_t thread);
  void end_phase() { end_thread(); }
  /// Takes down the next access of the current thread. False where it must not be carried out.
  bool add(const Access& access);

  /// Of the phase: how many accesses each thread made, and the n-th one (its address is that of thread 0).
  size_t count() const noexcept { return steps_.size(); }
  const Access& step(size_t n) const noexcept { return steps_[n]; }
  /// The addresses of the n-th access of all threads, kOff where it was off. Kept on demand only.
  static constexpr uint64_t kOff = ~uint64_t{0};
  const uint64_t* addresses(size_t n) const noexcept { return addresses_.data() + n * threads_; }
  void keep_addresses() noexcept { keeps_addresses_ = true; }

 private:
  void end_thread();
  std::string place() const;

  uint32_t threads_;
  uint32_t block_ = 0;
  uint32_t phase_ = 0;
  uint32_t thread_ = 0;
  size_t next_ = 0;  ///< the place of the current thread in its sequence
  bool runs_ = false;
  bool keeps_addresses_ = false;
  std::vector<Access> steps_;  ///< of thread 0, which the others must follow
  std::vector<uint64_t> addresses_;
  std::string fault_;
};

/// Analyst: `bool allows(Trace&, const Access&)` before each access that is on, and what happens when a block or a
///          phase begins
/// or ends.
template <class Analyst>
class TracedMachine {
 public:
  static constexpr bool kPoisons = true;

  TracedMachine(const DeviceMemory* memory, uint32_t shared_bytes, uint32_t threads)
      : fast_(memory, shared_bytes), trace_(threads), analyst_(memory, shared_bytes, trace_) {}

  const Analyst& analyst() const noexcept { return analyst_; }
  const std::string& fault() const noexcept { return trace_.fault(); }
  bool failed() const noexcept { return !trace_.fault().empty(); }

  void begin_block(uint32_t block) {
    trace_.begin_block(block);
    analyst_.begin_block();
  }
  void begin_phase(uint32_t phase, Sync before) {
    trace_.begin_phase(phase);
    analyst_.begin_phase(before);
  }
  void begin_thread(uint32_t thread) {
    trace_.begin_thread(thread);
    fast_.begin_thread(thread);
  }
  void end_phase() {
    trace_.end_phase();
    analyst_.end_phase(trace_);
  }
  void end_block() { analyst_.end_block(); }
  template <class State>
  void set_states(const State* before) noexcept {
    fast_.set_states(before);
  }

  template <class V>
  V load(Global base, int64_t offset_bytes, bool on = true) const {
    if (!allows<V>(AccessKind::load, address_of(base, offset_bytes), on)) return garbage<V>();
    return fast_.template load<V>(base, offset_bytes);
  }
  template <class V>
  void store(Global base, int64_t offset_bytes, V value, bool on = true) const {
    if (allows<V>(AccessKind::store, address_of(base, offset_bytes), on)) fast_.store(base, offset_bytes, value);
  }
  template <class V>
  V load_shared(uint32_t offset_bytes, bool on = true) const {
    if (!allows<V>(AccessKind::load_shared, offset_bytes, on)) return garbage<V>();
    return fast_.template load_shared<V>(offset_bytes);
  }
  template <class V>
  void store_shared(uint32_t offset_bytes, V value, bool on = true) const {
    if (allows<V>(AccessKind::store_shared, offset_bytes, on)) fast_.store_shared(offset_bytes, value);
  }
  template <class State, class Member>
  auto peer(const State& state, Member member, uint32_t lane) const {
    static_cast<void>(trace_.add({AccessKind::peer, sizeof(member(state)), true, 0}));
    if (member(state) != fast_.peer(state, member, trace_.thread() % 32)) {
      trace_.fail("asks other lanes for a value that it changed in this phase");
    }
    return fast_.peer(state, member, lane);
  }

 private:
  static uint64_t address_of(Global base, int64_t offset_bytes) noexcept {
    return reinterpret_cast<uintptr_t>(base.address) + static_cast<uint64_t>(offset_bytes);
  }
  template <class V>
  bool allows(AccessKind kind, uint64_t address, bool on) const {
    const Access access{kind, sizeof(V), on, address};
    return trace_.add(access) && on && analyst_.allows(trace_, access);
  }
  template <class V>
  static V garbage() noexcept {
    V value;
    std::memset(&value, 0xDB, sizeof value);
    return value;
  }

  FastMachine fast_;
  mutable Trace trace_;  // a program sees its machine as const: accesses are calls, no state of its own
  mutable Analyst analyst_;
};

}  // namespace strideport::kernels
