// DLPack in. Everything is checked from the struct alone, in the order version, flags, device, dtype, shape, strides,
// address: the memory that a tensor describes is never read here. The tensor sits in its unique_ptr
// until the shared owner takes it, so that every way out, std::bad_alloc included, calls the deleter once.
#include <dlpack/dlpack.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>

#include "runtime/buffer_maker.hpp"
#include "runtime/checked.hpp"
#include "runtime/device_api.hpp"
#include "runtime/spare_blocks.hpp"
#include "runtime/view_builder.hpp"
#include "strideport/dlpack.hpp"
#include "strideport/error.hpp"
#include "strideport/locate.hpp"

namespace strideport {
namespace {

constexpr uint64_t kKnownFlags =
    DLPACK_FLAG_BITMASK_READ_ONLY | DLPACK_FLAG_BITMASK_IS_COPIED | DLPACK_FLAG_BITMASK_IS_SUBBYTE_TYPE_PADDED;

/// DLPack's names, for messages; nullptr for a number that DLPack 1.3 does not give.
const char* device_name(int32_t type) noexcept {
  static constexpr const char* kNames[] = {
      nullptr, "CPU",      "CUDA",   "CUDAHost",    "OpenCL", nullptr,  nullptr,   "Vulkan", "Metal", "VPI",
      "ROCM",  "ROCMHost", "ExtDev", "CUDAManaged", "OneAPI", "WebGPU", "Hexagon", "MAIA",   "Trn"};
  return type >= 0 && type < static_cast<int32_t>(std::size(kNames)) ? kNames[type] : nullptr;
}

std::string entry(const char* array, size_t index, int64_t value) {
  return std::string(array) + "[" + std::to_string(index) + "] = " + std::to_string(value);
}

std::string refusal(int32_t type) {
  const std::string number = "DLPack: device type " + std::to_string(type);
  const char* name = device_name(type);
  if (name == nullptr) return number + " is unknown to DLPack 1.3";
  const std::string named = number + " (kDL" + name + ") ";
  const std::string fix = "copy to the CPU at the producer";
  if (type != kDLCUDA && type != kDLExtDev) return named + "is not supported: " + fix;
  return named + "is not there: " + why_no_device(static_cast<DeviceType>(type)) + "; " + fix;
}

bool is_there(int32_t type) {
  if (type != kDLCUDA && type != kDLExtDev) return false;
  return why_no_device(static_cast<DeviceType>(type)).empty();
}

Device import_device(DLDevice device) {
  const auto type = static_cast<int32_t>(device.device_type);
  switch (type) {
    case kDLCPU:
      return {DeviceType::cpu, 0};  // DLPack gives host memory index 0; producers that number CPUs mean no other memory
    case kDLCUDAHost:
    case kDLCUDAManaged: break;
    default:
      if (!is_there(type)) throw BufferError(refusal(type));
  }
  if (device.device_id < 0) {
    throw InvalidArgument("DLPack: device_id " + std::to_string(device.device_id) + " of kDL" + device_name(type) +
                          " memory is negative");
  }
  return {static_cast<DeviceType>(type), device.device_id};
}

/// One element as this library sees it: `fold` neighbours of the tensor's last axis make one of `dtype`.
struct ImportedElement {
  DType dtype;
  bool padded = false;
  int64_t fold = 1;
};

/// Packed elements have no address of their own, so as many as fill whole bytes become the lanes of one.
ImportedElement fold_packed(DType dtype) {
  const int64_t fold = 8 / std::gcd(int64_t{dtype.bits} * dtype.lanes, int64_t{8});
  const int64_t lanes = fold * dtype.lanes;
  if (lanes > std::numeric_limits<uint16_t>::max()) {
    throw BufferError("DLPack: " + to_string(dtype) + " fills bytes only with " + std::to_string(lanes) +
                      " lanes, over the limit of 65535");
  }
  return {{dtype.code, dtype.bits, static_cast<uint16_t>(lanes)}, false, fold};
}

ImportedElement import_element(DLDataType type, bool padded) {
  const DType dtype{static_cast<TypeCode>(type.code), type.bits, type.lanes};
  if (type.lanes == 0 || type.bits == 0 || !is_known(dtype)) {
    throw BufferError("DLPack: dtype code " + std::to_string(type.code) + " with " + std::to_string(type.bits) +
                      " bits and " + std::to_string(type.lanes) + " lanes is unknown to DLPack 1.3");
  }
  if (!dtype.is_subbyte()) return {dtype};
  if (!padded) return int64_t{dtype.bits} * dtype.lanes % 8 == 0 ? ImportedElement{dtype} : fold_packed(dtype);
  if (dtype.lanes > 1) {
    throw BufferError("DLPack: padded " + to_string(dtype) +
                      " does not say whether lanes or elements take whole bytes: export it with one lane");
  }
  return {dtype, true};
}

std::span<const int64_t> import_shape(const DLTensor& tensor) {
  const auto fail = [&](const char* rule) { return "DLPack: ndim " + std::to_string(tensor.ndim) + rule; };
  if (tensor.ndim < 0) throw InvalidArgument(fail(" is negative"));
  if (tensor.ndim > kMaxNdim) throw BufferError(fail(" is over the limit of 64 dimensions"));
  if (tensor.ndim == 0) return {};
  if (tensor.shape == nullptr) throw InvalidArgument(fail(", but shape is NULL"));
  const std::span<const int64_t> shape(tensor.shape, static_cast<size_t>(tensor.ndim));
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0) throw InvalidArgument("DLPack: " + entry("shape", i, shape[i]) + " is negative");
  }
  return shape;
}

