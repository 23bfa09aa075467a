#pragma once

/// Face and body put together: their probabilities (decision level) or their features (feature level). Any number of
/// modalities from one on; what is missing is left out, and the result says what was used.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "mien/autograd/activation.hpp"
#include "mien/autograd/shape.hpp"
#include "mien/nn/dropout.hpp"
#include "mien/nn/linear.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/kernels/fusion.hpp"
#include "mien/backend/cuda/number.hpp"
#endif

namespace mien::models {

/// How class probabilities p_m of modalities m become one score a class.
enum class DecisionRule {
  maximum,   ///< max_m p_m
  average,   ///< mean_m p_m
  product,   ///< prod_m max(p_m, 1e-12): one modality's zero does not silence the others for good
  weighted,  ///< sum_m w_m p_m, the weights shared out among the modalities that are there
  top_k      ///< a vote from each modality for each of its k most probable classes; ties go by the summed probability
};

struct DecisionFusionOptions {
  DecisionRule rule = DecisionRule::average;
  std::vector<double> weights = {};  ///< for `weighted`, one a modality, none negative; see `choose_weight`
  Index k = 3;                       ///< for `top_k`
};

/// What one modality says of B samples: class probabilities [B, C], or nothing if it is missing altogether.
template <class T, class Device = Cpu>
struct ModalityProbabilities {
  ModalityProbabilities() = default;
  ModalityProbabilities(std::nullopt_t) {}
  ModalityProbabilities(Tensor<T, Device> probabilities_of_samples)
      : probabilities(std::move(probabilities_of_samples)) {}
  /// For a modality that some samples lack, as in a film in which the face is seen at times: whether each sample has
  /// it. Rows of samples that lack it may hold anything.
  ModalityProbabilities(Tensor<T, Device> probabilities_of_samples, std::vector<bool> present_in_samples)
      : probabilities(std::move(probabilities_of_samples)), present(std::move(present_in_samples)) {}

  bool has(Index sample) const {
    return probabilities.has_value() && (present.empty() || present[static_cast<std::size_t>(sample)]);
  }

  std::optional<Tensor<T, Device>> probabilities;
  std::vector<bool> present;  ///< empty: in all samples
};

template <class T, class Device = Cpu>
struct FusedDecision {
  /// [B, C]; each row adds up to 1. By `maximum`, `average`, `product` and `weighted` these are probabilities. By
  /// `top_k` they are scores: their order counts, not their size.
  Tensor<T, Device> scores;
  /// used[m][b]: whether modality m had a say in sample b.
  std::vector<std::vector<bool>> used;

