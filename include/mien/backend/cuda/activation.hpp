#pragma once

#include "mien/backend/cuda/kernels/elementwise.hpp"
#include "mien/backend/cuda/number.hpp"

namespace mien::backend {

template <cuda::MapNumber T>
void relu(const Tensor<T, Cuda>& x, Tensor<T, Cuda>& out) {
  kernels::relu(cuda::data(x), out.elements(), cuda::data(out), cuda::current_stream().get());
}
template <cuda::MapNumber T>
void relu_gradient(const Tensor<T, Cuda>& y, const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  kernels::relu_gradient(cuda::data(y), cuda::data(upstream), out.elements(), cuda::data(out),
                         cuda::current_stream().get());
}

template <cuda::MapNumber T>
void sigmoid(const Tensor<T, Cuda>& x, Tensor<T, Cuda>& out) {
  kernels::sigmoid(cuda::data(x), out.elements(), cuda::data(out), cuda::current_stream().get());
}
template <cuda::MapNumber T>
void sigmoid_gradient(const Tensor<T, Cuda>& y, const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  kernels::sigmoid_gradient(cuda::data(y), cuda::data(upstream), out.elements(), cuda::data(out),
                            cuda::current_stream().get());
}

template <cuda::MapNumber T>
void tanh(const Tensor<T, Cuda>& x, Tensor<T, Cuda>& out) {
  kernels::tanh(cuda::data(x), out.elements(), cuda::data(out), cuda::current_stream().get());
}
template <cuda::MapNumber T>
void tanh_gradient(const Tensor<T, Cuda>& y, const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  kernels::tanh_gradient(cuda::data(y), cuda::data(upstream), out.elements(), cuda::data(out),
                         cuda::current_stream().get());
}

template <cuda::MapNumber T>
void gelu(const Tensor<T, Cuda>& x, Tensor<T, Cuda>& out) {
  kernels::gelu(cuda::data(x), out.elements(), cuda::data(out), cuda::current_stream().get());
}
template <cuda::MapNumber T>
void gelu_gradient(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  kernels::gelu_gradient(cuda::data(x), cuda::data(upstream), out.elements(), cuda::data(out),
                         cuda::current_stream().get());
}

template <cuda::MapNumber T>
void exp(const Tensor<T, Cuda>& x, Tensor<T, Cuda>& out) {
  kernels::exponential(cuda::data(x), out.elements(), cuda::data(out), cuda::current_stream().get());
}

template <cuda::MapNumber T>
void log(const Tensor<T, Cuda>& x, Tensor<T, Cuda>& out) {
  kernels::logarithm(cuda::data(x), out.elements(), cuda::data(out), cuda::current_stream().get());
}

template <cuda::MapNumber T>
void sqrt(const Tensor<T, Cuda>& x, Tensor<T, Cuda>& out) {
  kernels::square_root(cuda::data(x), out.elements(), cuda::data(out), cuda::current_stream().get());
}

}  // namespace mien::backend
