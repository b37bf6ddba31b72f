/// NumPy's typestr ("<f4", "|V8") and PEP 3118 formats, each turned into the other.
#pragma once

#include <Python.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "methods.hpp"
#include "ref.hpp"

namespace strideport::python {

/// A typestr in its parts. `order` is '<', '>' or '|'; `size` is what follows the letter: characters for 'U', bytes
/// for every other kind.
struct TypeString {
  char order = '|';
  char kind = 'V';
  int64_t size = 0;
  int64_t itemsize() const noexcept { return kind == 'U' ? 4 * size : size; }
};

/// Nothing where the text is no typestr at all. The unit of a datetime ("<M8[ns]") is read over.
std::optional<TypeString> parse_typestr(std::string_view text);

/// The format of the same elements. datetime64 and timedelta64 are the int64 that they store; PEP 3118 has no more.
/// Throws: InvalidArgument for a size that its kind does not have.
std::string format_of(const TypeString& type);

/// Throws: InvalidArgument for a text that is no typestr.
std::string format_of_typestr(std::string_view text);

/// The format of an array interface's `descr`: a list of (name, typestr[, shape]); fields follow each other without
/// padding but for what the list itself names. Throws PythonError, InvalidArgument.
std::string format_of_descr(PyObject* descr);

/// The other way: "|V8" for structures. Nothing where NumPy has no such type.
std::optional<std::string> typestr_of(const FormatItem& item);

/// [("", typestr)] for scalars; a list with every field and all padding for a structure. Null where the array
/// interface cannot say it. Throws PythonError.
Ref descr_of(const FormatItem& item);

}  // namespace strideport::python
