#pragma once

/// y = x W^T + b: x [..., I], W [O, I], b [O] or none, y [..., O].

#include "mien/backend/cpu/linear.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/linear.hpp"
#endif
#include "mien/ops/arithmetic.hpp"

namespace mien::ops {

/// Throws ShapeError unless the shapes belong together; `bias` may be undefined.
template <class T, class Device>
void check_linear(const Tensor<T, Device>& x, const Tensor<Accumulated<T>, Device>& weight,
                  const Tensor<Accumulated<T>, Device>& bias) {
  const bool fits = x.rank() >= 1 && weight.rank() == 2 && x.size(-1) == weight.size(1) &&
                    (!bias.defined() || bias.shape() == Shape{weight.size(0)});
  if (!fits)
    throw ShapeError(detail::text("linear: input ", x.shape(), ", weight ", weight.shape(), ", bias ",
                                  bias.defined() ? bias.shape().to_string() : "none"));
}

template <class T, class Device>
Tensor<T, Device> linear(const Tensor<T, Device>& x, const Tensor<Accumulated<T>, Device>& weight,
                         const Tensor<Accumulated<T>, Device>& bias = {}) {
  check_linear(x, weight, bias);
  Tensor<T, Device> out(x.shape().with(-1, weight.size(0)));
  backend::linear(x.contiguous(), weight.contiguous(), bias.contiguous(), out);
  return out;
}

/// The gradient for x: upstream [..., O] W.
template <class T, class Device>
Tensor<T, Device> linear_input_gradient(const Tensor<T, Device>& upstream,
                                        const Tensor<Accumulated<T>, Device>& weight) {
  if (upstream.rank() < 1 || weight.rank() != 2 || upstream.size(-1) != weight.size(0))
    throw ShapeError(detail::text("linear_input_gradient: upstream ", upstream.shape(), ", weight ", weight.shape()));
  Tensor<T, Device> out(upstream.shape().with(-1, weight.size(1)));
  backend::linear_input_gradient(upstream.contiguous(), weight.contiguous(), out);
  return out;
}

/// The gradient for W: upstream^T x, summed over all leading axes.
template <class T, class Device>
Tensor<Accumulated<T>, Device> linear_weight_gradient(const Tensor<T, Device>& x, const Tensor<T, Device>& upstream) {
  if (x.rank() < 1 || upstream.rank() < 1 || x.shape().without(-1) != upstream.shape().without(-1))
    throw ShapeError(detail::text("linear_weight_gradient: input ", x.shape(), ", upstream ", upstream.shape()));
  Tensor<Accumulated<T>, Device> out({upstream.size(-1), x.size(-1)});
  backend::linear_weight_gradient(x.contiguous(), upstream.contiguous(), out);
  return out;
}

}  // namespace mien::ops
