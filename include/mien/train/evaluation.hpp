#pragma once

/// How good a model is on a data set, and how what several ranks have found out becomes one answer.

#include <cstddef>
#include <vector>

#include "mien/train/communicator.hpp"
#include "mien/train/metrics.hpp"

namespace mien::train {

/// How good a model is on a data set.
struct Evaluation {
  double loss = 0;                        ///< mean over the samples
  bool tells_classes = false;             ///< whether there were logits
  bool tells_affect = false;              ///< whether there were valence and arousal
  metrics::ConfusionMatrix confusion{1};  ///< of the samples that have a label
  metrics::AffectRecord affect = {};      ///< all frames that were annotated
};

namespace detail {

/// All ranks' counts. A rank without batches does not know how many classes there are.
inline void pool_classes(Communicator& ranks, Evaluation& evaluation) {
  std::vector<double> known{evaluation.tells_classes ? 1.0 : 0.0, 0.0};
  known[1] = known[0] * static_cast<double>(evaluation.confusion.classes());
  ranks.sum(known);
  evaluation.tells_classes = known[0] > 0;
  if (!evaluation.tells_classes) return;
  const auto classes = static_cast<Index>(known[1] / known[0]);
  std::vector<double> counts(static_cast<std::size_t>(classes * classes), 0.0);
  if (evaluation.confusion.classes() == classes)
    for (Index i = 0; i < classes * classes; ++i)
      counts[static_cast<std::size_t>(i)] = static_cast<double>(evaluation.confusion.count(i / classes, i % classes));
  ranks.sum(counts);
  evaluation.confusion = metrics::ConfusionMatrix(classes);
  for (Index i = 0; i < classes * classes; ++i)
    evaluation.confusion.add(i / classes, i % classes, static_cast<Index>(counts[static_cast<std::size_t>(i)]));
}

/// All ranks' frames, in the order of the ranks.
inline void pool_affect(Communicator& ranks, Evaluation& evaluation) {
  std::vector<double> frames(static_cast<std::size_t>(ranks.size()) + 1, 0.0);
  frames[static_cast<std::size_t>(ranks.rank())] = static_cast<double>(evaluation.affect.frames());
  frames.back() = evaluation.tells_affect ? 1.0 : 0.0;
  ranks.sum(frames);
  evaluation.tells_affect = frames.back() > 0;
  Index all = 0;
  Index before = 0;
  for (Index rank = 0; rank < ranks.size(); ++rank) {
    if (rank == ranks.rank()) before = all;
    all += static_cast<Index>(frames[static_cast<std::size_t>(rank)]);
  }
  if (all == 0) return;
  const Index own = evaluation.affect.frames();
  const auto pooled = [&](const Tensor<double>& mine) {
    auto out = Tensor<double>::zeros({all, 2});
    out.slice(0, before, before + own).copy_from(mine);
    ranks.sum(out);
    return out;
  };
  const Tensor<double> predictions = pooled(evaluation.affect.predictions());
  const Tensor<double> targets = pooled(evaluation.affect.targets());
  evaluation.affect = {};
  evaluation.affect.add(predictions, targets);
}

}  // namespace detail

/// Makes what a rank has found out on batches of its own what all of them have, on every rank. The loss is not the mean
/// yet but the sum over `samples`, which become those of all ranks.
inline void pool(Communicator& ranks, Evaluation& evaluation, double& samples) {
  std::vector<double> sums{evaluation.loss, samples};
  ranks.sum(sums);
  evaluation.loss = sums[0];
  samples = sums[1];
  detail::pool_classes(ranks, evaluation);
  detail::pool_affect(ranks, evaluation);
}

}  // namespace mien::train
