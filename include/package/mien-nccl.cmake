# The target mien::nccl_library, or in mien_nccl_missing why there is none. Both the build tree and the installed package
# read this file. NCCL brings no CMake package of its own. It is looked for in the folder NCCL_ROOT (a variable of CMake
# or of the environment), in the system's, and in the CUDA Toolkit's.
set(mien_nccl_missing "")
if(NOT TARGET mien::nccl_library)
  find_path(MIEN_NCCL_INCLUDE_DIR NAMES nccl.h
    HINTS ${NCCL_ROOT} ENV NCCL_ROOT PATHS ${CUDAToolkit_INCLUDE_DIRS} PATH_SUFFIXES include)
  # Pip's is called by its version alone.
  find_library(MIEN_NCCL_LIBRARY NAMES nccl libnccl.so.2 NAMES_PER_DIR
    HINTS ${NCCL_ROOT} ENV NCCL_ROOT PATHS ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_LIBRARY_ROOT} PATH_SUFFIXES lib64 lib)
  mark_as_advanced(MIEN_NCCL_INCLUDE_DIR MIEN_NCCL_LIBRARY)
  if(NOT MIEN_NCCL_INCLUDE_DIR OR NOT MIEN_NCCL_LIBRARY)
    string(CONCAT mien_nccl_missing
      "NCCL is not there: nccl.h is ${MIEN_NCCL_INCLUDE_DIR}, its library ${MIEN_NCCL_LIBRARY}. Install NCCL 2 (Debian, "
      "from NVIDIA's repository: libnccl-dev), or say where it is: -D NCCL_ROOT=<folder>.")
  else()
    add_library(mien::nccl_library UNKNOWN IMPORTED GLOBAL)
    set_target_properties(mien::nccl_library PROPERTIES IMPORTED_LOCATION "${MIEN_NCCL_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${MIEN_NCCL_INCLUDE_DIR}")
  endif()
endif()