  /// Whether any modality was missing in a sample, so that the others alone decided.
  /// Throws IndexError if there is no such sample.
  bool fell_back(Index sample) const {
    if (sample < 0 || sample >= scores.size(0))
      throw IndexError(detail::text("FusedDecision: sample ", sample, " of ", scores.size(0)));
    return std::any_of(used.begin(), used.end(), [sample](const std::vector<bool>& modality) {
      return !modality[static_cast<std::size_t>(sample)];
    });
  }
};

/// The rules, sample by sample.
namespace decision {

/// The [B, C] of all modalities that are there; throws unless it is the same, and marks of presence fit.
template <class T, class Device>
Shape check_modalities(const std::vector<ModalityProbabilities<T, Device>>& modalities) {
  std::optional<Shape> shape;
  for (std::size_t m = 0; m < modalities.size(); ++m) {
    const auto& modality = modalities[m];
    if (!modality.probabilities) continue;
    const Shape& found = modality.probabilities->shape();
    if (!shape) shape = found;
    if (found.rank() != 2 || found[1] < 1 || found != *shape)
      throw ShapeError(detail::text("fuse_decisions: probabilities ", found, " of modality ", m, ", expected ",
                                    found.rank() == 2 && found[1] > 0 ? shape->to_string() : "[samples, classes]"));
    if (!modality.present.empty() && static_cast<Index>(modality.present.size()) != found[0])
      throw ShapeError(detail::text("fuse_decisions: ", modality.present.size(),
                                    " marks of presence for probabilities ", found, " of modality ", m));
  }
  if (!shape) throw ValueError(detail::text("fuse_decisions: all of ", modalities.size(), " modalities are missing"));
  return *shape;
}

/// used[m][b]; throws if a sample has no modality at all.
template <class T, class Device>
std::vector<std::vector<bool>> used_modalities(const std::vector<ModalityProbabilities<T, Device>>& modalities,
                                               Index samples) {
  std::vector<std::vector<bool>> used(modalities.size(), std::vector<bool>(static_cast<std::size_t>(samples)));
  for (Index b = 0; b < samples; ++b) {
    bool any = false;
    for (std::size_t m = 0; m < modalities.size(); ++m) {
      const bool has = modalities[m].has(b);
      used[m][static_cast<std::size_t>(b)] = has;
      any = any || has;
    }
    if (!any)
      throw ValueError(detail::text("fuse_decisions: every modality is missing in sample ", b, "; leave it out"));
  }
  return used;
}

template <class T>
void check_probabilities(const std::vector<ModalityProbabilities<T>>& modalities, const Shape& shape) {
  for (std::size_t m = 0; m < modalities.size(); ++m)
    for (Index b = 0; b < shape[0]; ++b) {
      if (!modalities[m].has(b)) continue;
      for (Index c = 0; c < shape[1]; ++c) {
        const auto p = static_cast<double>((*modalities[m].probabilities)(b, c));
        if (!(p >= 0 && std::isfinite(p)))
          throw ValueError(
              detail::text("fuse_decisions: probability ", p, " of class ", c, " in sample ", b, " of modality ", m));
      }
    }
}

/// One sample: a row of probabilities for each modality that has a say, and its weight.
struct Voter {
  std::vector<double> probabilities;
  double weight;
};

inline std::vector<double> add_logarithms(const std::vector<Voter>& voters, std::size_t classes) {
  constexpr double floor = 1e-12;
  std::vector<double> scores(classes, 0.0);
  for (const Voter& voter : voters)
    for (std::size_t c = 0; c < classes; ++c) scores[c] += std::log(std::max(floor, voter.probabilities[c]));
  const double largest = *std::max_element(scores.begin(), scores.end());
  for (double& score : scores) score = std::exp(score - largest);
  return scores;
}

inline std::vector<double> add_weighted(const std::vector<Voter>& voters, std::size_t classes) {
  const double total = std::accumulate(voters.begin(), voters.end(), 0.0,
                                       [](double sum, const Voter& voter) { return sum + voter.weight; });
  std::vector<double> scores(classes, 0.0);
  for (const Voter& voter : voters)
    for (std::size_t c = 0; c < classes; ++c) scores[c] += (total > 0 ? voter.weight : 1.0) * voter.probabilities[c];
  return scores;
}

inline std::vector<double> count_votes(const std::vector<Voter>& voters, std::size_t classes, Index k) {
  std::vector<double> votes(classes, 0.0);
  std::vector<double> sums(classes, 0.0);
  std::vector<std::size_t> order(classes);
  for (const Voter& voter : voters) {
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return voter.probabilities[a] > voter.probabilities[b]; });
    for (std::size_t i = 0; i < std::min(classes, static_cast<std::size_t>(k)); ++i) votes[order[i]] += 1;
    for (std::size_t c = 0; c < classes; ++c) sums[c] += voter.probabilities[c];
  }
  // Less than one vote, so that it decides between equals only.
  const double share = 0.5 / std::max(1.0, *std::max_element(sums.begin(), sums.end()));
  for (std::size_t c = 0; c < classes; ++c) votes[c] += share * sums[c];
  return votes;
}

