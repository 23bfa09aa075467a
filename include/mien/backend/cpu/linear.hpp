#pragma once

#include "mien/backend/cpu/matrix_product.hpp"

namespace mien::backend {

/// out [..., O] = x [..., I] W^T + bias, W [O, I]; the bias may be undefined.
template <class T>
void linear(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& weight, const Tensor<T, Cpu>& bias, Tensor<T, Cpu>& out) {
  const Index inputs = weight.size(1);
  const Index outputs = weight.size(0);
  matrix_product<T>(x.shape().without(-1).elements(), outputs, inputs, {x.data(), inputs},
                    {weight.data(), inputs, true}, {bias.data(), 0, out.data(), outputs});
}

/// out [..., I] = upstream [..., O] W.
template <class T>
void linear_input_gradient(const Tensor<T, Cpu>& upstream, const Tensor<T, Cpu>& weight, Tensor<T, Cpu>& out) {
  const Index inputs = weight.size(1);
  const Index outputs = weight.size(0);
  matrix_product<T>(upstream.shape().without(-1).elements(), inputs, outputs, {upstream.data(), outputs},
                    {weight.data(), inputs}, out.data(), inputs);
}

/// out [O, I] = upstream^T x.
template <class T>
void linear_weight_gradient(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  const Index inputs = x.size(-1);
  const Index outputs = upstream.size(-1);
  matrix_product<T>(outputs, inputs, x.shape().without(-1).elements(), {upstream.data(), outputs, true},
                    {x.data(), inputs}, out.data(), inputs);
}

}  // namespace mien::backend
