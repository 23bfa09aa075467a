#pragma once

/// Gaussian process regression (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapter 2): what
/// is known of a function on the unit cube after a few values of it, and how sure that is.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <utility>
#include <vector>

#include "mien/backend/cpu/cholesky.hpp"
#include "mien/core/error.hpp"
#include "mien/core/random.hpp"

namespace mien::search {

/// Values at two places have the covariance k(r) = signal (1 + sqrt(5) r + 5 r^2 / 3) exp(-sqrt(5) r), the Matern class
/// with nu = 5/2, r^2 = sum_i ((x_i - y_i) / length_i)^2; on axes without order a difference counts as 1.
struct GaussianProcessOptions {
  std::vector<double> lengths = {};  ///< one an axis
  std::vector<bool> unordered = {};  ///< axes whose places are names; none if it is empty
  double mean = 0;                   ///< of the function, where nothing is known
  double signal = 1;                 ///< variance of the function
  double noise = 0;                  ///< variance of what is added to each value
};

class GaussianProcess {
 public:
  using Places = std::vector<std::vector<double>>;

  /// Of the function itself, without noise.
  struct Prediction {
    double mean = 0;
    double deviation = 0;
  };

  /// Algorithm 2.1. Throws ShapeError if places, values and lengths do not fit together; ValueError for values that are
  /// not finite, lengths or a signal that are not positive, and covariances that are not positive definite: the same
  /// place twice needs noise.
  GaussianProcess(Places places, std::vector<double> values, GaussianProcessOptions options)
      : places_(std::move(places)), values_(std::move(values)), options_(std::move(options)) {
    check();
    if (!factorise())
      throw ValueError(detail::text("GaussianProcess: the covariances of ", places_.size(),
                                    " places are not positive definite; noise ", options_.noise, " is too little"));
  }

  /// The options that make the values most likely, found from `starts` places: by compass search in the logarithms of
  /// all lengths, within [0.05, 20], and of the noise's share of the signal, within [1e-6, 1]; the mean is that of the
  /// values, the signal its own best for each of them. `options` gives the axes without order.
  static GaussianProcess fitted(Places places, std::vector<double> values, GaussianProcessOptions options = {},
                                Index starts = 4, std::uint64_t seed = 0) {
    if (places.empty()) throw ValueError("GaussianProcess: nothing to fit");
    options.mean = 0;
    for (const double value : values) options.mean += value / static_cast<double>(values.size());
    options.lengths.assign(places.front().size(), 1.0);
    options.signal = 1;
    options.noise = least_noise;
    GaussianProcess process(std::move(places), std::move(values), std::move(options));
    process.maximise_likelihood(starts, seed);
    return process;
  }

  const GaussianProcessOptions& options() const { return options_; }
  std::size_t size() const { return values_.size(); }

  double mean(std::span<const double> place) const {
    double sum = options_.mean;
    for (std::size_t i = 0; i < size(); ++i) sum += covariance(place, places_[i]) * weights_[i];
    return sum;
  }

  Prediction predict(std::span<const double> place) const {
    std::vector<double> covariances(size());
    for (std::size_t i = 0; i < size(); ++i) covariances[i] = covariance(place, places_[i]);
    double mean = options_.mean;
    for (std::size_t i = 0; i < size(); ++i) mean += covariances[i] * weights_[i];
    backend::solve_lower(factor_, covariances);
    double variance = options_.signal;
    for (const double part : covariances) variance -= part * part;
    return {mean, std::sqrt(std::max(0.0, variance))};
  }

  /// log p(values | places), of natural logarithms.
  double log_likelihood() const {
    double sum = -0.5 * static_cast<double>(size()) * std::log(2 * std::numbers::pi) - log_determinant_of_factor();
    for (std::size_t i = 0; i < size(); ++i) sum -= 0.5 * (values_[i] - options_.mean) * weights_[i];
    return sum;
  }

  /// What would be predicted at each place from all others (ibid., equation 5.12).
  std::vector<double> left_out_means() const {
    std::vector<double> out;
    for (std::size_t i = 0; i < size(); ++i) {
      std::vector<double> column(size(), 0.0);
      column[i] = 1;
      backend::solve_lower(factor_, column);
      double inverse = 0;
      for (const double part : column) inverse += part * part;
      out.push_back(values_[i] - weights_[i] / inverse);
    }
    return out;
  }

 private:
  static constexpr double least_noise = 1e-6;

