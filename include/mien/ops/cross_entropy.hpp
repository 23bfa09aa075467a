#pragma once

/// Cross-entropy of logits z [..., C] against one label y a row, PyTorch's 'mean' definition. With class weights w and
/// label smoothing e, over the rows that are not ignored:
///
///     p = softmax(z),   l = -(1 - e) w_y log p_y - e / C sum_c w_c log p_c,   loss = sum l / sum w_y
///
/// Szegedy et al., Rethinking the Inception Architecture, CVPR 2016, for the smoothing. If no row counts, or only rows
/// whose class weighs nothing, the loss is 0.
///
/// `soft_cross_entropy` takes targets q [..., C] instead, such as the shares of votes. A gamma g above 0 makes either
/// of them the focal loss (Lin et al., Focal Loss for Dense Object Detection, ICCV 2017), in which what is recognised
/// well already counts less:
///
///     t_c = w_c ((1 - e) q_c + e / C sum_k q_k)
///     l = -sum_c t_c (1 - p_c)^g log p_c,   loss = sum l / sum w_c q_c
///
/// For targets that are 1 at the label and 0 elsewhere this is the cross-entropy of labels, which with class weights is
/// not PyTorch's definition of soft targets: that one divides by the number of rows. A row whose targets are all 0 does
/// not count.

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
  double focal_gamma = 0;  ///< gamma of the focal loss, 2 in its paper; 0 for cross-entropy
};

}  // namespace mien

namespace mien::ops {

/// Throws ValueError, or ShapeError for the weights, for options that make no sense for logits [..., C].
inline void check_cross_entropy_options(const Shape& logits, const CrossEntropyOptions& options) {
  const Index classes = logits[-1];
  if (!(options.focal_gamma >= 0 && std::isfinite(options.focal_gamma)))
    throw ValueError(detail::text("cross_entropy: focal gamma ", options.focal_gamma, " is negative or not finite"));
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1))
    throw ValueError(detail::text("cross_entropy: label smoothing ", options.label_smoothing, " is not in [0, 1]"));
  if (!options.class_weights.empty() && static_cast<Index>(options.class_weights.size()) != classes)
    throw ShapeError(
        detail::text("cross_entropy: ", options.class_weights.size(), " class weights for logits ", logits));
  for (const double weight : options.class_weights)
    if (!(weight >= 0 && std::isfinite(weight)))
      throw ValueError(detail::text("cross_entropy: class weight ", weight, " is negative or not finite"));
}

/// Throws ShapeError unless there is one label a row of logits [..., C], and for options as above. Labels have any
/// shape with that many elements.
inline void check_cross_entropy(const Shape& logits, const Shape& labels, const CrossEntropyOptions& options) {
  const Index classes = logits.rank() >= 1 ? logits[-1] : 0;
  if (classes == 0 || labels.elements() != logits.elements() / classes)
    throw ShapeError(detail::text("cross_entropy: logits ", logits, ", labels ", labels));
  check_cross_entropy_options(logits, options);
}

