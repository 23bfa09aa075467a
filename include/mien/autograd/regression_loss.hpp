#pragma once

/// Differentiable losses for numbers, such as valence and arousal; see ops/regression_loss.hpp for the formulas.

#include <type_traits>
#include <utility>
#include <vector>

#include "mien/autograd/whole_batch.hpp"
#include "mien/ops/regression_loss.hpp"

namespace mien {

struct RegressionLossOptions {
  /// Where several processes share a batch, the loss of all of it and the gradient for the rows here; see
  /// autograd/whole_batch.hpp. Otherwise of the rows here alone.
  bool whole_batch = false;
};

/// The mean of (prediction - target)^2, both [..., D]: [1]. The mask [...] leaves out rows that are 0 in it.
template <class T, class Device>
Variable<T, Device> mse_loss(const Variable<T, Device>& prediction,
                             const std::type_identity_t<Variable<T, Device>>& target,
                             const std::type_identity_t<Tensor<std::uint8_t, Device>>& mask = {},
                             const RegressionLossOptions& options = {}) {
  const Variable<T, Device> own =
      record(ops::mse_loss(prediction.value(), target.value(), mask), {prediction, target},
             [x = prediction.value(), y = target.value(), mask](const Tensor<T, Device>& upstream, auto& inputs) {
               if (inputs.needed(0)) inputs.add(0, ops::mse_loss_gradient(x, y, mask, upstream));
               if (inputs.needed(1)) inputs.add(1, ops::mse_loss_gradient(y, x, mask, upstream));
             });
  if (!options.whole_batch || !shares_batch()) return own;
  const Index rows = prediction.value().elements() / prediction.size(-1);
  return whole_batch_mean(own, static_cast<double>(backend::count_rows(mask.contiguous().template to<Cpu>(), rows)));
}

namespace detail {

template <class T, class Device>
Variable<T, Device> whole_batch_ccc_loss(const Variable<T, Device>& prediction, const Variable<T, Device>& target,
                                         const Tensor<std::uint8_t, Device>& mask) {
  auto moments = ops::whole_batch_moments(prediction.value(), target.value(), mask);
  const Tensor<T, Device> loss({1}, static_cast<T>(ops::ccc_loss(moments)));
  return record(loss, {prediction, target},
                [x = prediction.value(), y = target.value(), mask, moments = std::move(moments)](
                    const Tensor<T, Device>& upstream, auto& inputs) {
                  if (inputs.needed(0)) inputs.add(0, ops::ccc_loss_gradient(x, y, mask, upstream, moments));
                  if (!inputs.needed(1)) return;
                  std::vector<backend::PairMoments> exchanged = moments;
                  for (backend::PairMoments& of : exchanged) {
                    std::swap(of.mean_a, of.mean_b);
                    std::swap(of.variance_a, of.variance_b);
                  }
                  inputs.add(1, ops::ccc_loss_gradient(y, x, mask, upstream, exchanged));
                });
}

}  // namespace detail

/// 1 - the mean over the D outputs of the concordance correlation of prediction and target, both [..., D]: [1]. The
/// moments pool all rows that the mask [...] leaves.
template <class T, class Device>
Variable<T, Device> ccc_loss(const Variable<T, Device>& prediction,
                             const std::type_identity_t<Variable<T, Device>>& target,
                             const std::type_identity_t<Tensor<std::uint8_t, Device>>& mask = {},
                             const RegressionLossOptions& options = {}) {
  if (options.whole_batch && shares_batch()) return detail::whole_batch_ccc_loss(prediction, target, mask);
  return record(ops::ccc_loss(prediction.value(), target.value(), mask), {prediction, target},
                [x = prediction.value(), y = target.value(), mask](const Tensor<T, Device>& upstream, auto& inputs) {
                  if (inputs.needed(0)) inputs.add(0, ops::ccc_loss_gradient(x, y, mask, upstream));
                  if (inputs.needed(1)) inputs.add(1, ops::ccc_loss_gradient(y, x, mask, upstream));
                });
}

}  // namespace mien
