#pragma once

/// What kernels/channel_wise_convolution.cu offers to host code. T is float, __nv_bfloat16 or __half. Pointers are the
/// device's. Throws Error if a kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// Maps [images, height, width, channels], an output [images, output_height, output_width, channels], and the window
/// that slides over the one for the other; weights are [kernel_height, kernel_width, channels].
struct ChannelWiseWindow {
  std::int64_t images, height, width, channels;
  std::int64_t output_height, output_width;
  int kernel_height, kernel_width;
  int stride_height, stride_width;
  int padding_height, padding_width;
};

/// y[n, i, j, c] = sum over a, b of x[n, i s - p + a, j s - p + b, c] weight[a, b, c].
template <class T>
void channel_wise_convolution(const T* x, const T* weight, const ChannelWiseWindow& window, T* y, cudaStream_t stream);

/// The gradient for x.
template <class T>
void channel_wise_convolution_input_gradient(const T* upstream, const T* weight, const ChannelWiseWindow& window,
                                             T* gradient, cudaStream_t stream);

/// Floats that the gradient for the weight needs for itself.
std::int64_t channel_wise_convolution_workspace(const ChannelWiseWindow& window);

/// The gradient for the weight, in float.
template <class T>
void channel_wise_convolution_weight_gradient(const T* x, const T* upstream, const ChannelWiseWindow& window,
                                              float* workspace, float* gradient, cudaStream_t stream);

}  // namespace mien::kernels