/// A shape in elements of ours, and its strides in bytes.
struct Layout {
  // Left uninitialised past ndim: an import is on the hot path of every exchange, and this is a kilobyte.
  int64_t shape[kMaxNdim];
  int64_t strides[kMaxNdim];
};

/// Throws unless the last axis holds whole groups of packed elements, side by side.
void fold_last_axis(const DLTensor& tensor, const ImportedElement& element, bool empty, Layout& layout) {
  const std::string rule = "DLPack: packed elements of " + std::to_string(element.dtype.bits) + " bits come in " +
                           std::to_string(element.fold) + " at a time along a dense last axis";
  if (tensor.ndim == 0) throw BufferError(rule + ", but the tensor has no axis: export it padded");
  const auto last = static_cast<size_t>(tensor.ndim - 1);
  if (tensor.shape[last] % element.fold != 0) {
    throw BufferError(rule + ", but " + entry("shape", last, tensor.shape[last]) + ": export it padded");
  }
  if (tensor.strides != nullptr && !empty && tensor.strides[last] != 1) {
    throw BufferError(rule + ", but " + entry("strides", last, tensor.strides[last]) +
                      ": make it contiguous at the producer");
  }
  layout.shape[last] = tensor.shape[last] / element.fold;
}

/// Elements to bytes, the one place where that happens on the way in. Strides that mean nothing (extents of 1, empty
/// tensors) are kept where they can be said in bytes, and are canonical where not: they make no tensor malformed.
void import_strides(const DLTensor& tensor, const ImportedElement& element, bool empty, Layout& layout) {
  const auto ndim = static_cast<size_t>(tensor.ndim);
  const int64_t itemsize = element.dtype.itemsize();
  contiguous_strides({layout.shape, ndim}, itemsize, Order::C, {layout.strides, ndim});
  if (tensor.strides == nullptr) return;  // before DLPack 1.2: C order
  const size_t unfolded = element.fold > 1 ? ndim - 1 : ndim;
  for (size_t i = 0; i < unfolded; ++i) {
    const int64_t stride = tensor.strides[i];
    const bool whole = stride % element.fold == 0;
    int64_t bytes = 0;
    const bool fits = try_mul(stride / element.fold, itemsize, bytes);
    if (whole && fits) {
      layout.strides[i] = bytes;
    } else if (!empty && layout.shape[i] > 1) {
      if (fits) throw BufferError("DLPack: " + entry("strides", i, stride) + " of packed elements ends inside a byte");
      throw InvalidArgument("DLPack: " + entry("strides", i, stride) + " times itemsize " + std::to_string(itemsize) +
                            " overflows int64");
    }
  }
}

