# Puts the headers together into one, mien_single.hpp:
#   cmake -D OUTPUT=<file> -P include/package/single_header.cmake
#
# The order is that of mien/mien.hpp and of what each header includes. A header with #pragma once is put where it is
# included first; a file without one (kernels for each instruction set, undefine_stb.hpp) wherever it is included.
# #include <...> stays where it is: some of them stand inside a namespace or a condition.
cmake_minimum_required(VERSION 3.25)

if(NOT OUTPUT)
  message(FATAL_ERROR "usage: cmake -D OUTPUT=<file> -P ${CMAKE_CURRENT_LIST_FILE}")
endif()
get_filename_component(root "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)

# The part of mien.hpp that is being put, by the macro that asks for it; empty for what everybody gets.
set_property(GLOBAL PROPERTY part "")
# The file that stands for MIEN_KERNELS.
set_property(GLOBAL PROPERTY kernels "")

# Keeps `open`, the conditions that a text is under, up to date when `text` follows.
function(follow_conditions text open)
  string(REGEX MATCHALL "(^|\n)#[ ]*(if|ifdef|ifndef|endif)[^\n]*" lines "${text}")
  set(conditions ${${open}})
  foreach(line IN LISTS lines)
    if(line MATCHES "#[ ]*endif")
      list(POP_BACK conditions)
    else()
      string(REGEX REPLACE "^\n?#[ ]*[a-z]+ *(defined)?[ (]*([A-Za-z0-9_]*).*" "\\2" name "${line}")
      list(APPEND conditions "${name}")
    endif()
  endforeach()
  set(${open} "${conditions}" PARENT_SCOPE)
endfunction()

# There is no GPU here, as kernels are files of their own, and a library: takes out what is for MIEN_WITH_CUDA alone.
function(without_cuda path variable)
  set(rest "\n${${variable}}")
  set(kept "")
  while(rest MATCHES "\n#if(def| defined\\()[ ]*MIEN_WITH_CUDA\\)?\n")
    string(FIND "${rest}" "${CMAKE_MATCH_0}" begin)
    string(SUBSTRING "${rest}" 0 ${begin} before)
    string(SUBSTRING "${rest}" ${begin} -1 rest)
    string(FIND "${rest}" "\n#endif" end)
    string(SUBSTRING "${rest}" 1 ${end} block)
    if(block MATCHES "\n#[ ]*(if|el)")
      message(FATAL_ERROR "${path}: there are conditions inside of what is for MIEN_WITH_CUDA:\n${block}")
    endif()
    string(LENGTH "\n#endif" length)
    math(EXPR end "${end} + ${length}")
    string(SUBSTRING "${rest}" ${end} -1 rest)
    string(APPEND kept "${before}")
  endwhile()
  string(APPEND kept "${rest}")
  string(SUBSTRING "${kept}" 1 -1 kept)
  set(${variable} "${kept}" PARENT_SCOPE)
endfunction()

# What to put where `path` is included.
function(expanded path result)
  file(READ "${root}/include/${path}" text)
  get_property(part GLOBAL PROPERTY part)

  string(REGEX REPLACE "(^|\n)#pragma once\n+" "\\1" unguarded "${text}")
  if(NOT unguarded STREQUAL text)
    get_property(is_there GLOBAL PROPERTY "part_of_${path}" SET)
    if(is_there)
      get_property(part_there GLOBAL PROPERTY "part_of_${path}")
      set(${result} "" PARENT_SCOPE)
      if(part_there AND NOT part_there STREQUAL part)
        set(${result} "#ifndef ${part_there}\n#error \"${part} needs ${part_there} too\"\n#endif\n" PARENT_SCOPE)
      endif()
      return()
    endif()
    set_property(GLOBAL PROPERTY "part_of_${path}" "${part}")
    set(text "${unguarded}")
  endif()

  without_cuda("${path}" text)

  set(done "")
  if(NOT path MATCHES "\\.inc$")
    set(done "// ---- ${path}\n\n")
  endif()
  set(conditions "")
  set(directive "(^|\n)#(include \"mien/[^\n]*|include MIEN_KERNELS|define MIEN_KERNELS [^\n]*|undef MIEN_KERNELS)\n")
  while(text MATCHES "${directive}")
    set(found "${CMAKE_MATCH_0}")
    set(line "${CMAKE_MATCH_2}")
    string(FIND "${text}" "${found}" place)
    string(SUBSTRING "${text}" 0 ${place} before)
    string(LENGTH "${found}" length)
    math(EXPR after "${place} + ${length}")
    string(SUBSTRING "${text}" ${after} -1 text)
    # The line before an include ends with a newline that belongs to the match.
    if(found MATCHES "^\n")
      string(APPEND before "\n")
    endif()
    string(APPEND done "${before}")
    follow_conditions("${before}" conditions)
    set(condition "")
    if(conditions)
      list(GET conditions -1 condition)
    endif()

    if(line MATCHES "^define MIEN_KERNELS \"(.*)\"")
      set_property(GLOBAL PROPERTY kernels "${CMAKE_MATCH_1}")
    elseif(line STREQUAL "include MIEN_KERNELS")
      get_property(kernels GLOBAL PROPERTY kernels)
      expanded("${kernels}" inside)
      string(APPEND done "${inside}")
    elseif(line MATCHES "^include \"([^\"]*)\"")
      set(included "${CMAKE_MATCH_1}")
      if(included MATCHES "/backend/cuda/")
        message(FATAL_ERROR "${path} includes ${included} outside of #if defined(MIEN_WITH_CUDA)")
      endif()
      set(own_part "${part}")
      if(path STREQUAL "mien/mien.hpp")
        set_property(GLOBAL PROPERTY part "${condition}")
      elseif(condition STREQUAL "MIEN_WITH_VIDEO" AND included MATCHES "/video/ffmpeg")
        # For that part alone wherever it is included.
        set_property(GLOBAL PROPERTY part "${condition}")
      elseif(condition AND NOT condition STREQUAL part AND NOT included MATCHES "\\.inc$")
        message(FATAL_ERROR "${path} includes ${included} under a condition, ${condition}; in a single header others "
          "that include it too would miss it")
      endif()
      expanded("${included}" inside)
      string(APPEND done "${inside}")
      if(NOT path STREQUAL "mien/mien.hpp")
        set_property(GLOBAL PROPERTY part "${own_part}")
      endif()
    endif()
  endwhile()
  string(APPEND done "${text}")
  if(NOT done MATCHES "\n$")
    string(APPEND done "\n")
  endif()
  set(${result} "${done}" PARENT_SCOPE)
endfunction()

file(STRINGS "${root}/include/mien/version.hpp" version REGEX "^#define MIEN_VERSION_(MAJOR|MINOR|PATCH) [0-9]+$")
string(REGEX REPLACE "[^0-9;]" "" version "${version}")
string(REPLACE ";" "." version "${version}")
file(READ "${root}/LICENSE" licence)
string(REGEX REPLACE "\n+$" "" licence "${licence}")
string(REGEX REPLACE "\n" "\n// " licence "// ${licence}")
string(REGEX REPLACE " +\n" "\n" licence "${licence}")

expanded("mien/mien.hpp" all)
file(WRITE "${OUTPUT}" "#pragma once

// mien ${version} as one header, made from the headers under include/mien by include/package/single_header.cmake.
// It needs a C++20 compiler, Eigen 3.4 and -pthread. With -D MIEN_WITH_IO it reads files too, and needs nlohmann-json,
// stb_image and -lz besides; with -D MIEN_WITH_VIDEO it reads films too, by FFmpeg's libraries. Tensors on GPUs need the
// headers as they were, and mien::cuda.
//
${licence}

#if defined(MIEN_VERSION_MAJOR)
#error \"mien_single.hpp is all of mien: include it instead of the headers mien/..., not beside them\"
#endif
#if defined(MIEN_WITH_CUDA)
#error \"mien_single.hpp knows no GPU: where MIEN_WITH_CUDA is defined, include <mien/mien.hpp>\"
#endif

${all}")
