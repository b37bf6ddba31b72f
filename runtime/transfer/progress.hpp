/// Tells a caller how far a long copy is.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "strideport/copy.hpp"

namespace strideport::transfer {

class ProgressMeter {
 public:
  using Time = std::chrono::steady_clock::time_point;

  ProgressMeter(const Progress& progress, int64_t total_bytes)
      : progress_(progress), total_(total_bytes), next_(now() + std::chrono::seconds(1)) {}

  /// So many more bytes are done. Throws: what the callback throws.
  void add(int64_t bytes) {
    done_ += bytes;
    if (!progress_ || done_ >= total_) return;
    const Time time = now();
    if (time < next_) return;
    next_ = time + std::chrono::milliseconds(100);
    progress_(done_, total_);
  }

  /// The clock; tests put another one here.
  static inline std::atomic<Time (*)()> clock{&std::chrono::steady_clock::now};

 private:
  static Time now() { return clock.load(std::memory_order_relaxed)(); }

  const Progress& progress_;
  int64_t total_;
  int64_t done_ = 0;
  Time next_;
};

}  // namespace strideport::transfer
