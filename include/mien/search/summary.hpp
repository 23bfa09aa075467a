#pragma once

/// What came out of a search: its trials as one table, best first, and which parameters mattered.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mien/core/digits.hpp"
#include "mien/io/csv.hpp"
#include "mien/search/gaussian_process.hpp"
#include "mien/search/latin_hypercube.hpp"
#include "mien/search/trial.hpp"

namespace mien::search {

/// Best value first; then those without a value, as they were begun.
inline std::vector<Trial> best_first(std::vector<Trial> trials, Goal goal) {
  std::stable_sort(trials.begin(), trials.end(), [goal](const Trial& a, const Trial& b) {
    if (!a.value || !b.value) return a.value.has_value() && !b.value.has_value();
    return is_better(*a.value, *b.value, goal);
  });
  return trials;
}

/// The finished trial with the best value, if any has finished.
inline std::optional<Trial> best_trial(const std::vector<Trial>& trials, Goal goal) {
  for (const Trial& trial : best_first(trials, goal))
    if (trial.state == TrialState::finished) return trial;
  return {};
}

// --- importance -----------------------------------------------------------------------------------------------------

/// How much of the values each parameter explains by itself: the share that its main effect has in the variance of the
/// posterior mean of a Gaussian process over the whole space, a first-order Sobol index (Sobol 1993). What the shares
/// leave to 1 is due to parameters together. It says nothing where the process does not describe the values: `fit`
/// tells.
struct Importance {
  std::vector<double> shares;  ///< one a parameter, in [0, 1]
  /// 1 - sum (value - what all other trials say of it)^2 / sum (value - mean)^2: 1 for a process that foretells each
  /// trial from the others, 0 or less for one that knows no more than the mean.
  double fit = 0;
};

namespace detail {

using mien::detail::text;

inline double variance_of(const std::vector<double>& values) {
  double mean = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum / static_cast<double>(values.size());
}

/// The mean of the process over `places`, with one axis held at `coordinate`.
inline double mean_with(const Space& space, const GaussianProcess& process, GaussianProcess::Places places,
                        std::size_t axis, double coordinate) {
  double sum = 0;
  for (auto& place : places) {
    place[axis] = coordinate;
    sum += process.mean(space.snapped(place));
  }
  return sum / static_cast<double>(places.size());
}

}  // namespace detail

/// From trials that finished or were stopped, the latter with the value that they had reached; nothing if there are
/// fewer than four, or fewer than two more than parameters, or if all values are the same.
inline std::optional<Importance> importance(const Space& space, const std::vector<Trial>& trials,
                                            std::uint64_t seed = 0) {
  GaussianProcess::Places places;
  std::vector<double> values;
  for (const Trial& trial : trials) {
    if (!trial.value) continue;
    places.push_back(space.place_of(trial.point));
    values.push_back(*trial.value);
  }
  if (values.size() < std::max<std::size_t>(4, space.dimensions() + 2)) return {};
  if (std::all_of(values.begin(), values.end(), [&](double value) { return value == values[0]; })) return {};
  const double spread = detail::variance_of(values);
  const auto process = GaussianProcess::fitted(places, values, {.unordered = space.unordered_axes()}, 4, seed);

  double missed = 0;
  const auto foretold = process.left_out_means();
  for (std::size_t i = 0; i < values.size(); ++i) missed += (values[i] - foretold[i]) * (values[i] - foretold[i]);
  Importance out{.shares = {}, .fit = 1 - missed / (spread * static_cast<double>(values.size()))};

  constexpr Index samples = 256;
  constexpr Index levels = 64;
  const auto everywhere = latin_hypercube(samples, space.dimensions(), seed);
  std::vector<double> means;
  for (const auto& place : everywhere) means.push_back(process.mean(space.snapped(place)));
  const double whole = detail::variance_of(means);
  for (std::size_t axis = 0; axis < space.dimensions(); ++axis) {
    const Index count = space.parameters()[axis].is_ordered() ? levels : space.parameters()[axis].count();
    std::vector<double> effect;
    for (Index level = 0; level < count; ++level)
      effect.push_back(detail::mean_with(space, process, everywhere, axis,
                                         (static_cast<double>(level) + 0.5) / static_cast<double>(count)));
    out.shares.push_back(whole > 0 ? std::min(1.0, detail::variance_of(effect) / whole) : 0);
  }
  return out;
}

// --- tables ---------------------------------------------------------------------------------------------------------

namespace detail {

using Rows = std::vector<std::vector<std::string>>;

/// Names, then a row a trial, best first.
inline Rows summary_rows(const Space& space, const std::vector<Trial>& trials, Goal goal, const std::string& value_name,
                         bool exact) {
  const auto number = [exact](double value) { return exact ? io::CsvWriter::as_text(value) : text(value); };
  Rows rows{{"trial", "state", value_name, "steps", "seconds"}};
  for (const Parameter& parameter : space.parameters()) rows[0].push_back(parameter.name);
  for (const Trial& trial : best_first(trials, goal)) {
    auto& row = rows.emplace_back();
    row = {std::to_string(trial.number), std::string(state_name(trial.state)), trial.value ? number(*trial.value) : "",
           std::to_string(trial.steps.size()), exact ? number(trial.seconds) : text(static_cast<Index>(trial.seconds))};
    for (const Parameter& parameter : space.parameters()) {
      const Value* value = trial.point.find(parameter.name);
      row.push_back(value ? to_text(*value) : "");
    }
  }
  return rows;
}

/// Columns as wide as they need to be, numbers and words alike to the right.
inline std::string aligned(const Rows& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      out += std::string(widths[i] - row[i].size() + (i > 0 ? 2 : 0), ' ') + row[i];
    out += '\n';
  }
  return out;
}

}  // namespace detail

/// A row a trial, best first, with all digits: trial, state, the value under the name that is given, steps, seconds, a
/// column a parameter, error. Fields of parameters that do not hold are empty.
inline std::string summary_csv(const Space& space, const std::vector<Trial>& trials, Goal goal,
                               const std::string& value_name = "value") {
  auto rows = detail::summary_rows(space, trials, goal, value_name, true);
  rows[0].emplace_back("error");
  const auto sorted = best_first(trials, goal);
  for (std::size_t i = 0; i < sorted.size(); ++i) rows[i + 1].push_back(sorted[i].error);
  io::CsvWriter writer(rows[0]);
  for (std::size_t i = 1; i < rows.size(); ++i) writer.row_of(rows[i]);
  return writer.text();
}

/// The same for people, with the reasons of failed trials and the importance of the parameters beneath.
inline std::string summary_text(const Space& space, const std::vector<Trial>& trials, Goal goal,
                                const std::string& value_name = "value",
                                const std::optional<Importance>& parameters = {}) {
  std::string out = detail::aligned(detail::summary_rows(space, trials, goal, value_name, false));
  for (const Trial& trial : trials)
    if (trial.state == TrialState::failed) out += detail::text("trial ", trial.number, " failed: ", trial.error, "\n");
  if (!parameters) return out;
  out += "\nimportance: share of the variance of a Gaussian process's mean that each parameter explains by itself\n";
  detail::Rows rows;
  for (std::size_t i = 0; i < space.dimensions(); ++i) {
    rows.push_back({space.parameters()[i].name, mien::detail::fixed_digits(parameters->shares[i], 2)});
  }
  out += detail::aligned(rows);
  out += detail::text("fit: ", mien::detail::fixed_digits(parameters->fit, 2),
                      " of 1, each trial foretold from all others",
                      parameters->fit < 0.3 ? "; too little for these shares to mean much" : "", "\n");
  return out;
}

}  // namespace mien::search
