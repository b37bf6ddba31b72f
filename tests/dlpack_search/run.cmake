# cmake -DWORK_DIR= -DGENERATOR= -P run.cmake: the order of the search, and what it passes over, on made-up trees.
file(REMOVE_RECURSE "${WORK_DIR}")

# tree(NAME LINES): WORK_DIR/NAME/include/dlpack/dlpack.h with these lines.
function(tree name)
  list(JOIN ARGN "\n" text)
  file(WRITE "${WORK_DIR}/${name}/include/dlpack/dlpack.h" "#pragma once\n${text}\n")
endfunction()
tree(v0.6 "#define DLPACK_VERSION 60")
tree(v1.1 "#define DLPACK_MAJOR_VERSION 1" "#define DLPACK_MINOR_VERSION 1")
tree(v1.3 "#define DLPACK_MAJOR_VERSION 1" "/*! \\brief The minor. */" "#define DLPACK_MINOR_VERSION 3")
tree(v1.10 "#define DLPACK_MAJOR_VERSION 1" "#define DLPACK_MINOR_VERSION 10")
tree(v2.0 "#define DLPACK_MAJOR_VERSION 2" "#define DLPACK_MINOR_VERSION 0")
tree(site/tvm_ffi "#define DLPACK_MAJOR_VERSION 1" "#define DLPACK_MINOR_VERSION 3")
# An interpreter that has the package, as far as the search can tell, and one that has not.
file(WRITE "${WORK_DIR}/with" "#!/bin/sh\necho '${WORK_DIR}/site/tvm_ffi'\n")
file(WRITE "${WORK_DIR}/without" "#!/bin/sh\n")
file(CHMOD "${WORK_DIR}/with" "${WORK_DIR}/without" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)

include("${CMAKE_CURRENT_LIST_DIR}/../support/cmake_search.cmake")

set(given -DDLPACK_INCLUDE_DIR=${WORK_DIR})
set(system -DCMAKE_PREFIX_PATH=${WORK_DIR})
set(with -DPython3_EXECUTABLE=${WORK_DIR}/with)
set(without -DPython3_EXECUTABLE=${WORK_DIR}/without)
set(fetched -DFETCHCONTENT_SOURCE_DIR_DLPACK=${WORK_DIR})

search("a given header comes first" v1.10/include ${given}/v1.10/include ${system}/v1.3 ${with})
search("a given header that is too old is an error" "unsuitable DLPack" ${given}/v1.1/include ${with})
search("a given folder without a header is an error" "no dlpack/dlpack.h in it" ${given}/nowhere ${with})
search("the system comes before Python" v1.3/include ${system}/v1.3 ${with})
search("1.10 is newer than 1.3" v1.10/include ${system}/v1.10 ${with})
search("a system header of 0.6 is passed over" site/tvm_ffi/include ${system}/v0.6 ${with})
search("a system header of 1.1 is passed over" site/tvm_ffi/include ${system}/v1.1 ${with})
search("a system header of 2.0 is passed over" site/tvm_ffi/include ${system}/v2.0 ${with})
search("FetchContent comes last" v1.3/include ${system}/v0.6 ${without} ${fetched}/v1.3)
search("FetchContent of an old tree is an error" "FetchContent brought" ${system}/v0.6 ${without} ${fetched}/v1.1)
