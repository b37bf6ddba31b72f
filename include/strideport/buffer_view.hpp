/// `BufferView`: the descriptor. The fields of CPython's Py_buffer, plus an element type and a device; borrowed.
///
/// A view is a value of at most 256 bytes: copying it copies no elements, and allocates nothing up to 8
/// dimensions without suboffsets. It is valid by construction: every factory checks extents, products, strides,
/// offsets and, where the allocation's size is known, that every element lies inside. It never owns memory, never
/// reads or writes it (but for `index` through suboffsets, which reads row pointers) and knows no streams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "strideport/device.hpp"
#include "strideport/dtype.hpp"
#include "strideport/error.hpp"
#include "strideport/format.hpp"
#include "strideport/layout.hpp"

namespace strideport {

/// The bytes of an allocation, for factories to check reach against.
struct MemoryRange {
  const void* begin = nullptr;
  int64_t size = 0;
};

/// What a factory needs to make a view; members left alone have the value most callers want.
struct ViewSpec {
  void* buf = nullptr;                  ///< address of the element with all indices 0
  std::span<const int64_t> shape;       ///< empty for a scalar
  std::span<const int64_t> strides;     ///< bytes; empty means C-contiguous
  std::span<const int64_t> suboffsets;  ///< empty, or one a dimension; negative means direct, all of them none
  int64_t itemsize = 1;                 ///< bytes
  DType dtype;                          ///< left out, it is the format's where that has one
  Format format;                        ///< left out, it is the dtype's where PEP 3118 can spell it
  Device device;
  bool readonly = false;
  bool padded = false;                ///< a sub-byte dtype takes a whole byte (DLPack's flag); ignored for others
  std::optional<MemoryRange> memory;  ///< checked against where known; with suboffsets, up to the row pointers
};

/// A format with what is asked of it most, worked out once: for code that makes many views of one element type.
class Element {
 public:
  Element() = default;
  explicit Element(Format format)
      : format_(std::move(format)), itemsize_(format_.itemsize()), dtype_(format_.dtype()) {}

  const Format& format() const noexcept { return format_; }
  int64_t itemsize() const noexcept { return itemsize_; }  ///< bytes; 0 of an empty format
  DType dtype() const noexcept { return dtype_; }

 private:
  Format format_;
  int64_t itemsize_ = 0;
  DType dtype_;
};

class BufferView {
 public:
  /// No dimensions but one of extent 0, no memory: a valid empty view of bytes.
  BufferView() noexcept;

  /// Throws: InvalidArgument naming rule and value: ndim over 64, negative extent or itemsize, an overflow, an
  ///         element outside `memory` or past the end of the address space, dtype or format of another size than
  ///         itemsize, nullptr with elements, packed sub-byte elements that do not fill bytes.
  [[nodiscard]] static BufferView create(const ViewSpec& spec);

  /// A C-contiguous view of typed memory; const T makes it read-only.
  template <class T>
  [[nodiscard]] static BufferView of(T* data, std::span<const int64_t> shape, std::span<const int64_t> strides = {}) {
    ViewSpec spec;
    spec.buf = const_cast<std::remove_cv_t<T>*>(data);
    spec.shape = shape;
    spec.strides = strides;
    spec.itemsize = static_cast<int64_t>(sizeof(T));
    spec.dtype = dtype_of<T>();
    spec.format = Format::of(spec.dtype);
    spec.readonly = std::is_const_v<T>;
    return create(spec);
  }
  template <class T>
  [[nodiscard]] static BufferView of(T* data, std::initializer_list<int64_t> shape,
                                     std::initializer_list<int64_t> strides = {}) {
    return of(data, std::span(shape.begin(), shape.size()), std::span(strides.begin(), strides.size()));
  }
  /// A C-contiguous view of host memory whose element type is known at run time alone. Throws as `create`.
  [[nodiscard]] static BufferView of(void* data, std::span<const int64_t> shape, const Element& element,
                                     bool readonly) {
    BufferView result(data, shape.size(), element, readonly);
    if (!result.write_dense(shape)) result.make_with_checks(shape);
    return result;
  }

  BufferView(const BufferView& other);
  BufferView& operator=(const BufferView& other);
  BufferView(BufferView&& other) noexcept;
  BufferView& operator=(BufferView&& other) noexcept;
  ~BufferView() {
    if (on_heap_) delete[] heap_;
  }

