#pragma once

/// What kernels/pooling.cu offers to host code. T is float, __nv_bfloat16 or __half; maps are channels last. Pointers
/// are the device's. Throws Error if a kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

#include "mien/backend/cuda/kernels/window.hpp"

namespace mien::kernels {

/// No window is wholly outside the map. The largest value under each window, NaN before all others, and the pixel that
/// it came from, row * width + column.
template <class T>
void max_pool(const T* x, const SlidingWindow& window, T* y, std::int32_t* source, cudaStream_t stream);

/// The gradient for x.
template <class T>
void max_pool_gradient(const T* upstream, const std::int32_t* source, const SlidingWindow& window, T* gradient,
                       cudaStream_t stream);

/// The mean under each window; with `count_padding` padded zeros count in it.
template <class T>
void average_pool(const T* x, const SlidingWindow& window, bool count_padding, T* y, cudaStream_t stream);

/// The gradient for x.
template <class T>
void average_pool_gradient(const T* upstream, const SlidingWindow& window, bool count_padding, T* gradient,
                           cudaStream_t stream);

/// Windows that divide maps [images, height, width, channels] as evenly as whole pixels allow: output i of n sees
/// [floor(i extent / n), ceil((i + 1) extent / n)) of an axis.
struct AdaptiveWindow {
  std::int64_t images, height, width, channels;
  std::int64_t output_height, output_width;
};

/// The same of such windows, which may overlap by a pixel; maps have one at least.
template <class T>
void adaptive_max_pool(const T* x, const AdaptiveWindow& window, T* y, std::int32_t* source, cudaStream_t stream);
template <class T>
void adaptive_max_pool_gradient(const T* upstream, const std::int32_t* source, const AdaptiveWindow& window,
                                T* gradient, cudaStream_t stream);
template <class T>
void adaptive_average_pool(const T* x, const AdaptiveWindow& window, T* y, cudaStream_t stream);
template <class T>
void adaptive_average_pool_gradient(const T* upstream, const AdaptiveWindow& window, T* gradient, cudaStream_t stream);

/// Floats that `mean_of_positions` needs for itself.
std::int64_t mean_of_positions_workspace(std::int64_t images, std::int64_t positions, std::int64_t channels);

/// The means of x [images, positions, channels] over all positions.
template <class T>
void mean_of_positions(const T* x, std::int64_t images, std::int64_t positions, std::int64_t channels, float* workspace,
                       float* means, cudaStream_t stream);

}  // namespace mien::kernels
