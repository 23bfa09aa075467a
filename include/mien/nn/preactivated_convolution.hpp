#pragma once

#include <vector>

#include "mien/autograd/preactivated_convolution.hpp"
#include "mien/nn/batch_norm.hpp"
#include "mien/nn/convolution.hpp"

namespace mien::nn {

/// convolution(relu(norm(x))) of parts [..., H, W, C_i] that lie side by side in x: what DenseNets are made of. For the
/// gradient nothing is kept but the parts themselves; see autograd/preactivated_convolution.hpp. The convolution has no
/// bias of its own, else ValueError.
template <class T, class Device, MapOf<T> Map>
Variable<Map, Device> preactivated_convolution(BatchNorm<T, Device>& norm, const Convolution<T, Device>& convolution,
                                               const std::vector<Variable<Map, Device>>& parts) {
  if (convolution.bias.value().defined()) throw ValueError("preactivated_convolution: the convolution has a bias");
  const Tensor<Map, Device> x = mien::detail::side_by_side(mien::detail::values_of(parts));
  ops::require_channels("preactivated_convolution", x.shape(), norm.weight.shape());
  if (wants_gradient(parts) || wants_gradient(norm.weight, norm.bias, convolution.weight))
    return mien::preactivated_convolution<Map, Device>(
        parts, x, {norm.moments(x), norm.weight, norm.bias, norm.epsilon(), norm.is_training()}, convolution.weight,
        convolution.options());
  return convolution(norm(Variable<Map, Device>(x), {.relu = true}));
}

}  // namespace mien::nn
