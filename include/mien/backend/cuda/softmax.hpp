#pragma once

#include "mien/backend/cuda/kernels/softmax.hpp"
#include "mien/backend/cuda/number.hpp"

namespace mien::backend {

template <cuda::Number T>
void softmax(const Tensor<T, Cuda>& x, Tensor<T, Cuda>& out) {
  const Index columns = out.size(-1);
  kernels::softmax(x.data(), columns == 0 ? 0 : out.elements() / columns, columns, false, out.data(),
                   cuda::current_stream().get());
}
template <cuda::Number T>
void softmax_gradient(const Tensor<T, Cuda>& result, const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  const Index columns = out.size(-1);
  kernels::softmax_gradient(result.data(), upstream.data(), columns == 0 ? 0 : out.elements() / columns, columns, false,
                            out.data(), cuda::current_stream().get());
}

template <cuda::Number T>
void log_softmax(const Tensor<T, Cuda>& x, Tensor<T, Cuda>& out) {
  const Index columns = out.size(-1);
  kernels::softmax(x.data(), columns == 0 ? 0 : out.elements() / columns, columns, true, out.data(),
                   cuda::current_stream().get());
}
template <cuda::Number T>
void log_softmax_gradient(const Tensor<T, Cuda>& result, const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  const Index columns = out.size(-1);
  kernels::softmax_gradient(result.data(), upstream.data(), columns == 0 ? 0 : out.elements() / columns, columns, true,
                            out.data(), cuda::current_stream().get());
}

}  // namespace mien::backend
