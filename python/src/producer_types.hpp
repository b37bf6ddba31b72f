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

struct ProducerType {
  const DLPackExchangeAPI* table = nullptr;  ///< checked; null where `__dlpack__` has to be asked
  bool has_dlpack = false;                   ///< on the type; instances may have it though it is false
  bool is_host_only = false;                 ///< `__dlpack_device__` is NumPy's, which knows the host alone
  bool may_require_grad = false;             ///< has torch's attribute of that name
  bool may_be_conj = false;                  ///< has torch's method is_conj
  bool may_be_neg = false;                   ///< has torch's method is_neg
  bool intercepts = false;                   ///< derives from torch.Tensor: `__torch_function__` sees such questions
};

/// The strings and tuples with which imports ask, made once.
struct ImportNames {
  Ref dlpack, dlpack_device, exchange_api, torch_function, torch_dispatch, requires_grad, is_conj, is_neg, stream,
      max_version, dl_device, copy;
  Ref version;          ///< (1, 3)
  Ref agreed_stream;    ///< the number of the stream that producers make memory of a device ready on
  Ref version_keyword;  ///< ("max_version",)
  Ref both_keywords;    ///< ("max_version", "stream")
  Ref stream_keyword;   ///< ("stream",)

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
  /// A dying type's weak reference calls this.
  static PyObject* on_death(PyObject* self, PyObject* weak) noexcept;
  bool find(PyTypeObject* type, ProducerType& answer) noexcept;
  void drop(PyObject* weak) noexcept;

  static PyMethodDef death_definition_;
  std::mutex mutex_;  // free-threaded CPython; with a GIL nobody waits for it
  Entries entries_;
  Ref callback_;  // its self is a capsule, whose context is this object while it lives
};

// torch's questions, asked of `object` where its type knows them. Each throws PythonError.
bool requires_grad(const ProducerType& type, const ImportNames& names, PyObject* object);
bool is_conj(const ProducerType& type, const ImportNames& names, PyObject* object);
bool is_neg(const ProducerType& type, const ImportNames& names, PyObject* object);

}  // namespace strideport::python
