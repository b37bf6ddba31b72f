/// The machine that counts the traffic of a launch, by the published rules of requests, sectors and banks: the n-th
/// access of all lanes of a warp is one request.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "device/kernels/machine_traced.hpp"

namespace strideport::kernels {

/// A set of sectors that is emptied often.
class SectorSet {
 public:
  void clear() noexcept {
    ++generation_;
    size_ = 0;
  }
  void insert(uint64_t sector);
  size_t size() const noexcept { return size_; }

 private:
  struct Slot {
    uint64_t sector = 0;
    uint64_t generation = 0;
  };
  void grow();

  std::vector<Slot> slots_ = std::vector<Slot>(1024);
  uint64_t generation_ = 1;
  size_t size_ = 0;
};

class Counter {
 public:
  Counter(const DeviceMemory*, uint32_t, Trace& trace) { trace.keep_addresses(); }

  const Traffic& traffic() const noexcept { return traffic_; }

  void begin_block() noexcept {
    loaded_.clear();
    stored_.clear();
  }
  void begin_phase(Sync) noexcept {}
  void end_phase(const Trace& trace);
  void end_block() noexcept {
    traffic_.unique_load_sectors += loaded_.size();
    traffic_.unique_store_sectors += stored_.size();
  }
  bool allows(Trace&, const Access&) const noexcept { return true; }

 private:
  void count_global(const Access& step, const uint64_t* addresses);
  void count_shared(const Access& step, const uint64_t* addresses);

  Traffic traffic_;
  SectorSet loaded_;
  SectorSet stored_;
};

using CountingMachine = TracedMachine<Counter>;

}  // namespace strideport::kernels
