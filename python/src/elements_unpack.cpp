/// From one element of any format to a Python value.
#include <cmath>
#include <span>
#include <string>

#include "call_adapters.hpp"
#include "elements.hpp"
#include "ref.hpp"
#include "scalars.hpp"
#include "small_float.hpp"

namespace strideport::python {
namespace {

PyObject* unpack_bytes(const std::byte* memory, int64_t size) {
  return checked(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(memory), static_cast<Py_ssize_t>(size)));
}

double read_floating(const std::byte* memory, int64_t size, ByteOrder order, const char* code) {
  switch (size) {
    case 2: return kHalf.decode(static_cast<uint32_t>(load_unsigned(memory, 2, order)));
    case 4: return static_cast<double>(load<float>(memory, order));
    case 8: return load<double>(memory, order);
    case sizeof(long double) == 8 ? 0:
      sizeof(long double) : return static_cast<double>(load<long double>(memory, order));
    default:
      raise(PyExc_NotImplementedError, "no Python value for a float of %lld bytes (format '%s')",
            static_cast<long long>(size), code);
  }
}

/// An integer of any width, sign ignored.
PyObject* unpack_wide(const std::byte* memory, int64_t size, ByteOrder order) {
  if (size <= 8) return checked(PyLong_FromUnsignedLongLong(load_unsigned(memory, size, order)));
  const Ref bytes = Ref::steal(unpack_bytes(memory, size));
  return checked(PyObject_CallMethod(reinterpret_cast<PyObject*>(&PyLong_Type), "from_bytes", "Os", bytes.get(),
                                     order == ByteOrder::big ? "big" : "little"));
}

PyObject* unpack_text(const FormatItem& item, const std::byte* memory) {
  int order = item.order == ByteOrder::big ? 1 : -1;  // explicit, so that no byte-order mark is looked for
  const auto* data = reinterpret_cast<const char*>(memory);
  const auto size = static_cast<Py_ssize_t>(item.size);
  const bool narrow = item.count > 0 && item.size / item.count == 2;
  return checked(narrow ? PyUnicode_DecodeUTF16(data, size, "surrogatepass", &order)
                        : PyUnicode_DecodeUTF32(data, size, "surrogatepass", &order));
}

PyObject* unpack_pascal(const FormatItem& item, const std::byte* memory) {
  if (item.size == 0) return unpack_bytes(memory, 0);
  const auto length = static_cast<int64_t>(memory[0]);
  return unpack_bytes(memory + 1, length < item.size ? length : item.size - 1);
}

PyObject* unpack_reference(const std::byte* memory) {
  PyObject* object = nullptr;
  std::memcpy(&object, memory, sizeof(object));
  return Py_NewRef(object != nullptr ? object : Py_None);
}

PyObject* unpack_structure(const FormatItem& item, const std::byte* memory) {
  const int64_t count = value_count(item);
  Ref tuple = Ref::steal(checked(PyTuple_New(static_cast<Py_ssize_t>(count))));
  Py_ssize_t position = 0;
  for (const FormatField& field : item.fields) {
    const int64_t step = field.item.total_size();
    for (int64_t i = 0; i < field.repeat; ++i) {
      PyObject* value = unpack_item(field.item, memory + field.offset + i * step);
      if (PyTuple_SetItem(tuple.get(), position++, value) < 0) throw PythonError{};
    }
  }
  return tuple.release();
}

PyObject* unpack_one(const FormatItem& item, const std::byte* memory) {
  const char code[] = {item.code, 0};
  switch (item.kind) {
    case ItemKind::integer:
      return checked(PyLong_FromLongLong(
          sign_extend(load_unsigned(memory, item.size, item.order), static_cast<int>(8 * item.size))));
    case ItemKind::unsigned_integer:
    case ItemKind::pointer:
    case ItemKind::function:
    case ItemKind::bits: return unpack_wide(memory, item.size, item.order);
    case ItemKind::boolean: return PyBool_FromLong(load_unsigned(memory, item.size, item.order) != 0 ? 1 : 0);
    case ItemKind::floating: return checked(PyFloat_FromDouble(read_floating(memory, item.size, item.order, code)));
    case ItemKind::complex: {
      const int64_t half = item.size / 2;
      return checked(PyComplex_FromDoubles(read_floating(memory, half, item.order, code),
                                           read_floating(memory + half, half, item.order, code)));
    }
    case ItemKind::character:
    case ItemKind::bytes:
    case ItemKind::opaque: return unpack_bytes(memory, item.size);
    case ItemKind::pascal: return unpack_pascal(item, memory);
    case ItemKind::text: return unpack_text(item, memory);
    case ItemKind::object: return unpack_reference(memory);
    case ItemKind::structure: return unpack_structure(item, memory);
  }
  raise(PyExc_NotImplementedError, "no Python value for format '%s'", code);
}

PyObject* unpack_array(const FormatItem& item, std::span<const int64_t> shape, const std::byte* memory) {
  if (shape.empty()) return unpack_one(item, memory);
  int64_t step = item.size;
  for (const int64_t extent : shape.subspan(1)) step *= extent;
  Ref list = Ref::steal(checked(PyList_New(static_cast<Py_ssize_t>(shape[0]))));
  for (int64_t i = 0; i < shape[0]; ++i) {
    PyObject* value = unpack_array(item, shape.subspan(1), memory + i * step);
    if (PyList_SetItem(list.get(), static_cast<Py_ssize_t>(i), value) < 0) throw PythonError{};
  }
  return list.release();
}

}  // namespace

PyObject* unpack_item(const FormatItem& item, const std::byte* memory) {
  return unpack_array(item, item.shape, memory);
}

}  // namespace strideport::python
