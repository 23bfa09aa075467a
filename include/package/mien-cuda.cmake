# The target mien::cuda. Asked for by MIEN_CUDA=ON, so what is missing is an error, never a reason to go without.

if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(MIEN_NVCC nvcc PATHS /usr/local/cuda/bin)
  mark_as_advanced(MIEN_NVCC)
  if(MIEN_NVCC)
    set(CMAKE_CUDA_COMPILER "${MIEN_NVCC}")
  endif()
endif()
# Before the language is enabled, which gives the variable a value of its own.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80 86 89 90 100 120)
endif()
option(MIEN_CUDNN "Let programs choose cuDNN for convolutions; needs cuDNN 9" OFF)
option(MIEN_CUBLAS "Let programs choose cuBLASLt for matrix products" OFF)
option(MIEN_NCCL "Let GPUs of several processes train together; needs NCCL 2" OFF)
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  message(FATAL_ERROR
    "MIEN_CUDA is ON, but there is no CUDA compiler (nvcc), neither in the PATH nor in /usr/local/cuda/bin. Install the "
    "CUDA Toolkit 12 or newer, or say where nvcc is: -D CMAKE_CUDA_COMPILER=<folder>/nvcc. Without a GPU to compute on: "
    "-D MIEN_CUDA=OFF.")
endif()
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12)
  message(FATAL_ERROR "MIEN_CUDA is ON, but ${CMAKE_CUDA_COMPILER} is of CUDA ${CMAKE_CUDA_COMPILER_VERSION}; mien needs 12 or newer.")
endif()
find_package(CUDAToolkit 12 REQUIRED)

# The combined file is for who has no CMake.
file(GLOB mien_cuda_kernels CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kernels/*.cu")
list(FILTER mien_cuda_kernels EXCLUDE REGEX "/mien_cuda\\.cu$")
add_library(mien_cuda STATIC ${mien_cuda_kernels})
add_library(mien::cuda ALIAS mien_cuda)
set_target_properties(mien_cuda PROPERTIES EXPORT_NAME cuda POSITION_INDEPENDENT_CODE ON)
# CMake 3.25 knows no CUDA_STANDARD 20 for nvcc, which does.
target_compile_options(mien_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>)
target_include_directories(mien_cuda PRIVATE "${PROJECT_SOURCE_DIR}/kernels")
target_compile_definitions(mien_cuda INTERFACE MIEN_WITH_CUDA)
target_link_libraries(mien_cuda PUBLIC mien CUDA::cudart_static)

# Libraries of NVIDIA's that a program can choose at run time (libraries.hpp). The kernels do not know of them.
if(MIEN_CUBLAS)
  target_compile_definitions(mien_cuda PUBLIC MIEN_WITH_CUBLAS)
  target_link_libraries(mien_cuda INTERFACE CUDA::cublasLt)
endif()
set(mien_cuda_libraries "")
if(MIEN_CUDNN)
  list(APPEND mien_cuda_libraries cudnn)
  target_compile_definitions(mien_cuda PUBLIC MIEN_WITH_CUDNN)
endif()
# GPUs that train together (train/nccl.hpp).
if(MIEN_NCCL)
  list(APPEND mien_cuda_libraries nccl)
  target_compile_definitions(mien_cuda INTERFACE MIEN_WITH_NCCL)
endif()
# What was asked for and is missing is an error, never a reason to go without.
foreach(library IN LISTS mien_cuda_libraries)
  include("${CMAKE_CURRENT_LIST_DIR}/mien-${library}.cmake")
  string(TOUPPER "${library}" upper)
  if(mien_${library}_missing)
    message(FATAL_ERROR "MIEN_${upper} is ON, but ${mien_${library}_missing} Without it: -D MIEN_${upper}=OFF.")
  endif()
  target_link_libraries(mien_cuda INTERFACE mien::${library}_library)
  message(STATUS "mien::cuda: ${upper}, ${MIEN_${upper}_LIBRARY}")
endforeach()
message(STATUS "mien::cuda: nvcc ${CMAKE_CUDA_COMPILER_VERSION}, architectures ${CMAKE_CUDA_ARCHITECTURES}")
