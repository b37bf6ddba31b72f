/// What becomes of the driver's answers: an exception that names function and error, and, for errors after which a
/// device never works again, the memory of the first one.
#pragma once

#include <atomic>
#include <string>

#include "device/driver/driver.hpp"

namespace strideport::device {

/// True for errors that end a context: every later call on the device fails with it, and all its memory is lost.
[[nodiscard]] bool is_sticky(CUresult error) noexcept;

/// Begins again, once, what has to be done before something is given back, since nobody else will do it. The call
/// itself that gives back is never repeated: a driver does that and returns an error too, where earlier work failed.
template <class Action>
void give_back_or_leak(Action action) noexcept {
  for (int attempt = 0; attempt < 2; ++attempt) {
    try {
      action();
      return;
    } catch (...) {  // leaks in the end: to free what may be in use would be worse
    }
  }
}

/// A call that may be repeated, where there is nobody to tell that it failed.
template <class Call>
bool try_twice(Call call) noexcept {
  return call() == CUDA_SUCCESS || call() == CUDA_SUCCESS;
}

/// The first sticky error of a device. It never heals.
class Health {
 public:
  /// Throws: DeviceError with the first sticky error's story, if there was one.
  void fail_fast() const {
    if (first_.load(std::memory_order_acquire) != nullptr) throw_first();
  }
  bool failed() const noexcept { return first_.load(std::memory_order_acquire) != nullptr; }
  /// Keeps the first; later ones follow from it.
  void remember(CUresult error, const std::string& story) noexcept;

 private:
  struct Failure {
    CUresult error;
    std::string story;
  };
  [[noreturn]] void throw_first() const;
  std::atomic<const Failure*> first_{nullptr};  // leaked, like all that knows a device
};

}  // namespace strideport::device
