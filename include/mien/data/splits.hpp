#pragma once

/// Parts of a data set for training and for testing, as lists of sample numbers in ascending order. Everything is
/// decided by the seed. Where subjects are known, none of them is ever in two parts.

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mien/core/random.hpp"
#include "mien/data/sampling.hpp"

namespace mien::data {

struct Split {
  std::vector<Index> train;
  std::vector<Index> test;
};

namespace detail {

/// A subject and the samples it has.
struct Subject {
  std::string name;
  std::vector<Index> samples;
};

/// In the order of their names, so that the order of files does not matter.
inline std::vector<Subject> group_subjects(const std::vector<std::string>& subjects) {
  std::map<std::string, std::vector<Index>> groups;
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (subjects[i].empty()) throw ValueError(text("split by subject: sample ", i, " has no subject"));
    groups[subjects[i]].push_back(static_cast<Index>(i));
  }
  std::vector<Subject> out;
  for (auto& [name, samples] : groups) out.push_back({name, std::move(samples)});
  return out;
}

inline void check_fraction(const char* function, double fraction) {
  if (!(fraction > 0 && fraction < 1))
    throw ValueError(text(function, ": training fraction ", fraction, " is not between 0 and 1"));
}

/// How many of `count` go to training: the fraction, rounded, but at least one on either side.
inline Index training_share(Index count, double fraction) {
  return std::clamp<Index>(static_cast<Index>(std::lround(fraction * static_cast<double>(count))), 1, count - 1);
}

/// Turns the number of each sample's fold into one split for each fold.
inline std::vector<Split> splits_of_folds(const std::vector<Index>& fold_of, Index folds) {
  std::vector<Split> splits(static_cast<std::size_t>(folds));
  for (std::size_t i = 0; i < fold_of.size(); ++i)
    for (Index fold = 0; fold < folds; ++fold) {
      Split& split = splits[static_cast<std::size_t>(fold)];
      (fold == fold_of[i] ? split.test : split.train).push_back(static_cast<Index>(i));
    }
  return splits;
}

}  // namespace detail

/// The samples whose column says `value`. Throws ValueError, with the values that do occur, if there are none.
inline std::vector<Index> samples_where(const std::vector<std::string>& column, std::string_view value) {
  std::vector<Index> out;
  for (std::size_t i = 0; i < column.size(); ++i)
    if (column[i] == value) out.push_back(static_cast<Index>(i));
  if (!out.empty()) return out;
  std::string known;
  for (const std::string& other : std::set<std::string>(column.begin(), column.end()))
    known += (known.empty() ? "`" : ", `") + other + "`";
  throw ValueError(detail::text("no sample has `", value, "`; the column holds ", known.empty() ? "nothing" : known));
}

/// By a column of the data set itself, such as DFEW's or RAF-DB's. Samples with other values are in neither part.
inline Split split_by_column(const std::vector<std::string>& column, std::string_view train = "train",
                             std::string_view test = "test") {
  return {samples_where(column, train), samples_where(column, test)};
}

/// A part of all subjects, chosen by chance, for training; the others for testing; at least one subject in each.
/// For a third part split the training part again.
/// Throws ValueError: a sample without a subject, fewer than two subjects, a fraction that is not between 0 and 1.
inline Split split_by_subject(const std::vector<std::string>& subjects, double training_fraction, std::uint64_t seed) {
  detail::check_fraction("split_by_subject", training_fraction);
  auto groups = detail::group_subjects(subjects);
  if (groups.size() < 2)
    throw ValueError(detail::text("split_by_subject: ", groups.size(), " subjects, at least 2 are needed"));
  Generator(seed).shuffle(groups);
  const auto training =
      static_cast<std::size_t>(detail::training_share(static_cast<Index>(groups.size()), training_fraction));
  Split split;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    auto& part = i < training ? split.train : split.test;
    part.insert(part.end(), groups[i].samples.begin(), groups[i].samples.end());
  }
  std::sort(split.train.begin(), split.train.end());
  std::sort(split.test.begin(), split.test.end());
  return split;
}

