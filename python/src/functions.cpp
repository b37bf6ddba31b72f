/// The table of the module's functions, and the last step of its import.
#include "functions.hpp"

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "element_type.hpp"
#include "function_docs.hpp"
#include "function_docs_making.hpp"
#include "methods.hpp"
#include "object.hpp"

namespace strideport::python {
namespace {

constexpr int kKeywords = METH_VARARGS | METH_KEYWORDS;

Writable parse_writable(PyObject* object) {
  const std::optional<bool> flag = parse_flag(object, "writable");
  return !flag ? Writable::any : *flag ? Writable::required : Writable::refused;
}

[[gnu::noinline]] PyObject* asbuffer_with_keywords(PyObject* module, PyObject* const* args, Py_ssize_t count,
                                                   PyObject* names) noexcept {
  return guarded(kNoObject, [&] {
    ModuleState* state = state_of_module(module);
    if (count != 1) raise(PyExc_TypeError, "asbuffer() takes 1 positional argument, but %zd were given", count);
    PyObject* writable = nullptr;
    for (Py_ssize_t i = 0; i < PyTuple_Size(names); ++i) {
      PyObject* name = PyTuple_GetItem(names, i);
      if (PyUnicode_CompareWithASCIIString(name, "writable") != 0) {
        raise(PyExc_TypeError, "asbuffer() has no keyword argument %R", name);
      }
      writable = args[count + i];
    }
    return import_object(state, args[0], parse_writable(writable));
  });
}

/// The hot path: a vector call, which builds no tuple and no dict.
PyObject* asbuffer(PyObject* module, PyObject* const* args, Py_ssize_t count, PyObject* names) noexcept {
  if (count == 1 && names == nullptr) return import_or_null(state_of_module(module), args[0]);
  return asbuffer_with_keywords(module, args, count, names);
}

/// The same for from_dlpack without keywords.
PyObject* from_dlpack(PyObject* module, PyObject* const* args, Py_ssize_t count, PyObject* names) noexcept {
  return guarded(kNoObject, [&] {
    ModuleState* state = state_of_module(module);
    if (count == 1 && names == nullptr) return fn_from_dlpack(state, args[0]);
    const PlainCall call({args, count, names});
    return fn_from_dlpack(state, call.args.get(), call.kwargs.get());
  });
}

/// The same for two Buffers in host memory.
PyObject* copy(PyObject* module, PyObject* const* args, Py_ssize_t count, PyObject* names) noexcept {
  return guarded(kNoObject, [&] {
    ModuleState* state = state_of_module(module);
    if (count == 2 && names == nullptr && copy_at_once(state, args[0], args[1])) Py_RETURN_NONE;
    const PlainCall call({args, count, names});
    return fn_copy(state, call.args.get(), call.kwargs.get());
  });
}

template <PyObject* (*F)(ModuleState*, PyObject*, PyObject*)>
constexpr auto with_keywords = &module_keywords<F>;
template <PyObject* (*F)(ModuleState*, PyObject*)>
constexpr auto with_one = &module_one_argument<F>;

namespace doc = function_doc;

PyMethodDef functions[] = {
    {"asbuffer", as_method(&asbuffer), METH_FASTCALL | METH_KEYWORDS, doc::asbuffer},
    {"from_dlpack", as_method(&from_dlpack), METH_FASTCALL | METH_KEYWORDS, doc::from_dlpack},
    {"from_pointer", as_method(with_keywords<fn_from_pointer>), kKeywords, doc::from_pointer},
    {"from_memory", as_method(with_keywords<fn_from_memory>), kKeywords, doc::from_memory},
    {"empty", as_method(with_keywords<fn_empty>), kKeywords, doc::empty},
    {"empty_like", as_method(with_keywords<fn_empty_like>), kKeywords, doc::empty_like},
    {"copy", as_method(&copy), METH_FASTCALL | METH_KEYWORDS, doc::copy},
    {"explain", as_method(with_keywords<fn_explain>), kKeywords, doc::explain},
    {"to_contiguous", as_method(with_keywords<fn_to_contiguous>), kKeywords, doc::to_contiguous},
    {"from_contiguous", as_method(with_keywords<fn_from_contiguous>), kKeywords, doc::from_contiguous},
    {"get_contiguous", as_method(with_keywords<fn_get_contiguous>), kKeywords, doc::get_contiguous},
    {"check_buffer", as_method(with_one<fn_check_buffer>), METH_O, doc::check_buffer},
    {"get_buffer", as_method(with_keywords<fn_get_buffer>), kKeywords, doc::get_buffer},
    {"size_from_format", as_method(with_one<fn_size_from_format>), METH_O, doc::size_from_format},
    {"is_contiguous", as_method(with_keywords<fn_is_contiguous>), kKeywords, doc::is_contiguous},
    {"item_pointer", as_method(with_one<fn_item_pointer>), METH_VARARGS, doc::item_pointer},
    {"contiguous_strides", as_method(with_keywords<fn_contiguous_strides>), kKeywords, doc::contiguous_strides},
    {"byte_range", as_method(with_keywords<fn_byte_range>), kKeywords, doc::byte_range},
    {"devices", as_method(with_one<fn_devices>), METH_NOARGS, doc::devices},
    {"device_info", as_method(with_keywords<fn_device_info>), kKeywords, doc::device_info},
    {"why_no_device", as_method(with_keywords<fn_why_no_device>), kKeywords, doc::why_no_device},
    {"num_threads", as_method(with_one<fn_num_threads>), METH_NOARGS, doc::num_threads},
    {"set_num_threads", as_method(with_one<fn_set_num_threads>), METH_O, doc::set_num_threads},
    {"trim_host", as_method(with_one<fn_trim_host>), METH_NOARGS, doc::trim_host},
    {"_build_info", as_method(with_one<fn_build_info>), METH_NOARGS, doc::build_info},
    {"_describe_element_type", as_method(with_one<describe_element_type>), METH_O, doc::describe_element_type},
    {"_rebuild", as_method(with_one<fn_rebuild>), METH_VARARGS, doc::rebuild},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyMethodDef* module_functions() noexcept { return functions; }

void init_protocols(ModuleState* state, PyObject* module) {
  add_exchange_api(state);
  if (PyModule_AddStringConstant(module, "__version__", STRIDEPORT_VERSION) != 0) throw PythonError{};
}

}  // namespace strideport::python
