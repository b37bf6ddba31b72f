#include "device/simulated/transfer.hpp"

#include <cstring>

namespace strideport::simulated {
namespace {

// Under the lock. Null where the range is not all there; the caller's own memory always is.
std::byte* bytes_at(const State& state, uintptr_t address, size_t bytes) noexcept {
  const Memory& memory = *state.memory;
  const Allocation* const found = memory.present.find(address);
  if (found == nullptr) return memory.in_window(address) ? nullptr : memory.host(address);
  return bytes <= found->end() - address ? memory.host(address) : nullptr;
}

size_t span_bytes(size_t pitch, size_t width, size_t rows) noexcept { return pitch * (rows - 1) + width; }

}  // namespace

Place place_of(const State& state, uintptr_t address, size_t bytes) {
  require(address != 0);
  const Allocation* const found = state.memory->known.find(address);
  if (found == nullptr) {
    require(!state.memory->in_window(address));
    return Place::pageable;
  }
  require(bytes <= found->end() - address);
  if (found->on_device()) return Place::device;
  return found->kind == Kind::managed ? Place::managed : Place::pinned;
}

void copy_rows(State& state, Context& context, Side dst, Side src, size_t width, size_t rows) noexcept {
  std::byte* to = nullptr;
  const std::byte* from = nullptr;
  {
    const Quiet quiet;
    const Lock lock(state.engine.mutex);
    if (context.failed != CUDA_SUCCESS) return;
    to = bytes_at(state, dst.address, span_bytes(dst.pitch, width, rows));
    from = bytes_at(state, src.address, span_bytes(src.pitch, width, rows));
    if (to == nullptr || from == nullptr) {
      state.fail(context, CUDA_ERROR_ILLEGAL_ADDRESS,
                 to == nullptr ? "a copy writes memory that is not there" : "a copy reads memory that is not there");
      return;
    }
  }
  if (rows == 1 || (dst.pitch == width && src.pitch == width)) {
    std::memmove(to, from, width * rows);
    return;
  }
  for (size_t row = 0; row < rows; ++row) std::memmove(to + row * dst.pitch, from + row * src.pitch, width);
}

void fill(State& state, Context& context, uintptr_t dst, unsigned char value, size_t bytes) noexcept {
  std::byte* to = nullptr;
  {
    const Quiet quiet;
    const Lock lock(state.engine.mutex);
    if (context.failed != CUDA_SUCCESS) return;
    to = bytes_at(state, dst, bytes);
    if (to == nullptr) {
      state.fail(context, CUDA_ERROR_ILLEGAL_ADDRESS, "a memset writes memory that is not there");
      return;
    }
  }
  std::memset(to, value, bytes);
}

Reach::Reach(State& state, const Context& context) noexcept : state_(state), context_(context) {
  window_begin = state.memory->window_begin();
  window_end = state.memory->window_end();
  to_host = state.memory->to_host();
}

MemoryRange Reach::allocation_of(uintptr_t address) const {
  const Quiet quiet;
  const Lock lock(state_.engine.mutex);
  const Allocation* const found = state_.memory->present.find(address);
  if (found == nullptr) return {};
  const MemoryRange range{reinterpret_cast<const void*>(found->begin), static_cast<int64_t>(found->bytes)};
  if (!found->on_device() || found->device == context_.device) return range;
  if (found->kind == Kind::device) return context_.peers.count(found->device) == 1 ? range : MemoryRange{};
  const auto pool = state_.pools.find(found->pool);
  const bool reached = pool != state_.pools.end() && pool->second->access.count(context_.device) == 1;
  return reached ? range : MemoryRange{};
}

}  // namespace strideport::simulated
