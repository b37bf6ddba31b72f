/// Thrust over strided memory: random-access iterators over the elements of a `BufferView`, of any strides, for any
/// algorithm. Needs CCCL's headers beside the standard library; strideport.hpp leaves it out.
///
///     thrust::sort(thrust::device, strided_begin<float>(view), strided_end<float>(view));
///     thrust::sort(thrust::host, strided_begin<float>(thrust::host, view), strided_end<float>(thrust::host, view));
///
/// `thrust::device` is what Thrust's device system is in that compilation: the GPU under nvcc; under a plain C++
/// compiler its C++ backend, which this header chooses where nothing else is chosen (include it before Thrust's own
/// headers, or define THRUST_DEVICE_SYSTEM). Its iterators are over device, managed and pinned memory under nvcc, and
/// over memory that the host reads otherwise. Those of `thrust::host` are over memory that the host reads, in both.
///
/// Thrust has no backend for a simulated device. Iterators over its memory, for thrust::host or a thrust::device that
/// is no GPU, go to the bytes where the host has them (see simulated.hpp): the algorithm runs on the host, at once, and
/// in the order of no stream, so synchronise first.
///
/// CCCL 3.0, which CUDA 13.0 brings, sorts negative 32-bit integers wrongly on the host, through plain pointers too; a
/// comparator of one's own, or CCCL 3.3, does not.
///
/// Nothing is allocated, copied, or synchronised. An iterator costs a multiplication and a division, by a constant that
/// is prepared, for each dimension but one that is left once adjacent dimensions are merged; none where one is left.
#pragma once

#if !defined(THRUST_DEVICE_SYSTEM) && !defined(__CUDACC__)
#define THRUST_DEVICE_SYSTEM 4  // THRUST_DEVICE_SYSTEM_CPP, which Thrust's headers define later
#endif
#include <thrust/complex.h>
#include <thrust/execution_policy.h>
#include <thrust/iterator/iterator_facade.h>

#include <bit>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "strideport/buffer_view.hpp"
#include "strideport/error.hpp"
#include "strideport/simulated.hpp"

#if defined(__CUDACC__)
#define STRIDEPORT_HOST_DEVICE __host__ __device__
#else
#define STRIDEPORT_HOST_DEVICE
#endif

namespace strideport {

/// From the index of an element in C order to its byte offset, for layouts of at most MaxNdim dimensions after those
/// that lie adjacent in memory are merged. A value, fit to be a kernel's argument: 24 bytes a dimension.
template <int MaxNdim>
class StridedOffsets {
 public:
  StridedOffsets() = default;

  /// Throws: BufferError for suboffsets, and for more than MaxNdim dimensions that cannot be merged.
  explicit StridedOffsets(const BufferView& view) {
    if (view.has_suboffsets()) {
      throw BufferError("a strided iterator cannot follow suboffsets: copy with to_contiguous() first");
    }
    if (view.empty()) return;
    for (int axis = view.ndim() - 1; axis >= 0; --axis) {
      append(view.shape()[static_cast<size_t>(axis)], view.strides()[static_cast<size_t>(axis)], view.ndim());
    }
    for (int i = 0; i < ndim_; ++i) prepare_division(i);
  }

  /// Precondition: 0 <= index < the number of elements.
  STRIDEPORT_HOST_DEVICE int64_t operator()(int64_t index) const {
    uint64_t rest = static_cast<uint64_t>(index);
    int64_t offset = 0;
    for (int i = 0; i + 1 < ndim_; ++i) {
      const uint64_t next = high_half(rest, multipliers_[i]) >> shifts_[i];
      offset += static_cast<int64_t>(rest - next * static_cast<uint64_t>(extents_[i])) * strides_[i];
      rest = next;
    }
    return ndim_ == 0 ? offset : offset + static_cast<int64_t>(rest) * strides_[ndim_ - 1];
  }

  /// Dimensions after the merge.
  int ndim() const noexcept { return ndim_; }

 private:
  // Innermost first. A dimension that goes on where the ones inside of it end is one with them.
  void append(int64_t extent, int64_t stride, int view_ndim) {
    if (extent == 1) return;
    int64_t end = 0;
    if (ndim_ > 0 && !__builtin_mul_overflow(extents_[ndim_ - 1], strides_[ndim_ - 1], &end) && stride == end) {
      extents_[ndim_ - 1] *= extent;
      return;
    }
    if (ndim_ == MaxNdim) {
      throw BufferError("a layout of " + std::to_string(view_ndim) + " dimensions leaves more than " +
                        std::to_string(MaxNdim) +
                        " once adjacent ones are merged: name a higher limit, as in strided_begin<T, " +
                        std::to_string(view_ndim) + ">(view)");
    }
    extents_[ndim_] = extent;
    strides_[ndim_] = stride;
    ++ndim_;
  }