inline std::vector<double> fuse_sample(const std::vector<Voter>& voters, const DecisionFusionOptions& options) {
  const std::size_t classes = voters.front().probabilities.size();
  std::vector<double> scores(classes, 0.0);
  switch (options.rule) {
    case DecisionRule::maximum:
      for (const Voter& voter : voters)
        for (std::size_t c = 0; c < classes; ++c) scores[c] = std::max(scores[c], voter.probabilities[c]);
      break;
    case DecisionRule::product:
      scores = add_logarithms(voters, classes);
      break;
    case DecisionRule::average:
    case DecisionRule::weighted:
      scores = add_weighted(voters, classes);
      break;
    case DecisionRule::top_k:
      scores = count_votes(voters, classes, options.k);
      break;
  }
  const double total = std::accumulate(scores.begin(), scores.end(), 0.0);
  for (double& score : scores) score = total > 0 ? score / total : 1.0 / static_cast<double>(classes);
  return scores;
}

inline void check_fusion_options(const DecisionFusionOptions& options, std::size_t modalities) {
  if (options.rule == DecisionRule::top_k && options.k < 1)
    throw ValueError(detail::text("fuse_decisions: k ", options.k, " is not positive"));
  if (options.rule != DecisionRule::weighted) return;
  if (options.weights.size() != modalities)
    throw ValueError(
        detail::text("fuse_decisions: ", options.weights.size(), " weights for ", modalities, " modalities"));
  for (const double weight : options.weights)
    if (!(weight >= 0 && std::isfinite(weight)))
      throw ValueError(detail::text("fuse_decisions: weight ", weight, " is negative or no number"));
}

template <class T>
void fuse_samples(const std::vector<ModalityProbabilities<T>>& modalities, const DecisionFusionOptions& options,
                  Tensor<T>& fused) {
  check_probabilities(modalities, fused.shape());
  for (Index b = 0; b < fused.size(0); ++b) {
    std::vector<Voter> voters;
    for (std::size_t m = 0; m < modalities.size(); ++m) {
      if (!modalities[m].has(b)) continue;
      voters.push_back({{}, options.rule == DecisionRule::weighted ? options.weights[m] : 1.0});
      for (Index c = 0; c < fused.size(1); ++c)
        voters.back().probabilities.push_back(static_cast<double>((*modalities[m].probabilities)(b, c)));
    }
    const std::vector<double> scores = fuse_sample(voters, options);
    for (Index c = 0; c < fused.size(1); ++c) fused(b, c) = static_cast<T>(scores[static_cast<std::size_t>(c)]);
  }
}

#if defined(MIEN_WITH_CUDA)
template <cuda::Number T>
void fuse_samples(const std::vector<ModalityProbabilities<T, Cuda>>& modalities, const DecisionFusionOptions& options,
                  Tensor<T, Cuda>& fused) {
  using Kernel = kernels::DecisionFusion<T>;
  Kernel fusion{.samples = fused.size(0),
                .classes = fused.size(1),
                .rule = static_cast<kernels::DecisionRule>(options.rule),
                .k = options.k,
                .modalities = 0,
                .of = {}};
  // What the kernel reads has to last until it is queued.
  std::vector<Tensor<T, Cuda>> probabilities;
  std::vector<Tensor<std::uint8_t, Cuda>> marks;
  for (std::size_t m = 0; m < modalities.size(); ++m) {
    if (!modalities[m].probabilities) continue;
    if (fusion.modalities == Kernel::most_modalities)
      throw ValueError(detail::text("fuse_decisions: more than ", Kernel::most_modalities, " modalities on the GPU"));
    probabilities.push_back(modalities[m].probabilities->contiguous());
    const std::vector<std::uint8_t> present(modalities[m].present.begin(), modalities[m].present.end());
    if (!present.empty()) marks.push_back(Tensor<std::uint8_t, Cuda>::from({fusion.samples}, present));
    fusion.of[fusion.modalities++] = {probabilities.back().data(), present.empty() ? nullptr : marks.back().data(),
                                      options.rule == DecisionRule::weighted ? options.weights[m] : 1.0};
  }
  kernels::fuse_decisions(fusion, fused.data(), cuda::current_stream().get());
}
#endif

}  // namespace decision

