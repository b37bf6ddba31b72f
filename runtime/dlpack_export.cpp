// DLPack out. One allocation holds the managed tensor, the owner and the two arrays, so that an export costs one call
// of the allocator and its deleter one: nothing is left to fail, or to forget, between them.
#include <dlpack/dlpack.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "runtime/checked.hpp"
#include "strideport/dlpack.hpp"
#include "strideport/error.hpp"

namespace strideport {
namespace {

/// Deleters within deleters on this thread, where an export owns an import of an export, and so on. Past some depth the
/// tensors wait for the outermost deleter, since such a chain can be longer than the stack is deep.
constexpr int kMaxNesting = 50;
#ifdef __GLIBC__  // which has room for a few bytes of libraries that are loaded late: saves a call
#define STRIDEPORT_NEAR_TLS [[gnu::tls_model("initial-exec")]]
#else
#define STRIDEPORT_NEAR_TLS
#endif
constinit thread_local int nesting STRIDEPORT_NEAR_TLS = 0;
constinit thread_local DLManagedTensorVersioned* waiting STRIDEPORT_NEAR_TLS = nullptr;  // linked by `manager_ctx`
constinit thread_local DLManagedTensor* waiting_legacy STRIDEPORT_NEAR_TLS = nullptr;

DLManagedTensorVersioned*& waiting_of(DLManagedTensorVersioned*) noexcept { return waiting; }
DLManagedTensor*& waiting_of(DLManagedTensor*) noexcept { return waiting_legacy; }

/// What `manager_ctx` points at; ndim extents, then ndim strides, follow it.
template <class Managed>
struct Exported {
  Managed managed{};
  std::shared_ptr<void> owner;

  int64_t* arrays() noexcept { return reinterpret_cast<int64_t*>(this + 1); }

  static void release(Managed* managed) noexcept;

  static void destroy(Managed* managed) noexcept {
    auto* self = reinterpret_cast<Exported*>(managed);  // the first member
    self->~Exported();
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

/// Throws unless every stride that matters is a whole number of elements.
void require_whole_strides(const BufferView& view) {
  if (view.empty()) return;
  for (size_t i = 0; i < view.shape().size(); ++i) {
    if (view.shape()[i] > 1 && view.strides()[i] % view.itemsize() != 0) {
      throw BufferError("DLPack: the stride of axis " + std::to_string(i) + ", " + std::to_string(view.strides()[i]) +
                        " bytes, is no multiple of itemsize " + std::to_string(view.itemsize()) +
                        ": copy with `.contiguous()`");
    }
  }
}

/// Bytes to elements, the one place where that happens on the way out. A stride that means nothing gets the value
/// that C order would give it, since consumers compare strides where they should not.
void write_arrays(const BufferView& view, int64_t* shape, int64_t* strides) noexcept {
  int64_t dense = 1;
  for (size_t i = view.shape().size(); i-- > 0;) {
    const int64_t extent = view.shape()[i];
    const bool meaningless = extent == 1 || view.empty();
    shape[i] = extent;
    strides[i] = meaningless ? dense : view.strides()[i] / view.itemsize();
    // Only an empty shape can overflow here, and its strides have no better value than 1.
    if (!try_mul(dense, std::max<int64_t>(extent, 1), dense)) dense = 1;
  }
}

/// The simulated driver's pinned and managed memory is host memory to everybody else.
DLDevice export_device(Device device) noexcept {
  switch (device.type) {
    case DeviceType::cpu:
    case DeviceType::simulated_host:
    case DeviceType::simulated_managed:
      return {kDLCPU, 0};  // DLPack: the index of host memory is 0
    default:
      return {static_cast<DLDeviceType>(device.type), device.id};
  }
}

/// Everything but version and flags. All checks come before the allocation, and nothing after it throws.
template <class Managed>
std::unique_ptr<Managed, DLPackDeleter> export_tensor(const Buffer& buffer) {
  const BufferView& view = buffer.view();
  const DLDataType dtype = export_dtype(view);
  require_direct(view);
  require_whole_strides(view);

  using Block = Exported<Managed>;
  static_assert(sizeof(Block) % alignof(int64_t) == 0 && alignof(Block) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
  const auto ndim = static_cast<size_t>(view.ndim());
  auto* block = ::new (::operator new(sizeof(Block) + 2 * ndim * sizeof(int64_t))) Block;
  block->owner = buffer.owner();
  block->managed.manager_ctx = block;
  block->managed.deleter = &Block::release;
  DLTensor& tensor = block->managed.dl_tensor;
  tensor.data = view.empty() ? nullptr : view.buf();  // DLPack: NULL where the size is zero
  tensor.device = export_device(view.device());
  tensor.ndim = view.ndim();
  tensor.dtype = dtype;
  tensor.shape = block->arrays();
  tensor.strides = block->arrays() + ndim;
  write_arrays(view, tensor.shape, tensor.strides);
  return std::unique_ptr<Managed, DLPackDeleter>(&block->managed);
}

}  // namespace

void check_dlpack_elements(const BufferView& view) { (void)export_dtype(view); }

DLPackTensor export_dlpack(const Buffer& buffer, bool copied) {
  DLPackTensor tensor = export_tensor<DLManagedTensorVersioned>(buffer);
  tensor->version = {1, 3};  // what is written here, whatever newer header it is built with
  if (buffer.readonly()) tensor->flags |= DLPACK_FLAG_BITMASK_READ_ONLY;
  if (copied) tensor->flags |= DLPACK_FLAG_BITMASK_IS_COPIED;
  if (is_padded(buffer.view())) tensor->flags |= DLPACK_FLAG_BITMASK_IS_SUBBYTE_TYPE_PADDED;
  return tensor;
}

DLPackLegacyTensor export_dlpack_legacy(const Buffer& buffer) {
  if (buffer.readonly()) {
    throw BufferError(
        "DLPack: the legacy struct cannot say that a buffer is read-only: ask for version 1 "
        "(`max_version=(1, 3)`) or for a copy (`copy=True`)");
  }
  if (is_padded(buffer.view())) {
    throw BufferError("DLPack: the legacy struct cannot say that " + to_string(buffer.dtype()) +
                      " is padded to bytes: ask for version 1 (`max_version=(1, 3)`)");
  }
  return export_tensor<DLManagedTensor>(buffer);
}

}  // namespace strideport
