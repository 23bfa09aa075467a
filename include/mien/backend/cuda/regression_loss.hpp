#pragma once

#include "mien/backend/cuda/kernels/regression_loss.hpp"
#include "mien/backend/cuda/number.hpp"

namespace mien::backend {

/// How many numbers count, [1]; the loss is written too.
template <cuda::Number T>
Tensor<float, Cuda> mse_loss_count(const Tensor<T, Cuda>& a, const Tensor<T, Cuda>& b,
                                   const Tensor<std::uint8_t, Cuda>& mask, Tensor<T, Cuda>& loss) {
  auto workspace = cuda::workspace(kernels::regression_workspace(a.size(0), a.size(1)));
  Tensor<float, Cuda> count({1});
  kernels::mse_loss(a.data(), b.data(), mask.data(), a.size(0), a.size(1), workspace.data(), count.data(), loss.data(),
                    cuda::current_stream().get());
  return count;
}

template <cuda::Number T>
void mse_loss(const Tensor<T, Cuda>& a, const Tensor<T, Cuda>& b, const Tensor<std::uint8_t, Cuda>& mask,
              Tensor<T, Cuda>& loss) {
  mse_loss_count(a, b, mask, loss);
}

template <cuda::Number T>
void mse_loss_gradient(const Tensor<T, Cuda>& a, const Tensor<T, Cuda>& b, const Tensor<std::uint8_t, Cuda>& mask,
                       const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  Tensor<T, Cuda> loss({1});
  const auto count = mse_loss_count(a, b, mask, loss);
  kernels::mse_loss_gradient(a.data(), b.data(), mask.data(), a.size(0), a.size(1), count.data(), upstream.data(),
                             out.data(), cuda::current_stream().get());
}

/// What the gradient needs of each column; the concordances are written too.
template <cuda::Number T>
Tensor<float, Cuda> concordance_moments(const Tensor<T, Cuda>& a, const Tensor<T, Cuda>& b,
                                        const Tensor<std::uint8_t, Cuda>& mask, Tensor<T, Cuda>& out) {
  auto workspace = cuda::workspace(kernels::regression_workspace(a.size(0), a.size(1)));
  Tensor<float, Cuda> moments({a.size(1), kernels::concordance_moments});
  kernels::concordance(a.data(), b.data(), mask.data(), a.size(0), a.size(1), workspace.data(), moments.data(),
                       out.data(), cuda::current_stream().get());
  return moments;
}

template <cuda::Number T>
void concordance(const Tensor<T, Cuda>& a, const Tensor<T, Cuda>& b, const Tensor<std::uint8_t, Cuda>& mask,
                 Tensor<T, Cuda>& out) {
  concordance_moments(a, b, mask, out);
}

template <cuda::Number T>
void concordance_gradient(const Tensor<T, Cuda>& a, const Tensor<T, Cuda>& b, const Tensor<std::uint8_t, Cuda>& mask,
                          const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  Tensor<T, Cuda> coefficients({a.size(1)});
  const auto moments = concordance_moments(a, b, mask, coefficients);
  kernels::concordance_gradient(a.data(), b.data(), mask.data(), a.size(0), a.size(1), moments.data(), upstream.data(),
                                out.data(), cuda::current_stream().get());
}

}  // namespace mien::backend
