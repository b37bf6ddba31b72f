/// NumPy out: `__array__`, the only place where NumPy is imported.
#include <optional>
#include <string>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

[[noreturn]] void raise_device(const BufferView& view) {
  raise(PyExc_TypeError, "the memory is on %s, where NumPy cannot read it: .to(\"cpu\") first",
        to_string(view.device()).c_str());
}

Ref call_method(PyObject* object, const char* name, PyObject* argument) {
  return Ref::steal(checked(PyObject_CallMethod(object, name, "O", argument)));
}

/// An unsigned integer, or bytes, of the same size: what NumPy can hold any element in.
Format carrier_of(int64_t size) {
  const bool integer = size == 1 || size == 2 || size == 4 || size == 8;
  return integer ? Format::of({TypeCode::unsigned_integer, static_cast<uint8_t>(8 * size), 1})
                 : Format::parse(std::to_string(size) + "s");
}

/// The dtype object that ml_dtypes registers under the name.
Ref registered_dtype(PyObject* numpy, DType dtype) {
  const std::string name = to_string(dtype);
  const Ref module = Ref::steal(PyImport_ImportModule("ml_dtypes"));
  const Ref type = module ? Ref::steal(PyObject_GetAttrString(module.get(), name.c_str())) : Ref();
  if (type) return Ref::steal(checked(PyObject_CallMethod(numpy, "dtype", "O", type.get())));
  if (!PyErr_ExceptionMatches(PyExc_ImportError) && !PyErr_ExceptionMatches(PyExc_AttributeError)) throw PythonError{};
  PyErr_Clear();
  raise(PyExc_TypeError, "NumPy has no %s, nor is there an ml_dtypes that has: install it, or .cast(\"%s\") first",
        name.c_str(), carrier_of(dtype.itemsize()).text().c_str());
}

/// A NumPy array over the same memory. The memoryview between them is what pins the Buffer.
Ref array_of(PyObject* numpy, BufferObject* self) {
  const BufferView& view = live_view(self);
  if (view.format()) {
    const Ref memory = Ref::steal(checked(PyMemoryView_FromObject(as_object(self))));
    return call_method(numpy, "asarray", memory.get());
  }
  const Ref dtype = registered_dtype(numpy, view.dtype());
  const Ref carrier = Ref::steal(new_view(self, strideport::cast(view, carrier_of(view.itemsize()))));
  const Ref memory = Ref::steal(checked(PyMemoryView_FromObject(carrier.get())));
  const Ref plain = call_method(numpy, "asarray", memory.get());
  return call_method(plain.get(), "view", dtype.get());
}

/// np.array(array, dtype, copy=copy), by NumPy 2's meaning of copy: False never copies, None where it must.
Ref converted(PyObject* numpy, Ref array, PyObject* dtype, std::optional<bool> copy) {
  const bool same_type = dtype == nullptr || dtype == Py_None;
  if (same_type && !copy.value_or(false)) return array;
  const Ref make = Ref::steal(checked(PyObject_GetAttrString(numpy, copy.value_or(false) ? "array" : "asarray")));
  const Ref args = Ref::steal(checked(PyTuple_Pack(2, array.get(), same_type ? Py_None : dtype)));
  Ref result = Ref::steal(checked(PyObject_CallObject(make.get(), args.get())));
  if (copy == std::optional(false) && result.get() != array.get()) {
    raise(PyExc_ValueError, "copy=False, but the elements would have to be converted to %R", dtype);
  }
  return result;
}

}  // namespace

PyObject* array(BufferObject* self, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"dtype", "copy", nullptr};
  PyObject *dtype = nullptr, *copy = nullptr;
  parse_arguments(args, kwargs, "|OO:__array__", names, &dtype, &copy);
  const std::optional<bool> copying = parse_flag(copy, "copy");
  if (!live_view(self).device().host_accessible()) raise_device(live_view(self));
  const Ref numpy = Ref::steal(checked(PyImport_ImportModule("numpy")));
  return converted(numpy.get(), array_of(numpy.get(), self), dtype, copying).release();
}

}  // namespace strideport::python
