#pragma once

/// What kernels/convolution.cu offers to host code. T is float, __nv_bfloat16 or __half; sums are float. Pointers are
/// the device's. Throws Error if a kernel cannot be started, or counts more than it can.

#include <cuda_runtime.h>

#include <cstdint>

#include "mien/backend/cuda/kernels/product_precision.hpp"
#include "mien/backend/cuda/kernels/window.hpp"

namespace mien::kernels {

/// Where the pixels of images lie, in elements: row r of an image begins (r / row_period) row_outer +
/// (r % row_period) row_inner after it, columns likewise; a pixel's channels are neighbours. A super image is such a
/// grid over the frames of a clip.
struct PixelGrid {
  std::int64_t image_stride;
  std::int64_t row_period, row_outer, row_inner;
  std::int64_t column_period, column_outer, column_inner;
};

/// That of maps [images, height, width, channels].
constexpr PixelGrid plain_grid(std::int64_t height, std::int64_t width, std::int64_t channels) {
  return {height * width * channels, 1, width * channels, 0, 1, channels, 0};
}

/// A convolution with weights [kernel_height, kernel_width, channels / groups, outputs]: y[n, i, j, o] = sum over a, b,
/// c of x[n, i s - p + a, j s - p + b, c] weight[a, b, c, o]. The outputs of a group, outputs / groups neighbours, read
/// the channels of that group.
struct Convolution {
  SlidingWindow window;
  std::int64_t outputs;
  std::int64_t groups = 1;
  PixelGrid input, output;
  ProductPrecision precision = ProductPrecision::float32;
};

/// What becomes of the results before they are stored: relu(y scale + bias + residual), each part unless it is null.
template <class T>
struct ConvolutionFinish {
  const float* scale = nullptr;  ///< [outputs]
  const float* bias = nullptr;   ///< [outputs]
  const T* residual = nullptr;   ///< lies as y does, and may be y
  bool relu = false;
};

template <class T>
void convolution(const T* x, const T* weight, const Convolution& shape, const ConvolutionFinish<T>& finish, T* y,
                 cudaStream_t stream);

/// The gradient for x.
template <class T>
void convolution_input_gradient(const T* upstream, const T* weight, const Convolution& shape, T* gradient,
                                cudaStream_t stream);

/// Floats that the gradient for the weight needs for itself.
std::int64_t convolution_workspace(const Convolution& shape);

/// The gradient for the weight, in float.
template <class T>
void convolution_weight_gradient(const T* x, const T* upstream, const Convolution& shape, float* workspace,
                                 float* gradient, cudaStream_t stream);

}  // namespace mien::kernels