  // For an extent d in (2^(l-1), 2^l] and every n < 2^63, n / d is n * ceil(2^(63+l) / d) / 2^(63+l): the error of the
  // constant is below d, hence what it adds is below n * d / 2^(63+l) / d < 2^-l <= 1 / d.
  void prepare_division(int i) {
    __extension__ using Wide = unsigned __int128;
    const auto extent = static_cast<uint64_t>(extents_[i]);
    const int log2 = static_cast<int>(std::bit_width(extent - 1));
    multipliers_[i] = static_cast<uint64_t>(((Wide{1} << (63 + log2)) + extent - 1) / extent);
    shifts_[i] = static_cast<uint8_t>(log2 - 1);
  }

  static STRIDEPORT_HOST_DEVICE uint64_t high_half(uint64_t a, uint64_t b) {
#if defined(__CUDA_ARCH__)
    return __umul64hi(a, b);
#else
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>(Wide{a} * b >> 64);
#endif
  }

  int64_t extents_[MaxNdim] = {};
  int64_t strides_[MaxNdim] = {};
  uint64_t multipliers_[MaxNdim] = {};
  uint8_t shifts_[MaxNdim] = {};
  int32_t ndim_ = 0;
};

/// An iterator over elements in C order. System: a tag of Thrust's. Dereferencing is a plain access to memory.
template <class T, class System, int MaxNdim>
class StridedIterator : public thrust::iterator_facade<StridedIterator<T, System, MaxNdim>, std::remove_cv_t<T>, System,
                                                       thrust::random_access_traversal_tag, T&, std::ptrdiff_t> {
 public:
  StridedIterator() = default;
  /// `first` is where the element of index 0 is reached, on the host or on the device.
  StridedIterator(void* first, const StridedOffsets<MaxNdim>& offsets, std::ptrdiff_t index)
      : first_(static_cast<std::byte*>(first)), index_(index), offsets_(offsets) {}

 private:
  friend class thrust::iterator_core_access;
  STRIDEPORT_HOST_DEVICE T& dereference() const { return *reinterpret_cast<T*>(first_ + offsets_(index_)); }
  STRIDEPORT_HOST_DEVICE bool equal(const StridedIterator& other) const { return index_ == other.index_; }
  STRIDEPORT_HOST_DEVICE void increment() { ++index_; }
  STRIDEPORT_HOST_DEVICE void decrement() { --index_; }
  STRIDEPORT_HOST_DEVICE void advance(std::ptrdiff_t n) { index_ += n; }
  STRIDEPORT_HOST_DEVICE std::ptrdiff_t distance_to(const StridedIterator& other) const {
    return other.index_ - index_;
  }

  std::byte* first_ = nullptr;
  std::ptrdiff_t index_ = 0;
  StridedOffsets<MaxNdim> offsets_;
};

/// What stands behind `strided_begin` and `strided_end`: a view that is checked once, for several iterators.
/// Throws: as `strided_begin`.
template <class T, class System, int MaxNdim = 8>
class StridedElements {
 public:
  using iterator = StridedIterator<T, System, MaxNdim>;

  explicit StridedElements(const BufferView& view) : offsets_(view), count_(view.element_count()) {
    static_assert(MaxNdim >= 1 && MaxNdim <= kMaxNdim);
    static_assert(std::is_trivially_copyable_v<T>, "elements of memory are trivially copyable");
    check_element(view);
    first_ = place(view);
    if (!view.empty()) check_alignment(view);
  }

  iterator begin() const { return iterator(first_, offsets_, 0); }
  iterator end() const { return iterator(first_, offsets_, count_); }
  std::ptrdiff_t size() const noexcept { return count_; }

 private:
  using Value = std::remove_cv_t<T>;
  static constexpr bool kOnGpu = THRUST_DEVICE_SYSTEM == 1 &&
                                 std::is_convertible_v<System, thrust::device_system_tag>;  // THRUST_DEVICE_SYSTEM_CUDA

