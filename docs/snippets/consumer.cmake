find_package(strideport REQUIRED)  # or FetchContent, or add_subdirectory
target_link_libraries(your_program PRIVATE strideport::strideport)
