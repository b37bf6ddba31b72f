#include "device/kernels/machine_checking.hpp"

#include <algorithm>

namespace strideport::kernels {

bool BarrierClock::comes_after(uint64_t earlier, uint32_t thread) const noexcept {
  if (earlier == 0) return true;
  const uint32_t other = who(earlier);
  if (when(earlier) < block_first_ || other == kManyBlocks) return false;
  if (other == thread || when(earlier) < sync_first_) return true;
  if (other == kManyWarps || when(earlier) >= warp_first_) return false;
  return (other >= kWarp ? other - kWarp : other / 32) == thread / 32;
}

// Who has read, once `thread` has too.
uint64_t BarrierClock::joined(uint64_t readers, uint32_t thread) const noexcept {
  if (comes_after(readers, thread)) return stamp(now_, thread);
  if (when(readers) < block_first_ || who(readers) == kManyBlocks) return stamp(now_, kManyBlocks);
  const uint32_t other = who(readers);
  if (other == kManyWarps) return stamp(now_, kManyWarps);
  const uint32_t warp = other >= kWarp ? other - kWarp : other / 32;
  return stamp(now_, warp == thread / 32 ? kWarp + warp : kManyWarps);
}

bool BarrierClock::touch(ByteHistory& byte, uint32_t thread, bool writes) const noexcept {
  if (!comes_after(byte.writer, thread)) return false;
  if (!writes) {
    byte.reader = joined(byte.reader, thread);
    return true;
  }
  if (!comes_after(byte.reader, thread)) return false;
  byte.writer = stamp(now_, thread);
  return true;
}

bool Checker::allows(Trace& trace, const Access& access) {
  if (!(is_global(access.kind) ? is_allocated(trace, access) : is_in_shared(trace, access))) return false;
  return is_free_of_races(trace, access, history_of(access));
}

bool Checker::is_allocated(Trace& trace, const Access& access) {
  Recent& recent = recent_[is_write(access.kind)];
  if (access.address < recent.begin || access.address >= recent.end) {
    const MemoryRange range = memory_ == nullptr ? MemoryRange{} : memory_->allocation_of(access.address);
    recent.begin = reinterpret_cast<uintptr_t>(range.begin);
    recent.end = recent.begin + static_cast<uintptr_t>(range.size);
    if (range.size == 0) {
      trace.fail(access, "is in no live allocation");
      return false;
    }
  }
  if (access.address + access.bytes <= recent.end) return true;
  trace.fail(access, "passes the end of its allocation");
  return false;
}

bool Checker::is_in_shared(Trace& trace, const Access& access) {
  if (access.address + access.bytes <= shared_.size()) return true;
  trace.fail(access, "passes the end of the " + std::to_string(shared_.size()) + " bytes of shared memory");
  return false;
}

ByteHistory* Checker::history_of(const Access& access) {
  if (!is_global(access.kind)) return shared_.data() + access.address;
  Recent& recent = recent_[is_write(access.kind)];
  const uint64_t number = access.address / kPageBytes;
  if (number != recent.page_number) {
    std::unique_ptr<Page>& page = pages_[number];
    if (page == nullptr) page = std::make_unique<Page>();
    recent.page_number = number;
    recent.page = page.get();
  }
  return recent.page->data() + access.address % kPageBytes;
}

bool Checker::is_free_of_races(Trace& trace, const Access& access, ByteHistory* history) {
  for (ByteHistory* byte = history; byte != history + access.bytes; ++byte) {
    if (!is_global(access.kind) && !clock_.written_by_block(*byte)) {
      *byte = {};  // what another block left there
      if (!is_write(access.kind)) {
        trace.fail(access, "reads what was never written");
        return false;
      }
    }
    if (!clock_.touch(*byte, trace.thread(), is_write(access.kind))) {
      trace.fail(access, "races with another thread: no barrier lies between them");
      return false;
    }
  }
  return true;
}

}  // namespace strideport::kernels
