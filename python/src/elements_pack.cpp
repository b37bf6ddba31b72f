/// From a Python value to one element of any format.
#include <cstring>
#include <span>
#include <string>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "elements.hpp"
#include "scalars.hpp"
#include "small_float.hpp"

namespace strideport::python {
namespace {

ElementName name_of(const FormatItem& item) { return {&item, {}}; }
std::string label(const FormatItem& item) { return name_of(item).text(); }

void pack_floating(const FormatItem& item, std::byte* memory, int64_t size, double value) {
  switch (size) {
    case 2: {
      const std::optional<uint32_t> bits = kHalf.encode(value);
      if (!bits) raise(PyExc_ValueError, "value out of range: %s takes -65504 to 65504", label(item).c_str());
      return store_unsigned(memory, 2, item.order, *bits);
    }
    case 4: return store(memory, item.order, static_cast<float>(value));
    case 8: return store(memory, item.order, value);
    case sizeof(long double) == 8 ? 0:
      sizeof(long double) : return store(memory, item.order, static_cast<long double>(value));
    default:
      raise(PyExc_NotImplementedError, "%s of %lld bytes cannot be written", label(item).c_str(),
            static_cast<long long>(size));
  }
}

void pack_complex(const FormatItem& item, std::byte* memory, PyObject* value) {
  if (PyUnicode_Check(value) != 0) {
    raise(PyExc_TypeError, "%s takes a complex number, not str", label(item).c_str());
  }
  PyObject* complex_type = reinterpret_cast<PyObject*>(&PyComplex_Type);
  const Ref number = Ref::steal(PyObject_CallFunctionObjArgs(complex_type, value, nullptr));
  if (!number) fail_conversion(value, name_of(item), "a complex number");
  const int64_t half = item.size / 2;
  pack_floating(item, memory, half, PyComplex_RealAsDouble(number.get()));
  pack_floating(item, memory + half, half, PyComplex_ImagAsDouble(number.get()));
}

/// The bytes of a bytes or bytearray object; nothing foreign runs between this and their use.
std::span<const std::byte> bytes_in(const FormatItem& item, PyObject* value, bool exact) {
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (PyBytes_Check(value) != 0) {
    if (PyBytes_AsStringAndSize(value, &data, &size) < 0) throw PythonError{};
  } else if (!exact && PyByteArray_Check(value) != 0) {
    data = PyByteArray_AsString(value);
    size = PyByteArray_Size(value);
  } else {
    const std::string name = type_name(value);
    raise(PyExc_TypeError, "%s takes bytes, not %s", label(item).c_str(), name.c_str());
  }
  return {reinterpret_cast<const std::byte*>(data), static_cast<size_t>(size)};
}

void pack_bytes(const FormatItem& item, std::byte* memory, PyObject* value) {
  const bool exact = item.kind == ItemKind::character || item.kind == ItemKind::opaque;
  const bool pascal = item.kind == ItemKind::pascal;
  const std::span<const std::byte> source = bytes_in(item, value, item.kind == ItemKind::character);
  const int64_t room = pascal ? (item.size < 256 ? item.size - 1 : 255) : item.size;
  const auto size = static_cast<int64_t>(source.size());
  if (exact ? size != room : size > room) {
    raise(PyExc_ValueError, "%s takes %s%lld bytes, not %lld", label(item).c_str(), exact ? "" : "at most ",
          static_cast<long long>(room), static_cast<long long>(size));
  }
  if (item.size == 0) return;
  std::memset(memory, 0, static_cast<size_t>(item.size));
  if (pascal) memory[0] = static_cast<std::byte>(size);
  if (size > 0) std::memcpy(memory + (pascal ? 1 : 0), source.data(), source.size());
}

void pack_text(const FormatItem& item, std::byte* memory, PyObject* value) {
  const std::string what = label(item);
  if (PyUnicode_Check(value) == 0) {
    const std::string name = type_name(value);
    raise(PyExc_TypeError, "%s takes str, not %s", what.c_str(), name.c_str());
  }
  const bool narrow = item.count > 0 && item.size / item.count == 2;
  const bool big = item.order == ByteOrder::big;
  const char* encoding = narrow ? (big ? "utf-16-be" : "utf-16-le") : (big ? "utf-32-be" : "utf-32-le");
  const Ref encoded = Ref::steal(checked(PyUnicode_AsEncodedString(value, encoding, "surrogatepass")));
  const auto size = static_cast<int64_t>(PyBytes_Size(encoded.get()));
  if (size > item.size) {
    const int unit = narrow ? 2 : 4;
    raise(PyExc_ValueError, "%s takes at most %lld code units, not %lld", what.c_str(),
          static_cast<long long>(item.size / unit), static_cast<long long>(size / unit));
  }
  std::memset(memory, 0, static_cast<size_t>(item.size));
  std::memcpy(memory, PyBytes_AsString(encoded.get()), static_cast<size_t>(size));
}

void pack_structure(const FormatItem& item, std::byte* memory, PyObject* value) {
  if (PyTuple_Check(value) == 0) {
    const std::string name = type_name(value);
    raise(PyExc_TypeError, "a structure takes a tuple, not %s", name.c_str());
  }
  const int64_t count = value_count(item);
  if (count != PyTuple_Size(value)) {
    raise(PyExc_ValueError, "a structure of %lld values takes a tuple of as many, not of %zd",
          static_cast<long long>(count), PyTuple_Size(value));
  }
  Py_ssize_t position = 0;
  for (const FormatField& field : item.fields) {
    const int64_t step = field.item.total_size();
    for (int64_t i = 0; i < field.repeat; ++i) {
      pack_item(field.item, memory + field.offset + i * step, PyTuple_GetItem(value, position++));
    }
  }
}

void pack_integer(const FormatItem& item, std::byte* memory, PyObject* value) {
  const int bits = item.kind == ItemKind::bits ? static_cast<int>(item.count) : static_cast<int>(8 * item.size);
  if (item.size > 8) raise(PyExc_NotImplementedError, "%s over 64 bits cannot be written", label(item).c_str());
  const uint64_t number = item.kind == ItemKind::integer ? static_cast<uint64_t>(to_signed(value, bits, name_of(item)))
                                                         : to_unsigned(value, bits, name_of(item));
  store_unsigned(memory, item.size, item.order, number);
}

void pack_pointer(const FormatItem& item, std::byte* memory, PyObject* value) {
  const void* pointer = PyLong_AsVoidPtr(value);
  if (pointer == nullptr && PyErr_Occurred() != nullptr) {
    fail_conversion(value, name_of(item), "an address as an integer");
  }
  store_unsigned(memory, item.size, item.order, reinterpret_cast<uintptr_t>(pointer));
}

void pack_one(const FormatItem& item, std::byte* memory, PyObject* value) {
  switch (item.kind) {
    case ItemKind::integer:
    case ItemKind::unsigned_integer:
    case ItemKind::bits: return pack_integer(item, memory, value);
    case ItemKind::pointer:
    case ItemKind::function: return pack_pointer(item, memory, value);
    case ItemKind::boolean: {
      const int truth = PyObject_IsTrue(value);
      if (truth < 0) throw PythonError{};
      return store_unsigned(memory, item.size, item.order, truth != 0 ? 1 : 0);
    }
    case ItemKind::floating: return pack_floating(item, memory, item.size, to_double(value, name_of(item)));
    case ItemKind::complex: return pack_complex(item, memory, value);
    case ItemKind::character:
    case ItemKind::bytes:
    case ItemKind::pascal:
    case ItemKind::opaque: return pack_bytes(item, memory, value);
    case ItemKind::text: return pack_text(item, memory, value);
    case ItemKind::structure: return pack_structure(item, memory, value);
    case ItemKind::object: break;
  }
  raise(PyExc_TypeError, "format 'O' holds references: write through the object that owns them");
}

void pack_array(const FormatItem& item, std::span<const int64_t> shape, std::byte* memory, PyObject* value) {
  if (shape.empty()) return pack_one(item, memory, value);
  if (PyList_Check(value) == 0 && PyTuple_Check(value) == 0) {
    const std::string name = type_name(value);
    raise(PyExc_TypeError, "a sub-array takes a list or tuple, not %s", name.c_str());
  }
  const Ref values = Ref::steal(checked(PySequence_Tuple(value)));  // a list could change under us
  if (PyTuple_Size(values.get()) != shape[0]) {
    raise(PyExc_ValueError, "a sub-array of extent %lld takes as many values, not %zd",
          static_cast<long long>(shape[0]), PyTuple_Size(values.get()));
  }
  int64_t step = item.size;
  for (const int64_t extent : shape.subspan(1)) step *= extent;
  for (int64_t i = 0; i < shape[0]; ++i) {
    pack_array(item, shape.subspan(1), memory + i * step, PyTuple_GetItem(values.get(), static_cast<Py_ssize_t>(i)));
  }
}

}  // namespace

void pack_item(const FormatItem& item, std::byte* memory, PyObject* value) {
  pack_array(item, item.shape, memory, value);
}

}  // namespace strideport::python