/// Address of the first element. Throws where it, or an element reached from it, lies outside of the address space.
void* import_address(const DLTensor& tensor, bool empty, OffsetBounds bounds) {
  if (tensor.data == nullptr) {
    if (empty) return nullptr;
    throw InvalidArgument("DLPack: data is NULL, but the tensor is not empty");
  }
  const auto data = reinterpret_cast<uintptr_t>(tensor.data);
  uintptr_t first = 0, end = 0;
  constexpr auto kMaxOffset = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (tensor.byte_offset > kMaxOffset || __builtin_add_overflow(data, tensor.byte_offset, &first)) {
    throw InvalidArgument("DLPack: byte_offset " + std::to_string(tensor.byte_offset) +
                          " added to data overflows the address");
  }
  if (first < uintptr_t{0} - static_cast<uintptr_t>(bounds.lower) && bounds.lower < 0) {
    throw InvalidArgument("DLPack: strides reach " + std::to_string(bounds.lower) + " bytes, below address 0");
  }
  if (__builtin_add_overflow(first, static_cast<uintptr_t>(bounds.upper), &end)) {
    throw InvalidArgument("DLPack: strides reach " + std::to_string(bounds.upper) + " bytes, past the last address");
  }
  return reinterpret_cast<void*>(first);
}

/// Every tensor, each rule with its words.
BufferView describe_with_checks(const DLTensor& tensor, bool readonly, bool padded) {
  ViewSpec spec;
  spec.device = import_device(tensor.device);
  const ImportedElement element = import_element(tensor.dtype, padded);
  const std::span<const int64_t> shape = import_shape(tensor);
  const bool empty = element_count(shape) == 0;
  Layout layout;
  std::copy(shape.begin(), shape.end(), layout.shape);
  if (element.fold > 1) fold_last_axis(tensor, element, empty, layout);
  import_strides(tensor, element, empty, layout);
  spec.shape = {layout.shape, shape.size()};
  spec.strides = {layout.strides, shape.size()};
  spec.dtype = element.dtype;
  spec.itemsize = element.dtype.itemsize();
  spec.format = Format::of(element.dtype);
  spec.readonly = readonly;
  spec.padded = element.padded;
  spec.buf = import_address(tensor, empty, offset_bounds(spec.shape, spec.strides, spec.itemsize));
  // kDLExtDev is any library's device: only the driver can tell that this memory is ours to reach. Pinned memory may
  // have been registered piece by piece, each of which the driver takes for an allocation.
  const std::optional<Location> location = empty ? std::nullopt : check_location(spec.buf, spec.device);
  if (location && location->allocation.size > 0 && !is_pinned(spec.device.type)) spec.memory = location->allocation;
  return BufferView::create(spec);
}

/// The formats of single native numbers by code and size, so that none is searched for. Empty where there is none.
class NativeFormats {
 public:
  NativeFormats() noexcept : formats_() {
    for (size_t code = 0; code < kCodes; ++code) {
      for (size_t bytes = 1; bytes < kSizes; ++bytes) {
        formats_[code][bytes] = Format::of({static_cast<TypeCode>(code), static_cast<uint8_t>(8 * bytes), 1});
      }
    }
  }
  ~NativeFormats() {}  // the formats stay, for imports while other static objects go  NOLINT

  const Format* find(DLDataType type) const noexcept {
    const size_t bytes = type.bits / 8U;
    if (type.lanes != 1 || type.code >= kCodes || type.bits % 8 != 0 || bytes >= kSizes) return nullptr;
    const Format* const format = &formats_[type.code][bytes];
    return *format ? format : nullptr;
  }

