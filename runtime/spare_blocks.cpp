#include "runtime/spare_blocks.hpp"

#include <utility>

namespace strideport {

constinit thread_local SpareList small_spares STRIDEPORT_NEAR_TLS{};
constinit thread_local SpareList tensor_spares STRIDEPORT_NEAR_TLS{};

namespace {

/// Whether this thread has yet to keep its first block, keeps some, or ends: owners that go later free theirs.
enum class Phase : uint8_t { before, keeping, ended };
constinit thread_local Phase phase STRIDEPORT_NEAR_TLS = Phase::before;

void drop_all(SpareList& list) noexcept {
  list.room = 0;
  while (list.first != nullptr) {
    void* const block = list.first;
    list.first = *static_cast<void**>(block);
    ::operator delete(block);
  }
}

struct AtThreadEnd {
  ~AtThreadEnd() {
    phase = Phase::ended;
    drop_all(small_spares);
    drop_all(tensor_spares);
  }
};

}  // namespace

void give_first_spare_block(SpareList& list, void* block) noexcept {
  if (!kKeepsSpareBlocks || phase != Phase::before) return ::operator delete(block);
  thread_local AtThreadEnd at_thread_end;  // made here, destroyed with the thread
  phase = Phase::keeping;
  small_spares.room = kMostSpareBytes / kSmallBlock;
  tensor_spares.room = kMostSpareBytes / kTensorBlock;
  ::new (block) void*(std::exchange(list.first, block));
  --list.room;
}

}  // namespace strideport
