#pragma once

/// Functions of single elements, and their gradients from what the forward pass leaves: y for all but GELU. Those of
/// exp, log and sqrt are products and quotients; see autograd/activation.hpp.

#include "mien/backend/cpu/activation.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/activation.hpp"
#endif
#include "mien/ops/arithmetic.hpp"

namespace mien::ops {

/// max(x, 0).
template <class T, class Device>
Tensor<T, Device> relu(const Tensor<T, Device>& x) {
  Tensor<T, Device> out(x.shape());
  backend::relu(x.contiguous(), out);
  return out;
}

/// upstream where y > 0, else 0.
template <class T, class Device>
Tensor<T, Device> relu_gradient(const Tensor<T, Device>& y, const Tensor<T, Device>& upstream) {
  require_equal_shapes("relu_gradient", y.shape(), upstream.shape());
  Tensor<T, Device> out(y.shape());
  backend::relu_gradient(y.contiguous(), upstream.contiguous(), out);
  return out;
}

/// 1 / (1 + exp(-x)).
template <class T, class Device>
Tensor<T, Device> sigmoid(const Tensor<T, Device>& x) {
  Tensor<T, Device> out(x.shape());
  backend::sigmoid(x.contiguous(), out);
  return out;
}

/// upstream y (1 - y).
template <class T, class Device>
Tensor<T, Device> sigmoid_gradient(const Tensor<T, Device>& y, const Tensor<T, Device>& upstream) {
  require_equal_shapes("sigmoid_gradient", y.shape(), upstream.shape());
  Tensor<T, Device> out(y.shape());
  backend::sigmoid_gradient(y.contiguous(), upstream.contiguous(), out);
  return out;
}

template <class T, class Device>
Tensor<T, Device> tanh(const Tensor<T, Device>& x) {
  Tensor<T, Device> out(x.shape());
  backend::tanh(x.contiguous(), out);
  return out;
}

/// upstream (1 - y^2).
template <class T, class Device>
Tensor<T, Device> tanh_gradient(const Tensor<T, Device>& y, const Tensor<T, Device>& upstream) {
  require_equal_shapes("tanh_gradient", y.shape(), upstream.shape());
  Tensor<T, Device> out(y.shape());
  backend::tanh_gradient(y.contiguous(), upstream.contiguous(), out);
  return out;
}

/// x times the standard normal's distribution function at x (Hendrycks and Gimpel 2016, the exact form).
template <class T, class Device>
Tensor<T, Device> gelu(const Tensor<T, Device>& x) {
  Tensor<T, Device> out(x.shape());
  backend::gelu(x.contiguous(), out);
  return out;
}

template <class T, class Device>
Tensor<T, Device> gelu_gradient(const Tensor<T, Device>& x, const Tensor<T, Device>& upstream) {
  require_equal_shapes("gelu_gradient", x.shape(), upstream.shape());
  Tensor<T, Device> out(x.shape());
  backend::gelu_gradient(x.contiguous(), upstream.contiguous(), out);
  return out;
}

/// e^x.
template <class T, class Device>
Tensor<T, Device> exp(const Tensor<T, Device>& x) {
  Tensor<T, Device> out(x.shape());
  backend::exp(x.contiguous(), out);
  return out;
}

/// The natural logarithm: minus infinity of 0, a NaN below.
template <class T, class Device>
Tensor<T, Device> log(const Tensor<T, Device>& x) {
  Tensor<T, Device> out(x.shape());
  backend::log(x.contiguous(), out);
  return out;
}

/// The square root: a NaN below 0.
template <class T, class Device>
Tensor<T, Device> sqrt(const Tensor<T, Device>& x) {
  Tensor<T, Device> out(x.shape());
  backend::sqrt(x.contiguous(), out);
  return out;
}

}  // namespace mien::ops
