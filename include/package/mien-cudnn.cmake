# The target mien::cudnn_library, or in mien_cudnn_missing why there is none. Both the build tree and the installed package
# read this file.
# cuDNN brings no CMake package of its own. It is looked for in the folder CUDNN_ROOT (a variable of CMake or of the
# environment), in the system's, in the CUDA Toolkit's, and where pip puts the packages nvidia-cudnn-cu12 and -cu13.

set(mien_cudnn_missing "")
if(NOT TARGET mien::cudnn_library)
  set(cudnn_pip_roots "")
  foreach(prefix IN ITEMS "$ENV{VIRTUAL_ENV}" "$ENV{CONDA_PREFIX}" "$ENV{HOME}/.local" /usr/local /usr)
    if(prefix)
      file(GLOB found LIST_DIRECTORIES TRUE "${prefix}/lib/python3*/site-packages/nvidia/cudnn"
                                            "${prefix}/lib/python3*/dist-packages/nvidia/cudnn")
      list(APPEND cudnn_pip_roots ${found})
    endif()
  endforeach()

  find_path(MIEN_CUDNN_INCLUDE_DIR NAMES cudnn_version.h
    HINTS ${CUDNN_ROOT} ENV CUDNN_ROOT PATHS ${CUDAToolkit_INCLUDE_DIRS} ${cudnn_pip_roots} PATH_SUFFIXES include)
  mark_as_advanced(MIEN_CUDNN_INCLUDE_DIR)
  set(cudnn_version "")
  if(MIEN_CUDNN_INCLUDE_DIR)
    file(STRINGS "${MIEN_CUDNN_INCLUDE_DIR}/cudnn_version.h" cudnn_version_lines
         REGEX "^#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) +[0-9]+")
    string(REGEX REPLACE "[^0-9;]" "" cudnn_version_lines "${cudnn_version_lines}")
    string(REPLACE ";" "." cudnn_version "${cudnn_version_lines}")
  endif()
  # Where there are several, the library that lies beside the header. Pip's is called by its version alone.
  string(REGEX MATCH "^[0-9]+" cudnn_major "${cudnn_version}")
  get_filename_component(cudnn_root "${MIEN_CUDNN_INCLUDE_DIR}" DIRECTORY)
  find_library(MIEN_CUDNN_LIBRARY NAMES cudnn "libcudnn.so.${cudnn_major}" NAMES_PER_DIR
    HINTS ${cudnn_root} ${CUDNN_ROOT} ENV CUDNN_ROOT PATHS ${CUDAToolkit_LIBRARY_DIR} ${cudnn_pip_roots}
    PATH_SUFFIXES lib64 lib)
  mark_as_advanced(MIEN_CUDNN_LIBRARY)

  if(NOT MIEN_CUDNN_INCLUDE_DIR OR NOT MIEN_CUDNN_LIBRARY)
    list(JOIN CUDAToolkit_INCLUDE_DIRS ", " cudnn_toolkit_text)
    list(JOIN cudnn_pip_roots ", " cudnn_pip_text)
    string(CONCAT mien_cudnn_missing
      "cuDNN is not there: cudnn_version.h is ${MIEN_CUDNN_INCLUDE_DIR}, its library "
      "${MIEN_CUDNN_LIBRARY}. Looked for in CUDNN_ROOT (\"${CUDNN_ROOT}\", in the environment \"$ENV{CUDNN_ROOT}\"), in "
      "the system's folders, in the toolkit's (${cudnn_toolkit_text}; ${CUDAToolkit_LIBRARY_DIR}) and in pip's "
      "(${cudnn_pip_text}). Install cuDNN 9 or newer (Debian, from NVIDIA's repository: cudnn9-cuda-12 or -13; pip: "
      "nvidia-cudnn-cu12 or -cu13), or say where it is: -D CUDNN_ROOT=<folder>.")
  elseif(cudnn_version VERSION_LESS 9)
    string(CONCAT mien_cudnn_missing
      "${MIEN_CUDNN_INCLUDE_DIR}/cudnn_version.h is of cuDNN \"${cudnn_version}\"; mien needs 9 or newer. Say where one "
      "is, -D CUDNN_ROOT=<folder> in a fresh build folder.")
  else()
    add_library(mien::cudnn_library UNKNOWN IMPORTED GLOBAL)
    set_target_properties(mien::cudnn_library PROPERTIES IMPORTED_LOCATION "${MIEN_CUDNN_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${MIEN_CUDNN_INCLUDE_DIR}")
  endif()
endif()
