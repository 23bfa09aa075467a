#pragma once

/// Differentiable cross-entropy; see ops/cross_entropy.hpp for the formula.

#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/ops/cross_entropy.hpp"

namespace mien {

/// The mean over the rows of logits [..., C], one label a row: [1]. Throws ShapeError, and ValueError naming the row
/// for a label that is no class; labels on a GPU are not waited for, a wrong one makes the loss not-a-number.
template <class T, class Device>
Variable<T, Device> cross_entropy(const Variable<T, Device>& logits, const Tensor<std::int64_t, Device>& labels,
                                  const CrossEntropyOptions& options = {}) {
  ops::check_cross_entropy(logits.shape(), labels.shape(), options);
  ops::check_labels(labels, logits.size(-1), options);
  const Tensor<T, Device> log_probabilities = ops::log_softmax(logits.value());
  return record(ops::cross_entropy(log_probabilities, labels, options), {logits},
                [log_probabilities, labels, options](const Tensor<T, Device>& upstream, auto& inputs) {
                  inputs.add(0, ops::cross_entropy_gradient(log_probabilities, labels, options, upstream));
                });
}

/// The same for labels on the host, which are checked there.
template <class T, class Device>
Variable<T, Device> cross_entropy(const Variable<T, Device>& logits, const std::vector<Index>& labels,
                                  const CrossEntropyOptions& options = {}) {
  const Shape rows{static_cast<Index>(labels.size())};
  ops::check_cross_entropy(logits.shape(), rows, options);
  ops::check_labels(labels, logits.size(-1), options);
  return cross_entropy(logits, Tensor<std::int64_t, Device>::from(rows, labels), options);
}

/// The same of targets, a number for each class: [..., C] as the logits. Throws ShapeError, and ValueError for targets
/// on the CPU that are negative or not finite.
template <class T, class Device>
Variable<T, Device> soft_cross_entropy(const Variable<T, Device>& logits,
                                       const std::type_identity_t<Tensor<T, Device>>& targets,
                                       const CrossEntropyOptions& options = {}) {
  const Tensor<T, Device> log_probabilities = ops::log_softmax(logits.value());
  return record(ops::soft_cross_entropy(log_probabilities, targets, options), {logits},
                [log_probabilities, targets, options](const Tensor<T, Device>& upstream, auto& inputs) {
                  inputs.add(0, ops::soft_cross_entropy_gradient(log_probabilities, targets, options, upstream));
                });
}

}  // namespace mien

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                                 \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> cross_entropy(const Variable<T, Cpu>&, const Tensor<std::int64_t, Cpu>&, \
                                                        const CrossEntropyOptions&);                               \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> soft_cross_entropy(const Variable<T, Cpu>&, const Tensor<T, Cpu>&,       \
                                                             const CrossEntropyOptions&);
#include "mien/autograd/for_each_compiled_type.inc"
#endif
