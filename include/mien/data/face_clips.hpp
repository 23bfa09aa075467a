#pragma once

/// Batches of videos for the face models: clips picked, frames read, varied and put together.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "mien/data/annotations.hpp"
#include "mien/data/augmentation.hpp"
#include "mien/data/clip.hpp"
#include "mien/data/data_set.hpp"
#include "mien/data/detail/stack_samples.hpp"
#include "mien/data/picture_source.hpp"
#include "mien/io/image.hpp"

namespace mien::data {

/// Decoded pictures, as many as fit; what does not fit is read again each time, and so is what lies decoded in a packed
/// file, which the system keeps in memory as far as there is room. Any thread may call it.
class ImageCache {
 public:
  explicit ImageCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  /// With 1 or 3 channels, from `source` or from a file. Throws FileError, as `read_picture`.
  std::shared_ptr<const io::Image> read(const std::filesystem::path& path, Index channels,
                                        const PictureSource* source = nullptr) {
    return read(Key(source, 0, path.string(), channels),
                [&] { return read_picture(source, path, {.channels = channels}); });
  }

  /// One frame of a video. Throws FileError, IndexError, as `read_frame`.
  std::shared_ptr<const io::Image> read(const FrameSequence& video, Index frame, Index channels) {
    const NumberedPictures* const numbered = video.frames.numbered();
    const auto at = static_cast<std::size_t>(frame);
    if (numbered == nullptr) return read(video.frames[at], channels, video.pictures.get());
    const std::uint64_t number = video.frames.number(at);
    const auto load = [&] { return read_frame(video, frame, {.channels = channels}); };
    if (numbered->is_decoded(number)) return std::make_shared<const io::Image>(load());
    return read(Key(numbered, number, "", channels), load);
  }

  std::size_t bytes() const {
    std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  /// Where a picture is from, its number or its path, and its channels.
  using Key = std::tuple<const void*, std::uint64_t, std::string, Index>;

  template <class Load>
  std::shared_ptr<const io::Image> read(const Key& key, const Load& load) {
    {
      std::lock_guard lock(mutex_);
      if (const auto found = images_.find(key); found != images_.end()) return found->second;
    }
    // Two threads may both decode here; that costs time, not correctness.
    auto image = std::make_shared<const io::Image>(load());
    std::lock_guard lock(mutex_);
    if (bytes_ + image->pixels.size() > max_bytes_) return image;
    const auto [place, added] = images_.emplace(key, image);
    if (added) bytes_ += image->pixels.size();
    return place->second;
  }

  const std::size_t max_bytes_;
  mutable std::mutex mutex_;
  std::size_t bytes_ = 0;
  std::map<Key, std::shared_ptr<const io::Image>> images_;
};

/// B videos of K clips of T frames.
struct FaceBatch {
  Tensor<float> frames;  ///< [B, K, T, side, side, channels]
  std::vector<Index> labels;
  std::vector<std::string> names;
  Tensor<float> votes = {};               ///< [B, classes]; undefined where no video of the set has any
  Tensor<float> affect = {};              ///< [B, 2], valence and arousal; undefined where no video of the set has them
  Tensor<std::uint8_t> affect_mask = {};  ///< [B], 1 for videos that have them
};

struct FaceClipsOptions {
  Index clips = 3;                                ///< K
  Index frames = 8;                               ///< T
  ClipSampling sampling = ClipSampling::centred;  ///< `random` for training
  ShortVideo short_video = ShortVideo::repeat;
  Index side = 112;
  Index channels = 3;
  Fit fit = Fit::crop;
  double zoom = 1;
  Normalisation normalisation = imagenet_normalisation;
  ClipAugmentation augmentation = {};              ///< one draw for all frames of a video
  std::size_t cache_bytes = std::size_t{1} << 30;  ///< for decoded pictures
};

/// A `Source` of videos for a `Loader`. Copies share the cache of pictures. Frames are picked as in `clip_frames` and
/// become input frames as in `input_frame`; the frames of a video may differ in size.
class FaceClips {
 public:
  struct Sample {
    Tensor<float> frames;  ///< [K, T, side, side, channels]
    Index label;
    std::string name;
    std::vector<double> votes = {};
    std::optional<Affect> affect = std::nullopt;
  };
  using Batch = FaceBatch;

