/// NumPy's array interface in: `__array_struct__` and `__array_interface__`.
///
/// Both name an address that nobody checks, so what they say about shapes is checked all the more. Where the data is
/// an object with the buffer protocol, every element must also lie inside its memory.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "array_struct.hpp"
#include "call_adapters.hpp"
#include "imports.hpp"
#include "interface_dict.hpp"
#include "object.hpp"
#include "producer_types.hpp"
#include "ref.hpp"
#include "typestr.hpp"

namespace strideport::python {
namespace {

constexpr int kFirstUserType = 256;  // NPY_USERDEF: dtypes that a package registers have numbers from here on

/// Registered dtypes (ml_dtypes) come out as nameless bytes, or as a float of 1 byte: only the dtype object of the
/// producer knows better. Nothing where it does not either. NumPy itself is not imported.
std::optional<DType> registered_dtype(PyObject* producer) {
  const Ref dtype = find_attribute(producer, "dtype");
  const Ref number = dtype ? find_attribute(dtype.get(), "num") : Ref();
  const Ref name = number ? find_attribute(dtype.get(), "name") : Ref();
  if (!name || !PyLong_Check(number.get()) || !PyUnicode_Check(name.get())) return std::nullopt;
  if (parse_int(number.get(), "dtype.num") < kFirstUserType) return std::nullopt;
  try {
    return parse_dtype(parse_text(name.get(), "dtype.name"));
  } catch (const InvalidArgument&) {
    return std::nullopt;
  }
}

void set_element(ViewSpec& spec, DType dtype) {
  spec.itemsize = dtype.itemsize();
  spec.dtype = dtype;
  spec.format = Format::of(dtype);
  spec.padded = dtype.is_subbyte();  // ml_dtypes stores int4 one a byte
}

/// A descr of one field without a name says what typestr says.
bool has_fields(PyObject* descr) {
  if (descr == nullptr || descr == Py_None || !PyList_Check(descr)) return false;
  const Ref fields = Ref::steal(checked(PyList_AsTuple(descr)));
  if (PyTuple_Size(fields.get()) != 1) return PyTuple_Size(fields.get()) > 1;
  PyObject* field = PyTuple_GetItem(fields.get(), 0);
  if (!PyTuple_Check(field) || PyTuple_Size(field) < 2) return true;
  PyObject* name = PyTuple_GetItem(field, 0);
  return !(PyUnicode_Check(name) && PyUnicode_GetLength(name) == 0);
}

void set_element(ViewSpec& spec, const TypeString& type, PyObject* descr) {
  spec.itemsize = type.itemsize();
  const bool fields = type.kind == 'V' && has_fields(descr);
  const std::string text = fields ? format_of_descr(descr) : format_of(type);
  Format format = Format::parse(text);
  spec.format = format.itemsize() == spec.itemsize ? std::move(format) : Format::opaque(text, spec.itemsize);
  spec.dtype = spec.format.dtype();
}

bool may_be_registered(const std::optional<TypeString>& type) {
  return !type || type->kind == 'V' || (type->kind == 'f' && type->size == 1);
}

void set_element(ViewSpec& spec, PyObject* producer, const std::optional<TypeString>& type, PyObject* descr,
                 const std::string& text) {
  if (may_be_registered(type)) {
    if (const std::optional<DType> dtype = registered_dtype(producer)) {
      if (!type || type->size == dtype->itemsize()) return set_element(spec, *dtype);
    }
  }
  if (!type) throw InvalidArgument("typestr '" + text + "' is none, such as '<f4' or '|V8' are");
  set_element(spec, *type, descr);
}

// __array_struct__ --------------------------------------------------------------------------------------------

/// A copy: foreign code that is asked later may change what the capsule holds.
ArrayStruct checked_struct(PyObject* capsule) {
  if (!PyCapsule_CheckExact(capsule)) {
    raise(PyExc_TypeError, "__array_struct__ must be a capsule, not '%.200s'", type_name(capsule).c_str());
  }
  const auto* array = static_cast<const ArrayStruct*>(checked(PyCapsule_GetPointer(capsule, nullptr)));
  if (array->two != 2) {
    throw InvalidArgument("__array_struct__: the first member is " + std::to_string(array->two) + ", not 2");
  }
  if (array->nd < 0 || array->nd > kMaxNdim) {
    throw InvalidArgument("__array_struct__: nd " + std::to_string(array->nd) + " is not in 0.." +
                          std::to_string(kMaxNdim));
  }
  if (array->nd > 0 && array->shape == nullptr) throw InvalidArgument("__array_struct__: shape is NULL");
  if (array->itemsize < 0) {
    throw InvalidArgument("__array_struct__: itemsize " + std::to_string(array->itemsize) + " is negative");
  }
  return *array;
}

/// The kind and size as a typestr would say them; nothing for a kind that is none.
std::optional<TypeString> type_of(const ArrayStruct& array) {
  const char swapped = kNativeOrder == ByteOrder::little ? '>' : '<';
  const std::string order = (array.flags & kNotSwapped) != 0 || array.typekind == 'V' ? "|" : std::string(1, swapped);
  const int size = array.typekind == 'U' ? array.itemsize / 4 : array.itemsize;
  return parse_typestr(order + array.typekind + std::to_string(size));
}

// NumPy clears all flags where it means to add one (HAS_DESCR), so its own structures come without their fields.
void check_fields(PyObject* object, const ArrayStruct& array) {
  if (array.typekind != 'V' || (array.flags & kHasDescr) != 0 || registered_dtype(object)) return;
  if (find_attribute(object, "__array_interface__")) {
    throw BufferError("__array_struct__: the fields of a structure are missing");
  }
}

// __array_interface__ -----------------------------------------------------------------------------------------

void check_version(const InterfaceDict& interface) {
  const Ref version = interface.entry(interface.names().version_key);
  if (version && interface.number(version.get(), "version") < 3) {
    raise(PyExc_ValueError, "__array_interface__: version %R is older than 3", version.get());
  }
  interface.check_mask();
}

/// Memory of an object with the buffer protocol, from an offset on; the root's lease keeps it.
void set_memory(ViewSpec& spec, BufferObject* root, PyObject* exporter, const InterfaceDict& interface) {
  if (PyObject_CheckBuffer(exporter) == 0) {
    raise(PyExc_TypeError,
          "__array_interface__: data must be (address, read-only) or an object with the buffer "
          "protocol, which '%.200s' has not",
          type_name(exporter).c_str());
  }
  if (spec.format.has_references()) {
    raise(PyExc_TypeError, "__array_interface__: format '%s' holds references (O), which the bytes of '%.200s' are not",
          spec.format.text().c_str(), type_name(exporter).c_str());
  }
  const Ref offset_object = interface.entry(interface.names().offset);
  const int64_t offset = offset_object ? interface.number(offset_object.get(), "offset") : 0;
  Py_buffer& master = root->lease.master;
  const bool is_memoryview = PyMemoryView_Check(exporter) != 0;
  Ref source = is_memoryview ? Ref::steal(checked(PyMemoryView_FromObject(exporter))) : Ref::borrow(exporter);
  if (PyObject_GetBuffer(source.get(), &master, PyBUF_SIMPLE) != 0) throw PythonError{};
  source = Ref();
  own_master(root->lease, is_memoryview);  // as import_pybuffer.cpp does, for the collector's sake
  if (offset < 0 || offset > master.len) {
    throw InvalidArgument("__array_interface__: offset " + std::to_string(offset) + " is outside of the data's " +
                          std::to_string(master.len) + " bytes");
  }
  spec.buf = static_cast<char*>(master.buf) + offset;
  spec.memory = MemoryRange{master.buf, master.len};
  spec.readonly = master.readonly != 0;
}

}  // namespace

PyObject* import_array_struct(ModuleState* state, PyObject* object, Writable writable) {
  Ref capsule = find_attribute(object, state->producers->names.array_struct);
  if (!capsule) return nullptr;
  const ArrayStruct array = checked_struct(capsule.get());
  const Ref descr = (array.flags & kHasDescr) != 0 ? Ref::borrow(array.descr) : Ref();
  check_fields(object, array);
  ViewSpec spec;
  const auto ndim = static_cast<size_t>(array.nd);
  spec.buf = array.data;
  spec.readonly = (array.flags & kWriteable) == 0;
  spec.shape = {reinterpret_cast<const int64_t*>(array.shape), ndim};
  if (array.strides != nullptr) spec.strides = {reinterpret_cast<const int64_t*>(array.strides), ndim};
  set_element(spec, object, type_of(array), descr.get(), std::string(1, array.typekind));

  BufferView view = BufferView::create(spec);
  BufferObject* root = new_root(state);
  root->lease.obj = Py_NewRef(object);
  root->lease.keepalive = capsule.release();  // the arrays that it holds may be the only owners
  return finish_import(Ref::steal(as_object(root)), std::move(view), writable);
}

void set_element(ViewSpec& spec, PyObject* producer, PyObject* descr, const std::string& typestr) {
  set_element(spec, producer, parse_typestr(typestr), descr, typestr);
}

PyObject* import_array_interface(ModuleState* state, PyObject* object, Writable writable) {
  const ImportNames& names = state->producers->names;
  Ref attribute = find_attribute(object, names.array_interface);
  if (!attribute) return nullptr;
  InterfaceDict interface(names, "__array_interface__", std::move(attribute));
  check_version(interface);
  ViewSpec spec;
  interface.describe(spec, object);

  Ref root = Ref::steal(as_object(new_root(state)));
  const Ref data = interface.entry(names.data);
  if (data && PyTuple_Check(data.get())) {
    interface.set_address(spec, data.get());
  } else {
    set_memory(spec, as_buffer(root.get()), data ? data.get() : object, interface);
  }
  BufferView view = BufferView::create(spec);
  as_buffer(root.get())->lease.obj = Py_NewRef(object);
  as_buffer(root.get())->lease.keepalive = interface.take().release();  // a getter may have made its data for it alone
  return finish_import(std::move(root), std::move(view), writable);
}

}  // namespace strideport::python
