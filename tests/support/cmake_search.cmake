# Tests of the build's searches, included by <folder>/run.cmake, which has the project of the search beside it.

# search(CLAIM EXPECTED ARGUMENTS...): EXPECTED is in found.txt, paths from WORK_DIR on, or in the words of the error.
# `environment`: settings for it.
set(environment "")
function(search claim expected)
  string(MAKE_C_IDENTIFIER "${claim}" folder)
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -E env --unset=CUDA_PATH ${environment} "${CMAKE_COMMAND}"
            -S "${CMAKE_CURRENT_LIST_DIR}" -B "${WORK_DIR}/build/${folder}" -G "${GENERATOR}" ${ARGN}
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE error)
  if(result EQUAL 0)
    file(READ "${WORK_DIR}/build/${folder}/found.txt" found)
    string(REPLACE "${WORK_DIR}/" "" found "${found}")
  else()
    string(REGEX REPLACE "[ \n]+" " " found "${error}")
  endif()
  string(FIND "${found}" "${expected}" position)
  if(position EQUAL -1)
    message(SEND_ERROR "${claim}: expected '${expected}', found '${found}'\n${output}")
  else()
    message(STATUS "${claim}: right")
  endif()
endfunction()