  /// Throws ValueError: options that make no sense, a label without a class, votes that are not one for each class, a
  /// video without frames.
  explicit FaceClips(FrameSequences videos, const FaceClipsOptions& options = {})
      : videos_(std::make_shared<const FrameSequences>(std::move(videos))),
        options_(options),
        kinds_(*videos_),
        cache_(std::make_shared<ImageCache>(options.cache_bytes)) {
    videos_->check_labels();
    detail::check_votes(*videos_);
    detail::check_frame(frame_options());
    Generator unused;
    draw_transform(options_.augmentation, unused);
    for (const FrameSequence& video : videos_->samples) {
      if (video.frames.empty()) throw ValueError(detail::text("`", video.name, "` has no frames"));
      if (options_.short_video == ShortVideo::repeat) continue;
      try {
        detail::check_options(clip_options(), static_cast<Index>(video.frames.size()));
      } catch (const ValueError& error) {
        throw ValueError(detail::text("`", video.name, "`: ", error.what()));
      }
    }
    // Whatever else is wrong with them, for a set without videos too.
    detail::check_options(clip_options(), std::numeric_limits<Index>::max());
  }

  Index size() const { return videos_->size(); }
  std::vector<Index> labels() const { return videos_->labels(); }
  const std::string& name(Index index) const { return video(index).name; }
  const FrameSequences& videos() const { return *videos_; }
  const FaceClipsOptions& options() const { return options_; }

  /// Throws FileError for a frame that cannot be read, IndexError.
  Sample make(Index index, Generator& generator) const {
    const FrameSequence& source = video(index);
    const auto picked = clip_frames(static_cast<Index>(source.frames.size()), clip_options(), generator);
    const ClipTransform transform = draw_transform(options_.augmentation, generator);
    const FrameOptions frame = frame_options();
    Sample out{Tensor<float>(sample_shape()), source.label, source.name, source.votes, source.affect};
    const auto total = static_cast<Index>(picked.size());
    const Index elements = frame.side * frame.side * frame.channels;
    for (Index i = 0; i < total; ++i) {
      const auto image = cache_->read(source, picked[static_cast<std::size_t>(i)], options_.channels);
      const double moment = total == 1 ? 0 : static_cast<double>(i) / static_cast<double>(total - 1) - 0.5;
      detail::resample<std::uint8_t>({image->pixels.data(), image->width, image->height, image->channels}, frame,
                                     transform, moment, out.frames.data() + i * elements);
    }
    return out;
  }

  /// Says that videos `begin` to `end` - 1 will soon be asked for, so that a packed file's part is read in one go.
  void read_ahead(Index begin, Index end) const {
    for (Index first = begin; first < end;) {
      const NumberedPictures* const source = video(first).frames.numbered();
      Index last = first;
      auto [from, to] = std::pair(~std::uint64_t{0}, std::uint64_t{0});
      for (; last < end && video(last).frames.numbered() == source; ++last)
        for (std::size_t i = 0; source != nullptr && i < video(last).frames.size(); ++i) {
          from = std::min(from, video(last).frames.number(i));
          to = std::max(to, video(last).frames.number(i));
        }
      if (from <= to) source->read_ahead(from, to);
      first = last;
    }
  }

  /// Throws ShapeError for a sample of other options.
  FaceBatch collate(std::vector<Sample> samples) const {
    FaceBatch out{detail::stack_samples("FaceClips::collate", samples, &Sample::frames, sample_shape()), {}, {}};
    detail::annotate(out, samples, kinds_, videos_->classes());
    return out;
  }

 private:
  const FrameSequence& video(Index index) const {
    if (index < 0 || index >= size()) throw IndexError(detail::text("FaceClips: video ", index, " of ", size()));
    return videos_->samples[static_cast<std::size_t>(index)];
  }

  Shape sample_shape() const {
    return {options_.clips, options_.frames, options_.side, options_.side, options_.channels};
  }
  ClipOptions clip_options() const {
    return {options_.clips, options_.frames, options_.sampling, options_.short_video};
  }
  FrameOptions frame_options() const {
    return {options_.side, options_.channels, options_.fit, options_.zoom, options_.normalisation};
  }

  std::shared_ptr<const FrameSequences> videos_;
  FaceClipsOptions options_;
  detail::AnnotationKinds kinds_;
  std::shared_ptr<ImageCache> cache_;
};

/// Reads every frame and gives one message for each that cannot be read: the check before a long training.
inline std::vector<std::string> unreadable_frames(const FrameSequences& videos) {
  std::vector<std::string> problems;
  for (const FrameSequence& video : videos.samples)
    for (const auto& frame : video.frames) {
      try {
        read_picture(video.pictures.get(), frame);
      } catch (const Error& error) {
        problems.emplace_back(error.what());
      }
    }
  return problems;
}

}  // namespace mien::data