  // No DType for class types (a pixel, __half): their size alone is compared.
  static constexpr DType element_dtype() {
    if constexpr (std::is_same_v<Value, thrust::complex<float>>) {
      return dtype_of<std::complex<float>>();
    } else if constexpr (std::is_same_v<Value, thrust::complex<double>>) {
      return dtype_of<std::complex<double>>();
    } else if constexpr (std::is_arithmetic_v<Value> || std::is_same_v<Value, std::byte> ||
                         std::is_same_v<Value, std::complex<float>> || std::is_same_v<Value, std::complex<double>>) {
      return dtype_of<Value>();
    } else {
      return {};
    }
  }

  static void check_element(const BufferView& view) {
    constexpr DType wanted = element_dtype();
    if (wanted ? view.dtype() != wanted : view.itemsize() != static_cast<int64_t>(sizeof(T))) {
      throw TypeMismatch("the view's elements are " + to_string(view.dtype()) + " of " +
                         std::to_string(view.itemsize()) + " bytes, and the iterator's are " +
                         (wanted ? to_string(wanted) : std::string("a class")) + " of " + std::to_string(sizeof(T)) +
                         ": name the view's type, or cast() the view");
    }
    if (view.readonly() && !std::is_const_v<T>) {
      throw ReadOnly("the view is read-only: iterate over const elements, as in strided_begin<const float>(view)");
    }
  }

  // Where the element of index 0 is, for whoever runs the algorithm.
  static void* place(const BufferView& view) {
    const Device device = view.device();
    if constexpr (kOnGpu) {
      if (device.type == DeviceType::cuda || device.type == DeviceType::cuda_host ||
          device.type == DeviceType::cuda_managed) {
        return view.buf();
      }
      throw BufferError("a GPU does not reach memory of " + to_string(device) +
                        ": iterate with strided_begin<T>(thrust::host, "
                        "view), or copy it to a cuda device first");
    } else {
      if (device.type == DeviceType::simulated) return simulated_host_view(view).buf();
      if (device.host_accessible()) return view.buf();
      throw BufferError("the host does not read memory of " + to_string(device) +
                        ": copy it to the host first, or compile "
                        "with nvcc and iterate with strided_begin<T>(view)");
    }
  }

  static void check_alignment(const BufferView& view) {
    constexpr int64_t alignment = alignof(T);
    bool aligned = reinterpret_cast<uintptr_t>(view.buf()) % static_cast<uintptr_t>(alignment) == 0;
    for (size_t axis = 0; axis < view.shape().size(); ++axis) {
      aligned = aligned && (view.shape()[axis] == 1 || view.strides()[axis] % alignment == 0);
    }
    if (!aligned) {
      throw BufferError("the view's elements are not all aligned to " + std::to_string(alignment) +
                        " bytes, as their type needs it: copy with to_contiguous() first");
    }
  }

  StridedOffsets<MaxNdim> offsets_;
  void* first_ = nullptr;
  std::ptrdiff_t count_ = 0;
};

/// The elements of a view in C order, for thrust::device: the GPU under nvcc.
/// Units:  an index is that of the element, whatever the strides. Iterators do not keep the memory alive.
/// Stream: none: it is the algorithm's, as in thrust::cuda::par.on(stream), whose cudaStream_t is StreamRef::handle().
/// Throws: TypeMismatch where T is not the view's element type (for a class type: not of its size); ReadOnly for a
///         read-only view and a T that is not const; BufferError for suboffsets, elements that are not aligned, more
///         than MaxNdim dimensions that cannot be merged, and memory that thrust::device does not reach.
/// Writing through elements that share memory (a stride of 0) is a race, as it is for any Thrust algorithm.
template <class T, int MaxNdim = 8>
[[nodiscard]] auto strided_begin(const BufferView& view) {
  return StridedElements<T, thrust::device_system_tag, MaxNdim>(view).begin();
}
template <class T, int MaxNdim = 8>
[[nodiscard]] auto strided_end(const BufferView& view) {
  return StridedElements<T, thrust::device_system_tag, MaxNdim>(view).end();
}

/// The same for thrust::host: memory that the host reads, under every compiler.
template <class T, int MaxNdim = 8>
[[nodiscard]] auto strided_begin(const decltype(thrust::host)&, const BufferView& view) {
  return StridedElements<T, thrust::host_system_tag, MaxNdim>(view).begin();
}
template <class T, int MaxNdim = 8>
[[nodiscard]] auto strided_end(const decltype(thrust::host)&, const BufferView& view) {
  return StridedElements<T, thrust::host_system_tag, MaxNdim>(view).end();
}

}  // namespace strideport

#undef STRIDEPORT_HOST_DEVICE
