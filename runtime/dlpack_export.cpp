// DLPack out. One block holds the managed tensor, the owner and the two arrays, so that nothing is left to fail, or to
// forget, between them; the thread keeps some for the next exports.
#include <dlpack/dlpack.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "runtime/checked.hpp"
#include "runtime/spare_blocks.hpp"
#include "strideport/dlpack.hpp"
#include "strideport/error.hpp"

namespace strideport {
namespace {

/// Deleters within deleters on this thread, where an export owns an import of an export, and so on. Past some depth the
/// tensors wait for the outermost deleter, since such a chain can be longer than the stack is deep.
constexpr int kMaxNesting = 50;
constinit thread_local int nesting STRIDEPORT_NEAR_TLS = 0;
constinit thread_local DLManagedTensorVersioned* waiting STRIDEPORT_NEAR_TLS = nullptr;  // linked by `manager_ctx`
constinit thread_local DLManagedTensor* waiting_legacy STRIDEPORT_NEAR_TLS = nullptr;

DLManagedTensorVersioned*& waiting_of(DLManagedTensorVersioned*) noexcept { return waiting; }
DLManagedTensor*& waiting_of(DLManagedTensor*) noexcept { return waiting_legacy; }

/// What keeps the memory of an export: an owner that is shared, or one that is called once.
struct Keeper {
  std::shared_ptr<void> shared;
  void* single = nullptr;
  void (*release)(void*) noexcept = nullptr;

  explicit Keeper(std::shared_ptr<void> owner) noexcept : shared(std::move(owner)) {}
  Keeper(void* owner, void (*let_go)(void*) noexcept) noexcept : single(owner), release(let_go) {}
  Keeper(Keeper&& other) noexcept
      : shared(std::move(other.shared)), single(other.single), release(std::exchange(other.release, nullptr)) {}
  Keeper& operator=(Keeper&&) = delete;
  ~Keeper() {
    if (release != nullptr) release(single);
  }
};

constexpr size_t kFewDimensions = 8;

/// What `manager_ctx` points at; ndim extents, then ndim strides, follow it.
template <class Managed>
struct Exported {
  Managed managed{};
  Keeper keeper;
  bool is_few;  // the block is one of the thread's spare ones, however consumers changed the tensor

  Exported(Keeper&& owner, bool few) noexcept : keeper(std::move(owner)), is_few(few) {}

  int64_t* arrays() noexcept { return reinterpret_cast<int64_t*>(this + 1); }

  static void release(Managed* managed) noexcept;

  static void destroy(Managed* managed) noexcept {
    auto* self = reinterpret_cast<Exported*>(managed);  // the first member
    const bool few = self->is_few;
    self->~Exported();
    if (few) return give_block<kTensorBlock>(self);
    ::operator delete(self);
  }

