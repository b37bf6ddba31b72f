/// The machine that does nothing but the copy, as fast as the host can.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "device/kernels/program.hpp"
#include "device/kernels/simulate.hpp"

namespace strideport::kernels {

/// Where the host reads the bytes of an address of the device.
class AddressMap {
 public:
  explicit AddressMap(const DeviceMemory* memory) noexcept {
    if (memory == nullptr) return;
    begin_ = memory->window_begin;
    size_ = memory->window_end - memory->window_begin;
    to_host_ = static_cast<uintptr_t>(memory->to_host);
  }
  std::byte* host(uintptr_t address) const noexcept {
    return reinterpret_cast<std::byte*>(address + (address - begin_ < size_ ? to_host_ : 0));
  }

 private:
  uintptr_t begin_ = 0;
  uintptr_t size_ = 0;
  uintptr_t to_host_ = 0;
};

class FastMachine {
 public:
  static constexpr bool kPoisons = false;

  FastMachine(const DeviceMemory* memory, uint32_t shared_bytes)
      : map_(memory), shared_((shared_bytes + sizeof(Word16) - 1) / sizeof(Word16)) {}

  // What the runner (registry.hpp) tells a machine.
  void begin_block(uint32_t) noexcept {}
  void begin_phase(uint32_t, Sync) noexcept {}
  void begin_thread(uint32_t thread) noexcept { thread_ = thread; }
  void end_phase() noexcept {}
  void end_block() noexcept {}
  template <class State>
  void set_states(const State* before) noexcept {
    before_ = before;
  }
  bool failed() const noexcept { return false; }

  template <class V>
  V load(Global base, int64_t offset_bytes, bool on = true) const noexcept {
    V value{};
    if (on) std::memcpy(&value, at(base, offset_bytes), sizeof value);
    return value;
  }
  template <class V>
  void store(Global base, int64_t offset_bytes, V value, bool on = true) const noexcept {
    if (on) std::memcpy(at(base, offset_bytes), &value, sizeof value);
  }
  template <class V>
  V load_shared(uint32_t offset_bytes, bool on = true) const noexcept {
    V value{};
    if (on) std::memcpy(&value, shared() + offset_bytes, sizeof value);
    return value;
  }
  template <class V>
  void store_shared(uint32_t offset_bytes, V value, bool on = true) const noexcept {
    if (on) std::memcpy(shared() + offset_bytes, &value, sizeof value);
  }
  template <class State, class Member>
  auto peer(const State&, Member member, uint32_t lane) const noexcept {
    return member(static_cast<const State*>(before_)[thread_ / 32 * 32 + lane % 32]);
  }

 private:
  std::byte* at(Global base, int64_t offset_bytes) const noexcept {
    return map_.host(reinterpret_cast<uintptr_t>(base.address) + static_cast<uintptr_t>(offset_bytes));
  }
  std::byte* shared() const noexcept { return reinterpret_cast<std::byte*>(shared_.data()); }

  AddressMap map_;
  mutable std::vector<Word16> shared_;
  const void* before_ = nullptr;
  uint32_t thread_ = 0;
};

}  // namespace strideport::kernels
