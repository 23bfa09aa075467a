#pragma once

#include "mien/backend/cuda/kernels/fusion.hpp"
#include "mien/backend/cuda/number.hpp"

namespace mien::backend {

template <cuda::Number T>
void softmax_over_views(const Tensor<T, Cuda>& logits, Tensor<T, Cuda>& alpha) {
  kernels::softmax_over_views(logits.data(), alpha.size(0), alpha.size(2), alpha.data(), cuda::current_stream().get());
}

template <cuda::Number T>
void softmax_over_views_gradient(const Tensor<T, Cuda>& alpha, const Tensor<T, Cuda>& height,
                                 const Tensor<T, Cuda>& width, Tensor<T, Cuda>& gradient) {
  kernels::softmax_over_views_gradient(alpha.data(), height.data(), width.data(), alpha.size(0), alpha.size(2),
                                       height.size(1), gradient.data(), cuda::current_stream().get());
}

}  // namespace mien::backend
