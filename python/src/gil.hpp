/// Taking the GIL from threads that may still run when the interpreter goes.
///
/// Up to 3.13 CPython ends a thread that asks a finalising interpreter for the GIL by pthread_exit, which unwinds the
/// stack: a noexcept frame makes that std::terminate, and destructors on the way would touch objects without the GIL.
/// So such a thread stays where it is for ever, as 3.14 has it by itself; the end of the process takes it along.
#pragma once

#include <Python.h>

namespace strideport::python {

/// PyEval_RestoreThread.
void restore_thread(PyThreadState* saved);

/// PyGILState_Ensure.
PyGILState_STATE ensure_gil();

/// What a thread does that CPython is ending.
[[noreturn]] void stay_for_ever() noexcept;

}  // namespace strideport::python
