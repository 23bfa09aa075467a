#pragma once

/// Frames without anything around them, one after the other, as programs pipe them.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "mien/video/y4m.hpp"

namespace mien::video {

/// Reads raw frames of the stated format, width and height. yuv420p has its chroma in the middle of four pixels and is
/// converted by BT.601; grey goes from 0 to 255.
class RawFrameReader final : public FrameReader {
 public:
  /// Throws ValueError unless the options state format, width and height; FileError for a file that cannot be read.
  RawFrameReader(const std::filesystem::path& path, const VideoOptions& options)
      : RawFrameReader(std::make_unique<detail::ByteSource>(path), options) {}

  /// From what is already open, at the first frame.
  RawFrameReader(std::unique_ptr<detail::ByteSource> source, const VideoOptions& options)
      : source_(std::move(source)), format_(checked_format(*source_, options)), planes_(layout(options)) {
    facts_.width = options.width;
    facts_.height = options.height;
    facts_.frame_rate = detail::rate_or_default(options);
    facts_.format = "raw frames";
    bytes_.resize(format_ == PixelFormat::rgb24 ? static_cast<std::size_t>(options.width * options.height * 3)
                                                : layout(options).frame_bytes());
    if (!source_->size()) return;
    facts_.frames = static_cast<Index>((*source_->size() + bytes_.size() - 1) / bytes_.size());
    facts_.duration = static_cast<double>(*facts_.frames) / facts_.frame_rate;
  }

  const VideoFacts& facts() const override { return facts_; }
  void cancel() noexcept override { source_->cancel(); }

 private:
  static PixelFormat checked_format(const detail::ByteSource& source, const VideoOptions& options) {
    detail::check(options);
    if (!options.pixel_format || options.width < 1 || options.height < 1)
      throw ValueError(detail::text(source.name(), ": raw frames tell nothing of themselves; expected ",
                                    "VideoOptions::pixel_format, width and height, found ", options.width, " x ",
                                    options.height));
    detail::check_frame_size(source, options.width, options.height, options);
    return *options.pixel_format;
  }

  static detail::PlaneLayout layout(const VideoOptions& options) {
    const bool has_chroma = options.pixel_format == PixelFormat::yuv420p;
    return {.width = options.width,
            .height = options.height,
            .has_chroma = has_chroma,
            .full_range = !has_chroma || options.full_range};
  }

  bool read_next(Frame& frame) override {
    const double time = static_cast<double>(frames_read()) / facts_.frame_rate;
    if (source_->peek(1).empty()) return false;
    detail::read_frame_bytes(*source_, bytes_, frames_read(), time);
    detail::reshape(frame.image, facts_.width, facts_.height);
    if (format_ == PixelFormat::rgb24) {
      std::transform(bytes_.begin(), bytes_.end(), frame.image.pixels.begin(),
                     [](std::byte value) { return static_cast<std::uint8_t>(value); });
    } else {
      planes_.convert(bytes_, frame.image);
    }
    frame.time = time;
    return true;
  }

  std::unique_ptr<detail::ByteSource> source_;
  PixelFormat format_;
  detail::PlanesToRgb planes_;
  VideoFacts facts_;
  std::vector<std::byte> bytes_;
};

}  // namespace mien::video
