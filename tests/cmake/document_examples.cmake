# Are the C++ examples of the documents true?
#   cmake -D WORK=<folder> -D CXX=<compiler> -D FLAGS=<flags of the libraries> -P tests/cmake/document_examples.cmake
#
# What stands in a document right before a block says what is done with it:
#   <!-- compiled -->                 statements, compiled in a function of their own, where namespace mien is used
#   <!-- compiled                     the same after these statements, which a reader does not see
#   Tensor<float> x({2, 3});
#   -->
#   <!-- compiled: declarations -->   the same outside of functions
#   <!-- from tests/x.cpp -->         stands letter by letter in that file, which is compiled and tested with all others
#   <!-- quickstart -->               a program that a test of its own compares
#   <!-- not compiled: <why> -->
# All that is compiled is one file, which is only read by the compiler: it is about names and types, and has to be cheap.
cmake_minimum_required(VERSION 3.25)

get_filename_component(root "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
set(includes "")
set(code "")
set(count 0)

# What the comment says that `text` ends with.
function(marker_before text result)
  set(${result} "" PARENT_SCOPE)
  string(FIND "${text}" "<!--" begin REVERSE)
  if(begin EQUAL -1)
    return()
  endif()
  string(SUBSTRING "${text}" ${begin} -1 comment)
  string(FIND "${comment}" "-->" end)
  if(end EQUAL -1)
    return()
  endif()
  math(EXPR after "${end} + 3")
  string(SUBSTRING "${comment}" ${after} -1 behind)
  string(STRIP "${behind}" behind)
  if(behind STREQUAL "")
    string(SUBSTRING "${comment}" 4 -1 comment)
    math(EXPR length "${end} - 4")
    string(SUBSTRING "${comment}" 0 ${length} comment)
    string(STRIP "${comment}" comment)
    set(${result} "${comment}" PARENT_SCOPE)
  endif()
endfunction()

function(add_block place line marker block)
  # Headers are included ahead of everything.
  string(REGEX MATCHALL "(^|\n)#include [^\n]*" own_includes "${block}")
  list(JOIN own_includes "\n" own_includes)
  string(REGEX REPLACE "(^|\n)#include [^\n]*" "\\1" block "${block}")
  set(includes "${includes}${own_includes}\n" PARENT_SCOPE)

  math(EXPR number "${count} + 1")
  set(count ${number} PARENT_SCOPE)
  set(inside "#line ${line} \"${place}\"\n${block}\n")
  if(marker MATCHES "^compiled\n(.*)")
    set(inside "${CMAKE_MATCH_1}\n${inside}")
  endif()
  if(NOT marker STREQUAL "compiled: declarations")
    set(inside "[[maybe_unused]] void shown() {\n${inside}}\n")
  endif()
  set(code "${code}namespace document_example_${number} {\nusing namespace mien;\n${inside}}\n" PARENT_SCOPE)
endfunction()

file(GLOB_RECURSE documents RELATIVE "${root}" "${root}/docs/*.md")
list(PREPEND documents README.md CONTRIBUTING.md)
foreach(document IN LISTS documents)
  file(READ "${root}/${document}" rest)
  set(line 1)
  while(rest MATCHES "(^|\n) *```cpp\n")
    set(fence "${CMAKE_MATCH_0}")
    string(FIND "${rest}" "${fence}" begin)
    string(SUBSTRING "${rest}" 0 ${begin} before)
    string(LENGTH "${fence}" length)
    math(EXPR begin "${begin} + ${length}")
    string(SUBSTRING "${rest}" ${begin} -1 rest)
    string(FIND "${rest}" "```" end)
    string(SUBSTRING "${rest}" 0 ${end} block)
    string(SUBSTRING "${rest}" ${end} -1 rest)

    string(REGEX MATCHALL "\n" newlines "${before}${fence}")
    list(LENGTH newlines newlines)
    math(EXPR line "${line} + ${newlines}")
    marker_before("${before}" marker)
    if(marker MATCHES "^compiled(: declarations|\n.*)?$")
      add_block("${document}" ${line} "${marker}" "${block}")
    elseif(marker MATCHES "^from (.+)$")
      file(READ "${root}/${CMAKE_MATCH_1}" source)
      string(FIND "${source}" "${block}" place)
      if(place EQUAL -1)
        message(SEND_ERROR "${document}:${line}: this does not stand so in ${CMAKE_MATCH_1}:\n${block}")
      endif()
    elseif(NOT marker MATCHES "^quickstart$|^not compiled: .")
      message(SEND_ERROR "${document}:${line}: nothing says what to do with this C++ (${CMAKE_CURRENT_LIST_FILE}):\n${block}")
    endif()
    string(REGEX MATCHALL "\n" newlines "${block}")
    list(LENGTH newlines newlines)
    math(EXPR line "${line} + ${newlines}")
  endwhile()
endforeach()

if(count LESS 10)
  message(FATAL_ERROR "only ${count} examples were found in README.md and docs/")
endif()
file(WRITE "${WORK}/document_examples.cpp" "#include <iostream>\n#include <mien/mien.hpp>\n${includes}\n${code}")
execute_process(COMMAND "${CXX}" -std=c++20 -fsyntax-only "-I${root}/include" ${FLAGS} "${WORK}/document_examples.cpp"
  RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "examples of the documents do not compile")
endif()
message("${count} examples of documents compile")
