#pragma once

#include "mien/backend/cuda/kernels/elementwise.hpp"
#include "mien/backend/cuda/number.hpp"

namespace mien::backend {

template <cuda::Number T>
void relu(const Tensor<T, Cuda>& x, Tensor<T, Cuda>& out) {
  kernels::relu(x.data(), out.elements(), out.data(), cuda::current_stream().get());
}
template <cuda::Number T>
void relu_gradient(const Tensor<T, Cuda>& y, const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  kernels::relu_gradient(y.data(), upstream.data(), out.elements(), out.data(), cuda::current_stream().get());
}

template <cuda::Number T>
void sigmoid(const Tensor<T, Cuda>& x, Tensor<T, Cuda>& out) {
  kernels::sigmoid(x.data(), out.elements(), out.data(), cuda::current_stream().get());
}
template <cuda::Number T>
void sigmoid_gradient(const Tensor<T, Cuda>& y, const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  kernels::sigmoid_gradient(y.data(), upstream.data(), out.elements(), out.data(), cuda::current_stream().get());
}

template <cuda::Number T>
void tanh(const Tensor<T, Cuda>& x, Tensor<T, Cuda>& out) {
  kernels::tanh(x.data(), out.elements(), out.data(), cuda::current_stream().get());
}
template <cuda::Number T>
void tanh_gradient(const Tensor<T, Cuda>& y, const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  kernels::tanh_gradient(y.data(), upstream.data(), out.elements(), out.data(), cuda::current_stream().get());
}

template <cuda::Number T>
void gelu(const Tensor<T, Cuda>& x, Tensor<T, Cuda>& out) {
  kernels::gelu(x.data(), out.elements(), out.data(), cuda::current_stream().get());
}
template <cuda::Number T>
void gelu_gradient(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  kernels::gelu_gradient(x.data(), upstream.data(), out.elements(), out.data(), cuda::current_stream().get());
}

}  // namespace mien::backend
