/// The buffer protocol out. Each request flag is treated as memoryview's own exporter treats it; what cannot be met is
/// a BufferError that names the call which makes it possible.
#include <span>
#include <string>

#include "call_adapters.hpp"
#include "errors.hpp"
#include "host_access.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

bool asks(int flags, int request) noexcept { return (flags & request) == request; }

[[noreturn]] void refuse(const char* reason) { raise(PyExc_BufferError, "Buffer: %s", reason); }

[[noreturn, gnu::cold]] void refuse_device(Device device) {
  raise(PyExc_BufferError, "Buffer: the memory is on %s, where the buffer protocol does not reach: .to(\"cpu\") first",
        to_string(device).c_str());
}

void check_memory(const BufferView& view, int flags) {
  if (!view.device().host_accessible()) refuse_device(view.device());
  if (asks(flags, PyBUF_WRITABLE) && view.readonly()) refuse("the memory is read-only");
}

/// An element type of that size that every format speaks.
std::string plain_type(int64_t itemsize) {
  const bool integer = itemsize == 1 || itemsize == 2 || itemsize == 4 || itemsize == 8;
  return integer ? "uint" + std::to_string(8 * itemsize) : std::to_string(itemsize) + "s";
}

[[noreturn, gnu::cold]] void refuse_format(const BufferView& view) {
  raise(PyExc_BufferError, "Buffer: PEP 3118 has no format for %s: .cast(\"%s\") first, or ask without a format",
        to_string(view.dtype()).c_str(), plain_type(view.itemsize()).c_str());
}

void check_format(const BufferView& view, int flags) {
  if (!asks(flags, PyBUF_FORMAT)) return;
  if (!view.format()) refuse_format(view);
  if (!asks(flags, PyBUF_ND)) refuse("a request for a format without a shape makes no sense");
}

void check_contiguous(const BufferView& view, int flags) {
  const bool c_order = view.is_contiguous(Order::C);
  if (asks(flags, PyBUF_C_CONTIGUOUS) && !c_order) refuse("the layout is not C-contiguous: .contiguous(\"C\") first");
  if (asks(flags, PyBUF_F_CONTIGUOUS) && !view.is_contiguous(Order::F)) {
    refuse("the layout is not Fortran-contiguous: .contiguous(\"F\") first");
  }
  if (asks(flags, PyBUF_ANY_CONTIGUOUS) && !view.is_contiguous(Order::A)) {
    refuse("the layout is not contiguous: .contiguous() first");
  }
  if (!asks(flags, PyBUF_INDIRECT) && view.has_suboffsets()) {
    refuse("the layout has suboffsets, and the request has no room for them: .contiguous() first");
  }
  if (!asks(flags, PyBUF_STRIDES) && !c_order) {
    refuse("the layout is not C-contiguous, and the request has no room for strides: .contiguous(\"C\") first");
  }
}

/// A request that takes any layout, as memoryview's does, asks for nothing that could be refused.
void check_layout(const BufferView& view, int flags) {
  constexpr int kOrders = (PyBUF_C_CONTIGUOUS | PyBUF_F_CONTIGUOUS | PyBUF_ANY_CONTIGUOUS) & ~PyBUF_STRIDES;
  if (!asks(flags, PyBUF_INDIRECT) || (flags & kOrders) != 0) check_contiguous(view, flags);
}

Py_ssize_t* numbers(std::span<const int64_t> values) noexcept {
  return const_cast<Py_ssize_t*>(reinterpret_cast<const Py_ssize_t*>(values.data()));
}

/// The arrays are the view's own: they live as long as the Buffer, which the consumer's reference keeps, and a
/// Buffer with exports cannot be released.
void fill(Py_buffer& out, const BufferView& view, int flags) noexcept {
  const bool arrays = view.ndim() > 0;
  out.buf = view.buf();
  out.len = view.len();
  out.itemsize = view.itemsize();
  out.readonly = view.readonly() ? 1 : 0;
  out.ndim = asks(flags, PyBUF_ND) ? view.ndim() : 1;
  out.format = asks(flags, PyBUF_FORMAT) ? const_cast<char*>(view.format().text().c_str()) : nullptr;
  out.shape = asks(flags, PyBUF_ND) && arrays ? numbers(view.shape()) : nullptr;
  out.strides = asks(flags, PyBUF_STRIDES) && arrays ? numbers(view.strides()) : nullptr;
  out.suboffsets = asks(flags, PyBUF_INDIRECT) && view.has_suboffsets() ? numbers(view.suboffsets()) : nullptr;
  out.internal = nullptr;
}

}  // namespace

int get_buffer(PyObject* self, Py_buffer* out, int flags) noexcept {
  if (out == nullptr) {
    PyErr_SetString(PyExc_BufferError, "Buffer: the request has no Py_buffer to fill");
    return -1;
  }
  out->obj = nullptr;
  return guarded(-1, [&] {
    const Exclusive only(self);
    const BufferView& view = live_view(as_buffer(self));
    check_memory(view, flags);
    if (has_driver(view)) {
      wait_for_host(as_buffer(self));
      live_view(as_buffer(self));  // another thread may have released it meanwhile
    }
    check_format(view, flags);
    check_layout(view, flags);
    fill(*out, view, flags);
    out->obj = Py_NewRef(self);
    ++as_buffer(self)->exports;
    return 0;
  });
}

// bytes() itself would ask for a format, which bfloat16 has not.
PyObject* to_bytes(BufferObject* self) {
  const Ref nothing = Ref::steal(checked(PyTuple_New(0)));
  return tobytes(self, nothing.get(), nullptr);
}

void release_buffer(PyObject* self, Py_buffer*) noexcept {
  const Exclusive only(self);
  --as_buffer(self)->exports;
}

}  // namespace strideport::python
