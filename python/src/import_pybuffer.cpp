/// The buffer protocol in: PEP 3118 and PEP 688.
///
/// The structure that an exporter fills stays where it was filled, inside the root: PyBuffer_FillInfo makes shape and
/// strides point back into it. Nothing of it is believed before `BufferView::create` has checked it.
#include <span>
#include <string>

#include "call_adapters.hpp"
#include "error_value.hpp"
#include "errors.hpp"
#include "imports.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

static_assert(sizeof(Py_ssize_t) == sizeof(int64_t), "Strideport needs a 64-bit CPython");

// FULL_RO first, as memoryview does; the weaker ones are for exporters that know only their own kind of request.
constexpr int kTyped[] = {PyBUF_FULL_RO, PyBUF_RECORDS_RO, PyBUF_ND | PyBUF_FORMAT};
constexpr int kUntyped[] = {PyBUF_INDIRECT, PyBUF_STRIDED_RO, PyBUF_CONTIG_RO, PyBUF_SIMPLE};

std::span<const int64_t> extents(const Py_ssize_t* numbers, int ndim) {
  if (numbers == nullptr) return {};
  return {reinterpret_cast<const int64_t*>(numbers), static_cast<size_t>(ndim)};
}

std::string number(int64_t value) { return std::to_string(value); }

void check_scalars(const Py_buffer& buffer) {
  if (buffer.ndim < 0 || buffer.ndim > kMaxNdim) {
    throw InvalidArgument("exporter: ndim " + number(buffer.ndim) + " is not in 0.." + number(kMaxNdim));
  }
  if (buffer.itemsize < 0) throw InvalidArgument("exporter: itemsize " + number(buffer.itemsize) + " is negative");
  if (buffer.len < 0) throw InvalidArgument("exporter: len " + number(buffer.len) + " is negative");
  if (buffer.shape == nullptr && buffer.ndim > 1) {
    throw InvalidArgument("exporter: ndim is " + number(buffer.ndim) + " but shape is NULL");
  }
}

/// The elements as the exporter means them. A format that no reading gives the size of itemsize, or that does not
/// parse, is kept as text over opaque bytes: memoryview takes such exporters too.
Format format_of(const Py_buffer& buffer) {
  return Format::parse_for(buffer.format == nullptr ? "B" : buffer.format, buffer.itemsize);  // NULL means 'B'
}

/// No shape at all: items of a format where there is one, as memoryview has it, else bytes, whatever itemsize says.
ViewSpec flat_spec(const Py_buffer& buffer, int64_t& extent) {
  ViewSpec spec;
  const bool typed = buffer.format != nullptr && buffer.itemsize > 0;
  spec.itemsize = typed ? buffer.itemsize : 1;
  spec.format = typed ? format_of(buffer) : Format::parse("B");
  extent = buffer.len / spec.itemsize;
  spec.shape = {&extent, 1};
  return spec;
}

ViewSpec shaped_spec(const Py_buffer& buffer) {
  ViewSpec spec;
  spec.shape = extents(buffer.shape, buffer.ndim);
  spec.strides = extents(buffer.strides, buffer.ndim);
  spec.suboffsets = extents(buffer.suboffsets, buffer.ndim);
  spec.itemsize = buffer.itemsize;
  spec.format = format_of(buffer);
  return spec;
}

void check_len(const Py_buffer& buffer, const BufferView& view) {
  if (view.len() == buffer.len) return;
  throw InvalidArgument("exporter: len " + number(buffer.len) +
                        " differs from product(shape) * itemsize = " + number(view.len()));
}

/// Ends what PyObject_GetBuffer began where the root may not keep it.
class MasterGuard {
 public:
  explicit MasterGuard(Py_buffer* master) noexcept : master_(master) {}
  ~MasterGuard() {
    if (master_ == nullptr) return;
    stay_if_ended();
    const SavedError error;
    PyBuffer_Release(master_);
  }
  MasterGuard(const MasterGuard&) = delete;
  MasterGuard& operator=(const MasterGuard&) = delete;
  void keep() noexcept { master_ = nullptr; }

