# cmake -DWORK_DIR= -DGENERATOR= -P run.cmake: the order of the search, and what it passes over, on made-up trees.
file(REMOVE_RECURSE "${WORK_DIR}")

# tree(FOLDER HEADER MAJOR MINOR PATCH): WORK_DIR/FOLDER/hwy/highway.h; the version is in HEADER, beside it or itself.
function(tree folder header major minor patch)
  file(WRITE "${WORK_DIR}/${folder}/hwy/highway.h" "#include \"hwy/base.h\"\n")
  file(APPEND "${WORK_DIR}/${folder}/hwy/${header}"
    "#define HWY_MAJOR ${major}\n#define HWY_MINOR ${minor}\n#define HWY_PATCH ${patch}\n")
endfunction()
tree(v0.17/include highway.h 0 17 0)
tree(v1.0.2/include highway.h 1 0 2)
tree(v1.0.3/include highway.h 1 0 3)
tree(v1.0.10/include base.h 1 0 10)
tree(v1.2.0/include base.h 1 2 0)
file(WRITE "${WORK_DIR}/silent/include/hwy/highway.h" "#pragma once\n")
# As they are fetched: the headers' folder lies in the repository's, beside a project that is not wanted.
foreach(version IN ITEMS v1.0.2 v1.0.3)
  file(COPY "${WORK_DIR}/${version}/include/" DESTINATION "${WORK_DIR}/fetched-${version}")
  file(WRITE "${WORK_DIR}/fetched-${version}/CMakeLists.txt" "message(FATAL_ERROR \"the project was added\")\n")
endforeach()

include("${CMAKE_CURRENT_LIST_DIR}/../support/cmake_search.cmake")

set(given -DHIGHWAY_INCLUDE_DIR=${WORK_DIR})
# The root leaves the system's own out, which may have it.
set(system -DCMAKE_FIND_ROOT_PATH=${WORK_DIR} -DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY -DCMAKE_PREFIX_PATH=)
set(fetched -DFETCHCONTENT_SOURCE_DIR_HIGHWAY=${WORK_DIR})

search("a given folder comes first" v1.2.0/include ${given}/v1.2.0/include ${system}/v1.0.3)
search("a given folder that is too old is an error" "unsuitable Highway" ${given}/v1.0.2/include ${system}/v1.0.3)
search("a given folder without headers is an error" "no hwy/highway.h in it" ${given}/nowhere ${system}/v1.0.3)
search("a given folder without a version is an error" "unsuitable Highway" ${given}/silent/include ${system}/v1.0.3)
search("the system comes before FetchContent" v1.0.3/include ${system}/v1.0.3 ${fetched}/fetched-v1.0.3)
search("1.0.10 is newer than 1.0.3" v1.0.10/include ${system}/v1.0.10)
search("the version of later ones is in base.h" v1.2.0/include ${system}/v1.2.0)
search("a system's of 0.17 is passed over" fetched-v1.0.3 ${system}/v0.17 ${fetched}/fetched-v1.0.3)
search("a system's of 1.0.2 is passed over" fetched-v1.0.3 ${system}/v1.0.2 ${fetched}/fetched-v1.0.3)
search("a system's without a version is passed over" fetched-v1.0.3 ${system}/silent ${fetched}/fetched-v1.0.3)
search("FetchContent of an old tree is an error" "FetchContent brought" ${system}/v0.17 ${fetched}/fetched-v1.0.2)
