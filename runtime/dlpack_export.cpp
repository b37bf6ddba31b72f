// DLPack out. One block holds the managed tensor, the owner and the two arrays, so that nothing is left to fail, or to
// forget, between them; the thread keeps some for the next exports.
#include <dlpack/dlpack.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "runtime/checked.hpp"
#include "runtime/spare_blocks.hpp"
#include "runtime/view_builder.hpp"
#include "strideport/dlpack.hpp"
#include "strideport/error.hpp"

namespace strideport {
namespace {

/// Deleters within deleters on this thread, where an export owns an import of an export, and so on. Past some depth the
/// tensors wait for the outermost deleter, since such a chain can be longer than the stack is deep.
constexpr int kMaxNesting = 50;
struct Nesting {
  int depth;
  DLManagedTensorVersioned* waiting;  // linked by `manager_ctx`
  DLManagedTensor* waiting_legacy;
};
constinit thread_local Nesting nesting STRIDEPORT_NEAR_TLS{};

DLManagedTensorVersioned*& waiting_of(DLManagedTensorVersioned*) noexcept { return nesting.waiting; }
DLManagedTensor*& waiting_of(DLManagedTensor*) noexcept { return nesting.waiting_legacy; }

/// What keeps the memory of an export: an owner that is shared, or one that is called once.
struct Keeper {
  std::shared_ptr<void> shared;
  void* single = nullptr;
  void (*release)(void*) noexcept = nullptr;

  explicit Keeper(const std::shared_ptr<void>& owner) noexcept : shared(owner) {}
  Keeper(void* owner, void (*let_go)(void*) noexcept) noexcept : single(owner), release(let_go) {}
  Keeper(Keeper&& other) noexcept
      : shared(std::move(other.shared)), single(other.single), release(std::exchange(other.release, nullptr)) {}
  Keeper& operator=(Keeper&&) = delete;
  ~Keeper() {
    if (release != nullptr) release(single);
  }
};

/// What `manager_ctx` points at; ndim extents, then ndim strides, follow it.
template <class Managed>
struct Exported {
  Managed managed;
  Keeper keeper;
  bool is_few;  // the block is one of the thread's spare ones, however consumers changed the tensor