/// A part of each class for training, the rest for testing; of a class with two samples or more at least one on either
/// side, a single sample is for training.
/// Throws ValueError: a negative label, no class with two samples, a fraction that is not between 0 and 1.
inline Split split_stratified(const std::vector<Index>& labels, double training_fraction, std::uint64_t seed) {
  detail::check_fraction("split_stratified", training_fraction);
  Generator generator(seed);
  std::vector<char> trains(labels.size(), 1);
  for (auto& samples : detail::samples_by_class(labels, detail::greatest_label(labels) + 1)) {
    if (samples.size() < 2) continue;
    generator.shuffle(samples);
    const Index training = detail::training_share(static_cast<Index>(samples.size()), training_fraction);
    for (auto i = static_cast<std::size_t>(training); i < samples.size(); ++i)
      trains[static_cast<std::size_t>(samples[i])] = 0;
  }
  Split split;
  for (std::size_t i = 0; i < labels.size(); ++i)
    (trains[i] ? split.train : split.test).push_back(static_cast<Index>(i));
  if (split.test.empty()) throw ValueError("split_stratified: no class has the two samples that a split needs");
  return split;
}

/// k folds in each of which every class has its share, as nearly as counts allow; fold sizes differ by one at most.
/// Split i tests on fold i and trains on all others. Throws ValueError: a negative label, fewer than 2 folds, fewer
/// samples than folds.
inline std::vector<Split> stratified_folds(const std::vector<Index>& labels, Index folds, std::uint64_t seed) {
  if (folds < 2 || static_cast<Index>(labels.size()) < folds)
    throw ValueError(detail::text("stratified_folds: ", labels.size(), " samples cannot make ", folds, " folds"));
  Generator generator(seed);
  std::vector<Index> fold_of(labels.size());
  Index next = 0;
  for (auto& samples : detail::samples_by_class(labels, detail::greatest_label(labels) + 1)) {
    generator.shuffle(samples);
    // The next class goes on where this one ends: that keeps the folds' sizes equal.
    for (const Index sample : samples) fold_of[static_cast<std::size_t>(sample)] = next++ % folds;
  }
  return detail::splits_of_folds(fold_of, folds);
}

/// k folds of whole subjects, in which classes have their shares as nearly as subjects allow. Subjects are taken from
/// the largest down, in random order where equal, each to the fold that has least of its classes.
/// Split i tests on fold i and trains on all others. Throws ValueError: a sample without a subject, a negative label,
/// fewer than 2 folds, fewer subjects than folds, unlike numbers of subjects and labels.
inline std::vector<Split> subject_folds(const std::vector<std::string>& subjects, const std::vector<Index>& labels,
                                        Index folds, std::uint64_t seed) {
  if (subjects.size() != labels.size())
    throw ValueError(detail::text("subject_folds: ", subjects.size(), " subjects for ", labels.size(), " labels"));
  auto groups = detail::group_subjects(subjects);
  if (folds < 2 || static_cast<Index>(groups.size()) < folds)
    throw ValueError(detail::text("subject_folds: ", groups.size(), " subjects cannot make ", folds, " folds"));
  const std::vector<Index> totals = class_counts(labels, detail::greatest_label(labels) + 1);
  Generator(seed).shuffle(groups);
  std::stable_sort(groups.begin(), groups.end(),
                   [](const auto& a, const auto& b) { return a.samples.size() > b.samples.size(); });

  // Adding counts n to a fold that holds x raises the sum over folds of squared class shares by a constant plus twice
  // sum_c n_c x_c / N_c^2, so the fold where this is least keeps the shares most even.
  std::vector<std::vector<double>> held(static_cast<std::size_t>(folds), std::vector<double>(totals.size(), 0.0));
  std::vector<Index> sizes(static_cast<std::size_t>(folds), 0);
  std::vector<Index> fold_of(labels.size());
  for (const auto& group : groups) {
    const auto cost = [&](std::size_t fold) {
      double sum = 0;
      for (const Index sample : group.samples) {
        const auto label = static_cast<std::size_t>(labels[static_cast<std::size_t>(sample)]);
        sum += held[fold][label] / (static_cast<double>(totals[label]) * static_cast<double>(totals[label]));
      }
      return std::pair(sum, sizes[fold]);
    };
    std::size_t best = 0;
    for (std::size_t fold = 1; fold < held.size(); ++fold)
      if (cost(fold) < cost(best)) best = fold;
    for (const Index sample : group.samples) {
      const auto label = static_cast<std::size_t>(labels[static_cast<std::size_t>(sample)]);
      ++held[best][label];
      ++sizes[best];
      fold_of[static_cast<std::size_t>(sample)] = static_cast<Index>(best);
    }
  }
  return detail::splits_of_folds(fold_of, folds);
}

}  // namespace mien::data
