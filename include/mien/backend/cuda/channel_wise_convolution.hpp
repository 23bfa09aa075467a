#pragma once

#include "mien/backend/cuda/kernels/channel_wise_convolution.hpp"
#include "mien/backend/cuda/number.hpp"
#include "mien/backend/cuda/window.hpp"

namespace mien::backend {

template <cuda::Number T>
void channel_wise_convolution(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& weight, const ConvolutionWindow& window,
                              Tensor<T, Cuda>& y) {
  kernels::channel_wise_convolution(x.data(), weight.data(), sliding_window(x.shape(), y.shape(), window), y.data(),
                                    cuda::current_stream().get());
}

template <cuda::Number T>
void channel_wise_convolution_input_gradient(const Tensor<T, Cuda>& upstream, const Tensor<T, Cuda>& weight,
                                             const ConvolutionWindow& window, Tensor<T, Cuda>& gradient) {
  kernels::channel_wise_convolution_input_gradient(upstream.data(), weight.data(),
                                                   sliding_window(gradient.shape(), upstream.shape(), window),
                                                   gradient.data(), cuda::current_stream().get());
}

template <cuda::Number T>
void channel_wise_convolution_weight_gradient(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& upstream,
                                              const ConvolutionWindow& window, Tensor<T, Cuda>& gradient) {
  const auto sliding = sliding_window(x.shape(), upstream.shape(), window);
  auto workspace = cuda::workspace(kernels::channel_wise_convolution_workspace(sliding));
  kernels::channel_wise_convolution_weight_gradient(x.data(), upstream.data(), sliding, workspace.data(),
                                                    gradient.data(), cuda::current_stream().get());
}

}  // namespace mien::backend
