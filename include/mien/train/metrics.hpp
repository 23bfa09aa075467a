#pragma once

/// How good a model is: classes and numbers. Every measure has an answer for every input; what it is where a formula
/// would divide by zero is said at each.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "mien/ops/regression_loss.hpp"

namespace mien::metrics {

/// The class with the highest score in each row of scores [..., C]; the first of equal ones.
template <class T>
std::vector<Index> predicted_classes(const Tensor<T>& scores) {
  if (scores.rank() < 1 || scores.size(-1) == 0)
    throw ShapeError(detail::text("predicted_classes: no classes in scores ", scores.shape()));
  const Tensor<T> rows = scores.contiguous();
  const Index classes = scores.size(-1);
  std::vector<Index> out;
  for (const T* row = rows.data(); row != rows.data() + rows.elements(); row += classes)
    out.push_back(std::max_element(row, row + classes) - row);
  return out;
}

/// How often each class was taken for each class, and what follows from that.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(Index classes) : counts_(Tensor<std::int64_t>::zeros({classes, classes})) {
    if (classes < 1) throw ValueError(detail::text("ConfusionMatrix: ", classes, " classes"));
  }

  Index classes() const { return counts_.size(0); }

  /// One sample, or so many. Throws ValueError, counting nothing, if either is no class.
  void add(Index label, Index prediction, Index times = 1) {
    require_class("label", label);
    require_class("prediction", prediction);
    counts_(label, prediction) += times;
  }

  /// Throws ShapeError unless there are as many predictions as labels, ValueError if any is no class; then nothing is
  /// counted.
  void add(std::span<const Index> labels, std::span<const Index> predictions) {
    if (labels.size() != predictions.size())
      throw ShapeError(
          detail::text("ConfusionMatrix: ", labels.size(), " labels, ", predictions.size(), " predictions"));
    for (const Index label : labels) require_class("label", label);
    for (const Index prediction : predictions) require_class("prediction", prediction);
    for (std::size_t i = 0; i < labels.size(); ++i) ++counts_(labels[i], predictions[i]);
  }

  /// Adds the counts of another matrix of as many classes.
  void add(const ConfusionMatrix& other) { ops::add_into(counts_, other.counts_); }

  Index count(Index label, Index prediction) const { return counts_(label, prediction); }
  /// A copy of all counts, [classes, classes]: a row a label, a column a prediction.
  Tensor<std::int64_t> counts() const { return counts_.clone(); }

  /// The share of a label's samples that were taken for `prediction`; 0 if the label has no samples.
  double rate(Index label, Index prediction) const { return share(count(label, prediction), labelled(label)); }
  /// All rates, [classes, classes]. A row sums to 1, or is 0 if its label has no samples.
  Tensor<double> rates() const {
    Tensor<double> out(counts_.shape());
    for (Index label = 0; label < classes(); ++label)
      for (Index prediction = 0; prediction < classes(); ++prediction) out(label, prediction) = rate(label, prediction);
    return out;
  }

  /// Samples with this label.
  Index labelled(Index label) const {
    return sum([=](Index i) { return std::pair(label, i); });
  }
  /// Samples that were taken for this class.
  Index predicted(Index prediction) const {
    return sum([=](Index i) { return std::pair(i, prediction); });
  }
  Index correct() const {
    return sum([](Index i) { return std::pair(i, i); });
  }
  Index total() const {
    Index total = 0;
    for (const std::int64_t count : counts_.span()) total += count;
    return total;
  }

  /// Correct samples among all, also called weighted average recall (WAR); 0 without samples.
  double accuracy() const { return share(correct(), total()); }

  /// Correct samples among those with the label; 0 if there are none.
  double recall(Index label) const { return rate(label, label); }
  /// Correct samples among those taken for the class; 0 if there are none.
  double precision(Index label) const { return share(count(label, label), predicted(label)); }
  /// 2 correct / (labelled + predicted), the harmonic mean of precision and recall; 0 if there are none of either.
  double f1(Index label) const { return share(2 * count(label, label), labelled(label) + predicted(label)); }

  /// The mean recall of all classes that have samples, also called unweighted average recall (UAR); 0 without samples.
  double mean_recall() const {
    return mean([this](Index c) { return labelled(c) > 0; }, [this](Index c) { return recall(c); });
  }
  /// The mean precision of all classes that have samples or were predicted; 0 without samples.
  double mean_precision() const {
    return mean([this](Index c) { return labelled(c) + predicted(c) > 0; }, [this](Index c) { return precision(c); });
  }
  /// The mean F1 of all classes that have samples or were predicted; 0 without samples.
  double macro_f1() const {
    return mean([this](Index c) { return labelled(c) + predicted(c) > 0; }, [this](Index c) { return f1(c); });
  }

 private:
  static double share(Index part, Index whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  }

  void require_class(const char* what, Index value) const {
    if (value < 0 || value >= classes())
      throw ValueError(detail::text("ConfusionMatrix: ", what, " ", value, ", there are ", classes(), " classes"));
  }

  template <class Cell>
  Index sum(const Cell& cell) const {
    Index sum = 0;
    for (Index i = 0; i < classes(); ++i) {
      const auto [label, prediction] = cell(i);
      sum += count(label, prediction);
    }
    return sum;
  }

  template <class Takes, class Measure>
  double mean(const Takes& takes, const Measure& measure) const {
    double sum = 0;
    Index taken = 0;
    for (Index c = 0; c < classes(); ++c) {
      if (!takes(c)) continue;
      sum += measure(c);
      ++taken;
    }
    return taken == 0 ? 0 : sum / static_cast<double>(taken);
  }

  Tensor<std::int64_t> counts_;
};

