#pragma once

/// Cross-entropy of logits z [..., C] against one label y a row, PyTorch's 'mean' definition. With class weights w and
/// label smoothing e, over the rows that are not ignored:
///
///     p = softmax(z),   l = -(1 - e) w_y log p_y - e / C sum_c w_c log p_c,   loss = sum l / sum w_y
///
/// Szegedy et al., Rethinking the Inception Architecture, CVPR 2016, for the smoothing. If no row counts, or only rows
/// whose class weighs nothing, the loss is 0.

#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "mien/backend/cpu/cross_entropy.hpp"
#include "mien/ops/softmax.hpp"

namespace mien {

struct CrossEntropyOptions {
  std::vector<double> class_weights = {};  ///< one a class, none negative; empty weighs all alike
  double label_smoothing = 0;              ///< in [0, 1]: the share of a label that is spread over all classes
  /// A label whose rows do not count. It need not be a class.
  std::optional<Index> ignore_index = std::nullopt;
};

}  // namespace mien

namespace mien::ops {

/// Throws ShapeError unless there is one label a row of logits [..., C], and ValueError for options or labels that make
/// no sense for C classes. Labels have any shape with that many elements.
template <class T>
void check_cross_entropy(const Tensor<T, Cpu>& logits, const Tensor<std::int64_t, Cpu>& labels,
                         const CrossEntropyOptions& options) {
  const Index classes = logits.rank() >= 1 ? logits.size(-1) : 0;
  if (classes == 0 || labels.elements() != logits.elements() / classes)
    throw ShapeError(detail::text("cross_entropy: logits ", logits.shape(), ", labels ", labels.shape()));
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1))
    throw ValueError(detail::text("cross_entropy: label smoothing ", options.label_smoothing, " is not in [0, 1]"));
  if (!options.class_weights.empty() && static_cast<Index>(options.class_weights.size()) != classes)
    throw ShapeError(
        detail::text("cross_entropy: ", options.class_weights.size(), " class weights for logits ", logits.shape()));
  for (const double weight : options.class_weights)
    if (!(weight >= 0 && std::isfinite(weight)))
      throw ValueError(detail::text("cross_entropy: class weight ", weight, " is negative or not finite"));
  const Tensor<std::int64_t, Cpu> values = labels.contiguous();
  for (Index row = 0; row < values.elements(); ++row) {
    const std::int64_t label = values.data()[row];
    if (label != options.ignore_index && (label < 0 || label >= classes))
      throw ValueError(
          detail::text("cross_entropy: row ", row, " has label ", label, ", there are ", classes, " classes"));
  }
}

/// The options as the backend wants them.
template <class T>
backend::CrossEntropyTerms<T> cross_entropy_terms(const CrossEntropyOptions& options) {
  backend::CrossEntropyTerms<T> terms{{}, options.label_smoothing, options.ignore_index};
  if (!options.class_weights.empty()) {
    const auto classes = static_cast<Index>(options.class_weights.size());
    terms.class_weights = Tensor<double>::from({classes}, options.class_weights).template cast<T>();
  }
  return terms;
}

/// The loss, [1], of log-probabilities [..., C] (see `log_softmax`).
template <class T, class Device>
Tensor<T, Device> cross_entropy(const Tensor<T, Device>& log_probabilities, const Tensor<std::int64_t, Device>& labels,
                                const CrossEntropyOptions& options = {}) {
  check_cross_entropy(log_probabilities, labels, options);
  const auto terms = cross_entropy_terms<T>(options);
  const auto rows = labels.contiguous();
  const double weight = backend::cross_entropy_weight(rows, terms);
  const double sum = weight > 0 ? backend::cross_entropy_sum(log_probabilities.contiguous(), rows, terms) / weight : 0;
  return Tensor<T, Device>({1}, static_cast<T>(sum));
}

/// The gradient for the logits, times `upstream`.
template <class T, class Device>
Tensor<T, Device> cross_entropy_gradient(const Tensor<T, Device>& log_probabilities,
                                         const Tensor<std::int64_t, Device>& labels, const CrossEntropyOptions& options,
                                         T upstream) {
  check_cross_entropy(log_probabilities, labels, options);
  const auto terms = cross_entropy_terms<T>(options);
  const auto rows = labels.contiguous();
  const double weight = backend::cross_entropy_weight(rows, terms);
  if (!(weight > 0)) return Tensor<T, Device>::zeros(log_probabilities.shape());
  Tensor<T, Device> out(log_probabilities.shape());
  backend::cross_entropy_gradient(log_probabilities.contiguous(), rows, terms, static_cast<double>(upstream) / weight,
                                  out);
  return out;
}

}  // namespace mien::ops
