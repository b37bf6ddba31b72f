/// NumPy's array interface out: `__array_interface__` and `__array_struct__`.
///
/// Both say the same, and are missing attributes where there is nothing that they can say: hasattr is False then, and
/// NumPy goes on to `__array__`.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "arguments.hpp"
#include "array_struct.hpp"
#include "call_adapters.hpp"
#include "host_access.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"
#include "typestr.hpp"

namespace strideport::python {
namespace {

static_assert(sizeof(Py_ssize_t) == sizeof(int64_t), "shape and strides of a view are lent as they are");

[[noreturn]] void refuse(const char* name, const std::string& reason) {
  raise(PyExc_AttributeError, "Buffer has no %s here: %s", name, reason.c_str());
}

/// What both say of an element.
struct Element {
  std::string typestr;
  Ref descr;
};

/// Throws PythonError, an AttributeError, for what NumPy has no words for.
Element described(const char* name, const BufferView& view) {
  if (!view.device().host_accessible()) refuse(name, "the memory is on " + to_string(view.device()));
  if (view.has_suboffsets()) refuse(name, "the layout has suboffsets");
  std::optional<std::string> typestr = view.format() ? typestr_of(view.format().item()) : std::nullopt;
  if (!typestr) {
    refuse(name, "NumPy has no typestr for " +
                     (view.format() ? "format '" + view.format().text() + "'" : to_string(view.dtype())));
  }
  Ref descr = descr_of(view.format().item());
  if (!descr) refuse(name, "NumPy has no descr for format '" + view.format().text() + "'");
  return {std::move(*typestr), std::move(descr)};
}

// __array_interface__ ---------------------------------------------------------------------------------------------

Ref strides_entry(const BufferView& view) {
  if (view.is_contiguous(Order::C)) return Ref::borrow(Py_None);
  return tuple_of(view.strides());
}

void set_entry(const Ref& dict, const char* key, Ref value) {
  if (PyDict_SetItemString(dict.get(), key, checked(value.get())) != 0) throw PythonError{};
}

// __array_struct__ ------------------------------------------------------------------------------------------------

/// What a capsule holds. The Buffer is a view of its own, so that the memory stays when the one that was asked is
/// released; shape and strides are lent from it.
struct Lent {
  ArrayStruct array{};
  Ref buffer;
  Ref descr;
};

void destroy(PyObject* capsule) noexcept {
  const SavedError error;
  delete static_cast<Lent*>(PyCapsule_GetPointer(capsule, nullptr));
}

/// What NumPy asks of an address before it reads elements in place; 1 for structures made from a descr.
int64_t alignment_of(const FormatItem& item) {
  if (!item.shape.empty()) return 1;
  constexpr int64_t most = alignof(std::max_align_t);
  switch (item.kind) {
    case ItemKind::integer:
    case ItemKind::unsigned_integer:
    case ItemKind::floating: return std::min(item.size, most);
    case ItemKind::complex: return std::min(item.size / 2, most);
    case ItemKind::object: return alignof(PyObject*);
    case ItemKind::text: return alignof(uint32_t);
    default: return 1;
  }
}

bool is_aligned(const BufferView& view) {
  if (view.empty()) return true;
  auto reached = reinterpret_cast<uintptr_t>(view.buf());
  for (size_t axis = 0; axis < view.shape().size(); ++axis) {
    if (view.shape()[axis] > 1) reached |= static_cast<uintptr_t>(view.strides()[axis]);
  }
  return reached % static_cast<uintptr_t>(alignment_of(view.format().item())) == 0;
}

int flags_of(const BufferView& view, bool has_fields) {
  int flags = view.format().item().order == kNativeOrder ? kNotSwapped : 0;
  if (view.is_contiguous(Order::C)) flags |= kCContiguous;
  if (view.is_contiguous(Order::F)) flags |= kFContiguous;
  if (is_aligned(view)) flags |= kAligned;
  if (!view.readonly()) flags |= kWriteable;
  if (has_fields) flags |= kHasDescr;
  return flags;
}

Py_ssize_t* lent(std::span<const int64_t> numbers) {
  return reinterpret_cast<Py_ssize_t*>(const_cast<int64_t*>(numbers.data()));
}

}  // namespace

PyObject* get_array_interface(BufferObject* self) {
  const BufferView& view = live_view(self);
  Element element = described("__array_interface__", view);
  wait_for_host(self);
  live_view(self);
  const Ref dict = Ref::steal(checked(PyDict_New()));
  set_entry(dict, "version", Ref::steal(PyLong_FromLong(3)));
  set_entry(dict, "shape", tuple_of(view.shape()));
  set_entry(dict, "typestr", Ref::steal(PyUnicode_FromString(element.typestr.c_str())));
  set_entry(dict, "descr", std::move(element.descr));
  set_entry(dict, "strides", strides_entry(view));
  set_entry(dict, "data",
            Ref::steal(Py_BuildValue("(NO)", PyLong_FromVoidPtr(view.buf()), view.readonly() ? Py_True : Py_False)));
  return Py_NewRef(dict.get());
}

PyObject* get_array_struct(BufferObject* self) {
  constexpr const char* name = "__array_struct__";
  Element element = described(name, live_view(self));
  // NumPy takes the bytes of a text for its number of characters, and would read four times as far as there is memory.
  if (element.typestr[1] == 'U') refuse(name, "it cannot say the size of text so that NumPy reads it");
  if (live_view(self).itemsize() > std::numeric_limits<int>::max()) {
    refuse(name, "itemsize " + std::to_string(live_view(self).itemsize()) + " does not fit into an int");
  }
  wait_for_host(self);
  auto made = std::make_unique<Lent>();
  made->buffer = Ref::steal(new_view(self, live_view(self)));
  made->descr = std::move(element.descr);
  const BufferView& view = as_buffer(made->buffer.get())->view;
  const FormatItem& item = view.format().item();
  const bool has_fields = item.kind == ItemKind::structure || !item.shape.empty();
  made->array = {2,
                 view.ndim(),
                 element.typestr[1],
                 static_cast<int>(view.itemsize()),
                 flags_of(view, has_fields),
                 lent(view.shape()),
                 lent(view.strides()),
                 view.buf(),
                 has_fields ? made->descr.get() : nullptr};
  PyObject* capsule = checked(PyCapsule_New(made.get(), nullptr, &destroy));
  made.release();
  return capsule;
}

}  // namespace strideport::python
