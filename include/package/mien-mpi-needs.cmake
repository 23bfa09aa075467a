# What mien::mpi needs besides mien::io: an implementation of MPI 3, as CMake finds it by asking mpicxx. Both the build tree
# and the installed package look for it here, each on the machine where it is used. What is not found lands in
# mien_mpi_missing.
set(mien_mpi_missing "")
if(NOT TARGET mien::io)
  list(APPEND mien_mpi_missing "mien::io")
endif()
if(NOT TARGET MPI::MPI_CXX)
  # The C++ interface that MPI 3 has no more.
  set(MPI_CXX_SKIP_MPICXX ON)
  find_package(MPI 3 QUIET COMPONENTS CXX)
endif()
if(NOT TARGET MPI::MPI_CXX)
  list(APPEND mien_mpi_missing "an implementation of MPI 3 (Debian: libopenmpi-dev openmpi-bin)")
endif()