 private:
  static constexpr size_t kCodes = kDLBool + 1;
  static constexpr size_t kSizes = 16 + 1;  // in bytes
  union {
    Format formats_[kCodes][kSizes];
  };
};

// Made while the library is loaded. An import before that finds none, and goes the way of all checks.
const NativeFormats native_formats;

/// Bytes of the axes that are done, and where they reach.
struct Reach {
  int64_t len;
  OffsetBounds bounds;
};

/// The axes before `axis`, of any strides.
[[gnu::noinline]] bool write_strided(const DLTensor& tensor, size_t axis, int64_t itemsize, ViewBuilder::Dimensions to,
                                     Reach& reach) noexcept {
  int64_t lower = 0, upper = reach.len;
  for (; axis > 0; --axis) {
    const int64_t extent = tensor.shape[axis - 1];
    int64_t stride = 0, offset = 0;
    if (!try_mul(tensor.strides[axis - 1], itemsize, stride)) return false;
    if (extent <= 0 || (extent > 1 && !try_mul(extent - 1, stride, offset))) return false;
    if (!try_add(lower, std::min<int64_t>(offset, 0), lower) || !try_add(upper, std::max<int64_t>(offset, 0), upper) ||
        !try_mul(reach.len, extent, reach.len)) {
      return false;
    }
    to.shape[axis - 1] = extent;
    to.strides[axis - 1] = stride;
  }
  reach.bounds = {lower, upper};
  int64_t span = 0;
  return !__builtin_sub_overflow(upper, lower, &span);
}

/// Writes extents and strides, in bytes, of a tensor of single numbers with at least one element; false for others, and
/// for what is malformed.
bool write_layout(const DLTensor& tensor, int64_t itemsize, ViewBuilder::Dimensions to, Reach& reach) noexcept {
  const int64_t* const shape = tensor.shape;
  const int64_t* const strides = tensor.strides;
  auto axis = static_cast<size_t>(tensor.ndim);
  int64_t count = 1;  // the elements of the axes that are done
  // As long as it is C order: what would overflow on the way does so at the end, too, since no extent is 0.
  for (; axis > 0 && (strides == nullptr || strides[axis - 1] == count); --axis) {
    const int64_t extent = shape[axis - 1];
    to.shape[axis - 1] = extent;
    to.strides[axis - 1] = static_cast<int64_t>(static_cast<uint64_t>(count) * static_cast<uint64_t>(itemsize));
    if (extent <= 0 || !try_mul(count, extent, count)) return false;
  }
  if (!try_mul(count, itemsize, reach.len)) return false;
  reach.bounds = {0, reach.len};
  return axis == 0 || write_strided(tensor, axis, itemsize, to, reach);
}

/// Of the first element; null where it, or a byte within `bounds` of it, lies outside of the address space.
void* first_address(const DLTensor& tensor, const OffsetBounds& bounds) noexcept {
  uintptr_t first = 0, end = 0;
  if (tensor.byte_offset > INT64_MAX ||
      __builtin_add_overflow(reinterpret_cast<uintptr_t>(tensor.data), tensor.byte_offset, &first) ||
      uintptr_t{0} - static_cast<uintptr_t>(bounds.lower) > first ||
      __builtin_add_overflow(first, static_cast<uintptr_t>(bounds.upper), &end)) {
    return nullptr;
  }
  return reinterpret_cast<void*>(first);
}

// Not inlined: what it needs for its words would cost the others registers and a frame.
[[gnu::cold, gnu::noinline]] void describe_again(BufferView& result, const DLTensor& tensor, bool readonly,
                                                 bool padded) {
  result = describe_with_checks(tensor, readonly, padded);
}

