#pragma once

/// Differentiable losses for numbers, such as valence and arousal; see ops/regression_loss.hpp for the formulas.

#include <type_traits>

#include "mien/autograd/variable.hpp"
#include "mien/ops/regression_loss.hpp"

namespace mien {

/// The mean of (prediction - target)^2, both [..., D]: [1]. The mask [...] leaves out rows that are 0 in it.
template <class T, class Device>
Variable<T, Device> mse_loss(const Variable<T, Device>& prediction,
                             const std::type_identity_t<Variable<T, Device>>& target,
                             const std::type_identity_t<Tensor<std::uint8_t, Device>>& mask = {}) {
  return record(ops::mse_loss(prediction.value(), target.value(), mask), {prediction, target},
                [x = prediction.value(), y = target.value(), mask](const Tensor<T, Device>& upstream, auto& inputs) {
                  if (inputs.needed(0)) inputs.add(0, ops::mse_loss_gradient(x, y, mask, upstream));
                  if (inputs.needed(1)) inputs.add(1, ops::mse_loss_gradient(y, x, mask, upstream));
                });
}

/// 1 - the mean over the D outputs of the concordance correlation of prediction and target, both [..., D]: [1]. The
/// moments pool all rows that the mask [...] leaves.
template <class T, class Device>
Variable<T, Device> ccc_loss(const Variable<T, Device>& prediction,
                             const std::type_identity_t<Variable<T, Device>>& target,
                             const std::type_identity_t<Tensor<std::uint8_t, Device>>& mask = {}) {
  return record(ops::ccc_loss(prediction.value(), target.value(), mask), {prediction, target},
                [x = prediction.value(), y = target.value(), mask](const Tensor<T, Device>& upstream, auto& inputs) {
                  if (inputs.needed(0)) inputs.add(0, ops::ccc_loss_gradient(x, y, mask, upstream));
                  if (inputs.needed(1)) inputs.add(1, ops::ccc_loss_gradient(y, x, mask, upstream));
                });
}

}  // namespace mien
