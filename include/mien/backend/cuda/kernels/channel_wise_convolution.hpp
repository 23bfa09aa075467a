#pragma once

/// What kernels/channel_wise_convolution.cu offers to host code. T is float, __nv_bfloat16 or __half. Pointers are the
/// device's. Throws Error if a kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

#include "mien/backend/cuda/kernels/window.hpp"

namespace mien::kernels {

/// Weights are [kernel_height, kernel_width, channels]. y[n, i, j, c] = sum over a, b of x[n, i s - p + a, j s - p + b,
/// c] weight[a, b, c].
template <class T>
void channel_wise_convolution(const T* x, const T* weight, const SlidingWindow& window, T* y, cudaStream_t stream);

/// The gradient for x.
template <class T>
void channel_wise_convolution_input_gradient(const T* upstream, const T* weight, const SlidingWindow& window,
                                             T* gradient, cudaStream_t stream);

/// Floats that the gradient for the weight needs for itself.
std::int64_t channel_wise_convolution_workspace(const SlidingWindow& window);

/// The gradient for the weight, in float.
template <class T>
void channel_wise_convolution_weight_gradient(const T* x, const T* upstream, const SlidingWindow& window,
                                              float* workspace, float* gradient, cudaStream_t stream);

}  // namespace mien::kernels
