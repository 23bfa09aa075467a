#pragma once

/// What kernels/pooling.cu offers to host code. T is float, __nv_bfloat16 or __half; maps are channels last. Pointers
/// are the device's. Throws Error if a kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// Maps [images, height, width, channels], an output [images, output_height, output_width, channels], and the window
/// that slides over the one for the other. A window is never wholly outside the map.
struct PoolingWindow {
  std::int64_t images, height, width, channels;
  std::int64_t output_height, output_width;
  int kernel_height, kernel_width;
  int stride_height, stride_width;
  int padding_height, padding_width;
  bool count_padding = true;  ///< whether padded zeros count in a mean
};

/// The largest value under each window, NaN before all others, and the pixel that it came from, row * width + column.
template <class T>
void max_pool(const T* x, const PoolingWindow& window, T* y, std::int32_t* source, cudaStream_t stream);

/// The gradient for x.
template <class T>
void max_pool_gradient(const T* upstream, const std::int32_t* source, const PoolingWindow& window, T* gradient,
                       cudaStream_t stream);

/// The mean under each window.
template <class T>
void average_pool(const T* x, const PoolingWindow& window, T* y, cudaStream_t stream);

/// The gradient for x.
template <class T>
void average_pool_gradient(const T* upstream, const PoolingWindow& window, T* gradient, cudaStream_t stream);

/// Floats that `mean_of_positions` needs for itself.
std::int64_t mean_of_positions_workspace(std::int64_t images, std::int64_t positions, std::int64_t channels);

/// The means of x [images, positions, channels] over all positions.
template <class T>
void mean_of_positions(const T* x, std::int64_t images, std::int64_t positions, std::int64_t channels, float* workspace,
                       T* means, cudaStream_t stream);

}  // namespace mien::kernels
