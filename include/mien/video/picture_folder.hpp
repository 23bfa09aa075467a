#pragma once

/// Films that are folders of pictures, one a frame.

#include <cstddef>
#include <filesystem>
#include <utility>
#include <vector>

#include "mien/data/frame_folders.hpp"
#include "mien/video/frame_reader.hpp"
#include "mien/video/options.hpp"

namespace mien::video {

/// Reads the pictures of a folder (.png, .jpg, .jpeg, .bmp, .ppm, .pgm) in natural order, "2" before "10". Other files
/// and hidden ones are passed over.
class PictureFolderReader final : public FrameReader {
 public:
  /// Throws FileError: a folder that cannot be read or has no pictures, a first picture that is damaged.
  explicit PictureFolderReader(const std::filesystem::path& folder, const VideoOptions& options = {})
      : image_options_{.channels = 3, .max_pixels = options.max_pixels} {
    detail::check(options);
    const data::FolderOptions pictures;
    data::SkippedFiles skipped;
    for (const auto& name : data::detail::list_folder(folder, pictures, skipped).pictures)
      frames_.push_back(folder / name);
    if (frames_.empty()) throw FileError(folder.string(), "", "no pictures", "the frames of a film");
    first_ = io::read_image(frames_.front(), image_options_);
    facts_.width = first_.width;
    facts_.height = first_.height;
    facts_.frame_rate = detail::rate_or_default(options);
    facts_.frames = static_cast<Index>(frames_.size());
    facts_.duration = static_cast<double>(*facts_.frames) / facts_.frame_rate;
    facts_.format = "pictures";
  }

  const VideoFacts& facts() const override { return facts_; }

 private:
  bool read_next(Frame& frame) override {
    const auto place = static_cast<std::size_t>(frames_read());
    if (place >= frames_.size()) return false;
    frame.image = place == 0 ? std::exchange(first_, {}) : io::read_image(frames_[place], image_options_);
    frame.time = static_cast<double>(frames_read()) / facts_.frame_rate;
    return true;
  }

  io::ImageOptions image_options_;
  std::vector<std::filesystem::path> frames_;
  io::Image first_;  ///< read when the folder was opened, to know its size
  VideoFacts facts_;
};

}  // namespace mien::video
