# STRIDEPORT_SANITIZE instruments everything that is built here, dependencies built from source included: a
# sanitizer that sees half of a program reports what is not there. `strideport_sanitizer_flags` is for child builds.
set(strideport_sanitizer_flags "")
if(STRIDEPORT_SANITIZE STREQUAL "address")
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
