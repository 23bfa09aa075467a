# The target mien::compiled: what programs would compile again and again of mien::mien's operations, compiled once.
add_library(mien_compiled STATIC "${PROJECT_SOURCE_DIR}/kernels/cpu.cpp")
add_library(mien::compiled ALIAS mien_compiled)
set_target_properties(mien_compiled PROPERTIES EXPORT_NAME compiled POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
target_compile_definitions(mien_compiled INTERFACE MIEN_COMPILED)
target_link_libraries(mien_compiled PUBLIC mien)
