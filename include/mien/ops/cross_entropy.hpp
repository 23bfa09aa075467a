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
#include <span>
#include <type_traits>
#include <vector>

#include "mien/backend/cpu/cross_entropy.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/cross_entropy.hpp"
#endif
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

/// Throws ShapeError unless there is one label a row of logits [..., C], and ValueError for options that make no sense
/// for C classes. Labels have any shape with that many elements.
inline void check_cross_entropy(const Shape& logits, const Shape& labels, const CrossEntropyOptions& options) {
  const Index classes = logits.rank() >= 1 ? logits[-1] : 0;
  if (classes == 0 || labels.elements() != logits.elements() / classes)
    throw ShapeError(detail::text("cross_entropy: logits ", logits, ", labels ", labels));
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1))
    throw ValueError(detail::text("cross_entropy: label smoothing ", options.label_smoothing, " is not in [0, 1]"));
  if (!options.class_weights.empty() && static_cast<Index>(options.class_weights.size()) != classes)
    throw ShapeError(
        detail::text("cross_entropy: ", options.class_weights.size(), " class weights for logits ", logits));
  for (const double weight : options.class_weights)
    if (!(weight >= 0 && std::isfinite(weight)))
      throw ValueError(detail::text("cross_entropy: class weight ", weight, " is negative or not finite"));
}

/// Throws ValueError, naming the row, for a label that is no class and not to be ignored.
inline void check_labels(std::span<const std::int64_t> labels, Index classes, const CrossEntropyOptions& options) {
  for (std::size_t row = 0; row < labels.size(); ++row)
    if (labels[row] != options.ignore_index && (labels[row] < 0 || labels[row] >= classes))
      throw ValueError(
          detail::text("cross_entropy: row ", row, " has label ", labels[row], ", there are ", classes, " classes"));
}

/// The same of labels on any device. Those on a GPU are not waited for: a wrong one makes the loss not-a-number there.
template <class Device>
void check_labels(const Tensor<std::int64_t, Device>& labels, Index classes, const CrossEntropyOptions& options) {
  if constexpr (std::is_same_v<Device, Cpu>) {
    const Tensor<std::int64_t, Device> rows = labels.contiguous();
    check_labels(rows.span(), classes, options);
  }
}

/// The options as the backend wants them.
template <class T, class Device>
backend::CrossEntropyTerms<T, Device> cross_entropy_terms(const CrossEntropyOptions& options) {
  backend::CrossEntropyTerms<T, Device> terms{{}, options.label_smoothing, options.ignore_index};
  if (!options.class_weights.empty()) {
    const auto classes = static_cast<Index>(options.class_weights.size());
    terms.class_weights =
        Tensor<double>::from({classes}, options.class_weights).template cast<T>().template to<Device>();
  }
  return terms;
}

/// The loss, [1], of log-probabilities [..., C] (see `log_softmax`).
template <class T, class Device>
Tensor<T, Device> cross_entropy(const Tensor<T, Device>& log_probabilities, const Tensor<std::int64_t, Device>& labels,
                                const CrossEntropyOptions& options = {}) {
  check_cross_entropy(log_probabilities.shape(), labels.shape(), options);
  check_labels(labels, log_probabilities.size(-1), options);
  Tensor<T, Device> loss({1});
  backend::cross_entropy(log_probabilities.contiguous(), labels.contiguous(), cross_entropy_terms<T, Device>(options),
                         loss);
  return loss;
}

/// The gradient for the logits, times `upstream` [1].
template <class T, class Device>
Tensor<T, Device> cross_entropy_gradient(const Tensor<T, Device>& log_probabilities,
                                         const Tensor<std::int64_t, Device>& labels, const CrossEntropyOptions& options,
                                         const Tensor<T, Device>& upstream) {
  check_cross_entropy(log_probabilities.shape(), labels.shape(), options);
  check_labels(labels, log_probabilities.size(-1), options);
  require_equal_shapes("cross_entropy_gradient: upstream", {1}, upstream.shape());
  Tensor<T, Device> out(log_probabilities.shape());
  backend::cross_entropy_gradient(log_probabilities.contiguous(), labels.contiguous(),
                                  cross_entropy_terms<T, Device>(options), upstream.contiguous(), out);
  return out;
}

}  // namespace mien::ops
