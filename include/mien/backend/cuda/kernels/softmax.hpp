#pragma once

/// What kernels/softmax.cu offers to host code. T is float, __nv_bfloat16 or __half.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// y = softmax of each row of x [rows, columns], or its logarithm. x and y may be the same. Pointers are the device's.
/// Throws Error if the kernel cannot be started.
template <class T>
void softmax(const T* x, std::int64_t rows, std::int64_t columns, bool logarithm, T* y, cudaStream_t stream);

/// The gradient for x, given the result y: y (u - sum y u), or u - exp(y) sum u of the logarithm.
template <class T>
void softmax_gradient(const T* y, const T* upstream, std::int64_t rows, std::int64_t columns, bool logarithm,
                      T* gradient, cudaStream_t stream);

}  // namespace mien::kernels
