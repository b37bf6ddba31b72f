# Sets `answer` in the caller to what the Python interpreter of the build prints for `code`; empty where there is no
# interpreter, or the code fails.
function(strideport_ask_python code answer)
  set(${answer} "" PARENT_SCOPE)
  if(NOT Python3_EXECUTABLE)
    find_package(Python3 COMPONENTS Interpreter QUIET)
  endif()
  if(NOT Python3_EXECUTABLE)
    return()
  endif()
  execute_process(COMMAND "${Python3_EXECUTABLE}" -c "${code}"
    OUTPUT_VARIABLE output OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(${answer} "${output}" PARENT_SCOPE)
endfunction()
