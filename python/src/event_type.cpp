/// strideport.Event: a point in a stream.
#include <Python.h>
#include <structmember.h>

#include <cstddef>
#include <new>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "stream_docs.hpp"
#include "streams.hpp"

namespace strideport::python {
namespace {

struct EventObject {
  PyObject ob_base;
  PyObject* weakrefs;
  bool constructed;  ///< `event` is alive (tp_alloc gives zeroed bytes)
  union {
    Event event;
  };
};

EventObject* as_event(PyObject* object) noexcept { return reinterpret_cast<EventObject*>(object); }

ModuleState* state_of_event(PyObject* self) noexcept {
  return static_cast<ModuleState*>(PyType_GetModuleState(Py_TYPE(self)));
}

void dealloc(PyObject* self) noexcept {
  PyTypeObject* type = Py_TYPE(self);
  if (as_event(self)->weakrefs != nullptr) clear_weak_references(self);
  if (as_event(self)->constructed) as_event(self)->event.~Event();
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

/// Event.record(stream, device='cuda'): a class method, which is how it reaches the module's state.
PyObject* record(PyObject* type, PyObject* args, PyObject* kwargs) noexcept {
  return guarded(kNoObject, [&] {
    auto* state = static_cast<ModuleState*>(PyType_GetModuleState(reinterpret_cast<PyTypeObject*>(type)));
    static const char* const names[] = {"stream", "device", nullptr};
    PyObject *stream_argument = nullptr, *device_argument = nullptr;
    parse_arguments(args, kwargs, "O|O:record", names, &stream_argument, &device_argument);
    const StreamRef stream = parse_stream(state, stream_argument);
    if (stream.is_host()) {
      raise(PyExc_TypeError, "record() takes a stream, not None: only a stream has work to wait for");
    }
    Device device = device_of_stream(state, stream_argument).value_or(Device{DeviceType::cuda, 0});
    if (device_argument != nullptr) {
      const Device named = parse_device_argument(device_argument);
      if (device_of_stream(state, stream_argument).value_or(named) != named) {
        raise(PyExc_ValueError, "the stream is of %s, not of %s", to_string(device).c_str(), to_string(named).c_str());
      }
      device = named;
    }
    return wrap_event(state, Event::record(device, stream));
  });
}

PyObject* get_device(PyObject* self, void*) noexcept {
  return guarded(kNoObject, [&] { return PyUnicode_FromString(to_string(as_event(self)->event.device()).c_str()); });
}

PyObject* get_done(PyObject* self, void*) noexcept {
  return guarded(kNoObject, [&] { return PyBool_FromLong(as_event(self)->event.done() ? 1 : 0); });
}

PyObject* synchronize(PyObject* self, PyObject*) noexcept {
  return guarded(kNoObject, [&] {
    {
      const GilRelease waiting;
      as_event(self)->event.synchronize();
    }
    return Py_NewRef(Py_None);
  });
}

PyObject* make_wait(PyObject* self, PyObject* stream_argument) noexcept {
  return guarded(kNoObject, [&] {
    ModuleState* state = state_of_event(self);
    const Event& event = as_event(self)->event;
    const StreamRef stream = parse_stream(state, stream_argument);
    if (stream.is_host()) {
      raise(PyExc_TypeError, "make_wait() takes a stream, not None: synchronize() makes the host wait");
    }
    const Device device = device_of_stream(state, stream_argument).value_or(event.device());
    if (device.type != event.device().type) {
      raise(PyExc_ValueError, "a stream of %s cannot wait for an event of %s: their drivers differ",
            to_string(device).c_str(), to_string(event.device()).c_str());
    }
    event.make_wait(stream);
    return Py_NewRef(Py_None);
  });
}

PyObject* seconds_since(PyObject* self, PyObject* start) noexcept {
  return guarded(kNoObject, [&] {
    if (Py_TYPE(start) != Py_TYPE(self)) {
      raise(PyExc_TypeError, "seconds_since() takes a strideport.Event, not '%.200s'", type_name(start).c_str());
    }
    return checked(PyFloat_FromDouble(as_event(self)->event.seconds_since(as_event(start)->event)));
  });
}

PyObject* repr(PyObject* self) noexcept {
  return guarded(kNoObject, [&] {
    return PyUnicode_FromFormat("<strideport.Event at %p on %s>", self,
                                to_string(as_event(self)->event.device()).c_str());
  });
}

PyMethodDef methods[] = {
    {"record", as_method(&record), METH_VARARGS | METH_KEYWORDS | METH_CLASS, doc::event_record},
    {"synchronize", &synchronize, METH_NOARGS, doc::event_synchronize},
    {"make_wait", &make_wait, METH_O, doc::event_make_wait},
    {"seconds_since", &seconds_since, METH_O, doc::event_seconds_since},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef attributes[] = {
    {"device", &get_device, nullptr, doc::event_device, nullptr},
    {"done", &get_done, nullptr, doc::event_done, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(EventObject, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>(doc::event_type)},
    {Py_tp_dealloc, reinterpret_cast<void*>(&dealloc)},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {Py_tp_members, members},
    {Py_tp_repr, reinterpret_cast<void*>(&repr)},
    {0, nullptr},
};

PyType_Spec specification = {
    "strideport.Event",
    static_cast<int>(sizeof(EventObject)),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    slots,
};

}  // namespace

PyTypeObject* make_event_type(PyObject* module) {
  return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &specification, nullptr));
}

const Event& event_in(PyObject* object) noexcept { return as_event(object)->event; }

PyObject* wrap_event(ModuleState* state, Event event) {
  EventObject* self = reinterpret_cast<EventObject*>(checked(PyType_GenericAlloc(state->event_type, 0)));
  new (&self->event) Event(std::move(event));
  self->constructed = true;
  return reinterpret_cast<PyObject*>(self);
}

}  // namespace strideport::python
