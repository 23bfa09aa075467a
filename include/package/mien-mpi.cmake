# The target mien::mpi. Asked for by MIEN_MPI=ON, so what is missing is an error, never a reason to go without.
include("${CMAKE_CURRENT_LIST_DIR}/mien-mpi-needs.cmake")
if(NOT mien_mpi_missing STREQUAL "")
  message(FATAL_ERROR "MIEN_MPI is ON, but this was not found: ${mien_mpi_missing}. Training by one process: "
    "-D MIEN_MPI=OFF.")
endif()

add_library(mien_mpi INTERFACE)
add_library(mien::mpi ALIAS mien_mpi)
set_target_properties(mien_mpi PROPERTIES EXPORT_NAME mpi)
target_compile_definitions(mien_mpi INTERFACE MIEN_WITH_MPI)
target_link_libraries(mien_mpi INTERFACE mien_io MPI::MPI_CXX)
