# Is include/mien/mien.hpp the list of all headers under include/mien?
#   cmake -P tests/consumer/umbrella.cmake               says what is missing, and fails
#   cmake -D WRITE=ON -P tests/consumer/umbrella.cmake   writes the list anew
cmake_minimum_required(VERSION 3.25)

get_filename_component(include_dir "${CMAKE_CURRENT_LIST_DIR}/../../include" ABSOLUTE)
set(umbrella "${include_dir}/mien/mien.hpp")

file(GLOB_RECURSE headers RELATIVE "${include_dir}" "${include_dir}/mien/*.hpp")
list(REMOVE_ITEM headers mien/mien.hpp)
# Only for reading.
list(FILTER headers EXCLUDE REGEX "_abstract\\.hpp$")
list(SORT headers)

# Only for who has CUDA. What kernels offer comes with the headers that call them, and what other libraries of NVIDIA's
# do with libraries.hpp, where they are asked for.
set(cuda_lines "")
foreach(header IN LISTS headers)
  if(header MATCHES "/backend/cuda/[^/]*$" AND NOT header MATCHES "/(cublas|cudnn)\\.hpp$")
    string(APPEND cuda_lines "#include \"${header}\"\n")
  endif()
endforeach()
list(FILTER headers EXCLUDE REGEX "/backend/cuda/")

# Only for who has FFmpeg.
set(video_lines "")
foreach(header IN LISTS headers)
  if(header MATCHES "/video/ffmpeg[^/]*$")
    string(APPEND video_lines "#include \"${header}\"\n")
  endif()
endforeach()
list(FILTER headers EXCLUDE REGEX "/video/ffmpeg")

# Only for who has MPI; and who has NCCL includes its header by name.
set(mpi_lines "#include \"mien/train/mpi.hpp\"\n")
list(REMOVE_ITEM headers mien/train/mpi.hpp mien/train/nccl.hpp)

# A header belongs to the part that needs more than Eigen if it includes one of these libraries, or one of our headers
# that does.
foreach(header IN LISTS headers)
  file(STRINGS "${include_dir}/${header}" ours REGEX "^#include \"mien/.*\"")
  list(TRANSFORM ours REPLACE "^#include \"(mien/[^\"]*)\".*" "\\1")
  set("includes_of_${header}" "${ours}")
  file(STRINGS "${include_dir}/${header}" foreign REGEX "^# *include [<\"](nlohmann/|zlib\\.h|stb)")
  if(foreign)
    list(APPEND needs_more "${header}")
  endif()
endforeach()
set(changed TRUE)
while(changed)
  set(changed FALSE)
  foreach(header IN LISTS headers)
    if(NOT header IN_LIST needs_more)
      foreach(included IN LISTS "includes_of_${header}")
        if(included IN_LIST needs_more)
          list(APPEND needs_more "${header}")
          set(changed TRUE)
          break()
        endif()
      endforeach()
    endif()
  endforeach()
endwhile()

# Headers in a detail folder come with those that use them.
list(FILTER headers EXCLUDE REGEX "/detail/")

set(core_lines "")
set(more_lines "")
foreach(header IN LISTS headers)
  if(header IN_LIST needs_more)
    string(APPEND more_lines "#include \"${header}\"\n")
  else()
    string(APPEND core_lines "#include \"${header}\"\n")
  endif()
endforeach()

set(expected [[
#pragma once

/// Everything at once. Each header below can also be included alone, which compiles faster.
///
/// The first part needs the C++ library and Eigen. The second part reads files, with nlohmann-json, stb_image and zlib,
/// which has to be linked; it is included where `MIEN_WITH_IO` is defined. In CMake, linking `mien::io` does all of that;
/// by hand: `-D MIEN_WITH_IO ... -lz`. The third part is tensors on GPUs, where `MIEN_WITH_CUDA` is defined: link
/// `mien::cuda`. The fourth is films through FFmpeg, where `MIEN_WITH_VIDEO` is defined: link `mien::video`. The last are
/// several processes that train together, where `MIEN_WITH_MPI` is defined: link `mien::mpi`.
///
/// This list is written by `cmake -D WRITE=ON -P tests/consumer/umbrella.cmake`.

]])
string(APPEND expected "${core_lines}")
if(more_lines)
  string(APPEND expected
    "\n#ifdef MIEN_WITH_IO\n"
    "${more_lines}#endif\n")
endif()
string(APPEND expected
  "\n#ifdef MIEN_WITH_CUDA\n"
  "${cuda_lines}#endif\n"
  "\n#ifdef MIEN_WITH_VIDEO\n"
  "${video_lines}#endif\n"
  "\n#ifdef MIEN_WITH_MPI\n"
  "${mpi_lines}#endif\n")

set(found "")
if(EXISTS "${umbrella}")
  file(READ "${umbrella}" found)
endif()
if(WRITE)
  if(NOT found STREQUAL expected)
    file(WRITE "${umbrella}" "${expected}")
  endif()
elseif(NOT found STREQUAL expected)
  foreach(header IN LISTS headers)
    string(FIND "${found}" "#include \"${header}\"\n" place)
    if(place EQUAL -1)
      message("not in mien/mien.hpp: ${header}")
    endif()
  endforeach()
  message(FATAL_ERROR "mien/mien.hpp is not the list of all headers. To write it anew:\n"
    "  cmake -D WRITE=ON -P tests/consumer/umbrella.cmake")
endif()
