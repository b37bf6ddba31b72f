# Builds and runs the consumer project from scratch, WAY=find_package or add_subdirectory. An installation is moved
# after it is made, so a path of the build tree in it shows.
function(step)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

string(REPLACE ";" " " flags "${FLAGS}")
set(configure "${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}" -B "${WORK_DIR}/build" -G "${GENERATOR}"
  "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_BUILD_TYPE=${CONFIG}" "-DCMAKE_CXX_FLAGS=${flags}"
  "-DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}")

file(REMOVE_RECURSE "${WORK_DIR}")
if(WAY STREQUAL "find_package")
  step("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --config "${CONFIG}" --prefix "${WORK_DIR}/staging")
  file(RENAME "${WORK_DIR}/staging" "${WORK_DIR}/prefix")
  file(GLOB_RECURSE foreign "${WORK_DIR}/prefix/*dlpack/dlpack.h" "${WORK_DIR}/prefix/*hwy/*.h"
       "${WORK_DIR}/prefix/*.abi3.so")
  if(foreign)
    message(FATAL_ERROR "the installation holds what is not ours to install: ${foreign}")
  endif()
  step(${configure} "-DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix")
elseif(WAY STREQUAL "add_subdirectory")
  step(${configure} "-DSTRIDEPORT_SOURCE_DIR=${SOURCE_DIR}" "-DDLPACK_INCLUDE_DIR=${DLPACK}"
    "-DHIGHWAY_INCLUDE_DIR=${HIGHWAY}" "-DSTRIDEPORT_CUDA=${CUDA}" "-DSTRIDEPORT_CUDA_ROOT=${CUDA_ROOT}"
    -DSTRIDEPORT_CUDA_ARCHITECTURES=90-real)
else()
  message(FATAL_ERROR "WAY is '${WAY}': say find_package or add_subdirectory.")
endif()
step("${CMAKE_COMMAND}" --build "${WORK_DIR}/build" --config "${CONFIG}")
step("${WORK_DIR}/build/consumer")
