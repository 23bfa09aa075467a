# Asks a doctest program for its cases and writes a file that makes each of them a ctest test. Run after the link:
#   cmake -D PROGRAM=<path> -D NAME=<dotted name> -D LABELS=<list> -D OUTPUT=<file> -P discover_tests.cmake
# doctest brings a script of its own for this. It loses labels, and cases whose names have a semicolon or a lone bracket.
cmake_minimum_required(VERSION 3.25)

execute_process(COMMAND "${PROGRAM}" --list-test-cases --no-colors=true
  OUTPUT_VARIABLE listing ERROR_VARIABLE listing RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} --list-test-cases ended with ${result}:\n${listing}")
endif()

# Semicolons and brackets mean something in CMake's lists, so they go through the loop in disguise.
string(ASCII 1 semicolon)
string(ASCII 2 opening)
string(ASCII 3 closing)
string(REPLACE ";" "${semicolon}" listing "${listing}")
string(REPLACE "[" "${opening}" listing "${listing}")
string(REPLACE "]" "${closing}" listing "${listing}")
string(REPLACE "\n" ";" listing "${listing}")

# Those that take long begin first, so that nothing waits for the last of them alone.
set(cost 0)
set(timeout 600)
if("slow" IN_LIST LABELS)
  set(cost 1000)
  set(timeout 1800)
endif()
set(script "")
foreach(case IN LISTS listing)
  if(case STREQUAL "" OR case MATCHES "^(${opening}doctest${closing} |=====)")
    continue()
  endif()
  string(REPLACE "${semicolon}" ";" case "${case}")
  string(REPLACE "${opening}" "[" case "${case}")
  string(REPLACE "${closing}" "]" case "${case}")
  string(REPLACE "," "\\," filter "${case}")  # a comma would separate two filters
  string(APPEND script
    "add_test([==[${NAME}: ${case}]==] [==[${PROGRAM}]==] [==[--test-case=${filter}]==])\n"
    "set_tests_properties([==[${NAME}: ${case}]==] PROPERTIES LABELS [==[${LABELS}]==] TIMEOUT ${timeout} COST ${cost}\n"
    # Of tests that need something which is not installed; see tests/python.hpp.
    "  SKIP_REGULAR_EXPRESSION [==[MESSAGE: skipped: ]==]\n"
    # A program that is asked for a case it does not know runs none, and is content with that. We are not.
    "  FAIL_REGULAR_EXPRESSION [==[\\[doctest\\] test cases: +0 ]==])\n")
endforeach()
if(script STREQUAL "")
  message(FATAL_ERROR "${PROGRAM} has no test case")
endif()
file(WRITE "${OUTPUT}" "${script}")
