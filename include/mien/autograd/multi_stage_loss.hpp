#pragma once

/// The loss of the face branch: every clip's emotion, and both readings of the whole video, against the video's label.
///
///     L = L1 + lambda L2 + mu L3
///
/// L1 is the cross-entropy of the clips' logits, mean over all clips; L2 and L3 are those of E1, read from the clips'
/// features, and E2, read from the clips' emotions. Wei et al., Expert Systems with Applications 237 (2024) 121419.

#include <vector>

#include "mien/autograd/arithmetic.hpp"
#include "mien/autograd/cross_entropy.hpp"
#include "mien/autograd/whole_batch.hpp"
#include "mien/ops/steps.hpp"

namespace mien {

struct MultiStageLossOptions {
  double lambda = 1;  ///< weight of the loss of E1
  double mu = 1;      ///< weight of the loss of E2
  std::vector<double> class_weights = {};
  double label_smoothing = 0;
  /// A label whose videos do not count.
  std::optional<Index> ignore_index = std::nullopt;
  /// Clips of each video, 0 to K; none if all have K. L1 then is the mean over these clips; what the padding holds
  /// does not matter.
  std::vector<Index> lengths = {};
  /// Of the whole batch, where several processes share it: with lengths a part has as large a share in L1 as it has
  /// clips, and in L2 and L3 as it has videos. See autograd/whole_batch.hpp.
  bool whole_batch = false;
};

/// clip_logits [B, K, C], e1 and e2 [B, C], one label a video: [1]. Throws ShapeError for shapes that do not belong
/// together and ValueError, naming the video, for a label that is no class or a length that is not in [0, K].
template <class T, class Device>
Variable<T, Device> multi_stage_loss(const Variable<T, Device>& clip_logits, const Variable<T, Device>& e1,
                                     const Variable<T, Device>& e2, const std::vector<Index>& labels,
                                     const MultiStageLossOptions& options = {}) {
  const Shape& clips = clip_logits.shape();
  const bool fits = clips.rank() == 3 && e1.shape() == clips.without(1) && e2.shape() == e1.shape() &&
                    static_cast<Index>(labels.size()) == clips[0];
  if (!fits)
    throw ShapeError(detail::text("multi_stage_loss: clip logits ", clips, ", e1 ", e1.shape(), ", e2 ", e2.shape(),
                                  ", ", labels.size(), " labels"));
  ops::require_lengths("multi_stage_loss", clips, options.lengths);

  // No label of a class is ever negative, so that one is free to mark what does not count.
  constexpr Index ignored = -1;
  const CrossEntropyOptions shared{options.class_weights, options.label_smoothing, ignored};
  std::vector<Index> video_labels = labels;
  for (std::size_t video = 0; video < labels.size(); ++video) {
    if (labels[video] == options.ignore_index) {
      video_labels[video] = ignored;
    } else if (labels[video] < 0 || labels[video] >= clips[2]) {
      throw ValueError(detail::text("multi_stage_loss: video ", video, " has label ", labels[video], ", there are ",
                                    clips[2], " classes"));
    }
  }
  std::vector<Index> clip_labels;
  for (std::size_t video = 0; video < labels.size(); ++video) {
    const Index length = options.lengths.empty() ? clips[1] : options.lengths[video];
    for (Index clip = 0; clip < clips[1]; ++clip) clip_labels.push_back(clip < length ? video_labels[video] : ignored);
  }

  const auto mean = [&](const Variable<T, Device>& logits, const std::vector<Index>& of) {
    const Variable<T, Device> own = cross_entropy(logits, of, shared);
    return options.whole_batch ? whole_batch_mean(own, ops::cross_entropy_weight(of, shared)) : own;
  };
  const Variable<T, Device> of_clips = mean(clip_logits, clip_labels);
  const Variable<T, Device> of_e1 = mean(e1, video_labels);
  const Variable<T, Device> of_e2 = mean(e2, video_labels);
  return of_clips + scale(of_e1, static_cast<T>(options.lambda)) + scale(of_e2, static_cast<T>(options.mu));
}

}  // namespace mien
