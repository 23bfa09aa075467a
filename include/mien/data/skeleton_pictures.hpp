#pragma once

/// Batches of drawn skeletons, for networks that take pictures.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mien/data/annotations.hpp"
#include "mien/data/augmentation.hpp"
#include "mien/data/clip.hpp"
#include "mien/data/data_set.hpp"
#include "mien/data/face_clips.hpp"
#include "mien/gesture/augmentation.hpp"
#include "mien/gesture/keypoint_picture.hpp"

namespace mien::data {

struct SkeletonPicturesOptions {
  Index clips = 1;                                ///< K
  Index frames = 1;                               ///< T
  ClipSampling sampling = ClipSampling::centred;  ///< `random` for training: another frame each time
  ShortVideo short_video = ShortVideo::repeat;
  bool whole = false;  ///< all frames in one picture (`gesture::motion_picture`); K and T are 1
  gesture::KeypointPictureOptions picture = {};
  Normalisation normalisation = imagenet_normalisation;
  gesture::JointAugmentation augmentation = {};  ///< applied before anything is drawn
};

/// A `Source` of drawn skeletons for a `Loader`, in the form of `FaceClips`, so that networks for faces and pictures
/// take them. Pictures are drawn when they are asked for.
class SkeletonPictures {
 public:
  struct Sample {
    Tensor<float> frames;  ///< [K, T, S, S, 3]
    Index label;
    std::string name;
    std::vector<double> votes = {};
    std::optional<Affect> affect = std::nullopt;
  };
  using Batch = FaceBatch;

  /// Throws ValueError: options that make no sense, a label without a class, votes that are not one for each class;
  /// ShapeError for joints that are not [T, J, 3].
  explicit SkeletonPictures(GestureSequences recordings, SkeletonPicturesOptions options = {})
      : recordings_(std::make_shared<const GestureSequences>(std::move(recordings))),
        options_(std::move(options)),
        kinds_(*recordings_) {
    recordings_->check_labels();
    detail::check_votes(*recordings_);
    detail::check_frame({.side = options_.picture.size, .normalisation = options_.normalisation});
    if (options_.whole && (options_.clips != 1 || options_.frames != 1))
      throw ValueError(detail::text("SkeletonPictures: ", options_.clips, " clips of ", options_.frames,
                                    " frames, where a whole recording is one picture"));
    for (const GestureSequence& recording : recordings_->samples) {
      gesture::detail::check_keypoints(recording.joints.joints.shape(), options_.picture);
      detail::check_options(clip_options(), recording.joints.frames());
    }
  }

  Index size() const { return recordings_->size(); }
  std::vector<Index> labels() const { return recordings_->labels(); }
  const std::string& name(Index index) const { return recording(index).name; }
  const GestureSequences& recordings() const { return *recordings_; }
  const SkeletonPicturesOptions& options() const { return options_; }

  /// Throws as `gesture::augment` and `gesture::keypoint_picture`; IndexError.
  Sample make(Index index, Generator& generator) const {
    const GestureSequence& source = recording(index);
    const auto joints = gesture::augment(source.joints, options_.augmentation, generator).joints;
    Sample out{Tensor<float>(sample_shape()), source.label, source.name, source.votes, source.affect};
    if (options_.whole) {
      write(gesture::motion_picture(joints, options_.picture), out.frames.data());
      return out;
    }
    float* to = out.frames.data();
    for (const Index frame : clip_frames(joints.size(0), clip_options(), generator))
      to = write(gesture::keypoint_picture(joints, frame, options_.picture), to);
    return out;
  }

  /// Throws ShapeError for a sample of other options.
  FaceBatch collate(std::vector<Sample> samples) const {
    FaceBatch out{detail::stack_samples("SkeletonPictures::collate", samples, &Sample::frames, sample_shape()), {}, {}};
    detail::annotate(out, samples, kinds_, recordings_->classes());
    return out;
  }

 private:
  const GestureSequence& recording(Index index) const {
    if (index < 0 || index >= size())
      throw IndexError(detail::text("SkeletonPictures: recording ", index, " of ", size()));
    return recordings_->samples[static_cast<std::size_t>(index)];
  }

  Shape sample_shape() const {
    return {options_.clips, options_.frames, options_.picture.size, options_.picture.size, 3};
  }
  ClipOptions clip_options() const {
    return {options_.clips, options_.frames, options_.sampling, options_.short_video};
  }

  float* write(const io::Image& image, float* to) const {
    const auto& [mean, deviation] = options_.normalisation;
    for (std::size_t i = 0; i < image.pixels.size(); ++i)
      *to++ = (static_cast<float>(image.pixels[i]) / 255 - mean[i % 3]) / deviation[i % 3];
    return to;
  }

  std::shared_ptr<const GestureSequences> recordings_;
  SkeletonPicturesOptions options_;
  detail::AnnotationKinds kinds_;
};

}  // namespace mien::data
