# STRIDEPORT_SANITIZE, or STRIDEPORT_FUZZ, instruments everything that is built here, dependencies built from source
# included: a sanitizer that sees half of a program reports what is not there. `strideport_sanitizer_flags` is for child
# builds.
set(strideport_sanitizer_flags "")
if(STRIDEPORT_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "STRIDEPORT_FUZZ: libFuzzer is clang's, and the compiler is ${CMAKE_CXX_COMPILER}: say "
                        "-DCMAKE_CXX_COMPILER=clang++, as the preset fuzz does.")
  elseif(STRIDEPORT_SANITIZE)
    message(FATAL_ERROR "STRIDEPORT_FUZZ brings its sanitizers along: leave STRIDEPORT_SANITIZE empty.")
  endif()
  set(strideport_sanitizer_flags -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
                                 -fno-omit-frame-pointer)
elseif(STRIDEPORT_SANITIZE STREQUAL "address")
  set(strideport_sanitizer_flags -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(STRIDEPORT_SANITIZE STREQUAL "thread")
  set(strideport_sanitizer_flags -fsanitize=thread -fno-omit-frame-pointer)
elseif(NOT STRIDEPORT_SANITIZE STREQUAL "")
  message(FATAL_ERROR "STRIDEPORT_SANITIZE is '${STRIDEPORT_SANITIZE}': say address, thread or nothing.")
endif()
if(strideport_sanitizer_flags)
  add_compile_options(${strideport_sanitizer_flags})
  add_link_options(${strideport_sanitizer_flags})
endif()
