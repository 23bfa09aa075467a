#pragma once

#include "mien/backend/cuda/kernels/attention.hpp"
#include "mien/backend/cuda/number.hpp"

namespace mien::backend {

inline kernels::AttentionShape attention_shape(const Shape& qkv, Index heads) {
  return {qkv[0], qkv[1], heads, qkv[2] / 3 / heads};
}

template <cuda::MapNumber T>
void attention(const Tensor<T, Cuda>& qkv, Index heads, Tensor<T, Cuda>& out, Tensor<float, Cuda>& log_sums) {
  kernels::attention(cuda::data(qkv), attention_shape(qkv.shape(), heads), cuda::data(out), log_sums.data(),
                     cuda::current_stream().get());
}

template <cuda::MapNumber T>
void attention_gradient(const Tensor<T, Cuda>& qkv, Index heads, const Tensor<T, Cuda>& out,
                        const Tensor<float, Cuda>& log_sums, const Tensor<T, Cuda>& upstream,
                        Tensor<T, Cuda>& gradient) {
  const kernels::AttentionShape shape = attention_shape(qkv.shape(), heads);
  auto workspace = cuda::workspace(kernels::attention_workspace(shape));
  kernels::attention_gradient(cuda::data(qkv), cuda::data(out), log_sums.data(), cuda::data(upstream), shape,
                              workspace.data(), cuda::data(gradient), cuda::current_stream().get());
}

}  // namespace mien::backend
