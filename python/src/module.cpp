/// strideport._core: what the import makes, and the state of one imported module.
#include <Python.h>

#include <utility>

#include "call_adapters.hpp"
#include "errors.hpp"
#include "methods.hpp"
#include "newer_python.hpp"
#include "object.hpp"
#include "producer_types.hpp"
#include "ref.hpp"
#include "stream_docs.hpp"
#include "streams.hpp"

namespace strideport::python {

void watch_for_exit(ModuleState* state);  // lease.cpp

namespace {

/// Deleters run on any thread and find their interpreter through PyGILState_Ensure, which knows the main one alone: in
/// others it takes the wrong thread state, or (3.11) waits for the GIL that its caller holds.
void require_main_interpreter() {
  const int64_t id = PyInterpreterState_GetID(PyInterpreterState_Get());
  if (id < 0) throw PythonError{};
  if (id != 0) {
    raise(PyExc_ImportError, "strideport works in the main interpreter alone, and this is sub-interpreter %lld",
          static_cast<long long>(id));
  }
}

void add(PyObject* module, const char* name, PyObject* object) {
  if (PyModule_AddObjectRef(module, name, object) < 0) throw PythonError{};
}

/// The two classes; `code` is 0 on them, and the driver's number on what is raised for a failure of it.
void make_errors(ModuleState* state, PyObject* module) {
  const Ref members = Ref::steal(checked(Py_BuildValue("{s:i}", "code", 0)));
  state->device_error = checked(
      PyErr_NewExceptionWithDoc("strideport.DeviceError", doc::device_error, PyExc_RuntimeError, members.get()));
  const Ref bases = Ref::steal(checked(PyTuple_Pack(2, state->device_error, PyExc_MemoryError)));
  state->device_memory_error = checked(
      PyErr_NewExceptionWithDoc("strideport.DeviceMemoryError", doc::device_memory_error, bases.get(), nullptr));
  add(module, "DeviceError", state->device_error);
  add(module, "DeviceMemoryError", state->device_memory_error);
}

int execute(PyObject* module) noexcept {
  return guarded(-1, [&] {
    require_main_interpreter();
    require_newer_python();
    ModuleState* state = state_of_module(module);
    state->producers = new ProducerTypes;
    make_errors(state, module);
    state->host_device = make_device_tuple(Device{});
    state->stream_type = checked(make_stream_type(module));
    state->event_type = checked(make_event_type(module));
    state->iterator_type = checked(make_iterator_type(module));
    state->contiguous_flag_type = checked(make_contiguous_flag_type(module));
    state->buffer_type = checked(make_buffer_type(module));
    const Ref contiguous = Ref::steal(make_contiguous_attribute(module));
    if (PyObject_SetAttrString(reinterpret_cast<PyObject*>(state->buffer_type), "contiguous", contiguous.get()) != 0) {
      throw PythonError{};
    }
    add(module, "Buffer", reinterpret_cast<PyObject*>(state->buffer_type));
    add(module, "Stream", reinterpret_cast<PyObject*>(state->stream_type));
    add(module, "Event", reinterpret_cast<PyObject*>(state->event_type));
    if (PyModule_AddFunctions(module, module_functions()) < 0) throw PythonError{};
    watch_for_exit(state);
    init_protocols(state, module);
    return 0;
  });
}

int traverse(PyObject* module, visitproc visit, void* arg) noexcept {
  ModuleState* state = state_of_module(module);
  if (state == nullptr) return 0;
  Py_VISIT(state->buffer_type);
  Py_VISIT(state->iterator_type);
  Py_VISIT(state->contiguous_flag_type);
  Py_VISIT(state->stream_type);
  Py_VISIT(state->event_type);
  Py_VISIT(state->device_error);
  Py_VISIT(state->device_memory_error);
  Py_VISIT(state->host_device);
  Py_VISIT(state->dtype_class);
  return 0;
}

int clear(PyObject* module) noexcept {
  ModuleState* state = state_of_module(module);
  if (state == nullptr) return 0;
  forget_memory_of_buffers(state->buffer_type);
  leave_exchange_api(state);
  Py_CLEAR(state->buffer_type);
  Py_CLEAR(state->iterator_type);
  Py_CLEAR(state->contiguous_flag_type);
  Py_CLEAR(state->stream_type);
  Py_CLEAR(state->event_type);
  Py_CLEAR(state->device_error);
  Py_CLEAR(state->device_memory_error);
  Py_CLEAR(state->host_device);
  Py_CLEAR(state->dtype_class);
  return 0;
}

void free_state(void* module) noexcept {
  clear(static_cast<PyObject*>(module));
  ModuleState* state = state_of_module(static_cast<PyObject*>(module));
  if (state != nullptr) delete std::exchange(state->producers, nullptr);
}

PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(&execute)},
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},  // gil.hpp: Exclusive
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, nullptr},
};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "strideport._core",
    "The compiled half of strideport.",
    sizeof(ModuleState),
    nullptr,
    slots,
    &traverse,
    &clear,
    &free_state,
};

}  // namespace

ModuleState* state_of(const BufferObject* self) noexcept {
  PyObject* object = reinterpret_cast<PyObject*>(const_cast<BufferObject*>(self));
  return static_cast<ModuleState*>(PyType_GetModuleState(Py_TYPE(object)));
}

}  // namespace strideport::python

PyMODINIT_FUNC PyInit__core() { return PyModuleDef_Init(&strideport::python::definition); }