  /// False where none waits.
  static bool destroy_waiting() noexcept {
    Managed* const next = waiting_of(static_cast<Managed*>(nullptr));
    if (next == nullptr) return false;
    waiting_of(next) = static_cast<Managed*>(next->manager_ctx);
    destroy(next);
    return true;
  }
};

template <class Managed>
void Exported<Managed>::release(Managed* managed) noexcept {
  if (nesting == kMaxNesting) {
    managed->manager_ctx = std::exchange(waiting_of(managed), managed);
    return;
  }
  ++nesting;
  destroy(managed);
  if (nesting == 1) {
    while (Exported<DLManagedTensorVersioned>::destroy_waiting() || Exported<DLManagedTensor>::destroy_waiting()) {
    }
  }
  --nesting;
}

bool is_foreign_number(const FormatItem& item) noexcept {
  const bool number = item.kind == ItemKind::integer || item.kind == ItemKind::unsigned_integer ||
                      item.kind == ItemKind::boolean || item.kind == ItemKind::floating ||
                      item.kind == ItemKind::complex;
  return number && item.shape.empty() && item.order != kNativeOrder;
}

std::string quoted(const Format& format) { return "format '" + format.text() + "'"; }

/// True where an element leaves bits of its bytes unused: what fills bytes is the same packed and padded.
bool is_padded(const BufferView& view) noexcept {
  const DType dtype = view.dtype();
  return view.padded() && dtype.is_subbyte() && dtype.bits * dtype.lanes % 8 != 0;
}

DLDataType export_dtype(const BufferView& view) {
  const Format& format = view.format();
  // Of a format only a native number has a dtype: nearly every element is one.
  if (const DType number = format.dtype(); number && number == view.dtype() && !number.is_subbyte()) {
    return {static_cast<uint8_t>(number.code), number.bits, number.lanes};
  }
  if (format && format.has_references()) {
    throw TypeMismatch("DLPack: " + quoted(format) +
                       " holds references to Python objects ('O'), which a "
                       "consumer would neither count nor release: only the buffer protocol exports it");
  }
  if (format && is_foreign_number(format.item())) {
    throw BufferError("DLPack: " + quoted(format) +
                      " is not in native byte order, the only one that DLPack knows: "
                      "`.contiguous()` copies without swapping bytes, so convert the values at the producer");
  }
  const DType dtype = view.dtype();
  if (!dtype || !is_known(dtype) || dtype.itemsize() == 0) {
    const std::string what = format ? quoted(format) : "an element of " + std::to_string(view.itemsize()) + " bytes";
    throw BufferError("DLPack: " + what +
                      " is no single number that DLPack names: cast to bytes with "
                      "`.cast(\"B\")` first");
  }
  if (is_padded(view) && dtype.lanes > 1) {
    throw BufferError("DLPack: padded " + to_string(dtype) +
                      " cannot be said: its flag does not tell whether lanes or elements take whole bytes");
  }
  return {static_cast<uint8_t>(dtype.code), dtype.bits, dtype.lanes};
}

void require_direct(const BufferView& view) {
  if (!view.has_suboffsets()) return;
  const auto suboffsets = view.suboffsets();
  const auto axis = std::find_if(suboffsets.begin(), suboffsets.end(), [](int64_t s) { return s >= 0; });
  throw BufferError("DLPack: axis " + std::to_string(axis - suboffsets.begin()) +
                    " goes through pointers (suboffsets), which strides cannot say: copy with `.contiguous()`");
}

/// Bytes to elements: the division alone would take as long as the rest of an axis does.
class Elements {
 public:
  // Without std::has_single_bit, which is a call where the machine need not count bits.
  explicit Elements(int64_t itemsize) noexcept
      : itemsize_(itemsize),
        shift_((itemsize & (itemsize - 1)) == 0 ? std::countr_zero(static_cast<uint64_t>(itemsize)) : -1) {}

  bool divide(int64_t bytes) const noexcept { return (shift_ < 0 ? bytes % itemsize_ : bytes & (itemsize_ - 1)) == 0; }
  /// Of bytes that they divide.
  int64_t in(int64_t bytes) const noexcept { return shift_ < 0 ? bytes / itemsize_ : bytes >> shift_; }

 private:
  int64_t itemsize_;
  int shift_;  // negative where itemsize is no power of two
};

/// Throws unless every stride that matters is a whole number of elements.
void require_whole_strides(const BufferView& view, const Elements& elements) {
  if (view.empty()) return;
  const auto shape = view.shape();
  const auto strides = view.strides();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] > 1 && !elements.divide(strides[i])) {
      throw BufferError("DLPack: the stride of axis " + std::to_string(i) + ", " + std::to_string(strides[i]) +
                        " bytes, is no multiple of itemsize " + std::to_string(view.itemsize()) +
                        ": copy with `.contiguous()`");
    }
  }
}

/// The one place on the way out where strides become elements. A stride that means nothing gets the value that C order
/// would give it, since consumers compare strides where they should not.
void write_arrays(const BufferView& view, const Elements& elements, int64_t* shape, int64_t* strides) noexcept {
  const auto extents = view.shape();
  const auto from = view.strides();
  int64_t dense = 1;
  for (size_t i = extents.size(); i-- > 0;) {
    const int64_t extent = extents[i];
    const bool meaningless = extent == 1 || view.empty();
    shape[i] = extent;
    strides[i] = meaningless ? dense : elements.in(from[i]);
    // Only an empty shape can overflow here, and its strides have no better value than 1.
    if (!try_mul(dense, std::max<int64_t>(extent, 1), dense)) dense = 1;
  }
}

