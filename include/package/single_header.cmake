# Puts the headers together into one, mien_single.hpp:
#   cmake -D OUTPUT=<file> -P include/package/single_header.cmake
#
# The order is that of mien/mien.hpp and of what each header includes. A header with #pragma once is put where it is
# included first; if that is under a condition, MIEN_WITH_..., it has a guard and is put again where it is included without.
# A file that has no #pragma once (kernels for each instruction set, undefine_stb.hpp) is put wherever it is included.
# #include <...> stays where it is: some of them stand inside a namespace or a condition.
cmake_minimum_required(VERSION 3.25)

if(NOT OUTPUT)
  message(FATAL_ERROR "usage: cmake -D OUTPUT=<file> -P ${CMAKE_CURRENT_LIST_FILE}")
endif()
get_filename_component(root "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)

# The conditions that hold where something is being put, MIEN_WITH_...
set_property(GLOBAL PROPERTY conditions "")
# The file that stands for MIEN_KERNELS.
set_property(GLOBAL PROPERTY kernels "")

# Keeps a list of the conditions that hold up to date when `text` follows; those that are no plain #if of a macro
# have a question mark.
function(follow_conditions text variable)
  string(REGEX MATCHALL "(^|\n)#[ ]*(if|el|endif)[^\n]*" lines "${text}")
  set(now ${${variable}})
  foreach(line IN LISTS lines)
    if(line MATCHES "#[ ]*endif")
      list(POP_BACK now)
    elseif(line MATCHES "#[ ]*if(def +| +defined *\\(? *)([A-Za-z0-9_]+)\\)?$")
      list(APPEND now "${CMAKE_MATCH_2}")
    else()
      if(line MATCHES "#[ ]*el")
        list(POP_BACK now)
      endif()
      list(APPEND now "?")
    endif()
  endforeach()
  set(${variable} "${now}" PARENT_SCOPE)
endfunction()

# Whether a header is there wherever `conditions` hold: it was put where no others do.
function(is_put path conditions result)
  set(${result} FALSE PARENT_SCOPE)
  get_property(places GLOBAL PROPERTY "places_of_${path}")
  foreach(place IN LISTS places)
    string(REPLACE "&" ";" needed "${place}")
    list(REMOVE_ITEM needed always ${conditions})
    if(needed STREQUAL "")
      set(${result} TRUE PARENT_SCOPE)
    endif()
  endforeach()
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
  get_property(inherited GLOBAL PROPERTY conditions)

  set(guard "")
  string(REGEX REPLACE "(^|\n)#pragma once\n+" "\\1" unguarded "${text}")
  if(NOT unguarded STREQUAL text)
    is_put("${path}" "${inherited}" there)
    if(there)
      set(${result} "" PARENT_SCOPE)
      return()
    endif()
    get_property(is_put_elsewhere GLOBAL PROPERTY "places_of_${path}" SET)
    list(JOIN inherited "&" place)
    set_property(GLOBAL APPEND PROPERTY "places_of_${path}" "always&${place}")
    set(text "${unguarded}")
    if(inherited OR is_put_elsewhere)
      string(MAKE_C_IDENTIFIER "${path}" guard)
      string(TOUPPER "MIEN_SINGLE_HEADER_${guard}" guard)
    endif()
  endif()

  without_cuda("${path}" text)

  set(done "")
  if(guard)
    set(done "#ifndef ${guard}\n#define ${guard}\n")
  endif()
  if(NOT path MATCHES "\\.inc$")
    string(APPEND done "// ---- ${path}\n\n")
  endif()
  set(open "")
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
    follow_conditions("${before}" open)

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
      set(here ${inherited} ${open})
      set(others ${open})
      list(FILTER others EXCLUDE REGEX "^MIEN_WITH_")
      if(others AND NOT included MATCHES "\\.inc$")
        message(FATAL_ERROR "${path} includes ${included} under a condition that is no plain #if of a MIEN_WITH_...")
      endif()
      list(REMOVE_DUPLICATES here)
      set_property(GLOBAL PROPERTY conditions "${here}")
      expanded("${included}" inside)
      set_property(GLOBAL PROPERTY conditions "${inherited}")
      string(APPEND done "${inside}")
    endif()
  endwhile()
  string(APPEND done "${text}")
  if(NOT done MATCHES "\n$")
    string(APPEND done "\n")
  endif()
  if(guard)
    string(APPEND done "#endif\n")
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
// stb_image and -lz besides; with -D MIEN_WITH_LIBJPEG and -ljpeg, -D MIEN_WITH_LIBPNG and -lpng, it decodes images by
// these. Tensors on GPUs need the headers as they were, and mien::cuda.
//
${licence}

#if defined(MIEN_VERSION_MAJOR)
#error \"mien_single.hpp is all of mien: include it instead of the headers mien/..., not beside them\"
#endif
#if defined(MIEN_WITH_CUDA)
#error \"mien_single.hpp knows no GPU: where MIEN_WITH_CUDA is defined, include <mien/mien.hpp>\"
#endif

${all}")
