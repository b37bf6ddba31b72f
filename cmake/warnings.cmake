# strideport_warnings(target): the warnings that every target of ours builds under.
function(strideport_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor
                                           $<$<BOOL:${STRIDEPORT_WERROR}>:-Werror>)
  # GCC 12 sees overlap in "text" + std::string where there is none (its bug 105651, put right in 13).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
endfunction()