/// Fuses class probabilities sample by sample. A sample that lacks a modality is decided by the others, and `used` says
/// so; if only modalities of weight 0 are left, they weigh the same. Throws ShapeError for probabilities that are not
/// all [B, C] and for marks of presence that are not B; ValueError if a sample has no modality at all, for options that
/// make no sense, and for a probability that is negative or no number.
///
/// On the GPU nothing is waited for: where a probability is negative or no number, all scores of its sample are
/// not-a-number. There are at most 8 modalities there, those that are missing altogether not counted, else ValueError.
///
///     auto fused = models::fuse_decisions<float>({face, {body, body_seen}}, {.rule = DecisionRule::product});
///     auto on_gpu = models::fuse_decisions<float, Cuda>({softmax(face_logits).value(), {body, body_seen}});
template <class T, class Device = Cpu>
FusedDecision<T, Device> fuse_decisions(const std::vector<ModalityProbabilities<T, Device>>& modalities,
                                        const DecisionFusionOptions& options = {}) {
  decision::check_fusion_options(options, modalities.size());
  const Shape shape = decision::check_modalities(modalities);
  FusedDecision<T, Device> fused{Tensor<T, Device>(shape), decision::used_modalities(modalities, shape[0])};
  decision::fuse_samples(modalities, options, fused.scores);
  return fused;
}

/// The class with the greatest score in each row of [B, C]; of equals, the first.
template <class T>
std::vector<Index> most_probable(const Tensor<T>& scores) {
  if (scores.rank() != 2 || scores.size(1) < 1)
    throw ShapeError(detail::text("most_probable: scores ", scores.shape(), " are not [samples, classes]"));
  std::vector<Index> classes;
  for (Index b = 0; b < scores.size(0); ++b) {
    Index best = 0;
    for (Index c = 1; c < scores.size(1); ++c)
      if (scores(b, c) > scores(b, best)) best = c;
    classes.push_back(best);
  }
  return classes;
}

struct ChosenWeight {
  double face = 0.5;  ///< the body's is 1 - face
  double accuracy = 0;
  std::vector<double> weights() const { return {face, 1 - face}; }
};

/// The weight of the face, of 0, 1/steps, ..., 1, that recognises most samples of a validation set; of equals, the one
/// nearest to 1/2. Probabilities [B, C], labels [B] in [0, C).
template <class T>
ChosenWeight choose_weight(const Tensor<T>& face, const Tensor<T>& body, std::span<const Index> labels,
                           Index steps = 20) {
  if (steps < 1) throw ValueError(detail::text("choose_weight: ", steps, " steps"));
  if (labels.empty() || face.rank() != 2 || static_cast<Index>(labels.size()) != face.size(0))
    throw ShapeError(detail::text("choose_weight: ", labels.size(), " labels for probabilities ", face.shape()));
  for (const Index label : labels)
    if (label < 0 || label >= face.size(1))
      throw ValueError(detail::text("choose_weight: label ", label, " for probabilities ", face.shape()));
  ChosenWeight chosen{.accuracy = -1};
  for (Index step = 0; step <= steps; ++step) {
    const double weight = static_cast<double>(step) / static_cast<double>(steps);
    const auto fused =
        fuse_decisions<T>({face, body}, {.rule = DecisionRule::weighted, .weights = {weight, 1 - weight}});
    const std::vector<Index> recognised = most_probable(fused.scores);
    Index correct = 0;
    for (std::size_t b = 0; b < labels.size(); ++b) correct += recognised[b] == labels[b] ? 1 : 0;
    const double accuracy = static_cast<double>(correct) / static_cast<double>(labels.size());
    const bool nearer = std::abs(weight - 0.5) < std::abs(chosen.face - 0.5);
    if (accuracy > chosen.accuracy || (accuracy == chosen.accuracy && nearer)) {
      chosen.face = weight;
      chosen.accuracy = accuracy;
    }
  }
  return chosen;
}

