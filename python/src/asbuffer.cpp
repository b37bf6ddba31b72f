/// Imports any object through the first protocol that works. The order, and what sends us on, is here and nowhere else.
#include <string>
#include <vector>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "error_value.hpp"
#include "errors.hpp"
#include "imports.hpp"
#include "newer_python.hpp"
#include "object.hpp"
#include "producer_types.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

struct Attempt {
  const char* name;
  PyObject* (*import)(ModuleState*, PyObject*, Writable);
  bool last_resort;  // for objects with the buffer protocol alone, whose refusal has told the user everything
};

constexpr Attempt kBufferProtocol = {"buffer protocol", import_pybuffer, false};
constexpr Attempt kOthers[] = {
    {"__dlpack__", import_dlpack_object, false},
    {"__cuda_array_interface__", import_cuda_array_interface, false},
    {"__array_struct__", import_array_struct, false},
    {"__array_interface__", import_array_interface, false},
    {"buffer protocol without a format", import_pybuffer_untyped, true},
};

/// What each protocol that an object offers said against it.
class Refusals {
 public:
  /// True if it is certain that other protocols would have known the type.
  bool has_several() const noexcept { return errors_.size() > 1; }

  /// Takes the error that is set. Throws PythonError where it is none that another protocol could mend: once there is a
  /// refusal, what merely fails after it is one more (torch's `__cuda_array_interface__` of sparse tensors).
  void add(const Attempt& attempt) {
    const bool refused = PyErr_ExceptionMatches(PyExc_BufferError) || PyErr_ExceptionMatches(PyExc_ValueError);
    if (!refused && (errors_.empty() || !is_plain_failure())) throw PythonError{};
    Ref error = take_error();
    if (attempt.last_resort) return;
    names_.push_back(attempt.name);
    errors_.push_back(std::move(error));
  }

  [[noreturn]] void raise_for(PyObject* object) {
    if (errors_.empty()) {
      raise(PyExc_TypeError,
            "'%.200s' offers no memory: it has no buffer protocol, __dlpack__, __cuda_array_interface__, "
            "__array_struct__ or __array_interface__",
            type_name(object).c_str());
    }
    if (errors_.size() > 1) raise_all(object);
    set_error(errors_.front());
    throw PythonError{};
  }

 private:
  [[noreturn]] void raise_all(PyObject* object) {
    std::string message = "no protocol of '" + type_name(object) + "' gives its memory: ";
    for (size_t i = 0; i < errors_.size(); ++i) {
      const Ref text = Ref::steal(PyObject_Str(errors_[i].get()));
      const char* utf8 = text ? PyUnicode_AsUTF8AndSize(text.get(), nullptr) : nullptr;
      if (utf8 == nullptr) PyErr_Clear();
      message += std::string(i == 0 ? "" : "; ") + names_[i] + ": " + type_name(errors_[i].get()) + ": " +
                 (utf8 == nullptr ? "?" : utf8);
    }
    // The first protocol is memoryview's, so its kind of error is what a user of memoryview expects.
    const bool value_error = PyObject_IsInstance(errors_.front().get(), PyExc_ValueError) == 1;
    PyErr_SetString(value_error ? PyExc_ValueError : PyExc_BufferError, message.c_str());
    const Ref raised = take_error();
    PyException_SetCause(raised.get(), errors_.front().release());
    set_error(raised);
    throw PythonError{};
  }

  std::vector<const char*> names_;
  std::vector<Ref> errors_;
};

[[noreturn]] void raise_read_only(PyObject* object) {
  raise(PyExc_BufferError, "the memory of '%.200s' is read-only, but writable=True was asked: copy it first",
        type_name(object).c_str());
}

PyObject* import_own(BufferObject* self, Writable writable) {
  const BufferView& view = live_view(self);
  if (writable == Writable::required && view.readonly()) throw ReadOnlyMemory{};
  return new_view(self, writable == Writable::refused ? strideport::toreadonly(view) : view);
}

/// The other protocols, where there is no buffer protocol or its answer, the error that is set, was a refusal.
[[gnu::noinline]] PyObject* import_otherwise(ModuleState* state, PyObject* object, Writable writable, bool refused) {
  Refusals refusals;
  if (refused) refusals.add(kBufferProtocol);
  for (const Attempt& attempt : kOthers) {
    if (attempt.last_resort && refusals.has_several()) continue;
    try {
      if (PyObject* buffer = attempt.import(state, object, writable)) return buffer;
    } catch (const ReadOnlyMemory&) {
      throw;
    } catch (...) {
      set_error_from_exception();
      refusals.add(attempt);
    }
  }
  refusals.raise_for(object);
}

PyObject* import_foreign(ModuleState* state, PyObject* object, Writable writable) {
  bool refused = false;
  try {
    if (PyObject* buffer = import_pybuffer(state, object, writable)) return buffer;
  } catch (const ReadOnlyMemory&) {
    throw;
  } catch (...) {
    set_error_from_exception();
    refused = true;
  }
  return import_otherwise(state, object, writable, refused);
}

}  // namespace

Ref find_attribute(PyObject* object, const char* name) {
  return find_attribute(object, Ref::steal(checked(PyUnicode_FromString(name))));
}

Ref find_attribute(PyObject* object, const Ref& name) {
  return PyType_Check(object) ? Ref() : optional_attribute(object, name.get());
}

PyObject* finish_import(Ref root, BufferView view, Writable writable) {
  if (writable == Writable::required && view.readonly()) throw ReadOnlyMemory{};
  BufferObject* self = as_buffer(root.get());
  self->view = writable == Writable::refused ? strideport::toreadonly(view) : std::move(view);
  return root.release();
}

PyObject* import_object(ModuleState* state, PyObject* object, Writable writable) {
  try {
    if (Py_TYPE(object) == state->buffer_type) return import_own(as_buffer(object), writable);
    return import_foreign(state, object, writable);
  } catch (const ReadOnlyMemory&) {
    raise_read_only(object);
  }
}

PyObject* import_or_null(ModuleState* state, PyObject* object) noexcept {
  return guarded(kNoObject, [&] { return import_object(state, object, Writable::any); });
}

}  // namespace strideport::python
