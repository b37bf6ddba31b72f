/// The buffer protocol in: PEP 3118 and PEP 688.
///
/// The structure that an exporter fills stays where it was filled, inside the root: PyBuffer_FillInfo makes shape and
/// strides point back into it. Nothing of it is believed before `BufferView::create` has checked it.
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "call_adapters.hpp"
#include "error_value.hpp"
#include "errors.hpp"
#include "imports.hpp"
#include "object.hpp"
#include "producer_types.hpp"
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

[[noreturn, gnu::cold]] void refuse_scalars(const Py_buffer& buffer) {
  if (buffer.ndim < 0 || buffer.ndim > kMaxNdim) {
    throw InvalidArgument("exporter: ndim " + number(buffer.ndim) + " is not in 0.." + number(kMaxNdim));
  }
  if (buffer.itemsize < 0) throw InvalidArgument("exporter: itemsize " + number(buffer.itemsize) + " is negative");
  if (buffer.len < 0) throw InvalidArgument("exporter: len " + number(buffer.len) + " is negative");
  throw InvalidArgument("exporter: ndim is " + number(buffer.ndim) + " but shape is NULL");
}

void check_scalars(const Py_buffer& buffer) {
  const bool has_rank = buffer.ndim >= 0 && buffer.ndim <= kMaxNdim && (buffer.shape != nullptr || buffer.ndim <= 1);
  if (!has_rank || buffer.itemsize < 0 || buffer.len < 0) refuse_scalars(buffer);
}

/// The formats of a single letter, at hand without a search. Never freed: imports may run while static objects go.
class Letters {
 public:
  Letters() {
    for (const char letter : std::string_view("bBhHiIlLqQnN?efdg")) {
      elements_[static_cast<unsigned char>(letter)] = Element(Format::parse({&letter, 1}));
    }
  }
  /// Null for other texts, and where the itemsize is another one.
  const Element* find(const char* text, int64_t itemsize) const noexcept {
    const auto letter = static_cast<unsigned char>(text[0]);
    if (letter == 0 || letter >= kCount || text[1] != '\0') return nullptr;
    return elements_[letter].itemsize() == itemsize ? &elements_[letter] : nullptr;
  }

 private:
  static constexpr size_t kCount = 128;
  Element elements_[kCount];
};
const Letters& letters = *new Letters;

/// The elements as the exporter means them. A format that no reading gives the size of itemsize, or that does not
/// parse, is kept as text over opaque bytes: memoryview takes such exporters too.
Format format_of(const Py_buffer& buffer) {
  const char* const text = buffer.format == nullptr ? "B" : buffer.format;  // NULL means 'B'
  const bool is_letter = text[0] != '\0' && text[1] == '\0';
  return Format::parse_for(is_letter ? std::string_view(text, 1) : std::string_view(text), buffer.itemsize);
}

/// No shape at all: items of a format where there is one, as memoryview has it, else bytes, whatever itemsize says.
BufferView flat_view(const Py_buffer& buffer) {
  const bool typed = buffer.format != nullptr && buffer.itemsize > 0;
  const int64_t itemsize = typed ? buffer.itemsize : 1;
  const int64_t extent = buffer.len / itemsize;
  ViewSpec spec;
  spec.buf = buffer.buf;
  spec.itemsize = itemsize;
  spec.format = typed ? format_of(buffer) : Format::parse("B");
  spec.shape = {&extent, 1};
  spec.readonly = buffer.readonly != 0;
  return BufferView::create(spec);
}

/// Every member is named, so that the compiler clears no memory first: that took 6 ns.
BufferView shaped_view(const Py_buffer& buffer) {
  return BufferView::create({.buf = buffer.buf,
                             .shape = extents(buffer.shape, buffer.ndim),
                             .strides = extents(buffer.strides, buffer.ndim),
                             .suboffsets = extents(buffer.suboffsets, buffer.ndim),
                             .itemsize = buffer.itemsize,
                             .dtype = {},
                             .format = format_of(buffer),
                             .device = {},
                             .readonly = buffer.readonly != 0,
                             .padded = false,
                             .memory = std::nullopt});
}

[[noreturn, gnu::cold]] void refuse_len(const Py_buffer& buffer, const BufferView& view) {
  throw InvalidArgument("exporter: len " + number(buffer.len) +
                        " differs from product(shape) * itemsize = " + number(view.len()));
}

[[gnu::noinline]] BufferView any_view(const Py_buffer& buffer) {
  check_scalars(buffer);
  const bool flat = buffer.shape == nullptr && buffer.ndim == 1;
  BufferView view = flat ? flat_view(buffer) : shaped_view(buffer);
  if (view.len() != buffer.len) refuse_len(buffer, view);
  return view;
}

