#pragma once

/// Ends tries that will come to nothing.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "mien/search/trial.hpp"

namespace mien::search {

struct MedianStoppingOptions {
  Goal goal = Goal::maximise;
  Index trials = 5;  ///< that have to be finished before any other is stopped
  Index steps = 3;   ///< that every trial is given
};

/// The median rule (Golovin et al., Google Vizier: A Service for Black-Box Optimization, 2017): a trial is stopped at a
/// step if its best value until then is worse than the median, over all finished trials, of the mean of their values
/// until that step.
class MedianStopping {
 public:
  /// Throws ValueError if `trials` or `steps` is not positive.
  explicit MedianStopping(const MedianStoppingOptions& options = {}) : options_(options) {
    if (options_.trials < 1 || options_.steps < 1)
      throw ValueError(detail::text("MedianStopping: ", options_.trials, " trials, ", options_.steps, " steps"));
  }

  /// Takes note of a trial's value at a step, counted from 1, and says whether to go on is no use. Values that are not
  /// finite count for nothing.
  bool should_stop(Index trial, Index step, double value) {
    auto& values = values_[trial];
    if (std::isfinite(value)) values.emplace_back(step, value);
    if (step < options_.steps || values.empty()) return false;
    std::vector<double> means;
    for (const Index other : finished_)
      if (const auto mean = mean_until(other, step)) means.push_back(*mean);
    if (static_cast<Index>(means.size()) < options_.trials) return false;
    double best = values.front().second;
    for (const auto& [when, known] : values)
      if (is_better(known, best, options_.goal)) best = known;
    return is_better(median(std::move(means)), best, options_.goal);
  }

  /// The trial came to its end, so others are compared with it.
  void finished(Index trial) { finished_.insert(trial); }

  /// The trial begins anew: what it did before is forgotten.
  void forget(Index trial) {
    values_.erase(trial);
    finished_.erase(trial);
  }

 private:
  std::optional<double> mean_until(Index trial, Index step) const {
    const auto found = values_.find(trial);
    if (found == values_.end()) return {};
    double sum = 0;
    double count = 0;
    for (const auto& [when, value] : found->second) {
      if (when > step) continue;
      sum += value;
      ++count;
    }
    if (count == 0) return {};
    return sum / count;
  }

  static double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1) return *middle;
    return (*middle + *std::max_element(values.begin(), middle)) / 2;
  }

  MedianStoppingOptions options_;
  std::map<Index, std::vector<std::pair<Index, double>>> values_;
  std::set<Index> finished_;
};

}  // namespace mien::search
