/// Streams of ours, kept for the next copy: creating one costs more than most copies.
#pragma once

#include "runtime/work_stream.hpp"

namespace strideport::transfer {

/// One of them, lent for a copy. Given back with work still queued on it: whoever borrows it next comes after that
/// work.
class OwnStream {
 public:
  /// Throws: DeviceError, std::bad_alloc.
  OwnStream(DeviceApi& api, int device);
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;
  ~OwnStream();

  const WorkStream& work() const noexcept { return work_; }

  /// The copy failed: the stream is waited for and destroyed instead, since the device may have lost it. False where
  /// its work may still be running, as DeviceApi::drain says.
  [[nodiscard]] bool discard() noexcept;

 private:
  WorkStream work_;
};

/// `after` waits for what is queued on `before` by now. Nothing where they are one stream.
/// Precondition: none of them captures.
void join(const WorkStream& after, const WorkStream& before);

}  // namespace strideport::transfer