/// The samples whose confidence lies in (low, high], and those of confidence 0 in the first.
struct CalibrationBin {
  double low = 0;
  double high = 0;
  Index samples = 0;
  Index correct = 0;
  double confidences = 0;  ///< their sum

  /// Correct ones among the samples; 0 if there are none.
  double accuracy() const { return samples == 0 ? 0 : static_cast<double>(correct) / static_cast<double>(samples); }
  /// The mean; 0 if there are no samples.
  double confidence() const { return samples == 0 ? 0 : confidences / static_cast<double>(samples); }
};

/// Whether a classifier is right as often as it says. A sample's confidence is its greatest probability; equally wide
/// bins B of confidence compare its mean with the share of correct samples:
///
///     expected error = sum over B of |B| / n |accuracy(B) - confidence(B)|
///     greatest error = maximum over B of |accuracy(B) - confidence(B)|
///
/// as in Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017, section 2.
class Calibration {
 public:
  /// Throws ValueError without bins.
  explicit Calibration(Index bins = 15) {
    if (bins < 1) throw ValueError(detail::text("Calibration: ", bins, " bins"));
    for (Index i = 0; i < bins; ++i)
      bins_.push_back({.low = static_cast<double>(i) / static_cast<double>(bins),
                       .high = static_cast<double>(i + 1) / static_cast<double>(bins)});
  }

  /// Throws ValueError, counting nothing, unless the confidence is within 0..1, but for what sums of rounded
  /// probabilities may be beyond.
  void add(double confidence, bool correct) {
    if (!(confidence >= -1e-4 && confidence <= 1 + 1e-4))
      throw ValueError(detail::text("Calibration: a confidence of ", confidence, " is not in 0..1"));
    const double inside = std::clamp(confidence, 0.0, 1.0);
    const auto above =
        std::find_if(bins_.begin(), bins_.end() - 1, [&](const auto& bin) { return inside <= bin.high; });
    ++above->samples;
    above->correct += correct ? 1 : 0;
    above->confidences += inside;
  }

  /// Probabilities [..., C] and a label each; negative labels are samples without one, which do not count. Throws
  /// ShapeError unless there are as many rows as labels.
  template <class T>
  void add(const Tensor<T>& probabilities, std::span<const Index> labels) {
    const std::vector<Index> predictions = predicted_classes(probabilities);
    if (predictions.size() != labels.size())
      throw ShapeError(
          detail::text("Calibration: probabilities ", probabilities.shape(), " for ", labels.size(), " labels"));
    const Tensor<T> rows = probabilities.contiguous();
    for (std::size_t i = 0; i < labels.size(); ++i)
      if (labels[i] >= 0)
        add(static_cast<double>(rows.data()[static_cast<Index>(i) * rows.size(-1) + predictions[i]]),
            predictions[i] == labels[i]);
  }

  /// In the order of confidence.
  const std::vector<CalibrationBin>& bins() const { return bins_; }

  Index samples() const {
    Index sum = 0;
    for (const CalibrationBin& bin : bins_) sum += bin.samples;
    return sum;
  }

  /// 0 without samples.
  double expected_error() const {
    double sum = 0;
    for (const CalibrationBin& bin : bins_) sum += static_cast<double>(bin.samples) * gap(bin);
    return sum / static_cast<double>(std::max<Index>(1, samples()));
  }
  /// 0 without samples.
  double greatest_error() const {
    double greatest = 0;
    for (const CalibrationBin& bin : bins_) greatest = std::max(greatest, gap(bin));
    return greatest;
  }

 private:
  static double gap(const CalibrationBin& bin) { return std::abs(bin.accuracy() - bin.confidence()); }

  std::vector<CalibrationBin> bins_;
};

