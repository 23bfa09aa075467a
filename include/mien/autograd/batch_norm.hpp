#pragma once

/// Differentiable batch normalisation; see ops/batch_norm.hpp.

#include "mien/autograd/variable.hpp"
#include "mien/ops/batch_norm.hpp"

namespace mien {

/// x [..., C]. `moments` are the batch's own (`ops::channel_moments(x)`), or constants.
template <class T>
Variable<T> batch_norm(const Variable<T>& x, const ops::Moments<T>& moments, const Variable<T>& weight,
                       const Variable<T>& bias, T epsilon, bool batch_statistics) {
  return record(ops::batch_norm(x.value(), moments, weight.value(), bias.value(), epsilon), {x, weight, bias},
                [map = x.value(), moments, factor = weight.value(), epsilon, batch_statistics](
                    const Tensor<T>& upstream, auto& inputs) {
                  auto gradients = ops::batch_norm_gradients(map, upstream, moments, factor, epsilon, batch_statistics);
                  inputs.add(0, std::move(gradients.x));
                  inputs.add(1, std::move(gradients.weight));
                  inputs.add(2, std::move(gradients.bias));
                });
}

}  // namespace mien
