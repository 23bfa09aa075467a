#pragma once

/// Writes films, of whatever format the name says.

#include <filesystem>
#include <memory>
#include <string>

#include "mien/video/frame_writer.hpp"
#include "mien/video/y4m.hpp"
#ifdef MIEN_WITH_VIDEO
#include "mien/video/ffmpeg_writer.hpp"
#endif

namespace mien::video {
namespace detail {

inline bool is_y4m(const std::filesystem::path& path) {
  const std::string ending = path.extension().string();
  return ending == ".y4m" || ending == ".Y4M";
}

}  // namespace detail

// Two functions to the linker, so that files compiled with FFmpeg and without it can be in one program.
#ifdef MIEN_WITH_VIDEO
inline namespace with_ffmpeg {

/// A film to write frames to: .y4m by our own code; .mp4, .mkv, .mov and others by FFmpeg, where the program is built
/// with mien::video.
///
///     const auto film = video::create_video("seen.mp4", {.frame_rate = 30});
///     film->write(image);
///     film->finish();
///
/// Throws FileError: a place that cannot be written, an ending that is no film's, a film for which FFmpeg is missing;
/// ValueError for options that make no sense.
inline std::unique_ptr<FrameWriter> create_video(const std::filesystem::path& path, const WriterOptions& options = {}) {
  if (detail::is_y4m(path)) return std::make_unique<Y4mWriter>(path, options);
  return std::make_unique<FfmpegWriter>(path, options);
}

}  // namespace with_ffmpeg
#else
inline namespace without_ffmpeg {

/// The same without FFmpeg.
inline std::unique_ptr<FrameWriter> create_video(const std::filesystem::path& path, const WriterOptions& options = {}) {
  if (detail::is_y4m(path)) return std::make_unique<Y4mWriter>(path, options);
  throw FileError(path.string(), "", "a film other than .y4m",
                  "FFmpeg for that, which this program is built without (in CMake: -D MIEN_VIDEO=ON, and link "
                  "mien::video)");
}

}  // namespace without_ffmpeg
#endif

}  // namespace mien::video
