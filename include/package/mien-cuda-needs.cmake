# What programs with mien::cuda need: they link CUDA's runtime. What is not found lands in mien_cuda_missing.
find_package(CUDAToolkit 12 QUIET)
set(mien_cuda_missing "")
if(NOT CUDAToolkit_FOUND)
  list(APPEND mien_cuda_missing "the CUDA Toolkit 12 or newer")
endif()
