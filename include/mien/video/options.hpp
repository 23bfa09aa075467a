#pragma once

/// How films are opened.

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "mien/core/error.hpp"
#include "mien/core/shape.hpp"

namespace mien::video {

/// How the pixels of raw frames lie, with FFmpeg's names: R, G, B of each pixel; one grey value (0 to 255) of each; or
/// three planes Y, Cb, Cr, of which the last two have half the rows and columns, rounded up.
enum class PixelFormat { rgb24, gray, yuv420p };

/// Throws ValueError for a name of another format.
inline PixelFormat pixel_format(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, PixelFormat>, 3> formats{
      {{"rgb24", PixelFormat::rgb24}, {"gray", PixelFormat::gray}, {"yuv420p", PixelFormat::yuv420p}}};
  for (const auto& [known, format] : formats)
    if (known == name) return format;
  throw ValueError(detail::text("pixel format `", name, "` is none of rgb24, gray, yuv420p"));
}

struct VideoOptions {
  /// Stated: the source is nothing but frames of this format, one after the other, of `width` x `height`.
  std::optional<PixelFormat> pixel_format = {};
  Index width = 0;   ///< of raw frames; asked of a camera, where 0 leaves the choice to it
  Index height = 0;  ///< as `width`
  /// Frames a second of what has no clock: raw frames, folders, and films that do not tell; 0 takes 25. Asked of a
  /// camera, where 0 leaves the choice to it. Films that know better are not changed.
  double frame_rate = 0;
  bool full_range = false;             ///< raw yuv420p goes from 0 to 255, instead of 16 to 235 and 240
  Index max_pixels = Index{64} << 20;  ///< larger frames are refused before there is memory for one
  int threads = 0;                     ///< for decoding; 0: one a processor
  bool allow_damage = false;           ///< goes on where a film is damaged, with what the decoder makes of it
};

namespace detail {

inline constexpr double default_frame_rate = 25;

inline void check(const VideoOptions& options) {
  if (!(options.frame_rate >= 0 && options.frame_rate <= 1e6) || options.width < 0 || options.height < 0 ||
      options.threads < 0 || options.max_pixels < 1)
    throw ValueError(mien::detail::text("open_video: frame rate ", options.frame_rate, ", frames of ", options.width,
                                        " x ", options.height, ", ", options.threads, " threads, at most ",
                                        options.max_pixels, " pixels"));
}

inline double rate_or_default(const VideoOptions& options) {
  return options.frame_rate > 0 ? options.frame_rate : default_frame_rate;
}

}  // namespace detail
}  // namespace mien::video
