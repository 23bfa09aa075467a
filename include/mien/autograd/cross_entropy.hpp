#pragma once

/// Differentiable cross-entropy; see ops/cross_entropy.hpp for the formula.

#include "mien/autograd/variable.hpp"
#include "mien/ops/cross_entropy.hpp"

namespace mien {

/// The mean over the rows of logits [..., C], one label a row: [1]. Throws ShapeError, and ValueError naming the row
/// for a label that is no class.
template <class T, class Device>
Variable<T, Device> cross_entropy(const Variable<T, Device>& logits, const Tensor<std::int64_t, Device>& labels,
                                  const CrossEntropyOptions& options = {}) {
  ops::check_cross_entropy(logits.value(), labels, options);
  const Tensor<T, Device> log_probabilities = ops::log_softmax(logits.value());
  return record(ops::cross_entropy(log_probabilities, labels, options), {logits},
                [log_probabilities, labels, options](const Tensor<T, Device>& upstream, auto& inputs) {
                  inputs.add(0, ops::cross_entropy_gradient(log_probabilities, labels, options, upstream.item()));
                });
}

template <class T, class Device>
Variable<T, Device> cross_entropy(const Variable<T, Device>& logits, const std::vector<Index>& labels,
                                  const CrossEntropyOptions& options = {}) {
  return cross_entropy(logits, Tensor<std::int64_t, Device>::from({static_cast<Index>(labels.size())}, labels),
                       options);
}

}  // namespace mien