/// At most `count` of the samples that were taken for another class than their own, the least probability of their own
/// class first: those that cost the cross-entropy most. Negative labels are samples without one. Throws ShapeError
/// unless there is a label a row and every label has a column.
inline std::vector<Index> worst_mistakes(const std::vector<std::vector<double>>& probabilities,
                                         std::span<const Index> labels, std::size_t count) {
  if (probabilities.size() != labels.size())
    throw ShapeError(detail::text("worst_mistakes: ", probabilities.size(), " rows for ", labels.size(), " labels"));
  const auto own = [&](Index sample) {
    const auto i = static_cast<std::size_t>(sample);
    return probabilities[i][static_cast<std::size_t>(labels[i])];
  };
  std::vector<Index> out;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0) continue;
    const auto& row = probabilities[i];
    if (labels[i] >= std::ssize(row))
      throw ShapeError(detail::text("worst_mistakes: label ", labels[i], " of ", row.size(), " probabilities"));
    if (std::max_element(row.begin(), row.end()) - row.begin() != labels[i]) out.push_back(static_cast<Index>(i));
  }
  std::stable_sort(out.begin(), out.end(), [&](Index a, Index b) { return own(a) < own(b); });
  out.resize(std::min(out.size(), count));
  return out;
}

/// The mean of (prediction - target)^2 over all elements of the rows that count, both [..., D]; 0 if there are none.
/// The mask [...] leaves out rows that are 0 in it.
template <class T>
double mean_squared_error(const Tensor<T>& prediction, const Tensor<T>& target, const Tensor<std::uint8_t>& mask = {}) {
  return ops::mse_loss(prediction.template cast<double>(), target.template cast<double>(), mask).item();
}

/// A number for valence, one for arousal, and their mean.
struct ValenceArousal {
  double valence = 0;
  double arousal = 0;
  double mean() const { return (valence + arousal) / 2; }
};

/// The concordance correlation of (valence, arousal) pairs [..., 2], over all frames that count pooled; see
/// ops/regression_loss.hpp. Two equal constants give 1, a constant against anything else 0, and no frames at all 0.
template <class T>
ValenceArousal concordance(const Tensor<T>& prediction, const Tensor<T>& target,
                           const Tensor<std::uint8_t>& mask = {}) {
  ops::check_regression("concordance", prediction, target, mask);
  if (prediction.size(-1) != 2)
    throw ShapeError(detail::text("concordance: prediction ", prediction.shape(), ", expected [..., 2]"));
  if (backend::count_rows(mask.contiguous(), prediction.elements() / 2) == 0) return {};
  const Tensor<double> both =
      ops::concordance(prediction.template cast<double>(), target.template cast<double>(), mask);
  return {both(0), both(1)};
}

/// Predictions and targets of (valence, arousal) pairs, batch after batch, so that the measures are of all frames
/// pooled and not means over batches.
class AffectRecord {
 public:
  /// Both [..., 2]; the mask [...] leaves out frames that are 0 in it. Throws ShapeError for other shapes, adding
  /// nothing.
  template <class T>
  void add(const Tensor<T>& prediction, const Tensor<T>& target, const Tensor<std::uint8_t>& mask = {}) {
    ops::check_regression("AffectRecord", prediction, target, mask);
    if (prediction.size(-1) != 2)
      throw ShapeError(detail::text("AffectRecord: prediction ", prediction.shape(), ", expected [..., 2]"));
    const Tensor<T> x = prediction.contiguous();
    const Tensor<T> y = target.contiguous();
    const Tensor<std::uint8_t> counts = mask.contiguous();
    for (Index frame = 0; frame < x.elements() / 2; ++frame) {
      if (mask.defined() && counts.data()[frame] == 0) continue;
      for (Index i = 2 * frame; i < 2 * frame + 2; ++i) {
        predictions_.push_back(static_cast<double>(x.data()[i]));
        targets_.push_back(static_cast<double>(y.data()[i]));
      }
    }
  }

  /// All frames of another record too.
  void add(const AffectRecord& other) {
    predictions_.insert(predictions_.end(), other.predictions_.begin(), other.predictions_.end());
    targets_.insert(targets_.end(), other.targets_.begin(), other.targets_.end());
  }

  Index frames() const { return static_cast<Index>(targets_.size()) / 2; }
  /// Copies, [frames, 2].
  Tensor<double> predictions() const { return pairs(predictions_); }
  Tensor<double> targets() const { return pairs(targets_); }

  /// As the function of this name; 0 without frames.
  ValenceArousal concordance() const { return metrics::concordance(pairs(predictions_), pairs(targets_)); }
  /// 0 without frames.
  double mean_squared_error() const { return metrics::mean_squared_error(pairs(predictions_), pairs(targets_)); }

 private:
  Tensor<double> pairs(const std::vector<double>& numbers) const {
    return Tensor<double>::from({frames(), 2}, numbers);
  }

  std::vector<double> predictions_;
  std::vector<double> targets_;
};

}  // namespace mien::metrics
