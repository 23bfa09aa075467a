#pragma once

/// What samples show besides one label, put together for a batch: shares of votes, and valence and arousal, of which
/// not all samples need have everything.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "mien/core/tensor.hpp"
#include "mien/data/data_set.hpp"

namespace mien::data {

/// Targets of classes, [labels, classes]: 1 at each label, and nothing in the rows of `no_label`. Throws ValueError,
/// naming the row, for another label that is no class.
inline Tensor<float> class_targets(const std::vector<Index>& labels, Index classes) {
  auto out = Tensor<float>::zeros({static_cast<Index>(labels.size()), classes});
  for (std::size_t row = 0; row < labels.size(); ++row) {
    if (labels[row] == no_label) continue;
    if (labels[row] < 0 || labels[row] >= classes)
      throw ValueError(
          mien::detail::text("class_targets: row ", row, " has label ", labels[row], " of ", classes, " classes"));
    out(static_cast<Index>(row), labels[row]) = 1;
  }
  return out;
}

namespace detail {

/// Which annotations a data set has at all: each batch then has the tensors for them.
struct AnnotationKinds {
  bool votes = false;
  bool affect = false;

  template <class Sample>
  explicit AnnotationKinds(const DataSet<Sample>& data) {
    for (const Sample& sample : data.samples) {
      votes = votes || !sample.votes.empty();
      affect = affect || sample.affect.has_value();
    }
  }
};

/// Throws ValueError, naming the sample, for votes that are not one for each class.
template <class Sample>
void check_votes(const DataSet<Sample>& data) {
  for (const Sample& sample : data.samples)
    if (!sample.votes.empty() && static_cast<Index>(sample.votes.size()) != data.classes())
      throw ValueError(
          mien::detail::text("`", sample.name, "`: ", sample.votes.size(), " votes for ", data.classes(), " classes"));
}

/// Fills `labels`, `names`, `votes`, `affect` and `affect_mask` of a batch. A sample without votes has those of its
/// label.
template <class Batch, class Sample>
void annotate(Batch& batch, const std::vector<Sample>& samples, const AnnotationKinds& kinds, Index classes) {
  const auto rows = static_cast<Index>(samples.size());
  for (const Sample& sample : samples) {
    batch.labels.push_back(sample.label);
    batch.names.push_back(sample.name);
  }
  if (kinds.votes) batch.votes = class_targets(batch.labels, classes);
  if (kinds.affect) {
    batch.affect = Tensor<float>::zeros({rows, 2});
    batch.affect_mask = Tensor<std::uint8_t>::zeros(Shape{rows});
  }
  for (Index row = 0; row < rows; ++row) {
    const Sample& sample = samples[static_cast<std::size_t>(row)];
    if (kinds.votes && !sample.votes.empty())
      for (Index c = 0; c < classes; ++c)
        batch.votes(row, c) = static_cast<float>(sample.votes[static_cast<std::size_t>(c)]);
    if (!kinds.affect || !sample.affect) continue;
    batch.affect(row, 0) = static_cast<float>(sample.affect->valence);
    batch.affect(row, 1) = static_cast<float>(sample.affect->arousal);
    batch.affect_mask(row) = 1;
  }
}

}  // namespace detail
}  // namespace mien::data
