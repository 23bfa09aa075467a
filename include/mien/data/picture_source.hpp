#pragma once

/// Pictures that are no files of their own: in memory, or in a packed file.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "mien/data/data_set.hpp"
#include "mien/io/image.hpp"

namespace mien::data {

namespace detail {

/// As by `io::decode_image`. `name()` is the picture's, for errors.
template <class Name>
io::Image decode_stored(const StoredPicture& picture, const io::ImageOptions& options, const Name& name) {
  if (picture.channels == 0) return io::decode_image(picture.bytes, options, name());
  if (options.channels != 1 && options.channels != 3)
    throw ValueError(text("images are read with 1 or 3 channels, not ", options.channels));
  const io::detail::ImageFacts facts{.width = picture.width, .height = picture.height};
  // The name is made for the error alone.
  if (picture.width > options.max_pixels / picture.height)
    io::detail::check_pixel_count(facts, options, name().string());
  const auto* const pixels = reinterpret_cast<const std::uint8_t*>(picture.bytes.data());
  if (picture.channels != options.channels)
    return io::detail::convert_channels(pixels, facts, static_cast<int>(picture.channels), options.channels);
  io::Image out(picture.width, picture.height, picture.channels);
  std::copy_n(pixels, out.pixels.size(), out.pixels.begin());
  return out;
}

}  // namespace detail

/// Where the frames of a `FrameSequence` are read from, if they are no files. Any thread may read.
class PictureSource {
 public:
  PictureSource() = default;
  PictureSource(const PictureSource&) = delete;
  PictureSource& operator=(const PictureSource&) = delete;
  virtual ~PictureSource() = default;

  /// Throws FileError if there is no picture of this name, or only a damaged one.
  virtual StoredPicture stored(const std::filesystem::path& name) const = 0;

  /// The picture, decoded as by `io::decode_image`.
  io::Image read(const std::filesystem::path& name, const io::ImageOptions& options = {}) const {
    return detail::decode_stored(stored(name), options, [&]() -> const std::filesystem::path& { return name; });
  }
};

/// Pictures in memory, as of a data set whose table holds their pixels.
class MemoryPictures : public PictureSource {
 public:
  /// Throws ValueError for a name that is taken, and for an image that is none.
  void add(const std::filesystem::path& name, io::Image image) {
    io::detail::check_image_argument(image, "MemoryPictures");
    if (!images_.emplace(name.string(), std::move(image)).second)
      throw ValueError(detail::text("MemoryPictures: `", name.string(), "` twice"));
  }

  StoredPicture stored(const std::filesystem::path& name) const override {
    const auto found = images_.find(name.string());
    if (found == images_.end()) throw FileError(name.string(), "", "no such picture in memory", "one that was added");
    const io::Image& image = found->second;
    return {std::as_bytes(std::span(image.pixels)), image.width, image.height, image.channels};
  }

  Index size() const { return static_cast<Index>(images_.size()); }

 private:
  std::map<std::string, io::Image> images_;
};

/// A picture by its name in a source; by its path where there is none. Throws FileError.
inline io::Image read_picture(const PictureSource* source, const std::filesystem::path& name,
                              const io::ImageOptions& options = {}) {
  return source != nullptr ? source->read(name, options) : io::read_image(name, options);
}

/// One frame of a video. Throws FileError, IndexError.
inline io::Image read_frame(const FrameSequence& video, Index frame, const io::ImageOptions& options = {}) {
  if (frame < 0 || frame >= static_cast<Index>(video.frames.size()))
    throw IndexError(detail::text("`", video.name, "`: frame ", frame, " of ", video.frames.size()));
  const auto at = static_cast<std::size_t>(frame);
  const NumberedPictures* const numbered = video.frames.numbered();
  if (numbered == nullptr) return read_picture(video.pictures.get(), video.frames[at], options);
  return detail::decode_stored(numbered->picture(video.frames.number(at)), options, [&] { return video.frames[at]; });
}

}  // namespace mien::data