  void check() const {
    const std::size_t axes = options_.lengths.size();
    if (places_.size() != values_.size())
      throw ShapeError(detail::text("GaussianProcess: ", places_.size(), " places, ", values_.size(), " values"));
    if (!options_.unordered.empty() && options_.unordered.size() != axes)
      throw ShapeError(detail::text("GaussianProcess: order of ", options_.unordered.size(), " axes of ", axes));
    for (const auto& place : places_)
      if (place.size() != axes)
        throw ShapeError(detail::text("GaussianProcess: a place of ", place.size(), " numbers, ", axes, " lengths"));
    const auto is_finite = [](double value) { return std::isfinite(value); };
    if (!std::all_of(values_.begin(), values_.end(), is_finite) || !is_finite(options_.mean))
      throw ValueError("GaussianProcess: values have to be finite");
    const auto& lengths = options_.lengths;
    if (!std::all_of(lengths.begin(), lengths.end(), [](double length) { return length > 0; }) ||
        !(options_.signal > 0) || !(options_.noise >= 0))
      throw ValueError("GaussianProcess: lengths and signal have to be positive, noise not negative");
  }

  double covariance(std::span<const double> a, std::span<const double> b) const {
    double squared = 0;
    for (std::size_t i = 0; i < options_.lengths.size(); ++i) {
      const bool named = !options_.unordered.empty() && options_.unordered[i];
      const double difference = named ? (a[i] == b[i] ? 0.0 : 1.0) : a[i] - b[i];
      squared += difference * difference / (options_.lengths[i] * options_.lengths[i]);
    }
    const double r = std::sqrt(5 * squared);
    return options_.signal * (1 + r + r * r / 3) * std::exp(-r);
  }

  /// L of K + noise I = L L^T, and (K + noise I)^-1 (values - mean). False if there is no L.
  bool factorise() {
    const std::size_t n = size();
    factor_.assign(n * n, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < i; ++j) factor_[i * n + j] = covariance(places_[i], places_[j]);
      factor_[i * n + i] = options_.signal + options_.noise;
    }
    if (n > 0 && !backend::cholesky(factor_, static_cast<Index>(n))) return false;
    weights_ = values_;
    for (double& weight : weights_) weight -= options_.mean;
    backend::solve_lower(factor_, weights_);
    backend::solve_lower_transposed(factor_, weights_);
    return true;
  }

  double log_determinant_of_factor() const {
    double sum = 0;
    for (std::size_t i = 0; i < size(); ++i) sum += std::log(factor_[i * size() + i]);
    return sum;
  }

  /// The signal that is best with these lengths and this share of noise, in one formula: with signal 1 it is
  /// (values - mean)^T weights / n. Returns the likelihood with it, but for a constant.
  double with_best_signal(const std::vector<double>& logarithms) {
    const std::size_t axes = options_.lengths.size();
    for (std::size_t i = 0; i < axes; ++i) options_.lengths[i] = std::exp(logarithms[i]);
    options_.signal = 1;
    options_.noise = std::exp(logarithms[axes]);
    if (!factorise()) return -std::numeric_limits<double>::infinity();
    double best = 0;
    for (std::size_t i = 0; i < size(); ++i) best += (values_[i] - options_.mean) * weights_[i];
    best = std::max(best / static_cast<double>(size()), 1e-200);  // Values may all be the same.
    options_.signal = best;
    options_.noise *= best;
    return -0.5 * static_cast<double>(size()) * std::log(best) - log_determinant_of_factor();
  }

  void maximise_likelihood(Index starts, std::uint64_t seed) {
    const std::size_t axes = options_.lengths.size();
    std::vector<double> low(axes, std::log(0.05));
    std::vector<double> high(axes, std::log(20.0));
    low.push_back(std::log(least_noise));
    high.push_back(0);
    std::vector<double> best(axes, std::log(0.5));
    best.push_back(std::log(1e-3));
    double most = climb(best, low, high);
    Generator generator(seed);
    for (Index start = 1; start < starts; ++start) {
      std::vector<double> place(axes + 1);
      for (std::size_t i = 0; i < place.size(); ++i) place[i] = generator.uniform(low[i], high[i]);
      const double found = climb(place, low, high);
      if (!(found > most)) continue;
      most = found;
      best = std::move(place);
    }
    static_cast<void>(with_best_signal(best));
    if (!factorise()) throw ValueError("GaussianProcess: no options make the covariances positive definite");
  }

  /// Compass search: goes along each axis as long as that helps, then with half the step.
  double climb(std::vector<double>& place, const std::vector<double>& low, const std::vector<double>& high) {
    double most = with_best_signal(place);
    for (double step = 1; step > 0.1;) {
      bool higher = false;
      for (std::size_t i = 0; i < place.size(); ++i) {
        for (const double direction : {step, -step}) {
          const double before = place[i];
          place[i] = std::clamp(before + direction, low[i], high[i]);
          const double found = place[i] == before ? most : with_best_signal(place);
          if (found > most) {
            most = found;
            higher = true;
            break;
          }
          place[i] = before;
        }
      }
      if (!higher) step /= 2;
    }
    return most;
  }

  Places places_;
  std::vector<double> values_;
  GaussianProcessOptions options_;
  std::vector<double> factor_;   // L [n, n], in the lower triangle
  std::vector<double> weights_;  // (K + noise I)^-1 (values - mean)
};

}  // namespace mien::search
