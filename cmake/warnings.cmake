# strideport_warnings(target): the warnings that every target of ours builds under.
function(strideport_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor
                                           $<$<BOOL:${STRIDEPORT_WERROR}>:-Werror>)
endfunction()
