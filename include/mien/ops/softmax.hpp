#pragma once

/// Softmax over the last axis and its logarithm; the largest entry is taken off first, so that nothing overflows.

#include "mien/backend/cpu/softmax.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/softmax.hpp"
#endif
#include "mien/ops/arithmetic.hpp"

namespace mien::ops {

/// Throws ShapeError unless x has a last axis.
inline void require_last_axis(const char* operation, const Shape& x) {
  if (x.rank() < 1) throw ShapeError(detail::text(operation, ": shape ", x, " has no last axis"));
}

/// y_i = exp(x_i) / sum_j exp(x_j) along the last axis of x [..., C].
template <class T, class Device>
Tensor<T, Device> softmax(const Tensor<T, Device>& x) {
  require_last_axis("softmax", x.shape());
  Tensor<T, Device> out(x.shape());
  backend::softmax(x.contiguous(), out);
  return out;
}

/// The gradient for x, given the result y: y (upstream - sum_j y_j upstream_j).
template <class T, class Device>
Tensor<T, Device> softmax_gradient(const Tensor<T, Device>& result, const Tensor<T, Device>& upstream) {
  require_equal_shapes("softmax_gradient", result.shape(), upstream.shape());
  Tensor<T, Device> out(result.shape());
  backend::softmax_gradient(result.contiguous(), upstream.contiguous(), out);
  return out;
}

/// y_i = x_i - log sum_j exp(x_j) along the last axis of x [..., C].
template <class T, class Device>
Tensor<T, Device> log_softmax(const Tensor<T, Device>& x) {
  require_last_axis("log_softmax", x.shape());
  Tensor<T, Device> out(x.shape());
  backend::log_softmax(x.contiguous(), out);
  return out;
}

/// The gradient for x, given the result y: upstream - exp(y) sum_j upstream_j.
template <class T, class Device>
Tensor<T, Device> log_softmax_gradient(const Tensor<T, Device>& result, const Tensor<T, Device>& upstream) {
  require_equal_shapes("log_softmax_gradient", result.shape(), upstream.shape());
  Tensor<T, Device> out(result.shape());
  backend::log_softmax_gradient(result.contiguous(), upstream.contiguous(), out);
  return out;
}

}  // namespace mien::ops
