#pragma once

#include "mien/backend/cuda/kernels/pooling.hpp"
#include "mien/backend/cuda/number.hpp"
#include "mien/backend/cuda/window.hpp"
#include "mien/backend/pooling_windows.hpp"

namespace mien::backend {

inline kernels::SlidingWindow kernel_window(const Shape& x, const Shape& y, const SlidingWindows& windows) {
  return sliding_window(x, y,
                        {.height = windows.kernel.height,
                         .width = windows.kernel.width,
                         .stride_height = windows.stride.height,
                         .stride_width = windows.stride.width,
                         .padding_height = windows.padding.height,
                         .padding_width = windows.padding.width});
}
inline kernels::AdaptiveWindow kernel_window(const Shape& x, const Shape& y, const AdaptiveWindows&) {
  return {image_count(x), x[-3], x[-2], x[-1], y[-3], y[-2]};
}

template <cuda::MapNumber T>
void max_pool(const Tensor<T, Cuda>& x, const SlidingWindows& windows, Tensor<T, Cuda>& y,
              Tensor<std::int32_t, Cuda>& source) {
  kernels::max_pool(cuda::data(x), kernel_window(x.shape(), y.shape(), windows), cuda::data(y), source.data(),
                    cuda::current_stream().get());
}
template <cuda::MapNumber T>
void max_pool(const Tensor<T, Cuda>& x, const AdaptiveWindows& windows, Tensor<T, Cuda>& y,
              Tensor<std::int32_t, Cuda>& source) {
  kernels::adaptive_max_pool(cuda::data(x), kernel_window(x.shape(), y.shape(), windows), cuda::data(y), source.data(),
                             cuda::current_stream().get());
}

template <cuda::MapNumber T>
void max_pool_gradient(const Tensor<T, Cuda>& upstream, const Tensor<std::int32_t, Cuda>& source,
                       const SlidingWindows& windows, Tensor<T, Cuda>& gradient) {
  kernels::max_pool_gradient(cuda::data(upstream), source.data(),
                             kernel_window(gradient.shape(), upstream.shape(), windows), cuda::data(gradient),
                             cuda::current_stream().get());
}
template <cuda::MapNumber T>
void max_pool_gradient(const Tensor<T, Cuda>& upstream, const Tensor<std::int32_t, Cuda>& source,
                       const AdaptiveWindows& windows, Tensor<T, Cuda>& gradient) {
  kernels::adaptive_max_pool_gradient(cuda::data(upstream), source.data(),
                                      kernel_window(gradient.shape(), upstream.shape(), windows), cuda::data(gradient),
                                      cuda::current_stream().get());
}

template <cuda::MapNumber T>
void average_pool(const Tensor<T, Cuda>& x, const SlidingWindows& windows, Tensor<T, Cuda>& y) {
  kernels::average_pool(cuda::data(x), kernel_window(x.shape(), y.shape(), windows), windows.count_padding,
                        cuda::data(y), cuda::current_stream().get());
}
template <cuda::MapNumber T>
void average_pool(const Tensor<T, Cuda>& x, const AdaptiveWindows& windows, Tensor<T, Cuda>& y) {
  kernels::adaptive_average_pool(cuda::data(x), kernel_window(x.shape(), y.shape(), windows), cuda::data(y),
                                 cuda::current_stream().get());
}

template <cuda::MapNumber T>
void average_pool_gradient(const Tensor<T, Cuda>& upstream, const SlidingWindows& windows, Tensor<T, Cuda>& gradient) {
  kernels::average_pool_gradient(cuda::data(upstream), kernel_window(gradient.shape(), upstream.shape(), windows),
                                 windows.count_padding, cuda::data(gradient), cuda::current_stream().get());
}
template <cuda::MapNumber T>
void average_pool_gradient(const Tensor<T, Cuda>& upstream, const AdaptiveWindows& windows, Tensor<T, Cuda>& gradient) {
  kernels::adaptive_average_pool_gradient(cuda::data(upstream),
                                          kernel_window(gradient.shape(), upstream.shape(), windows),
                                          cuda::data(gradient), cuda::current_stream().get());
}

}  // namespace mien::backend
