# Finds nvcc and the CUDA headers, and makes the target strideport_cuda_headers.
find_program(STRIDEPORT_NVCC nvcc)
get_filename_component(strideport_cuda_bin "${STRIDEPORT_NVCC}" DIRECTORY)
add_library(strideport_cuda_headers INTERFACE)
target_include_directories(strideport_cuda_headers SYSTEM INTERFACE "${strideport_cuda_bin}/../include")
