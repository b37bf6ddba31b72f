/// The entry to elements: by format where there is one, else by DType, else bytes.
#include "elements.hpp"

#include <cstring>
#include <string>

#include "call_adapters.hpp"
#include "scalars.hpp"

namespace strideport::python {
namespace {

PyObject* bytes_of(const std::byte* memory, int64_t size) {
  return checked(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(memory), static_cast<Py_ssize_t>(size)));
}

void copy_item(const FormatItem& item, std::byte* memory, const std::byte* packed) noexcept {
  const int64_t total = item.total_size();
  if (item.kind != ItemKind::structure) {
    std::memcpy(memory, packed, static_cast<size_t>(total));
    return;
  }
  for (int64_t base = 0; base < total; base += item.size) {
    for (const FormatField& field : item.fields) {
      const int64_t step = field.item.total_size();
      if (step == 0) continue;
      for (int64_t i = 0; i < field.repeat; ++i) {
        const int64_t at = base + field.offset + i * step;
        copy_item(field.item, memory + at, packed + at);
      }
    }
  }
}

/// The one value of a format such as "xi", which the struct module reads as that value and not as a tuple of it.
/// Null for all others: what is written T{...} stays a structure.
const FormatField* sole_field(const Format& format) noexcept {
  const FormatItem& item = format.item();
  if (item.kind != ItemKind::structure || item.fields.size() != 1 || !item.shape.empty()) return nullptr;
  const FormatField& field = item.fields.front();
  if (!field.name.empty() || field.repeat != 1) return nullptr;
  const std::string& text = format.text();
  const size_t first = text.find_first_not_of("@=<>!^ \t\n\r\f\v");
  return first != std::string::npos && text[first] == 'T' ? nullptr : &field;
}

template <class T>
PyObject* to_python(T value) {
  if constexpr (std::is_same_v<T, bool>) {
    return PyBool_FromLong(value ? 1 : 0);
  } else if constexpr (std::is_floating_point_v<T>) {
    return PyFloat_FromDouble(static_cast<double>(value));
  } else if constexpr (sizeof(T) < sizeof(long)) {
    return PyLong_FromLong(static_cast<long>(value));
  } else if constexpr (std::is_signed_v<T>) {
    return PyLong_FromLongLong(value);
  } else {
    return PyLong_FromUnsignedLongLong(value);
  }
}

}  // namespace

template <class T>
PyObject* ElementReader::read_native(const ElementReader&, const std::byte* memory) {
  if constexpr (std::is_same_v<T, bool>) {
    return to_python(*memory != std::byte{0});
  } else {
    T value;
    std::memcpy(&value, memory, sizeof(T));
    return checked(to_python(value));
  }
}

PyObject* ElementReader::read_item(const ElementReader& self, const std::byte* memory) {
  return unpack_item(self.view_.format().item(), memory);
}

PyObject* ElementReader::read_sole_field(const ElementReader& self, const std::byte* memory) {
  const FormatField& field = self.view_.format().item().fields.front();
  return unpack_item(field.item, memory + field.offset);
}

PyObject* ElementReader::read_dtype(const ElementReader& self, const std::byte* memory) {
  return unpack_dtype(self.view_.dtype(), memory);
}

PyObject* ElementReader::read_bytes(const ElementReader& self, const std::byte* memory) {
  return bytes_of(memory, self.view_.itemsize());
}

ElementReader::Read ElementReader::native_reader(const FormatItem& item) noexcept {
  if (!item.shape.empty() || (item.order != kNativeOrder && item.size > 1)) return &read_item;
  switch (item.kind) {
    case ItemKind::integer:
      switch (item.size) {
        case 1: return &read_native<int8_t>;
        case 2: return &read_native<int16_t>;
        case 4: return &read_native<int32_t>;
        case 8: return &read_native<int64_t>;
        default: return &read_item;
      }
    case ItemKind::unsigned_integer:
      switch (item.size) {
        case 1: return &read_native<uint8_t>;
        case 2: return &read_native<uint16_t>;
        case 4: return &read_native<uint32_t>;
        case 8: return &read_native<uint64_t>;
        default: return &read_item;
      }
    case ItemKind::floating:
      if (item.size == sizeof(float)) return &read_native<float>;
      return item.size == sizeof(double) ? &read_native<double> : &read_item;
    case ItemKind::boolean: return item.size == 1 ? &read_native<bool> : &read_item;
    default: return &read_item;
  }
}

ElementReader::ElementReader(const BufferView& view) noexcept : view_(view), read_(&read_bytes) {
  if (view.format()) {
    read_ = sole_field(view.format()) != nullptr ? &read_sole_field : native_reader(view.format().item());
  } else if (view.dtype()) {
    read_ = &read_dtype;
  }
}

int64_t value_count(const FormatItem& structure) {
  int64_t count = 0;
  for (const FormatField& field : structure.fields) {
    if (__builtin_add_overflow(count, field.repeat, &count)) {
      raise(PyExc_ValueError, "the format names more values than a tuple holds");
    }
  }
  return count;
}

bool makes_containers(const BufferView& view) noexcept {
  if (!view.format()) return view.dtype().lanes > 1;
  const FormatItem& item = view.format().item();
  return item.kind == ItemKind::structure || !item.shape.empty();
}

PyObject* unpack(const BufferView& view, const void* item) {
  return ElementReader(view)(static_cast<const std::byte*>(item));
}

void pack(const BufferView& view, void* item, PyObject* value) {
  auto* memory = static_cast<std::byte*>(item);
  if (view.format().has_references()) {
    raise(PyExc_TypeError, "format '%s' holds references: write through the object that owns them",
          view.format().text().c_str());
  }
  if (view.format()) {
    const FormatField* only = sole_field(view.format());
    if (only != nullptr) return pack_item(only->item, memory + only->offset, value);
    return pack_item(view.format().item(), memory, value);
  }
  if (view.dtype()) return pack_dtype(view.dtype(), memory, value);
  FormatItem opaque;
  opaque.kind = ItemKind::opaque;
  opaque.size = view.itemsize();
  pack_item(opaque, memory, value);
}

void commit_value(const BufferView& view, void* memory, const void* packed) noexcept {
  auto* to = static_cast<std::byte*>(memory);
  const auto* from = static_cast<const std::byte*>(packed);
  if (view.format()) return copy_item(view.format().item(), to, from);
  std::memcpy(to, from, static_cast<size_t>(view.itemsize()));
}

}  // namespace strideport::python
