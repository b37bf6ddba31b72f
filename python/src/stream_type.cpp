/// strideport.Stream: a stream of our own.
#include <Python.h>
#include <structmember.h>

#include <cstddef>
#include <functional>
#include <new>
#include <string>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "stream_docs.hpp"
#include "streams.hpp"

namespace strideport::python {
namespace {

struct StreamObject {
  PyObject ob_base;
  PyObject* weakrefs;
  bool constructed;  ///< `stream` is alive (tp_alloc gives zeroed bytes)
  union {
    Stream stream;
  };
};

StreamObject* as_stream(PyObject* object) noexcept { return reinterpret_cast<StreamObject*>(object); }

ModuleState* state_of_stream(PyObject* self) noexcept {
  return static_cast<ModuleState*>(PyType_GetModuleState(Py_TYPE(self)));
}

PyObject* create(PyTypeObject* type, PyObject* args, PyObject* kwargs) noexcept {
  return guarded(kNoObject, [&] {
    static const char* const names[] = {"device", "priority", nullptr};
    PyObject *device_argument = nullptr, *priority_argument = nullptr;
    parse_arguments(args, kwargs, "|OO:Stream", names, &device_argument, &priority_argument);
    const Device device =
        device_argument == nullptr ? Device{DeviceType::cuda, 0} : parse_device_argument(device_argument);
    const int64_t priority = priority_argument == nullptr ? 0 : parse_int(priority_argument, "priority");
    if (priority < INT32_MIN || priority > INT32_MAX) {
      raise(PyExc_ValueError, "priority %lld does not fit 32 bits", static_cast<long long>(priority));
    }
    const auto make = [&] {
      const GilRelease initialising;
      return Stream::create(device, static_cast<int>(priority));
    };
    Stream stream = make();
    const auto alloc = reinterpret_cast<allocfunc>(PyType_GetSlot(type, Py_tp_alloc));
    StreamObject* self = as_stream(checked(alloc(type, 0)));
    new (&self->stream) Stream(std::move(stream));
    self->constructed = true;
    return reinterpret_cast<PyObject*>(self);
  });
}

void dealloc(PyObject* self) noexcept {
  PyTypeObject* type = Py_TYPE(self);
  if (as_stream(self)->weakrefs != nullptr) clear_weak_references(self);
  if (as_stream(self)->constructed) as_stream(self)->stream.~Stream();
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

PyObject* get_handle(PyObject* self, void*) noexcept {
  return PyLong_FromUnsignedLongLong(as_stream(self)->stream.ref().handle());
}

PyObject* get_device(PyObject* self, void*) noexcept {
  return guarded(kNoObject, [&] { return PyUnicode_FromString(to_string(as_stream(self)->stream.device()).c_str()); });
}

PyObject* get_done(PyObject* self, void*) noexcept {
  return guarded(kNoObject, [&] { return PyBool_FromLong(as_stream(self)->stream.done() ? 1 : 0); });
}

PyObject* synchronize(PyObject* self, PyObject*) noexcept {
  return guarded(kNoObject, [&] {
    {
      const GilRelease waiting;
      as_stream(self)->stream.synchronize();
    }
    return Py_NewRef(Py_None);
  });
}

PyObject* record(PyObject* self, PyObject*) noexcept {
  return guarded(kNoObject, [&] { return wrap_event(state_of_stream(self), as_stream(self)->stream.record()); });
}

void wait_for_stream(PyObject* self, PyObject* other) {
  const Stream& stream = as_stream(self)->stream;
  const StreamRef before = parse_stream(state_of_stream(self), other, "wait()'s argument");
  if (before.is_host()) raise(PyExc_TypeError, "wait() takes an Event or a stream, not None");
  const Device device = device_of_stream(state_of_stream(self), other).value_or(stream.device());
  if (device.type != stream.device().type) {
    raise(PyExc_ValueError, "a stream of %s cannot wait for one of %s: their drivers differ",
          to_string(stream.device()).c_str(), to_string(device).c_str());
  }
  if (before != stream.ref()) stream.wait(Event::record(device, before));
}

PyObject* wait(PyObject* self, PyObject* other) noexcept {
  return guarded(kNoObject, [&] {
    if (Py_TYPE(other) == state_of_stream(self)->event_type) {
      as_stream(self)->stream.wait(event_in(other));
    } else {
      wait_for_stream(self, other);
    }
    return Py_NewRef(Py_None);
  });
}

PyObject* cuda_stream(PyObject* self, PyObject*) noexcept {
  return guarded(kNoObject, [&] {
    const Stream& stream = as_stream(self)->stream;
    check_not_mistaken_for_cuda(stream.device(), PyExc_TypeError, "__cuda_stream__");
    return checked(Py_BuildValue("(iK)", 0, static_cast<unsigned long long>(stream.ref().handle())));
  });
}

PyObject* compare(PyObject* self, PyObject* other, int op) noexcept {
  if (Py_TYPE(other) != Py_TYPE(self) || (op != Py_EQ && op != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
  const Stream& a = as_stream(self)->stream;
  const Stream& b = as_stream(other)->stream;
  const bool equal = a.ref() == b.ref() && a.device() == b.device();
  return PyBool_FromLong(equal == (op == Py_EQ) ? 1 : 0);
}

Py_hash_t hash(PyObject* self) noexcept {
  const auto result = static_cast<Py_hash_t>(std::hash<uintptr_t>()(as_stream(self)->stream.ref().handle()) >> 1);
  return result == -1 ? -2 : result;
}

PyObject* repr(PyObject* self) noexcept {
  return guarded(kNoObject, [&] {
    const Stream& stream = as_stream(self)->stream;
    return PyUnicode_FromFormat("<strideport.Stream %p on %s>", reinterpret_cast<void*>(stream.ref().handle()),
                                to_string(stream.device()).c_str());
  });
}

PyMethodDef methods[] = {
    {"synchronize", &synchronize, METH_NOARGS, doc::stream_synchronize},
    {"wait", &wait, METH_O, doc::stream_wait},
    {"record", &record, METH_NOARGS, doc::stream_record},
    {"__cuda_stream__", &cuda_stream, METH_NOARGS, doc::cuda_stream},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef attributes[] = {
    {"handle", &get_handle, nullptr, doc::stream_handle, nullptr},
    {"device", &get_device, nullptr, doc::stream_device, nullptr},
    {"done", &get_done, nullptr, doc::stream_done, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(StreamObject, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>(doc::stream_type)},
    {Py_tp_new, reinterpret_cast<void*>(&create)},
    {Py_tp_dealloc, reinterpret_cast<void*>(&dealloc)},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {Py_tp_members, members},
    {Py_tp_richcompare, reinterpret_cast<void*>(&compare)},
    {Py_tp_hash, reinterpret_cast<void*>(&hash)},
    {Py_tp_repr, reinterpret_cast<void*>(&repr)},
    {0, nullptr},
};

PyType_Spec specification = {
    "strideport.Stream",
    static_cast<int>(sizeof(StreamObject)),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    slots,
};

}  // namespace

PyTypeObject* make_stream_type(PyObject* module) {
  return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &specification, nullptr));
}

const Stream& stream_in(PyObject* object) noexcept { return as_stream(object)->stream; }

}  // namespace strideport::python
