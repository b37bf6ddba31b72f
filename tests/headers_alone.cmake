# cmake -DCOMPILER= -DINCLUDE_DIR= -DWORK_DIR= -DHEADERS= [-DFLAGS=] -P headers_alone.cmake
set(failed "")
foreach(header IN LISTS HEADERS)
  cmake_path(GET header STEM stem)
  cmake_path(GET header FILENAME name)
  file(WRITE "${WORK_DIR}/${stem}.cpp" "#include \"strideport/${name}\"\n#include \"strideport/${name}\"\n")
  execute_process(
    COMMAND "${COMPILER}" -std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -I "${INCLUDE_DIR}" ${FLAGS}
            -fsyntax-only "${WORK_DIR}/${stem}.cpp"
    RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    list(APPEND failed "${name}")
  endif()
endforeach()
list(LENGTH HEADERS count)
if(count EQUAL 0 OR failed)
  message(FATAL_ERROR "${COMPILER}: of ${count} headers these do not compile alone: ${failed}")
endif()
message(STATUS "${COMPILER}: ${count} headers compile alone")
