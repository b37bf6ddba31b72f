/// Elements that DLPack can name and PEP 3118 cannot: bfloat16, the small floats, integers of odd widths, lanes.
///
/// Lanes lie one after another from the lowest bit of the lowest byte on, as DLPack packs types under a byte.
#include <string>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "elements.hpp"
#include "scalars.hpp"
#include "small_float.hpp"

namespace strideport::python {
namespace {

DType lane_of(DType dtype) noexcept { return {dtype.code, dtype.bits, 1}; }

uint64_t load_bits(const std::byte* memory, int64_t first_bit, int bits) noexcept {
  uint64_t result = 0;
  for (int i = 0; i < bits; ++i) {
    const int64_t bit = first_bit + i;
    const auto set = static_cast<uint64_t>((memory[bit / 8] >> (bit % 8)) & std::byte{1});
    result |= set << i;
  }
  return result;
}

void store_bits(std::byte* memory, int64_t first_bit, int bits, uint64_t value) noexcept {
  for (int i = 0; i < bits; ++i) {
    const int64_t bit = first_bit + i;
    const std::byte mask = std::byte{1} << (bit % 8);
    memory[bit / 8] = ((value >> i) & 1) != 0 ? memory[bit / 8] | mask : memory[bit / 8] & ~mask;
  }
}

/// A lane as a format item, for the codes that a PEP 3118 format has, of whole bytes.
std::optional<FormatItem> item_of(DType lane) {
  FormatItem item;
  item.size = lane.itemsize();
  item.code = '?';
  if (lane.bits % 8 != 0) return std::nullopt;
  switch (lane.code) {
    case TypeCode::integer: item.kind = ItemKind::integer; break;
    case TypeCode::unsigned_integer: item.kind = ItemKind::unsigned_integer; break;
    case TypeCode::boolean: item.kind = ItemKind::boolean; break;
    case TypeCode::floating: item.kind = ItemKind::floating; break;
    case TypeCode::complex: item.kind = ItemKind::complex; break;
    case TypeCode::opaque_handle: item.kind = ItemKind::pointer; break;
    default: return std::nullopt;
  }
  const Format format = Format::of(lane);
  if (format) item.code = format.item().code;
  return item;
}

PyObject* unpack_lane(DType lane, const std::byte* memory, int64_t first_bit) {
  if (const std::optional<SmallFloat> type = small_float_of(lane)) {
    return checked(PyFloat_FromDouble(type->decode(static_cast<uint32_t>(load_bits(memory, first_bit, lane.bits)))));
  }
  if (const std::optional<FormatItem> item = item_of(lane)) return unpack_item(*item, memory + first_bit / 8);
  if (lane.bits <= 64) {
    const uint64_t bits = load_bits(memory, first_bit, lane.bits);
    if (lane.code == TypeCode::integer) return checked(PyLong_FromLongLong(sign_extend(bits, lane.bits)));
    if (lane.code == TypeCode::boolean) return PyBool_FromLong(bits != 0 ? 1 : 0);
    if (lane.code == TypeCode::unsigned_integer) return checked(PyLong_FromUnsignedLongLong(bits));
  }
  raise(PyExc_NotImplementedError, "no Python value for an element of type %s", to_string(lane).c_str());
}

void pack_bits(DType lane, std::byte* memory, int64_t first_bit, PyObject* value) {
  const ElementName name{nullptr, lane};
  uint64_t bits = 0;
  if (lane.code == TypeCode::integer) {
    bits = static_cast<uint64_t>(to_signed(value, lane.bits, name));
  } else if (lane.code == TypeCode::unsigned_integer) {
    bits = to_unsigned(value, lane.bits, name);
  } else if (lane.code == TypeCode::boolean) {
    const int truth = PyObject_IsTrue(value);
    if (truth < 0) throw PythonError{};
    bits = truth != 0 ? 1 : 0;
  } else {
    raise(PyExc_NotImplementedError, "an element of type %s cannot be written", name.text().c_str());
  }
  store_bits(memory, first_bit, lane.bits, bits);
}

void pack_lane(DType lane, std::byte* memory, int64_t first_bit, PyObject* value) {
  if (const std::optional<SmallFloat> type = small_float_of(lane)) {
    const double number = to_double(value, ElementName{nullptr, lane});
    const std::optional<uint32_t> bits = type->encode(number);
    if (!bits) {
      const Ref text = Ref::steal(checked(PyFloat_FromDouble(number)));
      raise(PyExc_ValueError, "%s has no value for %R", to_string(lane).c_str(), text.get());
    }
    return store_bits(memory, first_bit, lane.bits, *bits);
  }
  if (const std::optional<FormatItem> item = item_of(lane)) return pack_item(*item, memory + first_bit / 8, value);
  if (lane.bits > 64) {
    raise(PyExc_NotImplementedError, "an element of type %s cannot be written", to_string(lane).c_str());
  }
  pack_bits(lane, memory, first_bit, value);
}

}  // namespace

PyObject* unpack_dtype(DType dtype, const std::byte* memory) {
  const DType lane = lane_of(dtype);
  if (dtype.lanes == 1) return unpack_lane(lane, memory, 0);
  Ref list = Ref::steal(checked(PyList_New(dtype.lanes)));
  for (int i = 0; i < dtype.lanes; ++i) {
    PyObject* value = unpack_lane(lane, memory, int64_t{i} * lane.bits);
    if (PyList_SetItem(list.get(), i, value) < 0) throw PythonError{};
  }
  return list.release();
}

void pack_dtype(DType dtype, std::byte* memory, PyObject* value) {
  const DType lane = lane_of(dtype);
  if (dtype.lanes == 1) return pack_lane(lane, memory, 0, value);
  if (PyList_Check(value) == 0 && PyTuple_Check(value) == 0) {
    const std::string name = type_name(value);
    raise(PyExc_TypeError, "%s takes a list or tuple, not %s", to_string(dtype).c_str(), name.c_str());
  }
  const Ref values = Ref::steal(checked(PySequence_Tuple(value)));
  if (PyTuple_Size(values.get()) != dtype.lanes) {
    raise(PyExc_ValueError, "%s takes %d values, not %zd", to_string(dtype).c_str(), int{dtype.lanes},
          PyTuple_Size(values.get()));
  }
  for (int i = 0; i < dtype.lanes; ++i) {
    pack_lane(lane, memory, int64_t{i} * lane.bits, PyTuple_GetItem(values.get(), i));
  }
}

}  // namespace strideport::python
