/// The functions of the module, one section a source file. Each throws; functions.cpp wraps them for its table.
#pragma once

#include <Python.h>

#include "object.hpp"

namespace strideport::python {

// functions_make.cpp: new buffers -----------------------------------------------------------------------------
PyObject* fn_empty(ModuleState* state, PyObject* args, PyObject* kwargs);
PyObject* fn_empty_like(ModuleState* state, PyObject* args, PyObject* kwargs);
PyObject* fn_from_pointer(ModuleState* state, PyObject* args, PyObject* kwargs);
PyObject* fn_from_memory(ModuleState* state, PyObject* args, PyObject* kwargs);
PyObject* fn_trim_host(ModuleState* state, PyObject*);

// functions_copy.cpp: moving elements -------------------------------------------------------------------------
PyObject* fn_copy(ModuleState* state, PyObject* args, PyObject* kwargs);
bool copy_at_once(ModuleState* state, PyObject* dst, PyObject* src);  ///< false where fn_copy has to look
PyObject* fn_explain(ModuleState* state, PyObject* args, PyObject* kwargs);
PyObject* fn_to_contiguous(ModuleState* state, PyObject* args, PyObject* kwargs);
PyObject* fn_from_contiguous(ModuleState* state, PyObject* args, PyObject* kwargs);
PyObject* fn_get_contiguous(ModuleState* state, PyObject* args, PyObject* kwargs);

// c_api.cpp: the rest of CPython's C functions ----------------------------------------------------------------
PyObject* fn_check_buffer(ModuleState* state, PyObject* object);
PyObject* fn_get_buffer(ModuleState* state, PyObject* args, PyObject* kwargs);
PyObject* fn_size_from_format(ModuleState* state, PyObject* text);
PyObject* fn_is_contiguous(ModuleState* state, PyObject* args, PyObject* kwargs);
PyObject* fn_item_pointer(ModuleState* state, PyObject* args);
PyObject* fn_contiguous_strides(ModuleState* state, PyObject* args, PyObject* kwargs);
PyObject* fn_byte_range(ModuleState* state, PyObject* args, PyObject* kwargs);

// from_dlpack.cpp ---------------------------------------------------------------------------------------------
PyObject* fn_from_dlpack(ModuleState* state, PyObject* args, PyObject* kwargs);
PyObject* fn_from_dlpack(ModuleState* state, PyObject* object);  ///< without keywords

// pickle.cpp --------------------------------------------------------------------------------------------------
PyObject* fn_rebuild(ModuleState* state, PyObject* args);

// devices.cpp: what there is ----------------------------------------------------------------------------------
PyObject* fn_devices(ModuleState* state, PyObject*);
PyObject* fn_device_info(ModuleState* state, PyObject* args, PyObject* kwargs);
PyObject* fn_why_no_device(ModuleState* state, PyObject* args, PyObject* kwargs);

// functions_info.cpp: what this build is, and its threads -----------------------------------------------------
PyObject* fn_num_threads(ModuleState* state, PyObject*);
PyObject* fn_set_num_threads(ModuleState* state, PyObject* threads);
PyObject* fn_build_info(ModuleState* state, PyObject*);

}  // namespace strideport::python