/// Throws ShapeError unless the targets have the shape of the logits, [..., C], ValueError where labels are to be
/// ignored, since there are none, and for options as above. Targets on the CPU must be finite and not negative; those
/// on a GPU are not waited for.
template <class T, class Device>
void check_soft_targets(const Shape& logits, const Tensor<T, Device>& targets, const CrossEntropyOptions& options) {
  if (logits.rank() < 1 || logits[-1] == 0 || targets.shape() != logits)
    throw ShapeError(detail::text("soft_cross_entropy: logits ", logits, ", targets ", targets.shape()));
  if (options.ignore_index)
    throw ValueError("soft_cross_entropy: there is no label to ignore; rows whose targets are all 0 do not count");
  check_cross_entropy_options(logits, options);
  if constexpr (std::is_same_v<Device, Cpu>) {
    const Tensor<T, Device> rows = targets.contiguous();
    for (Index i = 0; i < rows.elements(); ++i)
      if (const auto target = static_cast<double>(rows.data()[i]); !(target >= 0 && std::isfinite(target)))
        throw ValueError(detail::text("soft_cross_entropy: row ", i / logits[-1], " has target ", target));
  }
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

/// What the mean over labels divides by: the sum of their classes' weights, without those to be ignored.
inline double cross_entropy_weight(std::span<const std::int64_t> labels, const CrossEntropyOptions& options) {
  double sum = 0;
  for (const std::int64_t label : labels)
    if (label != options.ignore_index)
      sum += options.class_weights.empty() ? 1 : options.class_weights[static_cast<std::size_t>(label)];
  return sum;
}

/// What the mean over targets [..., C] divides by: sum w_c q_c. Targets on a GPU are waited for.
template <class T, class Device>
double cross_entropy_weight(const Tensor<T, Device>& targets, const CrossEntropyOptions& options) {
  const Tensor<T> rows = targets.contiguous().template to<Cpu>();
  const auto classes = static_cast<std::size_t>(rows.size(-1));
  double sum = 0;
  for (std::size_t i = 0; i < rows.span().size(); ++i)
    sum +=
        static_cast<double>(rows.span()[i]) * (options.class_weights.empty() ? 1 : options.class_weights[i % classes]);
  return sum;
}

/// The options as the backend wants them.
template <class T, class Device>
backend::CrossEntropyTerms<T, Device> cross_entropy_terms(const CrossEntropyOptions& options) {
  backend::CrossEntropyTerms<T, Device> terms{{}, options.label_smoothing, options.ignore_index, options.focal_gamma};
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
  const auto terms = cross_entropy_terms<T, Device>(options);
  Tensor<T, Device> loss({1});
  if (options.focal_gamma > 0) {
    backend::soft_cross_entropy<T>(log_probabilities.contiguous(), {}, labels.contiguous(), terms, loss);
  } else {
    backend::cross_entropy(log_probabilities.contiguous(), labels.contiguous(), terms, loss);
  }
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
  const auto terms = cross_entropy_terms<T, Device>(options);
  Tensor<T, Device> out(log_probabilities.shape());
  if (options.focal_gamma > 0) {
    backend::soft_cross_entropy_gradient<T>(log_probabilities.contiguous(), {}, labels.contiguous(), terms,
                                            upstream.contiguous(), out);
  } else {
    backend::cross_entropy_gradient(log_probabilities.contiguous(), labels.contiguous(), terms, upstream.contiguous(),
                                    out);
  }
  return out;
}

/// The loss, [1], of log-probabilities and targets, both [..., C].
template <class T, class Device>
Tensor<T, Device> soft_cross_entropy(const Tensor<T, Device>& log_probabilities, const Tensor<T, Device>& targets,
                                     const CrossEntropyOptions& options = {}) {
  check_soft_targets(log_probabilities.shape(), targets, options);
  Tensor<T, Device> loss({1});
  backend::soft_cross_entropy<T>(log_probabilities.contiguous(), targets.contiguous(), {},
                                 cross_entropy_terms<T, Device>(options), loss);
  return loss;
}

/// Its gradient for the logits, times `upstream` [1].
template <class T, class Device>
Tensor<T, Device> soft_cross_entropy_gradient(const Tensor<T, Device>& log_probabilities,
                                              const Tensor<T, Device>& targets, const CrossEntropyOptions& options,
                                              const Tensor<T, Device>& upstream) {
  check_soft_targets(log_probabilities.shape(), targets, options);
  require_equal_shapes("soft_cross_entropy_gradient: upstream", {1}, upstream.shape());
  Tensor<T, Device> out(log_probabilities.shape());
  backend::soft_cross_entropy_gradient<T>(log_probabilities.contiguous(), targets.contiguous(), {},
                                          cross_entropy_terms<T, Device>(options), upstream.contiguous(), out);
  return out;
}

}  // namespace mien::ops