  template <class Owner>
  Exported(Owner&& owner, bool few) noexcept  // NOLINT: the tensor is for `export_tensor` to write
      : keeper(std::forward<Owner>(owner)), is_few(few) {}

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
  if (nesting.depth == kMaxNesting) {
    managed->manager_ctx = std::exchange(waiting_of(managed), managed);
    return;
  }
  ++nesting.depth;
  destroy(managed);
  if (nesting.depth == 1) {
    while (Exported<DLManagedTensorVersioned>::destroy_waiting() || Exported<DLManagedTensor>::destroy_waiting()) {
    }
  }
  --nesting.depth;
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

// Not inlined, nor are the others that throw: the exports that work need no registers for their words.
[[gnu::noinline]] DLDataType export_rare_dtype(const BufferView& view) {
  const Format& format = view.format();
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

DLDataType export_dtype(const BufferView& view) {
  // Of a format only a native number has a dtype: nearly every element is one.
  const DType number = view.format().dtype();
  if (!number || number != view.dtype() || number.is_subbyte()) return export_rare_dtype(view);
  return {static_cast<uint8_t>(number.code), number.bits, number.lanes};
}

[[noreturn, gnu::cold, gnu::noinline]] void refuse_suboffsets(const BufferView& view) {
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

/// Of a view one of whose strides matters and is no whole number of elements.
[[noreturn, gnu::cold, gnu::noinline]] void refuse_strides(const BufferView& view, const Elements& elements) {
  const auto shape = view.shape();
  const auto strides = view.strides();
  size_t axis = 0;
  while (shape[axis] == 1 || elements.divide(strides[axis])) ++axis;
  throw BufferError("DLPack: the stride of axis " + std::to_string(axis) + ", " + std::to_string(strides[axis]) +
                    " bytes, is no multiple of itemsize " + std::to_string(view.itemsize()) +
                    ": copy with `.contiguous()`");
}

/// Of an empty view no stride means anything.
[[gnu::noinline]] void write_empty_arrays(std::span<const int64_t> extents, int64_t* shape, int64_t* strides) noexcept {
  int64_t dense = 1;
  for (size_t i = extents.size(); i-- > 0;) {
    shape[i] = extents[i];
    strides[i] = dense;
    // Where this overflows, no value is better than 1.
    if (!try_mul(dense, std::max<int64_t>(extents[i], 1), dense)) dense = 1;
  }
}

/// The one place on the way out where strides become elements; false where one that matters is no whole number of them.
/// A stride that means nothing gets the value that C order would give it, since consumers compare strides where they
/// should not.
bool write_arrays(const BufferView& view, const Elements& elements, int64_t* shape, int64_t* strides) noexcept {
  const auto extents = view.shape();
  if (view.empty()) {
    write_empty_arrays(extents, shape, strides);
    return true;
  }
  const int64_t* const extent_of = extents.data();
  const int64_t* const stride_of = view.strides().data();
  const int64_t itemsize = view.itemsize();
  int64_t dense = 1;  // elements: with any in the view, no product overflows
  for (size_t i = extents.size(); i-- > 0;) {
    const int64_t extent = extent_of[i];
    const int64_t stride = stride_of[i];
    shape[i] = extent;
    strides[i] = dense;
    if (extent != 1 && stride != dense * itemsize) {
      if (!elements.divide(stride)) return false;
      strides[i] = elements.in(stride);
    }
    dense *= extent;
  }
  return true;
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

/// Everything but version and flags. The owner, a Keeper or a shared one, is taken by the block: what throws after that
/// gives it back.
template <class Managed, class Owner>
std::unique_ptr<Managed, DLPackDeleter> export_tensor(const BufferView& view, Owner&& owner) {
  const DLDataType dtype = export_dtype(view);
  if (view.has_suboffsets()) refuse_suboffsets(view);

  using Block = Exported<Managed>;
  static_assert(sizeof(Block) % alignof(int64_t) == 0 && alignof(Block) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
  static_assert(sizeof(Block) + 2 * ViewBuilder::kInline * sizeof(int64_t) <= kTensorBlock);
  const auto ndim = static_cast<size_t>(view.ndim());
  const bool few = ndim <= ViewBuilder::kInline;
  void* const memory = few ? take_block<kTensorBlock>() : ::operator new(sizeof(Block) + 2 * ndim * sizeof(int64_t));
  auto* block = ::new (memory) Block(std::forward<Owner>(owner), few);
  block->managed.manager_ctx = block;
  block->managed.deleter = &Block::release;
  DLTensor& tensor = block->managed.dl_tensor;
  tensor.data = view.empty() ? nullptr : view.buf();  // DLPack: NULL where the size is zero
  tensor.device = export_device(view.device());
  tensor.ndim = view.ndim();
  tensor.dtype = dtype;
  tensor.shape = block->arrays();
  tensor.strides = block->arrays() + ndim;
  tensor.byte_offset = 0;
  std::unique_ptr<Managed, DLPackDeleter> managed(&block->managed);
  const Elements elements(view.itemsize());
  if (!write_arrays(view, elements, tensor.shape, tensor.strides)) refuse_strides(view, elements);
  return managed;
}

template <class Owner>
DLPackTensor export_versioned(const BufferView& view, Owner&& owner, bool copied) {
  DLPackTensor tensor = export_tensor<DLManagedTensorVersioned>(view, std::forward<Owner>(owner));
  tensor->version = {1, 3};  // what is written here, whatever newer header it is built with
  tensor->flags = (view.readonly() ? DLPACK_FLAG_BITMASK_READ_ONLY : 0) | (copied ? DLPACK_FLAG_BITMASK_IS_COPIED : 0) |
                  (is_padded(view) ? DLPACK_FLAG_BITMASK_IS_SUBBYTE_TYPE_PADDED : 0);
  return tensor;
}

[[noreturn, gnu::cold, gnu::noinline]] void refuse_readonly() {
  throw BufferError(
      "DLPack: the legacy struct cannot say that a buffer is read-only: ask for version 1 "
      "(`max_version=(1, 3)`) or for a copy (`copy=True`)");
}

[[noreturn, gnu::cold, gnu::noinline]] void refuse_padded(DType dtype) {
  throw BufferError("DLPack: the legacy struct cannot say that " + to_string(dtype) +
                    " is padded to bytes: ask for version 1 (`max_version=(1, 3)`)");
}

template <class Owner>
DLPackLegacyTensor export_legacy(const BufferView& view, Owner&& owner) {
  if (view.readonly()) refuse_readonly();
  if (is_padded(view)) refuse_padded(view.dtype());
  return export_tensor<DLManagedTensor>(view, std::forward<Owner>(owner));
}

}  // namespace

void check_dlpack_elements(const BufferView& view) { (void)export_dtype(view); }

DLPackTensor export_dlpack(const Buffer& buffer, bool copied) {
  return export_versioned(buffer.view(), buffer.owner(), copied);
}

DLPackTensor export_dlpack(const BufferView& view, void* owner, void (*release)(void*) noexcept) {
  return export_versioned(view, Keeper(owner, release), false);
}

DLPackLegacyTensor export_dlpack_legacy(const Buffer& buffer) { return export_legacy(buffer.view(), buffer.owner()); }

DLPackLegacyTensor export_dlpack_legacy(const BufferView& view, void* owner, void (*release)(void*) noexcept) {
  return export_legacy(view, Keeper(owner, release));
}

}  // namespace strideport
