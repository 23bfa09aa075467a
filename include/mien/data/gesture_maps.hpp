#pragma once

/// Batches of joint maps for the gesture models: joints varied, drawn and put together.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mien/data/annotations.hpp"
#include "mien/data/data_set.hpp"
#include "mien/data/detail/check_joints.hpp"
#include "mien/data/detail/stack_samples.hpp"
#include "mien/gesture/augmentation.hpp"
#include "mien/gesture/representation.hpp"

namespace mien::data {

/// B recordings as maps of J joints.
struct GestureBatch {
  Tensor<float> maps;  ///< [B, S, S, J]
  std::vector<Index> labels;
  std::vector<std::string> names;
  Tensor<float> votes = {};   ///< [B, classes]; undefined where no recording of the set has any
  Tensor<float> affect = {};  ///< [B, 2], valence and arousal; undefined where no recording of the set has them
  Tensor<std::uint8_t> affect_mask = {};  ///< [B], 1 for recordings that have them
};

struct GestureMapsOptions {
  gesture::RepresentationOptions representation = {};
  gesture::JointAugmentation augmentation = {};  ///< applied before the maps are drawn
};

/// A `Source` of joint maps for a `Loader`.
class GestureMaps {
 public:
  struct Sample {
    Tensor<float> map;  ///< [S, S, J]
    Index label;
    std::string name;
    std::vector<double> votes = {};
    std::optional<Affect> affect = std::nullopt;
  };
  using Batch = GestureBatch;

  /// Throws ValueError for a label without a class and for votes that are not one for each class, ShapeError for joints
  /// that are not [T, J, 3] with one J for all.
  explicit GestureMaps(GestureSequences recordings, GestureMapsOptions options = {})
      : recordings_(std::make_shared<const GestureSequences>(std::move(recordings))),
        options_(std::move(options)),
        kinds_(*recordings_) {
    recordings_->check_labels();
    detail::check_votes(*recordings_);
    detail::check_joints(*recordings_);
  }

  Index size() const { return recordings_->size(); }
  std::vector<Index> labels() const { return recordings_->labels(); }
  const std::string& name(Index index) const { return recording(index).name; }
  const GestureSequences& recordings() const { return *recordings_; }
  const GestureMapsOptions& options() const { return options_; }

  /// Throws as `gesture::augment` and `gesture::represent`; IndexError.
  Sample make(Index index, Generator& generator) const {
    const GestureSequence& source = recording(index);
    const auto joints = gesture::augment(source.joints, options_.augmentation, generator);
    return {gesture::represent(joints, options_.representation), source.label, source.name, source.votes,
            source.affect};
  }

  /// Throws ShapeError for no samples, and for samples of unlike shape.
  GestureBatch collate(std::vector<Sample> samples) const {
    if (samples.empty()) throw ShapeError("GestureMaps::collate: no samples");
    const Shape shape = samples.front().map.shape();
    GestureBatch out{detail::stack_samples("GestureMaps::collate", samples, &Sample::map, shape), {}, {}};
    detail::annotate(out, samples, kinds_, recordings_->classes());
    return out;
  }

 private:
  const GestureSequence& recording(Index index) const {
    if (index < 0 || index >= size()) throw IndexError(detail::text("GestureMaps: recording ", index, " of ", size()));
    return recordings_->samples[static_cast<std::size_t>(index)];
  }

  std::shared_ptr<const GestureSequences> recordings_;
  GestureMapsOptions options_;
  detail::AnnotationKinds kinds_;
};

}  // namespace mien::data