/// What nearly every exporter has: single numbers in C order, of which this is one. Null for others, and where
/// something does not add up.
const Element* dense_element(const Py_buffer& buffer) noexcept {
  if (buffer.shape == nullptr || buffer.format == nullptr || buffer.suboffsets != nullptr) return nullptr;
  if (buffer.ndim < 0 || buffer.ndim > kMaxNdim) return nullptr;
  int64_t bytes = buffer.itemsize;
  for (int axis = buffer.ndim; axis-- > 0;) {
    if (buffer.strides != nullptr && buffer.strides[axis] != bytes) return nullptr;
    if (__builtin_mul_overflow(bytes, buffer.shape[axis], &bytes)) return nullptr;
  }
  return bytes > 0 && bytes == buffer.len ? letters.find(buffer.format, buffer.itemsize) : nullptr;
}

/// The root that what the exporter has said makes. From here on the lease keeps `master`, whatever is thrown.
inline PyObject* finish(Draft& draft, PyObject* object, Writable writable) {
  Lease& lease = draft->lease;
  draft.make_view([&] { return view_of_pybuffer(lease.master); });
  if (lease.master.obj == nullptr) lease.keepalive = Py_NewRef(object);
  if (writable == Writable::required && draft->view.readonly()) throw ReadOnlyMemory{};
  if (writable == Writable::refused) draft->view = strideport::toreadonly(draft->view);
  return draft.finish();
}

/// Null where another request may fare better, with the error left set. Throws PythonError for all other errors.
PyObject* refused() {
  if (PyErr_ExceptionMatches(PyExc_BufferError) || PyErr_ExceptionMatches(PyExc_ValueError)) return nullptr;
  throw PythonError{};
}

/// As memoryview(memoryview) does: what we register with is the exporter behind it, so that it can be released, and
/// `.obj` shows what that one shows.
PyObject* request_of_memoryview(ModuleState* state, PyObject* object, Writable writable, int flags) {
  Draft draft(state);
  Lease& lease = draft->lease;
  Ref own = Ref::steal(checked(PyMemoryView_FromObject(object)));
  if (PyObject_GetBuffer(own.get(), &lease.master, flags) != 0) return refused();
  own = Ref();
  own_master(lease, true);
  const Ref base = Ref::steal(checked(PyObject_GetAttr(object, state->producers->names.obj.get())));
  if (base.get() != Py_None) lease.obj = Py_NewRef(base.get());
  return finish(draft, object, writable);
}

/// One request; null where it is refused with BufferError or ValueError, with the error left set.
inline PyObject* request(ModuleState* state, PyObject* object, Writable writable, int flags) {
  Draft draft(state);
  Lease& lease = draft->lease;
  if (PyObject_GetBuffer(object, &lease.master, flags) != 0) return refused();
  lease.has_master = true;
  lease.obj = Py_XNewRef(lease.master.obj);
  return finish(draft, object, writable);
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

/// The requests in turn. Of the refusals the first is raised: the strongest request's words are the ones that help.
[[gnu::noinline]] PyObject* first_of(ModuleState* state, PyObject* object, Writable writable,
                                     std::span<const int> requests, Ref first_refusal = {}) {
  const bool required = writable == Writable::required;
  const bool is_memoryview = PyMemoryView_Check(object);
  for (const int flags : requests) {
    const int wanted = required ? flags | PyBUF_WRITABLE : flags;
    PyObject* const buffer = is_memoryview ? request_of_memoryview(state, object, writable, wanted)
                                           : request(state, object, writable, wanted);
    if (buffer != nullptr) return buffer;
    if (required) check_read_only(object, flags);
    Ref refusal = take_error();
    if (!first_refusal) first_refusal = std::move(refusal);
  }
  set_error(first_refusal);
  throw PythonError{};
}

}  // namespace

BufferView view_of_pybuffer(const Py_buffer& buffer) {
  const Element* const element = dense_element(buffer);
  if (element == nullptr) return any_view(buffer);
  return BufferView::of(buffer.buf, extents(buffer.shape, buffer.ndim), *element, buffer.readonly != 0);
}

PyObject* import_pybuffer(ModuleState* state, PyObject* object, Writable writable) {
  if (PyObject_CheckBuffer(object) == 0) return nullptr;
  if (writable == Writable::required || PyMemoryView_Check(object)) return first_of(state, object, writable, kTyped);
  if (PyObject* buffer = request(state, object, writable, kTyped[0])) return buffer;
  return first_of(state, object, writable, std::span(kTyped).subspan(1), take_error());
}

PyObject* import_pybuffer_untyped(ModuleState* state, PyObject* object, Writable writable) {
  if (PyObject_CheckBuffer(object) == 0) return nullptr;
  return first_of(state, object, writable, kUntyped);
}

}  // namespace strideport::python