/// The simulated driver's pinned and managed memory is host memory to everybody else.
DLDevice export_device(Device device) noexcept {
  switch (device.type) {
    case DeviceType::cpu:
    case DeviceType::simulated_host:
    case DeviceType::simulated_managed: return {kDLCPU, 0};  // DLPack: the index of host memory is 0
    default: return {static_cast<DLDeviceType>(device.type), device.id};
  }
}

/// Everything but version and flags. All checks come before the allocation, and nothing after it throws.
template <class Managed>
std::unique_ptr<Managed, DLPackDeleter> export_tensor(const BufferView& view, Keeper keeper) {
  const DLDataType dtype = export_dtype(view);
  require_direct(view);
  const Elements elements(view.itemsize());
  require_whole_strides(view, elements);

  using Block = Exported<Managed>;
  static_assert(sizeof(Block) % alignof(int64_t) == 0 && alignof(Block) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
  static_assert(sizeof(Block) + 2 * kFewDimensions * sizeof(int64_t) <= kTensorBlock);
  const auto ndim = static_cast<size_t>(view.ndim());
  const bool few = ndim <= kFewDimensions;
  void* const memory = few ? take_block<kTensorBlock>() : ::operator new(sizeof(Block) + 2 * ndim * sizeof(int64_t));
  auto* block = ::new (memory) Block(std::move(keeper), few);
  block->managed.manager_ctx = block;
  block->managed.deleter = &Block::release;
  DLTensor& tensor = block->managed.dl_tensor;
  tensor.data = view.empty() ? nullptr : view.buf();  // DLPack: NULL where the size is zero
  tensor.device = export_device(view.device());
  tensor.ndim = view.ndim();
  tensor.dtype = dtype;
  tensor.shape = block->arrays();
  tensor.strides = block->arrays() + ndim;
  write_arrays(view, elements, tensor.shape, tensor.strides);
  return std::unique_ptr<Managed, DLPackDeleter>(&block->managed);
}

DLPackTensor export_versioned(const BufferView& view, Keeper keeper, bool copied) {
  DLPackTensor tensor = export_tensor<DLManagedTensorVersioned>(view, std::move(keeper));
  tensor->version = {1, 3};  // what is written here, whatever newer header it is built with
  if (view.readonly()) tensor->flags |= DLPACK_FLAG_BITMASK_READ_ONLY;
  if (copied) tensor->flags |= DLPACK_FLAG_BITMASK_IS_COPIED;
  if (is_padded(view)) tensor->flags |= DLPACK_FLAG_BITMASK_IS_SUBBYTE_TYPE_PADDED;
  return tensor;
}

DLPackLegacyTensor export_legacy(const BufferView& view, Keeper keeper) {
  if (view.readonly()) {
    throw BufferError(
        "DLPack: the legacy struct cannot say that a buffer is read-only: ask for version 1 "
        "(`max_version=(1, 3)`) or for a copy (`copy=True`)");
  }
  if (is_padded(view)) {
    throw BufferError("DLPack: the legacy struct cannot say that " + to_string(view.dtype()) +
                      " is padded to bytes: ask for version 1 (`max_version=(1, 3)`)");
  }
  return export_tensor<DLManagedTensor>(view, std::move(keeper));
}

}  // namespace

void check_dlpack_elements(const BufferView& view) { (void)export_dtype(view); }

DLPackTensor export_dlpack(const Buffer& buffer, bool copied) {
  return export_versioned(buffer.view(), Keeper(buffer.owner()), copied);
}

DLPackTensor export_dlpack(const BufferView& view, void* owner, void (*release)(void*) noexcept) {
  return export_versioned(view, Keeper(owner, release), false);
}

DLPackLegacyTensor export_dlpack_legacy(const Buffer& buffer) {
  return export_legacy(buffer.view(), Keeper(buffer.owner()));
}

DLPackLegacyTensor export_dlpack_legacy(const BufferView& view, void* owner, void (*release)(void*) noexcept) {
  return export_legacy(view, Keeper(owner, release));
}

}  // namespace strideport
