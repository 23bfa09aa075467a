#pragma once

/// Losses for valence and arousal, alone or beside classes, of samples of which not all have everything. See
/// ops/regression_loss.hpp and ops/cross_entropy.hpp for the terms.

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "mien/autograd/arithmetic.hpp"
#include "mien/autograd/cross_entropy.hpp"
#include "mien/autograd/regression_loss.hpp"

namespace mien {

/// How much each term of `affect_loss` weighs; one of weight 0 is not computed.
struct AffectLossOptions {
  double mse = 1;
  double ccc = 1;
};

namespace detail {

inline void check_loss_weight(const char* loss, const char* term, double weight) {
  if (!(weight >= 0 && std::isfinite(weight)))
    throw ValueError(text(loss, ": weight ", weight, " of ", term, " is negative or not finite"));
}

}  // namespace detail

/// mse * the mean squared error + ccc * (1 - the mean CCC of the outputs), of prediction and target [..., D]: [1].
/// Valence and arousal are D = 2. The mask [...] leaves out rows that are 0 in it; without any row the loss is 0.
/// Throws ShapeError for shapes that do not belong together, ValueError for weights that make no sense.
template <class T, class Device>
Variable<T, Device> affect_loss(const Variable<T, Device>& prediction,
                                const std::type_identity_t<Variable<T, Device>>& target,
                                const std::type_identity_t<Tensor<std::uint8_t, Device>>& mask = {},
                                const AffectLossOptions& options = {}) {
  detail::check_loss_weight("affect_loss", "mse", options.mse);
  detail::check_loss_weight("affect_loss", "ccc", options.ccc);
  if (options.mse + options.ccc == 0) throw ValueError("affect_loss: no term has a weight");
  const auto mse = [&] { return scale(mse_loss(prediction, target, mask), static_cast<T>(options.mse)); };
  const auto ccc = [&] { return scale(ccc_loss(prediction, target, mask), static_cast<T>(options.ccc)); };
  if (options.ccc == 0) return mse();
  if (options.mse == 0) return ccc();
  return mse() + ccc();
}

struct MultiTaskLossOptions {
  double classes = 1;  ///< weight of the cross-entropy
  double affect = 1;   ///< weight of `affect_loss`
  CrossEntropyOptions cross_entropy = {};
  AffectLossOptions affect_terms = {};
};

namespace detail {

template <class T, class Device>
Variable<T, Device> weighted_sum(const Variable<T, Device>& of_classes, const Variable<T, Device>& of_affect,
                                 const MultiTaskLossOptions& options) {
  check_loss_weight("multi_task_loss", "the classes", options.classes);
  check_loss_weight("multi_task_loss", "the affect", options.affect);
  return scale(of_classes, static_cast<T>(options.classes)) + scale(of_affect, static_cast<T>(options.affect));
}

}  // namespace detail

/// classes * the cross-entropy of logits and targets [N, C] + affect * `affect_loss` of prediction and target [N, D]:
/// [1]. Each is a mean over the samples that have it: those whose class targets are not all 0, and those that are not 0
/// in the mask [N]. Throws as the two losses.
template <class T, class Device>
Variable<T, Device> multi_task_loss(const Variable<T, Device>& logits,
                                    const std::type_identity_t<Tensor<T, Device>>& class_targets,
                                    const Variable<T, Device>& prediction,
                                    const std::type_identity_t<Variable<T, Device>>& target,
                                    const std::type_identity_t<Tensor<std::uint8_t, Device>>& mask = {},
                                    const MultiTaskLossOptions& options = {}) {
  return detail::weighted_sum(soft_cross_entropy(logits, class_targets, options.cross_entropy),
                              affect_loss(prediction, target, mask, options.affect_terms), options);
}

/// The same with a label a sample; those with the label to ignore, -1 unless another is named, have none.
template <class T, class Device>
Variable<T, Device> multi_task_loss(const Variable<T, Device>& logits, const std::vector<Index>& labels,
                                    const Variable<T, Device>& prediction,
                                    const std::type_identity_t<Variable<T, Device>>& target,
                                    const std::type_identity_t<Tensor<std::uint8_t, Device>>& mask = {},
                                    const MultiTaskLossOptions& options = {}) {
  CrossEntropyOptions of_classes = options.cross_entropy;
  if (!of_classes.ignore_index) of_classes.ignore_index = -1;
  return detail::weighted_sum(cross_entropy(logits, labels, of_classes),
                              affect_loss(prediction, target, mask, options.affect_terms), options);
}

}  // namespace mien
