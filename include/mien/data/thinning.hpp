#pragma once

/// Fewer frames of the same videos: neighbours that hardly differ teach a network little and take as long.

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "mien/data/data_set.hpp"
#include "mien/data/picture_source.hpp"

namespace mien::data {

struct ThinningOptions {
  Index every = 1;  ///< keeps the first of each n frames
  /// Keeps a frame only if it differs by at least this from the last that was kept: the mean over 32 x 32 grey pixels
  /// of the difference, white and black differing by 1. 0: keeps all.
  double difference = 0;
};

/// How far two pictures differ, from 0 to 1; see `ThinningOptions::difference`.
inline double picture_difference(const io::Image& a, const io::Image& b) {
  constexpr Index side = 32;
  const auto small = [](const io::Image& image) {
    io::Image resized = io::resize(image, side, side);
    if (resized.channels == 1) return resized;
    return io::detail::convert_channels(resized.pixels.data(), {.width = side, .height = side}, 3, 1);
  };
  const io::Image left = small(a);
  const io::Image right = small(b);
  double sum = 0;
  for (std::size_t i = 0; i < left.pixels.size(); ++i)
    sum += std::abs(static_cast<double>(left.pixels[i]) - static_cast<double>(right.pixels[i]));
  return sum / 255 / static_cast<double>(left.pixels.size());
}

namespace detail {

/// Decides frame by frame of one video.
class FrameThinner {
 public:
  explicit FrameThinner(const ThinningOptions& options) : options_(options) {}

  bool keeps(const FrameSequence& sample, Index frame) {
    if (seen_++ % options_.every != 0) return false;
    if (options_.difference <= 0) return true;
    io::Image image = read_frame(sample, frame, {.channels = 1});
    if (!last_.pixels.empty() && picture_difference(last_, image) < options_.difference) return false;
    last_ = std::move(image);
    return true;
  }

 private:
  ThinningOptions options_;
  Index seen_ = 0;
  io::Image last_;
};

}  // namespace detail

/// The data set with fewer frames; no file is touched. The first frame of a video always stays. Samples of one picture
/// each, as those of Aff-Wild2, are thinned as the videos that their pictures' folders are, and those that go are no
/// samples any more. Throws ValueError for options that make no sense, FileError for a frame that cannot be read.
inline FrameSequences thin(const FrameSequences& data, const ThinningOptions& options) {
  if (options.every < 1 || !(options.difference >= 0 && options.difference <= 1))
    throw ValueError(detail::text("thin: every ", options.every, "th frame, and a difference of ", options.difference));
  FrameSequences out{.class_names = data.class_names, .skipped = data.skipped};
  std::map<std::string, detail::FrameThinner> folders;
  for (const FrameSequence& sample : data.samples) {
    if (sample.frames.size() == 1) {
      auto& thinner = folders.try_emplace(sample.frames[0].parent_path().string(), options).first->second;
      if (thinner.keeps(sample, 0)) out.samples.push_back(sample);
      continue;
    }
    detail::FrameThinner thinner(options);
    FrameSequence kept = sample;
    kept.frames.clear();
    for (Index frame = 0; frame < static_cast<Index>(sample.frames.size()); ++frame)
      if (thinner.keeps(sample, frame)) kept.frames.push_back(sample.frames[static_cast<std::size_t>(frame)]);
    out.samples.push_back(std::move(kept));
  }
  return out;
}

}  // namespace mien::data
