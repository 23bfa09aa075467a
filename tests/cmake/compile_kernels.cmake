# Compiles kernels/*.cu with nvcc for every architecture that the project supports, and says what each kernel needs:
# registers, shared memory, and whether registers spill into memory, which is an error here.
#
#     cmake -D SOURCE=kernels/softmax.cu -P tests/cmake/compile_kernels.cmake      one file
#     cmake -D WRITE=ON -P tests/cmake/compile_kernels.cmake                       all, into docs/kernels.md
#
# -D NVCC names the compiler, else it is looked for; -D ARCHITECTURES=80,120 compiles for these alone.

cmake_minimum_required(VERSION 3.20)
get_filename_component(root "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
set(architectures 80 86 89 90 100 120)
if(ARCHITECTURES)
  string(REPLACE "," ";" architectures "${ARCHITECTURES}")
endif()

if(NOT NVCC)
  find_program(NVCC nvcc PATHS /usr/local/cuda/bin REQUIRED)
endif()
find_program(DEMANGLE c++filt REQUIRED)
if(SOURCE)
  get_filename_component(sources "${SOURCE}" ABSOLUTE)
  set(threads 1)
else()
  file(GLOB sources "${root}/kernels/*.cu")
  # What is in it is in the others.
  list(FILTER sources EXCLUDE REGEX "/mien_cuda\\.cu$")
  # Architectures side by side, since the files are one after the other.
  set(threads 0)
endif()

set(targets "")
foreach(architecture IN LISTS architectures)
  list(APPEND targets -gencode "arch=compute_${architecture},code=sm_${architecture}")
endforeach()

set(table "| kernel | registers, sm_80 to sm_120 | shared memory, bytes |\n|---|---|---|\n")
set(spilling "")
foreach(source IN LISTS sources)
  get_filename_component(file "${source}" NAME)
  execute_process(
    COMMAND "${NVCC}" -std=c++20 -O3 --threads ${threads} -Xptxas -v "-I${root}/include" "-I${root}/kernels" ${targets} -c "${source}" -o /dev/null
    OUTPUT_VARIABLE said ERROR_VARIABLE said RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${file}: nvcc failed\n${said}")
  endif()
  string(REGEX MATCHALL "entry function '[^']+' for 'sm_[0-9]+'[^']*[0-9]+ bytes stack frame, [0-9]+ bytes spill stores, [0-9]+ bytes spill loads[^']*Used [0-9]+ registers[^\n]*"
    entries "${said}")
  # library.cu has what programs look for when they are linked, and no kernel.
  if(NOT entries AND NOT file STREQUAL "library.cu")
    message(FATAL_ERROR "${file}: nvcc said nothing about its kernels\n${said}")
  endif()
  set(kernels "")
  foreach(architecture IN LISTS architectures)
    set(entries_of_architecture ${entries})
    list(FILTER entries_of_architecture INCLUDE REGEX "for 'sm_${architecture}'")
    foreach(entry IN LISTS entries_of_architecture)
      string(REGEX REPLACE "^entry function '([^']+)'.*" "\\1" kernel "${entry}")
      string(REGEX REPLACE ".*Used ([0-9]+) registers.*" "\\1" registers "${entry}")
      set(shared 0)
      if(entry MATCHES "([0-9]+) bytes smem")
        set(shared "${CMAKE_MATCH_1}")
      endif()
      if(NOT entry MATCHES " 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads")
        string(APPEND spilling "${file}: ${entry}\n")
      endif()
      if(NOT kernel IN_LIST kernels)
        list(APPEND kernels "${kernel}")
        set("registers_${kernel}" "")
      endif()
      list(APPEND "registers_${kernel}" "${registers}")
      set("shared_${kernel}" "${shared}")
    endforeach()
  endforeach()
  foreach(kernel IN LISTS kernels)
    execute_process(COMMAND "${DEMANGLE}" "${kernel}" OUTPUT_VARIABLE name OUTPUT_STRIP_TRAILING_WHITESPACE)
    # Names alone: no arguments, no namespaces of ours.
    string(REGEX REPLACE "mien::kernels::|\\(anonymous namespace\\)::|^void |__nv_" "" name "${name}")
    string(REGEX REPLACE "\\(.*" "" name "${name}")
    string(REPLACE ";" ", " registers "${registers_${kernel}}")
    string(APPEND table "| ${file}: `${name}` | ${registers} | ${shared_${kernel}} |\n")
  endforeach()
endforeach()

message("${table}")
if(spilling)
  message(FATAL_ERROR "kernels that keep numbers of a thread in memory:\n${spilling}")
endif()
if(WRITE)
  execute_process(COMMAND "${NVCC}" --version OUTPUT_VARIABLE version)
  string(REGEX REPLACE ".*release ([0-9.]+).*" "\\1" version "${version}")
  file(WRITE "${root}/docs/kernels.md" "# CUDA kernels

What nvcc ${version} makes of `kernels/*.cu` with -O3, for sm_80, 86, 89, 90, 100 and 120 in this order. No kernel spills
registers: that fails the test that compiles them. Written by `cmake -D WRITE=ON -P tests/cmake/compile_kernels.cmake`.

${table}")
endif()
