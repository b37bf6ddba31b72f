/// What imports want to know of a producer's type, asked once a type and remembered.
///
/// Remembered weakly: a type goes when its last user goes. A class may change later. One that loses `__dlpack__` offers
/// it no longer; one that gains or loses the C exchange API's table, or gains methods of torch's or a `__dlpack__` of
/// its own over its base's table, is taken as it was seen first: the table stays valid for the life of the process.
/// What a type does not have is not remembered of the other protocols, whose attributes may be the instance's.
#pragma once

#include <Python.h>

#include <memory>
#include <mutex>
#include <unordered_map>

#include "object.hpp"
#include "ref.hpp"

struct DLPackExchangeAPI;

namespace strideport::python {

class TorchTensors;

struct ProducerType {
  const DLPackExchangeAPI* table = nullptr;  ///< checked; null where `__dlpack__` has to be asked
  bool has_dlpack = false;                   ///< on the type; instances may have it though it is false
  bool has_device = false;                   ///< `__dlpack_device__`, in the same way
  bool is_host_only = false;                 ///< `__dlpack_device__` is NumPy's, which knows the host alone
  const TorchTensors* torch = nullptr;       ///< what is asked of torch's tensors, where the type derives from them
};

/// The strings and tuples with which imports ask, made once.
struct ImportNames {
  Ref dlpack, dlpack_device, exchange_api, torch_function, torch_dispatch, requires_grad, is_conj, is_neg, stream,
      max_version, dl_device, copy, obj;
  Ref cuda_array_interface, array_struct, array_interface;
  Ref version_key, mask, shape, strides, typestr, descr, data, offset;  ///< keys of the interfaces' dicts
  Ref version;                                                          ///< (1, 3)
  Ref agreed_stream;        ///< the number of the stream that producers make memory of a device ready on
  Ref version_keyword;      ///< ("max_version",)
  Ref both_keywords;        ///< ("max_version", "stream")
  Ref stream_keyword;       ///< ("stream",)
  Ref type_mro, type_dict;  ///< type's own descriptors of `__mro__` and `__dict__`, which no metaclass overrides

  ImportNames();  ///< throws PythonError
};

class ProducerTypes {
 public:
  ProducerTypes();  ///< throws PythonError
  ~ProducerTypes();
  ProducerTypes(const ProducerTypes&) = delete;
  ProducerTypes& operator=(const ProducerTypes&) = delete;

  /// Runs foreign code where the type is new. Throws PythonError.
  ProducerType of(PyTypeObject* type);
  void forget(PyTypeObject* type) noexcept;

  const ImportNames names;

 private:
  struct Entry {
    ProducerType answer;
    Ref weak;
  };
  using Entries = std::unordered_map<PyTypeObject*, Entry>;
  Entries::node_type extract(PyTypeObject* type) noexcept;
  /// A dying type's weak reference calls this.
  static PyObject* on_death(PyObject* self, PyObject* weak) noexcept;
  bool find(PyTypeObject* type, ProducerType& answer) noexcept;
  const TorchTensors* torch();
  void drop(PyObject* weak) noexcept;

  static PyMethodDef death_definition_;
  std::mutex mutex_;  // free-threaded CPython; with a GIL nobody waits for it
  Entries entries_;
  PyTypeObject* latest_type_ = nullptr;  // the one that was asked for last, and its entry: a search takes a division
  const Entry* latest_ = nullptr;
  std::unique_ptr<TorchTensors> torch_;  // for good, once it is there
  Ref callback_;                         // its self is a capsule, whose context is this object while it lives
};

/// What a descriptor makes of an object, whatever that one's class has to say. Null with the error set on failure.
PyObject* get_through(PyObject* descriptor, PyObject* object);

/// True where the error that is set leaves another way to ask: an Exception, and not that memory or stack is short.
bool is_plain_failure() noexcept;

/// A module that somebody has imported, or is importing; null, with no error set, where nobody has.
Ref loaded_module(const char* name);

}  // namespace strideport::python