  void* buf() const noexcept { return buf_; }
  /// Units: bytes of all elements, gaps not counted: product(shape) * itemsize.
  int64_t len() const noexcept { return len_; }
  int64_t itemsize() const noexcept { return itemsize_; }
  bool readonly() const noexcept { return readonly_; }
  int ndim() const noexcept { return ndim_; }
  // What points into the view itself cannot be asked of a temporary: it would dangle.
  std::span<const int64_t> shape() const& noexcept { return {shape_data(), static_cast<size_t>(ndim_)}; }
  std::span<const int64_t> shape() const&& = delete;
  std::span<const int64_t> strides() const& noexcept { return {strides_data(), static_cast<size_t>(ndim_)}; }
  std::span<const int64_t> strides() const&& = delete;
  /// Empty where no dimension is indirect.
  std::span<const int64_t> suboffsets() const& noexcept {
    return {suboffsets_data(), has_suboffsets_ ? static_cast<size_t>(ndim_) : 0};
  }
  std::span<const int64_t> suboffsets() const&& = delete;
  bool has_suboffsets() const noexcept { return has_suboffsets_; }
  const Format& format() const& noexcept { return format_; }
  Format format() const&& noexcept { return format_; }
  DType dtype() const noexcept { return dtype_; }
  bool padded() const noexcept { return padded_; }
  Device device() const noexcept { return device_; }

  /// The parts, to change one and `create` another view. It points into this one.
  ViewSpec spec() const&;
  ViewSpec spec() const&& = delete;

  int64_t element_count() const noexcept;
  bool empty() const noexcept { return len_ == 0; }

  /// Counterpart of PyBuffer_IsContiguous: false with suboffsets, even of an empty view; else true when empty.
  bool is_contiguous(Order order) const noexcept;

  /// Counterpart of PyBuffer_GetPointer; follows suboffsets, which reads row pointers. Negative indices count from
  /// the end.
  /// Throws: InvalidArgument unless one index a dimension; OutOfRange naming the axis; BufferError for
  ///         suboffsets in memory that the host cannot read, and for a row pointer that is null.
  void* item_pointer(std::span<const int64_t> indices) const;

 private:
  friend class ViewBuilder;  // runtime/view_builder.hpp: the one writer of these members
  static constexpr int kInlineNdim = 8;

  struct Unset {};
  explicit BufferView(Unset) noexcept {}  // NOLINT: shape and strides are the builder's to write
  BufferView(const Format& format, DType dtype, int32_t ndim, bool readonly) noexcept  // NOLINT: as above
      : itemsize_(dtype.itemsize()), format_(format), dtype_(dtype), ndim_(ndim), readonly_(readonly) {}
  BufferView(const BufferView& other, Format format) noexcept;
  BufferView(const ViewSpec& ordinary, int64_t len) noexcept;
  BufferView(void* buf, size_t ndim, const Element& element, bool readonly) noexcept  // NOLINT: as above
      : buf_(buf),
        itemsize_(element.itemsize()),
        format_(element.format()),
        dtype_(element.dtype()),
        ndim_(static_cast<int32_t>(ndim)),
        readonly_(readonly) {}
  void make_with_checks(std::span<const int64_t> dense_shape);
  /// Shape, strides and len of at least one element; false where there are none, or what is wrong has to be found out.
  bool write_dense(std::span<const int64_t> shape) noexcept {
    if (shape.size() > kInlineNdim || buf_ == nullptr || itemsize_ <= 0) return false;
    int64_t bytes = itemsize_;
    for (size_t axis = shape.size(); axis-- > 0;) {
      const int64_t extent = shape[axis];
      inline_[axis] = extent;
      inline_[kInlineNdim + axis] = bytes;
      if (extent <= 0 || __builtin_mul_overflow(bytes, extent, &bytes)) return false;
    }
    len_ = bytes;
    return static_cast<uintptr_t>(bytes) <= UINTPTR_MAX - reinterpret_cast<uintptr_t>(buf_);
  }
  [[nodiscard]] static BufferView create_with_checks(const ViewSpec& spec);
  void become_empty() noexcept;

  const int64_t* shape_data() const noexcept { return on_heap_ ? heap_ : inline_; }
  const int64_t* strides_data() const noexcept { return shape_data() + (on_heap_ ? ndim_ : kInlineNdim); }
  const int64_t* suboffsets_data() const noexcept { return has_suboffsets_ ? heap_ + 2 * ndim_ : nullptr; }

  void* buf_ = nullptr;
  int64_t len_ = 0;
  int64_t itemsize_ = 1;
  Format format_;
  DType dtype_;
  Device device_;
  int32_t ndim_ = 1;
  bool readonly_ = false;
  bool padded_ = false;
  bool has_suboffsets_ = false;
  bool on_heap_ = false;  // heap_ holds shape, strides and, if any, suboffsets, ndim_ each
  union {
    int64_t inline_[2 * kInlineNdim];
    int64_t* heap_;
  };
};

static_assert(sizeof(BufferView) <= 256);

}  // namespace strideport
