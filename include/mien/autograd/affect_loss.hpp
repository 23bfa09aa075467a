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
  /// Of the whole batch, where several processes share it; see autograd/whole_batch.hpp.
  bool whole_batch = false;
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
  const RegressionLossOptions of{.whole_batch = options.whole_batch};
  const auto mse = [&] { return scale(mse_loss(prediction, target, mask, of), static_cast<T>(options.mse)); };
  const auto ccc = [&] { return scale(ccc_loss(prediction, target, mask, of), static_cast<T>(options.ccc)); };
  if (options.ccc == 0) return mse();
  if (options.mse == 0) return ccc();
  // In this order, in which processes that share the batch meet.
  const Variable<T, Device> squared_error = mse();
  return squared_error + ccc();
}

struct MultiTaskLossOptions {
  double classes = 1;  ///< weight of the cross-entropy
  double affect = 1;   ///< weight of `affect_loss`
  CrossEntropyOptions cross_entropy = {};
  AffectLossOptions affect_terms = {};
  /// All terms of the whole batch, whatever `affect_terms` says, where several processes share it; see
  /// autograd/whole_batch.hpp.
  bool whole_batch = false;
};

namespace detail {

/// `own_classes` is the mean cross-entropy of the samples here, which weigh `weight()` together.
template <class T, class Device, class Weight>
Variable<T, Device> sum_of_tasks(const Variable<T, Device>& own_classes, const Weight& weight,
                                 const Variable<T, Device>& prediction, const Variable<T, Device>& target,
                                 const Tensor<std::uint8_t, Device>& mask, const MultiTaskLossOptions& options) {
  check_loss_weight("multi_task_loss", "the classes", options.classes);
  check_loss_weight("multi_task_loss", "the affect", options.affect);
  AffectLossOptions terms = options.affect_terms;
  terms.whole_batch = options.whole_batch;
  const Variable<T, Device> of_classes =
      options.whole_batch && shares_batch() ? whole_batch_mean(own_classes, weight()) : own_classes;
  const Variable<T, Device> of_affect = affect_loss(prediction, target, mask, terms);
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
  return detail::sum_of_tasks(
      soft_cross_entropy(logits, class_targets, options.cross_entropy),
      [&] { return ops::cross_entropy_weight(class_targets, options.cross_entropy); }, prediction, target, mask,
      options);
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
  return detail::sum_of_tasks(
      cross_entropy(logits, labels, of_classes), [&] { return ops::cross_entropy_weight(labels, of_classes); },
      prediction, target, mask, options);
}

}  // namespace mien
