# What programs with mien::cuda need: they link CUDA's runtime, and those of NVIDIA's libraries that it was built with,
# which the package lists in mien_cuda_libraries. What is not found lands in mien_cuda_missing.
find_package(CUDAToolkit 12 QUIET)
set(mien_cuda_missing "")
if(NOT CUDAToolkit_FOUND)
  list(APPEND mien_cuda_missing "the CUDA Toolkit 12 or newer")
endif()
foreach(mien_cuda_library IN LISTS mien_cuda_libraries)
  include("${CMAKE_CURRENT_LIST_DIR}/mien-${mien_cuda_library}.cmake")
  string(REPLACE ";" "," mien_cuda_library_missing "${mien_${mien_cuda_library}_missing}")
  if(mien_cuda_library_missing)
    list(APPEND mien_cuda_missing "${mien_cuda_library_missing}")
  endif()
endforeach()
