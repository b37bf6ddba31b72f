# The installed library: include/strideport, the archive or shared object, and a package config for find_package.
if(NOT STRIDEPORT_INSTALL)
  return()
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(strideport_config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/strideport")

install(TARGETS strideport EXPORT strideport-targets COMPONENT cpp
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}"
  INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/strideport" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  COMPONENT cpp FILES_MATCHING PATTERN "*.hpp")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/strideport" COMPONENT cpp)
install(EXPORT strideport-targets NAMESPACE strideport:: DESTINATION "${strideport_config_dir}" COMPONENT cpp)

configure_package_config_file(cmake/strideport-config.cmake.in "${PROJECT_BINARY_DIR}/strideport-config.cmake"
  INSTALL_DESTINATION "${strideport_config_dir}")
# Before 1.0 a minor version may break a caller.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/strideport-config-version.cmake"
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/strideport-config.cmake" "${PROJECT_BINARY_DIR}/strideport-config-version.cmake"
  DESTINATION "${strideport_config_dir}" COMPONENT cpp)
