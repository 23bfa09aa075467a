# Defines mien::stb if stb_image.h is found. stb brings no CMake package of its own, so both the build tree and the
# installed package look for it here, each on the machine where it is used: no path of one machine is written into a file.
if(NOT TARGET mien::stb)
  find_path(MIEN_STB_INCLUDE_DIR NAMES stb_image.h PATH_SUFFIXES stb)
  mark_as_advanced(MIEN_STB_INCLUDE_DIR)
  if(MIEN_STB_INCLUDE_DIR)
    add_library(mien::stb INTERFACE IMPORTED GLOBAL)
    target_include_directories(mien::stb INTERFACE "${MIEN_STB_INCLUDE_DIR}")
  endif()
endif()
