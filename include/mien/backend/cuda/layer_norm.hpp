#pragma once

#include "mien/backend/cuda/kernels/layer_norm.hpp"
#include "mien/backend/cuda/number.hpp"

namespace mien::backend {

template <cuda::Number T>
void layer_norm(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& weight, const Tensor<T, Cuda>& bias, T epsilon,
                Tensor<T, Cuda>& out, Tensor<T, Cuda>& mean, Tensor<T, Cuda>& inverse_deviation) {
  kernels::layer_norm(x.data(), weight.data(), bias.data(), epsilon, mean.elements(), weight.elements(), out.data(),
                      mean.data(), inverse_deviation.data(), cuda::current_stream().get());
}

template <cuda::Number T>
void layer_norm_input_gradient(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& weight, const Tensor<T, Cuda>& mean,
                               const Tensor<T, Cuda>& inverse_deviation, const Tensor<T, Cuda>& upstream,
                               Tensor<T, Cuda>& out) {
  kernels::layer_norm_input_gradient(x.data(), weight.data(), mean.data(), inverse_deviation.data(), upstream.data(),
                                     mean.elements(), weight.elements(), out.data(), cuda::current_stream().get());
}

template <cuda::Number T>
void layer_norm_weight_gradient(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& mean,
                                const Tensor<T, Cuda>& inverse_deviation, const Tensor<T, Cuda>& upstream,
                                Tensor<T, Cuda>& out) {
  auto workspace = cuda::workspace(kernels::layer_norm_workspace(mean.elements(), out.elements()));
  kernels::layer_norm_weight_gradient(x.data(), mean.data(), inverse_deviation.data(), upstream.data(), mean.elements(),
                                      out.elements(), workspace.data(), out.data(), cuda::current_stream().get());
}

}  // namespace mien::backend
