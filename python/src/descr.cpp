/// An array interface's `descr`, in and out.
#include <span>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "errors.hpp"
#include "typestr.hpp"

namespace strideport::python {
namespace {

constexpr int kMaxNesting = 64;

std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ',';
    text += std::to_string(shape[i]);
  }
  text += ')';
  return text;
}

std::string format_of_fields(PyObject* descr, int depth);

/// `^` and the foreign prefixes add no alignment, so that fields lie where the list puts them.
std::string unaligned(std::string format) {
  const bool has_prefix = format[0] == '<' || format[0] == '>';
  if (!has_prefix) format.insert(format.begin(), '^');
  return format;
}

std::string_view text_of(PyObject* object, const char* what) {
  if (!PyUnicode_Check(object)) raise(PyExc_TypeError, "__array_interface__: %s must be a str, not %R", what, object);
  Py_ssize_t size = 0;
  const char* text = checked(PyUnicode_AsUTF8AndSize(object, &size));
  return {text, static_cast<size_t>(size)};
}

std::string field_name(PyObject* name) {
  if (PyTuple_Check(name) && PyTuple_Size(name) == 2) name = PyTuple_GetItem(name, 1);  // (title, name)
  std::string text(text_of(name, "the name of a field in descr"));
  if (text.find(':') != std::string::npos) {
    throw InvalidArgument("__array_interface__: PEP 3118 cannot spell a field name with a colon, '" + text + "'");
  }
  return text;
}

std::string field_shape(PyObject* field) {
  if (PyTuple_Size(field) < 3) return "";
  PyObject* shape = PyTuple_GetItem(field, 2);
  if (PyTuple_Check(shape) && PyTuple_Size(shape) == 0) return "";
  const std::vector<int64_t> extents = parse_ints(shape, "the shape of a field in descr");
  return shape_text(extents);
}

std::string format_of_field(PyObject* field, int depth) {
  if (!PyTuple_Check(field) || PyTuple_Size(field) < 2 || PyTuple_Size(field) > 3) {
    raise(PyExc_ValueError, "__array_interface__: a field of descr is (name, typestr[, shape]), not %R", field);
  }
  const Ref keep = Ref::borrow(field);
  const std::string name = field_name(PyTuple_GetItem(field, 0));
  PyObject* type = PyTuple_GetItem(field, 1);
  const std::string text = PyList_Check(type) ? format_of_fields(type, depth + 1)
                                              : unaligned(format_of_typestr(text_of(type, "a typestr in descr")));
  const std::string format = field_shape(field) + text;
  return name.empty() ? format : format + ":" + name + ":";
}

std::string format_of_fields(PyObject* descr, int depth) {
  if (depth > kMaxNesting) throw InvalidArgument("__array_interface__: descr nests deeper than 64");
  std::string format = "T{";
  const Ref fields = Ref::steal(checked(PyList_AsTuple(descr)));
  for (Py_ssize_t i = 0; i < PyTuple_Size(fields.get()); ++i) {
    format += format_of_field(PyTuple_GetItem(fields.get(), i), depth);
  }
  return format + "}";
}

}  // namespace

std::string format_of_descr(PyObject* descr) {
  if (!PyList_Check(descr)) raise(PyExc_TypeError, "__array_interface__: descr must be a list, not %R", descr);
  return format_of_fields(descr, 1);
}

namespace {

void append(PyObject* list, Ref item) {
  if (PyList_Append(list, item.get()) != 0) throw PythonError{};
}

void append_padding(PyObject* list, int64_t bytes) {
  if (bytes <= 0) return;
  append(list, Ref::steal(checked(Py_BuildValue("(ss)", "", ("|V" + std::to_string(bytes)).c_str()))));
}

/// The second entry of a field: a typestr, or the fields of a structure. Null where neither says it.
Ref type_of(const FormatItem& item) {
  if (item.kind == ItemKind::structure) return descr_of(item);
  FormatItem scalar = item;
  scalar.shape.clear();
  const std::optional<std::string> text = typestr_of(scalar);
  return text ? Ref::steal(checked(PyUnicode_FromString(text->c_str()))) : Ref();
}

/// One field as a tuple; null where the array interface has no word for it.
Ref descr_of_field(const FormatField& field, size_t position) {
  const Ref type = type_of(field.item);
  if (!type) return {};
  // An empty name means padding in a descr, so a field without one gets NumPy's default.
  const std::string name = field.name.empty() ? std::string("f").append(std::to_string(position)) : field.name;
  std::vector<int64_t> shape = field.item.shape;
  if (field.repeat != 1) shape.insert(shape.begin(), field.repeat);
  if (shape.empty()) return Ref::steal(checked(Py_BuildValue("(sO)", name.c_str(), type.get())));
  return Ref::steal(checked(Py_BuildValue("(sOO)", name.c_str(), type.get(), tuple_of(shape).get())));
}

Ref descr_of_scalar(const FormatItem& item) {
  const Ref type = type_of(item);
  if (!type) return {};
  Ref list = Ref::steal(checked(PyList_New(0)));
  const Ref empty = Ref::steal(checked(PyUnicode_FromString("")));
  if (item.shape.empty()) {
    append(list.get(), Ref::steal(checked(PyTuple_Pack(2, empty.get(), type.get()))));
  } else {
    append(list.get(), Ref::steal(checked(PyTuple_Pack(3, empty.get(), type.get(), tuple_of(item.shape).get()))));
  }
  return list;
}

}  // namespace

Ref descr_of(const FormatItem& item) {
  if (item.kind != ItemKind::structure) return descr_of_scalar(item);
  Ref list = Ref::steal(checked(PyList_New(0)));
  int64_t end = 0;
  for (size_t i = 0; i < item.fields.size(); ++i) {
    const FormatField& field = item.fields[i];
    Ref tuple = descr_of_field(field, i);
    if (!tuple) return {};
    append_padding(list.get(), field.offset - end);
    append(list.get(), std::move(tuple));
    end = field.offset + field.repeat * field.item.total_size();
  }
  append_padding(list.get(), item.size - end);
  return list;
}

}  // namespace strideport::python
