#pragma once

/// Batches of keypoints for the perceptrons over single frames: some frames of each recording, joints varied and
/// normalised.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mien/data/annotations.hpp"
#include "mien/data/clip.hpp"
#include "mien/data/data_set.hpp"
#include "mien/data/detail/check_joints.hpp"
#include "mien/data/detail/stack_samples.hpp"
#include "mien/gesture/augmentation.hpp"
#include "mien/gesture/normalisation.hpp"

namespace mien::data {

/// F frames of each of B recordings.
struct KeypointBatch {
  Tensor<float> keypoints;  ///< [B, F, J, 3]: x, y, confidence
  std::vector<Index> labels;
  std::vector<std::string> names;
  Tensor<float> votes = {};   ///< [B, classes]; undefined where no recording of the set has any
  Tensor<float> affect = {};  ///< [B, 2], valence and arousal; undefined where no recording of the set has them
  Tensor<std::uint8_t> affect_mask = {};  ///< [B], 1 for recordings that have them
};

struct KeypointFramesOptions {
  Index frames = 1;                               ///< F, one from each of so many equal parts
  ClipSampling sampling = ClipSampling::centred;  ///< `random` for training
  gesture::NormalisationOptions normalisation = {};
  gesture::JointAugmentation augmentation = {};  ///< applied before frames are picked
};

/// A `Source` of keypoints for a `Loader`.
class KeypointFrames {
 public:
  struct Sample {
    Tensor<float> keypoints;  ///< [F, J, 3]
    Index label;
    std::string name;
    std::vector<double> votes = {};
    std::optional<Affect> affect = std::nullopt;
  };
  using Batch = KeypointBatch;

  /// Throws ValueError for a label without a class, votes that are not one for each class and no frames, ShapeError for
  /// joints that are not [T, J, 3] with one J for all.
  explicit KeypointFrames(GestureSequences recordings, KeypointFramesOptions options = {})
      : recordings_(std::make_shared<const GestureSequences>(std::move(recordings))),
        options_(std::move(options)),
        kinds_(*recordings_) {
    recordings_->check_labels();
    detail::check_votes(*recordings_);
    detail::check_joints(*recordings_);
    if (options_.frames < 1) throw ValueError(mien::detail::text("KeypointFrames: ", options_.frames, " frames"));
  }

  Index size() const { return recordings_->size(); }
  std::vector<Index> labels() const { return recordings_->labels(); }
  const std::string& name(Index index) const { return recording(index).name; }

  /// Throws as `gesture::augment` and `gesture::normalise_joints`; IndexError.
  Sample make(Index index, Generator& generator) const {
    const GestureSequence& source = recording(index);
    const Tensor<float> joints = gesture::augment(source.joints, options_.augmentation, generator).joints.contiguous();
    const auto picked =
        clip_frames(joints.size(0), {.clips = options_.frames, .frames = 1, .sampling = options_.sampling}, generator);
    const Index numbers = joints.size(1) * 3;
    Tensor<float> frames({options_.frames, joints.size(1), 3});
    for (Index i = 0; i < options_.frames; ++i)
      std::copy_n(joints.data() + picked[static_cast<std::size_t>(i)] * numbers, numbers, frames.data() + i * numbers);
    return {gesture::normalise_joints(frames, options_.normalisation), source.label, source.name, source.votes,
            source.affect};
  }

  /// Throws ShapeError for no samples, and for samples of unlike shape.
  KeypointBatch collate(std::vector<Sample> samples) const {
    if (samples.empty()) throw ShapeError("KeypointFrames::collate: no samples");
    const Shape shape = samples.front().keypoints.shape();
    KeypointBatch out{detail::stack_samples("KeypointFrames::collate", samples, &Sample::keypoints, shape), {}, {}};
    detail::annotate(out, samples, kinds_, recordings_->classes());
    return out;
  }

 private:
  const GestureSequence& recording(Index index) const {
    if (index < 0 || index >= size())
      throw IndexError(mien::detail::text("KeypointFrames: recording ", index, " of ", size()));
    return recordings_->samples[static_cast<std::size_t>(index)];
  }

  std::shared_ptr<const GestureSequences> recordings_;
  KeypointFramesOptions options_;
  detail::AnnotationKinds kinds_;
};

}  // namespace mien::data
