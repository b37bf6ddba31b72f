#include "runtime/transfer/temporary.hpp"

#include <array>
#include <optional>
#include <span>
#include <utility>

namespace strideport::transfer {
namespace {

// Empty where the work is over; nothing where nobody can say when it will be.
std::optional<Completion> end_of(const WorkStream& work) noexcept {
  try {
    return work.api->record(work.device, work.stream);
  } catch (...) {
  }
  if (!work.api->drain(work.device, work.stream)) return std::nullopt;
  return Completion();
}

}  // namespace

Temporary::Temporary(const WorkStream& work, int64_t bytes)
    : work_(work), memory_(static_cast<std::byte*>(work.api->allocate(work.device, bytes, work.stream))) {}

Temporary::Temporary(Temporary&& other) noexcept
    : work_(other.work_), other_(other.other_), memory_(std::exchange(other.memory_, nullptr)) {}

Temporary::~Temporary() {
  if (memory_ == nullptr) return;
  if (other_.api == nullptr) {
    work_.api->free_on(work_.device, memory_, work_.stream);
    return;
  }
  std::array<Completion, 2> pending;
  size_t count = 0;
  for (const WorkStream* work : {&work_, &other_}) {
    std::optional<Completion> end = end_of(*work);
    if (!end) return;  // leaks
    if (*end) pending[count++] = std::move(*end);
  }
  work_.api->free(work_.device, memory_, std::span(pending).first(count));
}

}  // namespace strideport::transfer
