#pragma once

/// Errors of CUDA's calls, as exceptions.

#include <cuda_runtime.h>

#include "mien/core/error.hpp"

namespace mien {

/// A call of CUDA failed. The program can go on after it, unless a kernel did what leaves the device unusable (such as
/// an illegal address): every later call then fails with the same code.
class CudaError : public Error {
 public:
  CudaError(const char* call, cudaError_t code, const char* file, int line)
      : Error(detail::text(call, " failed: ", cudaGetErrorName(code), " (", cudaGetErrorString(code), "), at ", file,
                           ":", line)),
        code_(code) {}

  cudaError_t code() const { return code_; }

 private:
  cudaError_t code_;
};

namespace cuda {

/// Throws CudaError, with the caller's file and line, unless the call went well. What CUDA remembers of it is cleared.
inline void require(const char* call, cudaError_t code, const char* file = __builtin_FILE(),
                    int line = __builtin_LINE()) {
  if (code == cudaSuccess) return;
  cudaGetLastError();
  throw CudaError(call, code, file, line);
}

}  // namespace cuda
}  // namespace mien