/// What nearly every tensor is, numbers of the host with few dimensions and at least one element, is written where it
/// stays while it is checked. For others, and for what is malformed, `describe_with_checks` has the words.
BufferView describe(const DLTensor& tensor, bool readonly, bool padded) {
  const Format* const format = native_formats.find(tensor.dtype);
  const auto ndim = static_cast<size_t>(tensor.ndim);  // a negative one is past any limit
  if (tensor.device.device_type != kDLCPU || format == nullptr || tensor.data == nullptr ||
      ndim > ViewBuilder::kInline || (ndim > 0 && tensor.shape == nullptr)) {
    return describe_with_checks(tensor, readonly, padded);
  }
  const DType dtype{static_cast<TypeCode>(tensor.dtype.code), tensor.dtype.bits, 1};
  const auto write = [&](ViewBuilder::Dimensions to, void*& buf, int64_t& len) {
    Reach reach;
    if (!write_layout(tensor, tensor.dtype.bits / 8, to, reach)) return false;
    len = reach.len;
    buf = first_address(tensor, reach.bounds);
    return buf != nullptr;
  };
  return ViewBuilder::on_host(*format, dtype, ndim, readonly, write,
                              [&](BufferView& result) { describe_again(result, tensor, readonly, padded); });
}

template <class Tensor>
void call_deleter(Tensor* tensor) noexcept {
  if (tensor != nullptr && tensor->deleter != nullptr) tensor->deleter(tensor);
}

}  // namespace

void DLPackDeleter::operator()(DLManagedTensorVersioned* tensor) const noexcept { call_deleter(tensor); }
void DLPackDeleter::operator()(DLManagedTensor* tensor) const noexcept { call_deleter(tensor); }

BufferView view_dlpack(const DLManagedTensor& tensor, bool writable) {
  return describe(tensor.dl_tensor, !writable, false);
}

namespace {

// Words are put together outside of `view_dlpack`, which needs no registers for them.
[[noreturn, gnu::cold, gnu::noinline]] void refuse_version(const DLPackVersion& version) {
  throw BufferError("DLPack: the tensor has version " + std::to_string(version.major) + "." +
                    std::to_string(version.minor) + ", and only 1.x can be read");
}

[[noreturn, gnu::cold, gnu::noinline]] void refuse_flags(uint64_t flags) {
  throw BufferError("DLPack: flags " + std::to_string(flags) + " hold the bits " +
                    std::to_string(flags & ~kKnownFlags) + ", unknown to DLPack 1.3");
}

}  // namespace

BufferView view_dlpack(const DLManagedTensorVersioned& tensor) {
  if (tensor.version.major != DLPACK_MAJOR_VERSION) refuse_version(tensor.version);
  // A flag may change what the other fields mean, as IS_SUBBYTE_TYPE_PADDED does: one that is not known is refused.
  if ((tensor.flags & ~kKnownFlags) != 0) refuse_flags(tensor.flags);
  const bool readonly = (tensor.flags & DLPACK_FLAG_BITMASK_READ_ONLY) != 0;
  const bool padded = (tensor.flags & DLPACK_FLAG_BITMASK_IS_SUBBYTE_TYPE_PADDED) != 0;
  return describe(tensor.dl_tensor, readonly, padded);
}

namespace {

// Calls the deleter where there is no memory for the control block.
template <class Tensor>
std::shared_ptr<void> own(std::unique_ptr<Tensor, DLPackDeleter>& tensor) {
  return {tensor.release(), DLPackDeleter(), SpareAllocator<Tensor>()};
}

}  // namespace

Buffer import_dlpack(DLPackTensor tensor, StreamRef stream) {
  if (!tensor) throw InvalidArgument("DLPack: the tensor is NULL");
  return BufferMaker::make([&] { return view_dlpack(*tensor); }, [&] { return own(tensor); }, stream);
}

Buffer import_dlpack(DLPackLegacyTensor tensor, StreamRef stream, bool writable) {
  if (!tensor) throw InvalidArgument("DLPack: the tensor is NULL");
  return BufferMaker::make([&] { return view_dlpack(*tensor, writable); }, [&] { return own(tensor); }, stream);
}

}  // namespace strideport