struct FeatureFusionOptions {
  std::vector<Index> features = {};  ///< of each modality
  Index classes = 7;
  Index hidden = 0;    ///< units between features and logits; 0: a linear layer alone
  double dropout = 0;  ///< before the last layer
};

template <class T, class Device = Cpu>
struct FusedFeatures {
  Variable<T, Device> logits;  ///< [B, classes]
  std::vector<bool> used;      ///< whether each modality was there
};

/// Concatenated features -> linear, or linear - ReLU - linear. Parameters "fc.*" and, if `hidden` > 0, "hidden.*".
///
///     models::FeatureFusion<float> fusion({.features = {512, 256}, .classes = 7, .hidden = 128});
///     auto logits = fusion({face_features, body_features}).logits;
///     auto from_body = fusion({std::nullopt, body_features});  // used: {false, true}
template <class T, class Device = Cpu>
class FeatureFusion : public nn::Module<FeatureFusion<T, Device>, T, Device> {
 public:
  explicit FeatureFusion(const FeatureFusionOptions& options)
      : dropout(options.dropout),
        fc({.in = options.hidden > 0 ? options.hidden : total(options.features), .out = options.classes}),
        features_(options.features) {
    if (features_.empty() || options.hidden < 0 ||
        std::any_of(features_.begin(), features_.end(), [](Index n) { return n < 1; }))
      throw ValueError("FeatureFusion: needs a positive number of features for each modality, and hidden units >= 0");
    if (options.hidden > 0) hidden.emplace(nn::LinearOptions{.in = total(features_), .out = options.hidden});
  }

  /// Features [B, n_m] of each modality in turn. One that is missing counts as zeros, so that the others alone speak;
  /// one at least must be there.
  FusedFeatures<T, Device> operator()(const std::vector<std::optional<Variable<T, Device>>>& modalities) const {
    const Index batch = check(modalities);
    FusedFeatures<T, Device> fused;
    std::vector<Variable<T, Device>> parts;
    for (std::size_t m = 0; m < modalities.size(); ++m) {
      fused.used.push_back(modalities[m].has_value());
      parts.push_back(modalities[m] ? *modalities[m]
                                    : Variable<T, Device>(Tensor<T, Device>::zeros({batch, features_[m]})));
    }
    Variable<T, Device> x = concatenate(parts, -1);
    if (hidden) x = relu((*hidden)(x));
    fused.logits = fc(dropout(x));
    return fused;
  }

  void visit(auto&& child) {
    if (hidden) child("hidden", *hidden);
    child("dropout", dropout);
    child("fc", fc);
  }

  std::optional<nn::Linear<T, Device>> hidden;
  nn::Dropout<T, Device> dropout;
  nn::Linear<T, Device> fc;

 private:
  static Index total(const std::vector<Index>& features) {
    return std::accumulate(features.begin(), features.end(), Index{0});
  }

  /// The batch's size.
  Index check(const std::vector<std::optional<Variable<T, Device>>>& modalities) const {
    std::optional<Index> batch;
    bool fits = modalities.size() == features_.size();
    std::string found;
    for (std::size_t m = 0; m < modalities.size(); ++m) {
      found += (m > 0 ? ", " : "") + (modalities[m] ? modalities[m]->shape().to_string() : "missing");
      if (!modalities[m]) continue;
      const Shape& shape = modalities[m]->shape();
      fits = fits && shape.rank() == 2 && shape[1] == features_[m] && batch.value_or(shape[0]) == shape[0];
      if (fits) batch = shape[0];
    }
    if (!fits) {
      std::string widths;
      for (const Index width : features_) widths += (widths.empty() ? "" : ", ") + std::to_string(width);
      throw ShapeError(detail::text("FeatureFusion: features ", found, "; expected widths [", widths, "]"));
    }
    if (!batch) throw ValueError("FeatureFusion: every modality is missing");
    return *batch;
  }

  std::vector<Index> features_;
};

}  // namespace mien::models
