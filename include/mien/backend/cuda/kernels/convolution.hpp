#pragma once

/// What kernels/convolution.cu offers to host code. T is float, __nv_bfloat16 or __half; sums are float. Pointers are
/// the device's. Throws Error if a kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// Maps [images, height, width, inputs], an output [images, output_height, output_width, outputs], and the window that
/// slides over the one for the other; weights are [kernel_height, kernel_width, inputs, outputs].
struct ConvolutionWindow {
  std::int64_t images, height, width, inputs;
  std::int64_t output_height, output_width, outputs;
  int kernel_height, kernel_width;
  int stride_height, stride_width;
  int padding_height, padding_width;
};

/// y[n, i, j, o] = sum over a, b, c of x[n, i s - p + a, j s - p + b, c] weight[a, b, c, o].
template <class T>
void convolution(const T* x, const T* weight, const ConvolutionWindow& window, T* y, cudaStream_t stream);

/// The gradient for x.
template <class T>
void convolution_input_gradient(const T* upstream, const T* weight, const ConvolutionWindow& window, T* gradient,
                                cudaStream_t stream);

/// Floats that the gradient for the weight needs for itself.
std::int64_t convolution_workspace(const ConvolutionWindow& window);

/// The gradient for the weight, in float.
template <class T>
void convolution_weight_gradient(const T* x, const T* upstream, const ConvolutionWindow& window, float* workspace,
                                 float* gradient, cudaStream_t stream);

}  // namespace mien::kernels
