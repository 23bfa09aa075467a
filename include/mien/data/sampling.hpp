#pragma once

/// Classes of unlike size: how often they occur, what they should weigh in a loss, and an order that evens them out.

#include <vector>

#include "mien/core/random.hpp"

namespace mien::data {
namespace detail {

using mien::detail::text;

/// The samples of each class, in order.
inline std::vector<std::vector<Index>> samples_by_class(const std::vector<Index>& labels, Index classes) {
  if (classes < 0) throw ValueError(text("number of classes ", classes, " is negative"));
  std::vector<std::vector<Index>> samples(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= classes)
      throw ValueError(text("sample ", i, ": label ", labels[i], " is not in 0..", classes - 1));
    samples[static_cast<std::size_t>(labels[i])].push_back(static_cast<Index>(i));
  }
  return samples;
}

inline Index greatest_label(const std::vector<Index>& labels) {
  Index greatest = -1;
  for (const Index label : labels) greatest = label > greatest ? label : greatest;
  return greatest;
}

}  // namespace detail

/// How many samples each class has. Throws ValueError for a label outside 0..`classes` - 1.
inline std::vector<Index> class_counts(const std::vector<Index>& labels, Index classes) {
  std::vector<Index> counts;
  for (const auto& samples : detail::samples_by_class(labels, classes))
    counts.push_back(static_cast<Index>(samples.size()));
  return counts;
}

/// Inverse frequency: N / (C n_c) for a class with n_c of the N samples, C the number of classes that occur; so that
/// the mean weight of a sample is 1. A class without samples weighs 0.
inline std::vector<double> class_weights(const std::vector<Index>& labels, Index classes) {
  const std::vector<Index> counts = class_counts(labels, classes);
  Index occurring = 0;
  for (const Index count : counts) occurring += count > 0;
  std::vector<double> weights;
  for (const Index count : counts)
    weights.push_back(count == 0 ? 0
                                 : static_cast<double>(labels.size()) /
                                       (static_cast<double>(occurring) * static_cast<double>(count)));
  return weights;
}

/// As many draws as there are samples, from every occurring class as often as from any other or once more. No sample is
/// drawn again before all of its class have been.
inline std::vector<Index> balanced_order(const std::vector<Index>& labels, Generator& generator) {
  auto classes = detail::samples_by_class(labels, detail::greatest_label(labels) + 1);
  std::erase_if(classes, [](const auto& samples) { return samples.empty(); });
  // Which classes get the draws that are left over is chance too.
  generator.shuffle(classes);
  std::vector<Index> order;
  order.reserve(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    auto& samples = classes[i % classes.size()];
    const std::size_t turn = i / classes.size() % samples.size();
    if (turn == 0) generator.shuffle(samples);
    order.push_back(samples[turn]);
  }
  generator.shuffle(order);
  return order;
}

}  // namespace mien::data
