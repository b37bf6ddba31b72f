/// DLPack tensors made by hand, as a foreign producer makes them, with deleters that count.
///
/// Nothing here knows Strideport's types: a tensor is what the test wrote into its fields. A tensor with a deleter lies
/// on the heap and is freed by it, so that a use after the deleter, or a second call, is seen by AddressSanitizer.
#pragma once

#include <dlpack/dlpack.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace strideport::testing {

/// The fields of a tensor, whatever they are: nothing is checked.
struct TensorFields {
  uint32_t major = 1;
  uint32_t minor = 3;
  uint64_t flags = 0;
  int32_t device_type = kDLCPU;
  int32_t device_id = 0;
  DLDataType dtype{kDLFloat, 32, 1};
  std::vector<int64_t> shape;
  std::optional<std::vector<int64_t>> strides;  ///< elements; NULL where absent
  void* data = nullptr;
  uint64_t byte_offset = 0;
  std::optional<int32_t> ndim;  ///< shape.size() where absent
  bool null_shape = false;
};

template <class Managed>
struct Produced {
  Managed managed{};
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  std::atomic<int>* deletions = nullptr;

  Produced(const TensorFields& fields, std::atomic<int>* counter)
      : shape(fields.shape), strides(fields.strides.value_or(std::vector<int64_t>{})), deletions(counter) {
    shape.reserve(1);  // .data() of an empty vector may be NULL, and NULL is what `null_shape` says
    strides.reserve(1);
    DLTensor& tensor = managed.dl_tensor;
    tensor.data = fields.data;
    tensor.device = {static_cast<DLDeviceType>(fields.device_type), fields.device_id};
    tensor.ndim = fields.ndim.value_or(static_cast<int32_t>(shape.size()));
    tensor.dtype = fields.dtype;
    tensor.shape = fields.null_shape ? nullptr : shape.data();
    tensor.strides = fields.strides ? strides.data() : nullptr;
    tensor.byte_offset = fields.byte_offset;
    managed.manager_ctx = this;
    if (deletions != nullptr) managed.deleter = &Produced::drop;
    if constexpr (requires { managed.flags; }) {
      managed.version = {fields.major, fields.minor};
      managed.flags = fields.flags;
    }
  }

  static void drop(Managed* managed) {
    auto* self = static_cast<Produced*>(managed->manager_ctx);
    ++*self->deletions;
    delete self;
  }
};

/// A tensor that counts its deletions.
inline DLManagedTensorVersioned* produce(const TensorFields& fields, std::atomic<int>& deletions) {
  return &(new Produced<DLManagedTensorVersioned>(fields, &deletions))->managed;
}
inline DLManagedTensor* produce_legacy(const TensorFields& fields, std::atomic<int>& deletions) {
  return &(new Produced<DLManagedTensor>(fields, &deletions))->managed;
}

/// A tensor whose deleter is NULL; it lives as long as what is returned.
inline std::unique_ptr<Produced<DLManagedTensorVersioned>> produce_without_deleter(const TensorFields& fields) {
  return std::make_unique<Produced<DLManagedTensorVersioned>>(fields, nullptr);
}

}  // namespace strideport::testing
