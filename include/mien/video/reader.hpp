#pragma once

/// Opens whatever frames can be read from.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "mien/video/frame_reader.hpp"
#include "mien/video/options.hpp"
#include "mien/video/picture_folder.hpp"
#include "mien/video/raw_frames.hpp"
#include "mien/video/y4m.hpp"
#ifdef MIEN_WITH_VIDEO
#include "mien/video/ffmpeg.hpp"
#endif

namespace mien::video {
namespace detail {

/// Where FFmpeg would be needed and is not there. `Source` is a path or an open pipe.
struct WithoutFfmpeg {
  template <class Source>
  static std::unique_ptr<FrameReader> open(const Source&, const std::string& name, const VideoOptions&) {
    throw FileError(name, "", "neither a folder of pictures nor a Y4M film",
                    "one of these from a program that is built without FFmpeg (in CMake: -D MIEN_VIDEO=ON, and link "
                    "mien::video; or pipe into it: ffmpeg -i FILM -f yuv4mpegpipe - | PROGRAM -)");
  }
};

/// Raw frames if a pixel format is stated, Y4M if it begins so, else what `Films` opens.
template <class Films>
std::unique_ptr<FrameReader> open_bytes(std::unique_ptr<ByteSource> source, const VideoOptions& options) {
  if (options.pixel_format) return std::make_unique<RawFrameReader>(std::move(source), options);
  const auto begin = source->peek(y4m_magic.size());
  if (std::string_view(reinterpret_cast<const char*>(begin.data()), begin.size()) == y4m_magic)
    return std::make_unique<Y4mReader>(std::move(source), options);
  const std::string name = source->name();
  if (begin.empty()) throw FileError(name, "", "nothing", "a film");
  // FFmpeg opens files itself, which lets it go back and forth in them.
  if (source->size() && !source->is_standard_input()) return Films::open(std::filesystem::path(name), name, options);
  return Films::open(std::move(source), name, options);
}

template <class Films>
std::unique_ptr<FrameReader> open_source(const std::filesystem::path& source, const VideoOptions& options) {
  check(options);
  if (source == "-") return open_bytes<Films>(std::make_unique<ByteSource>(), options);
  std::error_code unknown;
  const auto kind = std::filesystem::status(source, unknown).type();
  if (kind == std::filesystem::file_type::directory) return std::make_unique<PictureFolderReader>(source, options);
  if (kind == std::filesystem::file_type::character || source.string().find("://") != std::string::npos)
    return Films::open(source, source.string(), options);
  return open_bytes<Films>(std::make_unique<ByteSource>(source), options);
}

}  // namespace detail

// Two functions to the linker, so that files compiled with FFmpeg and without it can be in one program.
#ifdef MIEN_WITH_VIDEO
namespace detail {

struct WithFfmpeg {
  template <class Source>
  static std::unique_ptr<FrameReader> open(Source source, const std::string&, const VideoOptions& options) {
    return std::make_unique<FfmpegReader>(std::move(source), options);
  }
};

}  // namespace detail

inline namespace with_ffmpeg {

/// Opens a source of frames, chosen by what it is:
///
/// - `-`: standard input;
/// - a folder: its pictures, in natural order;
/// - anything, where `VideoOptions::pixel_format` is stated: raw frames;
/// - a file or pipe that begins as Y4M: read by our own code;
/// - cameras as /dev/video0, addresses as rtsp://..., and all other files and pipes: by FFmpeg, where the program is
///   built with mien::video.
///
/// Throws FileError: no such file, nothing that can be read, a film for which FFmpeg is missing (and how to get it);
/// ValueError for options that make no sense.
inline std::unique_ptr<FrameReader> open_video(const std::filesystem::path& source, const VideoOptions& options = {}) {
  return detail::open_source<detail::WithFfmpeg>(source, options);
}

}  // namespace with_ffmpeg
#else
inline namespace without_ffmpeg {

/// The same without FFmpeg.
inline std::unique_ptr<FrameReader> open_video(const std::filesystem::path& source, const VideoOptions& options = {}) {
  return detail::open_source<detail::WithoutFfmpeg>(source, options);
}

}  // namespace without_ffmpeg
#endif

}  // namespace mien::video
