#pragma once

/// Pictures as reports take them: small, encoded, and with what a network looked at laid over them.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mien/gesture/skeleton.hpp"
#include "mien/io/image.hpp"
#include "mien/models/class_activation_map.hpp"

namespace mien::report {

struct PictureOptions {
  Index longest = 160;   ///< pixels of the longer side; smaller pictures stay as they are
  int jpeg_quality = 0;  ///< from 1 to 100, for long film strips; 0: PNG
};

/// A picture's bytes as PNG, or as JPEG where a quality is asked for. Throws ValueError for options that make no sense.
inline std::vector<std::byte> picture(const io::Image& image, const PictureOptions& options = {}) {
  if (options.longest < 1) throw ValueError(mien::detail::text("picture: a longest side of ", options.longest));
  const Index longest = std::max(image.width, image.height);
  const auto side = [&](Index of) { return std::max<Index>(1, (of * options.longest + longest / 2) / longest); };
  const io::Image small = longest > options.longest ? io::resize(image, side(image.width), side(image.height)) : image;
  return options.jpeg_quality > 0 ? io::encode_jpeg(small, options.jpeg_quality) : io::encode_png(small);
}

/// A frame with a class activation map [h, w] over it, of any size: the greatest value is light yellow and covers
/// `strength` of the frame, 0 and less leave the frame in grey as it is. What speaks against the class is so not told
/// from what does not matter. The colours of `gesture::weight_colour` become ever lighter, so that no colour has to be
/// told from another. Throws ShapeError for no map, ValueError for a strength beyond 0..1.
inline io::Image activation_over(const io::Image& frame, const Tensor<float>& map, double strength = 0.6) {
  if (!(strength >= 0 && strength <= 1))
    throw ValueError(mien::detail::text("activation_over: a strength of ", strength, " is not in 0..1"));
  const Tensor<float> large = models::resample_map(map, frame.height, frame.width);
  double greatest = 0;
  const Tensor<float> values = map.contiguous();
  for (const float value : values.span()) greatest = std::max(greatest, static_cast<double>(value));
  io::Image out(frame.width, frame.height, 3);
  for (Index y = 0; y < frame.height; ++y)
    for (Index x = 0; x < frame.width; ++x) {
      const std::uint8_t* const from = frame.at(x, y);
      const double grey = frame.channels == 3 ? io::detail::luminance(from) : *from;
      const auto value = static_cast<double>(large(y, x));
      const double share = greatest > 0 && value > 0 ? std::min(value / greatest, 1.0) : 0;
      const gesture::Colour colour = gesture::weight_colour(share);
      for (std::size_t c = 0; c < 3; ++c)
        out.at(x, y)[c] = static_cast<std::uint8_t>(std::lround(grey + strength * share * (colour[c] - grey)));
    }
  return out;
}

}  // namespace mien::report
