#include "device/kernels/machine_traced.hpp"

#include <cinttypes>
#include <cstdio>

namespace strideport::kernels {
namespace {

std::string describe(const Access& access) {
  static constexpr const char* kNames[] = {"load", "store", "load from shared memory", "store to shared memory",
                                           "shuffle"};
  char text[120];
  std::snprintf(text, sizeof text, "%s of %d bytes at %s%" PRIx64, kNames[static_cast<int>(access.kind)],
                static_cast<int>(access.bytes), "0x", access.address);
  return text;
}

std::string describe_kind(const Access& access) {
  const std::string text = describe(access);
  return text.substr(0, text.find(" at "));
}

}  // namespace

std::string Trace::place() const {
  return "block " + std::to_string(block_) + ", thread " + std::to_string(thread_) + ", phase " +
         std::to_string(phase_);
}

void Trace::fail(const Access& access, const std::string& what) {
  if (fault_.empty()) fail(describe(access) + " " + what);
}

void Trace::begin_phase(uint32_t phase) noexcept {
  phase_ = phase;
  steps_.clear();
  addresses_.clear();
}

void Trace::begin_thread(uint32_t thread) {
  end_thread();
  thread_ = thread;
  next_ = 0;
  runs_ = true;
}

void Trace::end_thread() {
  if (runs_ && thread_ > 0 && next_ != steps_.size()) {
    fail("makes " + std::to_string(next_) + " accesses where thread 0 makes " + std::to_string(steps_.size()));
  }
  runs_ = false;
}

bool Trace::add(const Access& access) {
  if (!fault_.empty()) return false;
  const size_t n = next_++;
  if (thread_ == 0) {
    steps_.push_back(access);
    if (keeps_addresses_) addresses_.resize(addresses_.size() + threads_, kOff);
  } else if (n >= steps_.size()) {
    fail(access, "is one more than thread 0 makes");
    return false;
  } else if (access.kind != steps_[n].kind || access.bytes != steps_[n].bytes) {
    fail(access, "is a " + describe_kind(steps_[n]) + " in thread 0");
    return false;
  }
  if (access.on && access.address % access.bytes != 0) {
    fail(access, "is not aligned");
    return false;
  }
  if (keeps_addresses_ && access.on) addresses_[n * threads_ + thread_] = access.address;
  return true;
}

}  // namespace strideport::kernels
