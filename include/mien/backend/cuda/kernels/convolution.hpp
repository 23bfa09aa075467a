#pragma once

/// What kernels/convolution.cu offers to host code. T is float, __nv_bfloat16 or __half; sums are float. Pointers are
/// the device's. Throws Error if a kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

#include "mien/backend/cuda/kernels/window.hpp"

namespace mien::kernels {

/// Weights are [kernel_height, kernel_width, channels, outputs]. y[n, i, j, o] = sum over a, b, c of x[n, i s - p + a,
/// j s - p + b, c] weight[a, b, c, o].
template <class T>
void convolution(const T* x, const T* weight, const SlidingWindow& window, std::int64_t outputs, T* y,
                 cudaStream_t stream);

/// The gradient for x.
template <class T>
void convolution_input_gradient(const T* upstream, const T* weight, const SlidingWindow& window, std::int64_t outputs,
                                T* gradient, cudaStream_t stream);

/// Floats that the gradient for the weight needs for itself.
std::int64_t convolution_workspace(const SlidingWindow& window, std::int64_t outputs);

/// The gradient for the weight, in float.
template <class T>
void convolution_weight_gradient(const T* x, const T* upstream, const SlidingWindow& window, std::int64_t outputs,
                                 float* workspace, float* gradient, cudaStream_t stream);

}  // namespace mien::kernels
