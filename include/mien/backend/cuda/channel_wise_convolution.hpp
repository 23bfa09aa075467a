#pragma once

#include "mien/backend/cuda/activation.hpp"
#include "mien/backend/cuda/arithmetic.hpp"
#include "mien/backend/cuda/kernels/channel_wise_convolution.hpp"
#include "mien/backend/cuda/number.hpp"
#include "mien/backend/cuda/window.hpp"

namespace mien::backend {

template <cuda::MapNumber T>
void channel_wise_convolution(const Tensor<T, Cuda>& x, const Tensor<Accumulated<T>, Cuda>& weight,
                              const ConvolutionWindow& window, const Tensor<Accumulated<T>, Cuda>& bias, bool relu,
                              Tensor<T, Cuda>& y) {
  const Tensor<T, Cuda> kernel = cuda::parameter_for<T>(weight);
  kernels::channel_wise_convolution(cuda::data(x), cuda::data(kernel), sliding_window(x.shape(), y.shape(), window),
                                    cuda::data(y), cuda::current_stream().get());
  if (bias.defined()) add_bias(y, bias, y);
  if (relu) backend::relu(y, y);
}

template <cuda::MapNumber T>
void channel_wise_convolution_input_gradient(const Tensor<T, Cuda>& upstream,
                                             const Tensor<Accumulated<T>, Cuda>& weight,
                                             const ConvolutionWindow& window, Tensor<T, Cuda>& gradient) {
  const Tensor<T, Cuda> kernel = cuda::parameter_for<T>(weight);
  kernels::channel_wise_convolution_input_gradient(cuda::data(upstream), cuda::data(kernel),
                                                   sliding_window(gradient.shape(), upstream.shape(), window),
                                                   cuda::data(gradient), cuda::current_stream().get());
}

template <cuda::MapNumber T>
void channel_wise_convolution_weight_gradient(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& upstream,
                                              const ConvolutionWindow& window, Tensor<Accumulated<T>, Cuda>& gradient) {
  const auto sliding = sliding_window(x.shape(), upstream.shape(), window);
  auto workspace = cuda::workspace(kernels::channel_wise_convolution_workspace(sliding));
  kernels::channel_wise_convolution_weight_gradient(cuda::data(x), cuda::data(upstream), sliding, workspace.data(),
                                                    gradient.data(), cuda::current_stream().get());
}

}  // namespace mien::backend
