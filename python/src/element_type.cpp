/// Element types as users give them: names, typestrs, formats, and the dtype objects of other libraries.
#include <atomic>
#include <string>
#include <string_view>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "element_type.hpp"
#include "errors.hpp"
#include "typestr.hpp"

namespace strideport::python {
namespace {

ElementType of_format(const std::string& text) {
  Format format = Format::parse(text);
  const DType dtype = format.dtype();
  return {dtype, std::move(format)};
}

/// A text that is not even a format without fields: nothing but white space and prefixes.
bool says_nothing(std::string_view text) noexcept { return text.find_first_not_of("@=<>!^ \t\n\r\f\v") == text.npos; }

/// Names begin with a small letter and have more: of formats, which most calls give, `parse_dtype` would make an
/// exception.
bool may_be_name(std::string_view text) noexcept { return text.size() > 1 && text[0] >= 'a' && text[0] <= 'z'; }

/// For messages: the head of a long text, with escapes for what would end or garble them.
std::string shown(std::string_view text) {
  constexpr size_t kShown = 60;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string result;
  for (const char c : text.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      result += c;
    } else {
      result.append("\\x").append(1, kDigits[byte / 16]).append(1, kDigits[byte % 16]);
    }
  }
  return text.size() > kShown ? result + "..." : result;
}

Ref optional_text(const std::string* text) {
  return text == nullptr ? Ref::borrow(Py_None) : Ref::steal(checked(PyUnicode_FromString(text->c_str())));
}

}  // namespace

PyObject* dtype_class(ModuleState* state) {
  std::atomic_ref<PyObject*> known(state->dtype_class);
  if (PyObject* const found = known.load(std::memory_order_acquire)) return found;
  const Ref module = Ref::steal(checked(PyImport_ImportModule("strideport._dtype")));
  Ref imported = Ref::steal(checked(PyObject_GetAttrString(module.get(), "DType")));
  PyObject* first = nullptr;  // the import ran Python, and another thread
  if (known.compare_exchange_strong(first, imported.get())) return imported.release();
  return first;
}

ElementType element_type_of(std::string_view text) {
  try {
    if (may_be_name(text)) {
      if (const DType dtype = parse_dtype(text)) return {dtype, Format::of(dtype)};
    }
  } catch (const InvalidArgument&) {
  }
  try {
    if (says_nothing(text)) throw InvalidArgument("it is empty");
    if (const std::optional<TypeString> type = parse_typestr(text)) return of_format(format_of(*type));
    return of_format(std::string(text));
  } catch (const InvalidArgument& error) {
    throw InvalidArgument("'" + shown(text) + "' is neither the name of an element type nor a format: " + error.what());
  }
}

ElementType parse_element_type(ModuleState* state, PyObject* object) {
  if (PyUnicode_Check(object)) return element_type_of(parse_text(object, "dtype"));
  const Ref dtype = Ref::steal(checked(PyObject_CallFunctionObjArgs(dtype_class(state), object, nullptr)));
  return element_type_of(parse_text(dtype.get(), "dtype"));
}

PyObject* describe_element_type(ModuleState*, PyObject* text) {
  const ElementType type = element_type_of(parse_text(text, "dtype"));
  const bool named = static_cast<bool>(type.dtype);
  const std::string name = named ? to_string(type.dtype) : type.format.canonical();
  const Ref format = optional_text(type.format ? &type.format.text() : nullptr);
  const Ref code =
      named ? Ref::steal(checked(PyLong_FromLong(static_cast<long>(type.dtype.code)))) : Ref::borrow(Py_None);
  return checked(Py_BuildValue("(sOiiLO)", name.c_str(), code.get(), named ? int{type.dtype.bits} : 0,
                               named ? int{type.dtype.lanes} : 0, static_cast<long long>(type.itemsize()),
                               format.get()));
}

}  // namespace strideport::python