 private:
  Py_buffer* master_;
};

/// What `.obj` shows: the exporter, and for a memoryview what that one shows, as memoryview(memoryview) does.
Ref shown_object(PyObject* object, const Py_buffer& master) {
  if (!PyMemoryView_Check(object)) return Ref::borrow(master.obj);
  Ref base = Ref::steal(checked(PyObject_GetAttrString(object, "obj")));
  return base.get() == Py_None ? Ref() : std::move(base);
}

/// One request; null where it is refused with BufferError or ValueError, with the error left set.
PyObject* request(ModuleState* state, PyObject* object, Writable writable, int flags) {
  Ref root = Ref::steal(as_object(new_root(state)));
  Lease& lease = as_buffer(root.get())->lease;
  // As memoryview(memoryview) does: what we register with is the exporter behind it, so that it can be released.
  const bool is_memoryview = PyMemoryView_Check(object) != 0;
  Ref exporter = is_memoryview ? Ref::steal(PyMemoryView_FromObject(object)) : Ref::borrow(object);
  if (!exporter || PyObject_GetBuffer(exporter.get(), &lease.master, flags) != 0) {
    const bool next = PyErr_ExceptionMatches(PyExc_BufferError) || PyErr_ExceptionMatches(PyExc_ValueError);
    return next ? nullptr : throw PythonError{};
  }
  MasterGuard guard(&lease.master);
  if (as_buffer(root.get())->lease_ptr != &lease) {  // foreign code found the root and released it meanwhile
    raise(PyExc_BufferError, "the Buffer was released while it was made");
  }
  BufferView view = view_of_pybuffer(lease.master);
  Ref shown = shown_object(object, lease.master);
  guard.keep();
  exporter = Ref();
  own_master(lease, is_memoryview);
  lease.obj = shown.release();
  if (lease.master.obj == nullptr) lease.keepalive = Py_NewRef(object);
  return finish_import(std::move(root), std::move(view), writable);
}

/// After a refusal of writable memory: asks whether the memory is read-only, which settles the matter.
void check_read_only(PyObject* object, int flags) {
  const Ref refusal = take_error();
  Py_buffer buffer;
  if (PyObject_GetBuffer(object, &buffer, flags) == 0) {
    const bool readonly = buffer.readonly != 0;
    PyBuffer_Release(&buffer);
    if (readonly) throw ReadOnlyMemory{};
  } else if (!PyErr_ExceptionMatches(PyExc_Exception)) {
    throw PythonError{};
  }
  PyErr_Clear();
  set_error(refusal);
}

PyObject* first_of(ModuleState* state, PyObject* object, Writable writable, std::span<const int> requests) {
  if (!PyObject_CheckBuffer(object)) return nullptr;
  Ref first_refusal;  // the strongest request's words are the ones that help
  for (const int flags : requests) {
    const bool required = writable == Writable::required;
    if (PyObject* buffer = request(state, object, writable, required ? flags | PyBUF_WRITABLE : flags)) return buffer;
    if (required) check_read_only(object, flags);
    Ref refusal = take_error();
    if (!first_refusal) first_refusal = std::move(refusal);
  }
  set_error(first_refusal);
  throw PythonError{};
}

}  // namespace

BufferView view_of_pybuffer(const Py_buffer& buffer) {
  check_scalars(buffer);
  const bool flat = buffer.shape == nullptr && buffer.ndim == 1;
  int64_t extent = 0;
  ViewSpec spec = flat ? flat_spec(buffer, extent) : shaped_spec(buffer);
  spec.buf = buffer.buf;
  spec.dtype = spec.format.dtype();
  spec.readonly = buffer.readonly != 0;
  BufferView view = BufferView::create(spec);
  check_len(buffer, view);
  return view;
}

PyObject* import_pybuffer(ModuleState* state, PyObject* object, Writable writable) {
  return first_of(state, object, writable, kTyped);
}

PyObject* import_pybuffer_untyped(ModuleState* state, PyObject* object, Writable writable) {
  return first_of(state, object, writable, kUntyped);
}

}  // namespace strideport::python
