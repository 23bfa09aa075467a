#pragma once

/// Bayesian optimisation: each point is chosen by what a Gaussian process makes of all values so far (Jones, Schonlau
/// and Welch, Efficient Global Optimization of Expensive Black-Box Functions, 1998).

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <optional>
#include <utility>
#include <vector>

#include "mien/search/gaussian_process.hpp"
#include "mien/search/latin_hypercube.hpp"
#include "mien/search/strategy.hpp"

namespace mien::search {

struct BayesianSearchOptions {
  std::uint64_t seed = 0;
  Goal goal = Goal::maximise;
  /// Points of a Latin hypercube before the process is asked; 0: twice as many as parameters, and two.
  Index initial = 0;
  Index candidates = 1000;  ///< by chance, for every point; the best of them are then refined
};

/// How far a value that is normal with this mean and deviation can be expected to lie below `best`, counting 0 where it
/// lies above: (best - mean) P(z) + deviation p(z), z = (best - mean) / deviation.
inline double expected_improvement(double mean, double deviation, double best) {
  const double gain = best - mean;
  if (!(deviation > 0)) return std::max(gain, 0.0);
  const double z = gain / deviation;
  const double density = std::exp(-0.5 * z * z) / std::sqrt(2 * std::numbers::pi);
  return gain * 0.5 * std::erfc(-z / std::numbers::sqrt2) + deviation * density;
}

/// The next point is that of the greatest expected improvement on the process's mean at the best point told. Points
/// that are pending count as told with the mean of all values (the constant liar of Ginsbourger, Le Riche and Carraro
/// 2010), failed ones with the worst value, so that neither is sought again.
class BayesianSearch : public Strategy {
 public:
  /// Throws ValueError unless there are candidates, and no fewer initial points than 0.
  explicit BayesianSearch(Space space, const BayesianSearchOptions& options = {})
      : Strategy(std::move(space)), options_(options) {
    if (options_.initial < 0 || options_.candidates < 1)
      throw ValueError(
          detail::text("BayesianSearch: ", options_.initial, " initial points, ", options_.candidates, " candidates"));
    const auto dimensions = static_cast<Index>(this->space().dimensions());
    if (options_.initial == 0) options_.initial = 2 * dimensions + 2;
  }

 protected:
  std::optional<Point> propose() override {
    const auto asked = static_cast<Index>(tries().size());
    if (asked < options_.initial) {
      const auto places = latin_hypercube(options_.initial, space().dimensions(), options_.seed);
      Point point = space().point_at(places[static_cast<std::size_t>(asked)]);
      if (is_new(point)) return point;
    }
    Generator generator = Generator(options_.seed).split(tries().size());
    if (asked < options_.initial || told() < 2) return random_point(generator);
    return most_promising(generator);
  }

 private:
  struct Candidate {
    std::vector<double> place;
    double improvement = 0;
  };

  Index told() const {
    return std::count_if(tries().begin(), tries().end(),
                         [](const Try& one) { return one.state == TrialState::finished; });
  }

  static double median(std::vector<double> values) {
    const auto middle = values.begin() + std::ssize(values) / 2;
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
  }

  /// All values told, so that less is better: about their median, in units of how far they usually lie from it. One
  /// absurd value would make the process's sums too large for numbers; beyond a million units none counts for more.
  std::vector<double> standardised_values() const {
    std::vector<double> values;
    for (const Try& one : tries())
      if (one.state == TrialState::finished) values.push_back(options_.goal == Goal::minimise ? one.value : -one.value);
    const double middle = median(values);
    // Halves, whose difference no two numbers make infinite.
    std::vector<double> distances;
    for (double& value : values) {
      value = value / 2 - middle / 2;
      distances.push_back(std::abs(value));
    }
    double unit = median(distances);
    if (unit == 0) unit = std::max(std::abs(middle) / 2, 0.5);
    for (double& value : values) value = std::clamp(value / unit, -1e6, 1e6);
    return values;
  }

  /// What is known, in standardised values.
  GaussianProcess fitted() const {
    const std::vector<double> told_values = standardised_values();
    const double worst = *std::max_element(told_values.begin(), told_values.end());
    double mean = 0;
    for (const double value : told_values) mean += value / static_cast<double>(told_values.size());
    GaussianProcess::Places places;
    std::vector<double> values;
    auto next = told_values.begin();
    for (const Try& one : tries()) {
      places.push_back(one.place);
      values.push_back(one.state == TrialState::finished ? *next++ : one.state == TrialState::failed ? worst : mean);
    }
    return GaussianProcess::fitted(std::move(places), std::move(values), {.unordered = space().unordered_axes()}, 4,
                                   options_.seed);
  }

  std::optional<Point> most_promising(Generator& generator) const {
    const GaussianProcess process = fitted();
    double best = std::numeric_limits<double>::infinity();
    std::vector<double> best_place;
    for (const Try& one : tries()) {
      if (one.state != TrialState::finished) continue;
      const double mean = process.mean(one.place);
      if (mean >= best) continue;
      best = mean;
      best_place = one.place;
    }
    std::vector<Candidate> candidates;
    const auto consider = [&](const std::vector<double>& place) {
      if (!is_new(space().point_at(place))) return;
      auto snapped = space().snapped(place);
      const auto [mean, deviation] = process.predict(snapped);
      candidates.push_back({std::move(snapped), expected_improvement(mean, deviation, best)});
    };
    std::vector<double> place(space().dimensions());
    for (Index i = 0; i < options_.candidates; ++i) {
      for (double& coordinate : place) coordinate = generator.uniform();
      consider(place);
    }
    // Near the best point, then near the best candidates, closer with each round.
    for (int i = 0; i < 100; ++i) consider(beside(best_place, 0.1, generator));
    for (double radius = 0.1; radius > 0.001; radius /= 2) {
      keep_best(candidates, 3);
      const auto kept = candidates;
      for (const Candidate& one : kept)
        for (int i = 0; i < 20; ++i) consider(beside(one.place, radius, generator));
    }
    keep_best(candidates, 1);
    if (candidates.empty()) return random_point(generator);
    return space().point_at(candidates.front().place);
  }

  /// The places of `place` varied by chance; about half of all axes stay as they are.
  std::vector<double> beside(std::vector<double> place, double radius, Generator& generator) const {
    for (std::size_t axis = 0; axis < place.size(); ++axis) {
      if (generator.uniform() < 0.5) continue;
      const bool ordered = space().parameters()[axis].is_ordered();
      place[axis] = ordered ? std::clamp(place[axis] + radius * generator.normal(), 0.0, 1.0) : generator.uniform();
    }
    return place;
  }

  static void keep_best(std::vector<Candidate>& candidates, std::size_t count) {
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate& a, const Candidate& b) { return a.improvement > b.improvement; });
    if (candidates.size() > count) candidates.resize(count);
  }

  BayesianSearchOptions options_;
};

}  // namespace mien::search
