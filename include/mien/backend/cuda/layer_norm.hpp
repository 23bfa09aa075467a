#pragma once

#include "mien/backend/cuda/kernels/layer_norm.hpp"
#include "mien/backend/cuda/number.hpp"

namespace mien::backend {

template <cuda::MapNumber T>
void layer_norm(const Tensor<T, Cuda>& x, const Tensor<Accumulated<T>, Cuda>& weight,
                const Tensor<Accumulated<T>, Cuda>& bias, Accumulated<T> epsilon, Tensor<T, Cuda>& out,
                Tensor<Accumulated<T>, Cuda>& mean, Tensor<Accumulated<T>, Cuda>& inverse_deviation) {
  kernels::layer_norm(cuda::data(x), weight.data(), bias.data(), epsilon, mean.elements(), weight.elements(),
                      cuda::data(out), mean.data(), inverse_deviation.data(), cuda::current_stream().get());
}

template <cuda::MapNumber T>
void layer_norm_input_gradient(const Tensor<T, Cuda>& x, const Tensor<Accumulated<T>, Cuda>& weight,
                               const Tensor<Accumulated<T>, Cuda>& mean,
                               const Tensor<Accumulated<T>, Cuda>& inverse_deviation, const Tensor<T, Cuda>& upstream,
                               Tensor<T, Cuda>& out) {
  kernels::layer_norm_input_gradient(cuda::data(x), weight.data(), mean.data(), inverse_deviation.data(),
                                     cuda::data(upstream), mean.elements(), weight.elements(), cuda::data(out),
                                     cuda::current_stream().get());
}

template <cuda::MapNumber T>
void layer_norm_weight_gradient(const Tensor<T, Cuda>& x, const Tensor<Accumulated<T>, Cuda>& mean,
                                const Tensor<Accumulated<T>, Cuda>& inverse_deviation, const Tensor<T, Cuda>& upstream,
                                Tensor<Accumulated<T>, Cuda>& out) {
  auto workspace = cuda::workspace(kernels::layer_norm_workspace(mean.elements(), out.elements()));
  kernels::layer_norm_weight_gradient(cuda::data(x), mean.data(), inverse_deviation.data(), cuda::data(upstream),
                                      mean.elements(), out.elements(), workspace.data(), out.data(),
                                      cuda::current_stream().get());
}

}  // namespace mien::backend
