# Finds dlpack.h (1.3 or newer) and makes the target strideport_dlpack, for our sources only: none is installed.
find_path(DLPACK_INCLUDE_DIR dlpack/dlpack.h REQUIRED)
add_library(strideport_dlpack INTERFACE)
target_include_directories(strideport_dlpack SYSTEM INTERFACE "${DLPACK_INCLUDE_DIR}")
