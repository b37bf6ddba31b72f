/// Tells a caller how far a long copy is.
#pragma once

#include <chrono>
#include <cstdint>

#include "strideport/copy.hpp"

namespace strideport::transfer {

class ProgressMeter {
 public:
  ProgressMeter(const Progress& progress, int64_t total_bytes)
      : progress_(progress), total_(total_bytes), next_(Clock::now() + std::chrono::seconds(1)) {}

  /// So many more bytes are done. Throws: what the callback throws.
  void add(int64_t bytes) {
    done_ += bytes;
    if (!progress_ || done_ >= total_) return;
    const auto now = Clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::milliseconds(100);
    progress_(done_, total_);
  }

 private:
  using Clock = std::chrono::steady_clock;
  const Progress& progress_;
  int64_t total_;
  int64_t done_ = 0;
  Clock::time_point next_;
};

}  // namespace strideport::transfer
