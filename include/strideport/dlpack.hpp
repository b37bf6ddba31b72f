/// DLPack 1.x in and out. Includes no DLPack header: the structs are named, never seen, here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "strideport/buffer.hpp"

extern "C" {
struct DLManagedTensor;
struct DLManagedTensorVersioned;
}

namespace strideport {

/// Calls the deleter of a tensor that nobody took.
struct DLPackDeleter {
  void operator()(DLManagedTensorVersioned* tensor) const noexcept;
  void operator()(DLManagedTensor* tensor) const noexcept;
};
using DLPackTensor = std::unique_ptr<DLManagedTensorVersioned, DLPackDeleter>;
using DLPackLegacyTensor = std::unique_ptr<DLManagedTensor, DLPackDeleter>;

/// Takes over a producer's tensor, zero-copy. Whatever happens, its deleter is called exactly once: when the last
/// Buffer on it goes, or before this throws. A tensor without a deleter is legal.
///
/// Shapes: strides may be NULL (C order). Packed sub-byte elements are folded into lanes that fill bytes: shape
///         (4,8) of float4 comes in as (4,4) of float4x2.
/// Stream: `stream` is where the contents become ready, as agreed with the producer.
/// Device: what a driver knows comes in where that driver does know the address: kDLCUDA, kDLCUDAHost, kDLCUDAManaged,
///         and kDLExtDev for the simulated device. Host memory of CUDA's needs no driver.
/// Throws: BufferError for another major version (nothing but version and deleter is read), an unknown flag or
///         dtype, a device that is not there, an address that its driver does not know, packed elements that do not
///         fold, ndim over 64; InvalidArgument for a malformed tensor (negative extents, NULL data with elements,
///         overflows).
[[nodiscard]] Buffer import_dlpack(DLPackTensor tensor, StreamRef stream);
/// The same for the legacy struct, which has no flags: the result is read-only unless `writable`, as in NumPy.
[[nodiscard]] Buffer import_dlpack(DLPackLegacyTensor tensor, StreamRef stream, bool writable = false);

/// The view alone, of a tensor that somebody keeps for as long as the view is used: nothing is taken over, no deleter
/// called. Shapes, devices and errors as for `import_dlpack`.
/// Cost:   nothing is allocated up to 8 dimensions.
[[nodiscard]] BufferView view_dlpack(const DLManagedTensorVersioned& tensor);
[[nodiscard]] BufferView view_dlpack(const DLManagedTensor& tensor, bool writable = false);

/// Hands a Buffer out: versioned, with flags; strides always written, canonical where they mean nothing;
/// byte_offset 0; data NULL for no elements. The tensor shares the owner. `copied` sets the IS_COPIED flag.
/// Device: the simulated device is kDLExtDev; its pinned and managed memory is kDLCPU.
/// Stream: none is touched: the contents are ready on `buffer.stream()`, and making a consumer's stream wait for it is
///         the caller's.
/// Cost:   one allocation, of a block that is kept for the next export of the thread that calls the deleter.
/// Throws: BufferError for foreign byte order, structs, suboffsets, strides that are no multiple of itemsize;
///         TypeMismatch for references.
[[nodiscard]] DLPackTensor export_dlpack(const Buffer& buffer, bool copied = false);
/// Throws: also BufferError for read-only buffers and padded elements, which the legacy struct cannot say.
[[nodiscard]] DLPackLegacyTensor export_dlpack_legacy(const Buffer& buffer);

/// The same for a view of memory that an owner of the caller's keeps, without a `std::shared_ptr`. Whatever happens,
/// `release(owner)` is called exactly once: by the tensor's deleter, on any thread, or before this throws.
[[nodiscard]] DLPackTensor export_dlpack(const BufferView& view, void* owner, void (*release)(void*) noexcept);
[[nodiscard]] DLPackLegacyTensor export_dlpack_legacy(const BufferView& view, void* owner,
                                                      void (*release)(void*) noexcept);

/// The part of that refusal that a copy in C order does not cure: for callers that would copy first.
/// Throws: BufferError for foreign byte order and structs; TypeMismatch for references.
void check_dlpack_elements(const BufferView& view);

}  // namespace strideport
