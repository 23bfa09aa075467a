#pragma once

/// From a picture to a network's input in one step: fitted into a square, varied, normalised. A video's frames share
/// one `ClipTransform`, so that nothing moves between them that did not move before.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <type_traits>

#include "mien/core/random.hpp"
#include "mien/io/image.hpp"
#if defined(MIEN_WITH_CUDA)
#include <span>
#include <vector>

#include "mien/backend/cuda/kernels/clip_preparation.hpp"
#include "mien/backend/cuda/number.hpp"
#endif

namespace mien::data {

/// How a picture that is not square becomes one.
enum class Fit {
  crop,       ///< the largest square about the middle
  letterbox,  ///< the whole picture with black bars
  stretch,    ///< the whole picture, each axis at its own scale
};

/// Each channel becomes (value - mean) / deviation, values being 0..1 before.
struct Normalisation {
  std::array<float, 3> mean = {0, 0, 0};
  std::array<float, 3> deviation = {1, 1, 1};
};

/// What networks with weights from ImageNet expect (the set's mean and deviation of R, G and B).
inline constexpr Normalisation imagenet_normalisation{{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};

/// A network's input frame.
struct FrameOptions {
  Index side = 112;    ///< rows and columns
  Index channels = 3;  ///< 3: RGB, grey repeated; 1: grey, RGB as 0.299 R + 0.587 G + 0.114 B, first entry to normalise
  Fit fit = Fit::crop;
  double zoom = 1;  ///< enlarges about the middle: 1.25 shows the inner 80 %
  Normalisation normalisation = imagenet_normalisation;
};

/// How much `draw_transform` may change. Every amount is 0 by default, ranges are symmetric about "no change".
struct ClipAugmentation {
  double mirror = 0;      ///< probability that left and right change places
  double rotation = 0;    ///< up to so many degrees either way
  double scale = 0;       ///< up to this part larger, or smaller by the same factor
  double shift = 0;       ///< up to this part of the side, along each axis
  double drift = 0;       ///< from first to last frame the picture moves by up to this part of the side along each axis
  double brightness = 0;  ///< up to this is added, 1 being white
  double contrast = 0;    ///< distances from middle grey grow, or shrink, by up to this part
};

/// One variation, for all frames of a video.
struct ClipTransform {
  bool mirrored = false;
  double rotation = 0;  ///< radians, clockwise
  double scale = 1;
  std::array<double, 2> shift = {0, 0};  ///< of the picture to the right and down, in sides
  std::array<double, 2> drift = {0, 0};
  double brightness = 0;
  double contrast = 1;
};

/// Throws ValueError for an amount that makes no sense.
inline ClipTransform draw_transform(const ClipAugmentation& augmentation, Generator& generator) {
  const auto check = [](const char* name, double value, double limit) {
    if (!(value >= 0 && value <= limit))
      throw ValueError(mien::detail::text("clip augmentation: ", name, " ", value, " is not between 0 and ", limit));
  };
  check("mirror", augmentation.mirror, 1);
  check("rotation", augmentation.rotation, 180);
  check("scale", augmentation.scale, 10);
  check("shift", augmentation.shift, 10);
  check("drift", augmentation.drift, 10);
  check("brightness", augmentation.brightness, 1);
  check("contrast", augmentation.contrast, 10);
  const auto symmetric = [&](double amount) { return amount * generator.uniform(-1, 1); };
  ClipTransform out;
  out.mirrored = generator.uniform() < augmentation.mirror;
  out.rotation = symmetric(augmentation.rotation) * std::numbers::pi / 180;
  out.scale = std::exp(symmetric(std::log1p(augmentation.scale)));
  for (double& shift : out.shift) shift = symmetric(augmentation.shift);
  for (double& drift : out.drift) drift = symmetric(augmentation.drift);
  out.brightness = symmetric(augmentation.brightness);
  out.contrast = std::exp(symmetric(std::log1p(augmentation.contrast)));
  return out;
}

namespace detail {

using mien::detail::text;

/// A picture's values, rows of pixels of channels.
template <class Value>
struct Picture {
  const Value* values;
  Index width;
  Index height;
  Index channels;

  /// What has to be multiplied to get 0..1.
  static constexpr float unit = std::is_same_v<Value, std::uint8_t> ? 1.0F / 255.0F : 1.0F;
};

inline void check_frame(const FrameOptions& options) {
  if (options.side < 1 || (options.channels != 1 && options.channels != 3))
    throw ValueError(text("input frames of side ", options.side, " with ", options.channels,
                          " channels; the side must be positive, channels 1 or 3"));
  if (!(options.zoom >= 0.001 && options.zoom <= 1000))
    throw ValueError(text("zoom ", options.zoom, " is not between 0.001 and 1000"));
  for (std::size_t i = 0; i < 3; ++i)
    if (!(options.normalisation.deviation[i] > 0) || !std::isfinite(options.normalisation.mean[i]))
      throw ValueError(text("normalisation: mean ", options.normalisation.mean[i], ", deviation ",
                            options.normalisation.deviation[i], " of channel ", i));
}

inline void check_transform(const ClipTransform& transform, double moment) {
  if (!(transform.scale >= 0.001 && transform.scale <= 1000))
    throw ValueError(text("clip transform: scale ", transform.scale, " is not between 0.001 and 1000"));
  for (const double value : {transform.rotation, transform.shift[0], transform.shift[1], transform.drift[0],
                             transform.drift[1], transform.brightness, transform.contrast, moment})
    if (!std::isfinite(value)) throw ValueError(text("clip transform: ", value, " is no finite number"));
}

/// [x, y] of a place in the picture, pixel centres at whole numbers, for a place in the target square; affine.
struct SourceMap {
  std::array<double, 2> origin;
  std::array<double, 2> per_column;
  std::array<double, 2> per_row;

  /// How many source pixels one step in the target spans.
  double columns_per_step() const { return std::hypot(per_column[0], per_column[1]); }
  double rows_per_step() const { return std::hypot(per_row[0], per_row[1]); }
};

/// The inverse of: fit, zoom and scale, rotate, shift, mirror.
inline SourceMap source_map(Index width, Index height, const FrameOptions& options, const ClipTransform& transform,
                            double moment) {
  const auto side = static_cast<double>(options.side);
  const std::array<double, 2> size{static_cast<double>(width), static_cast<double>(height)};
  const double common = options.fit == Fit::crop ? std::min(size[0], size[1]) : std::max(size[0], size[1]);
  SourceMap map{};
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const double extent = options.fit == Fit::stretch ? size[axis] : common;
    const double step = extent / (side * options.zoom * transform.scale);
    const double cosine = std::cos(transform.rotation) * step;
    const double sine = std::sin(transform.rotation) * step;
    // The rotation's inverse: row 0 is (cos, sin), row 1 is (-sin, cos).
    const double across = axis == 0 ? cosine : -sine;
    map.per_row[axis] = axis == 0 ? sine : cosine;
    map.per_column[axis] = transform.mirrored ? -across : across;
    // The target's first pixel centre, seen from its middle, once mirror and shift are undone.
    const double column =
        (transform.mirrored ? side - 1 : 1 - side) / 2 - (transform.shift[0] + transform.drift[0] * moment) * side;
    const double row = (1 - side) / 2 - (transform.shift[1] + transform.drift[1] * moment) * side;
    map.origin[axis] = (size[axis] - 1) / 2 + across * column + map.per_row[axis] * row;
  }
  return map;
}

/// Adds one bilinear sample, times `weight`, to `sum`. Beyond its edge the picture goes on as at the edge, or black.
template <class Value>
void add_sample(const Picture<Value>& picture, double x, double y, bool black_outside, float weight, float* sum) {
  const auto right = static_cast<double>(picture.width - 1);
  const auto bottom = static_cast<double>(picture.height - 1);
  if (black_outside && (x < -0.5 || y < -0.5 || x > right + 0.5 || y > bottom + 0.5)) return;
  x = std::clamp(x, 0.0, right);
  y = std::clamp(y, 0.0, bottom);
  const auto left = static_cast<Index>(x);
  const auto top = static_cast<Index>(y);
  const auto part_x = static_cast<float>(x - static_cast<double>(left));
  const auto part_y = static_cast<float>(y - static_cast<double>(top));
  const Value* const upper = picture.values + (top * picture.width + left) * picture.channels;
  const Value* const lower = top + 1 < picture.height ? upper + picture.width * picture.channels : upper;
  const Index next = left + 1 < picture.width ? picture.channels : 0;
  for (Index c = 0; c < picture.channels; ++c) {
    const float above = (1 - part_x) * static_cast<float>(upper[c]) + part_x * static_cast<float>(upper[c + next]);
    const float below = (1 - part_x) * static_cast<float>(lower[c]) + part_x * static_cast<float>(lower[c + next]);
    sum[c] += weight * ((1 - part_y) * above + part_y * below);
  }
}

/// Writes one pixel of 1 or 3 channels as the network wants it.
inline void write_pixel(std::array<float, 3> colour, Index stored, const FrameOptions& options,
                        const ClipTransform& transform, float* out) {
  if (stored == 1) {
    colour[1] = colour[2] = colour[0];
  } else if (options.channels == 1) {
    colour[0] = 0.299F * colour[0] + 0.587F * colour[1] + 0.114F * colour[2];
  }
  const auto contrast = static_cast<float>(transform.contrast);
  const auto offset = static_cast<float>(0.5 - 0.5 * transform.contrast + transform.brightness);
  for (Index c = 0; c < options.channels; ++c) {
    const auto i = static_cast<std::size_t>(c);
    const float value = std::clamp(colour[i] * contrast + offset, 0.0F, 1.0F);
    out[c] = (value - options.normalisation.mean[i]) / options.normalisation.deviation[i];
  }
}

/// One affine bilinear resampling. Where the picture shrinks, several samples a target pixel keep it from aliasing.
template <class Value>
void resample(const Picture<Value>& picture, const FrameOptions& options, const ClipTransform& transform, double moment,
              float* out) {
  const SourceMap map = source_map(picture.width, picture.height, options, transform, moment);
  const Index across = std::max<Index>(1, std::llround(map.columns_per_step()));
  const Index down = std::max<Index>(1, std::llround(map.rows_per_step()));
  const float weight = Picture<Value>::unit / static_cast<float>(across * down);
  for (Index row = 0; row < options.side; ++row)
    for (Index column = 0; column < options.side; ++column) {
      std::array<float, 3> colour{};
      for (Index i = 0; i < down; ++i)
        for (Index j = 0; j < across; ++j) {
          const double v = static_cast<double>(row) + (static_cast<double>(i) + 0.5) / static_cast<double>(down) - 0.5;
          const double u =
              static_cast<double>(column) + (static_cast<double>(j) + 0.5) / static_cast<double>(across) - 0.5;
          add_sample(picture, map.origin[0] + u * map.per_column[0] + v * map.per_row[0],
                     map.origin[1] + u * map.per_column[1] + v * map.per_row[1], options.fit == Fit::letterbox, weight,
                     colour.data());
        }
      write_pixel(colour, picture.channels, options, transform, out);
      out += options.channels;
    }
}

}  // namespace detail

/// A frame as a network's input: [side, side, channels].
///
/// `transform` is the video's; `moment` is when the frame is seen, from -1/2 (first) to 1/2 (last), and counts for
/// `drift` alone. Beyond its edges a picture goes on as at the edge, with `letterbox` in black. Brightness and contrast
/// come before the normalisation and are clamped to 0..1. Throws ValueError for options and transforms that make no
/// sense and for an image that is none.
inline Tensor<float> input_frame(const io::Image& image, const FrameOptions& options = {},
                                 const ClipTransform& transform = {}, double moment = 0) {
  detail::check_frame(options);
  detail::check_transform(transform, moment);
  io::detail::check_image_argument(image, "input_frame");
  Tensor<float> out({options.side, options.side, options.channels});
  detail::resample<std::uint8_t>({image.pixels.data(), image.width, image.height, image.channels}, options, transform,
                                 moment, out.data());
  return out;
}

/// The same from a tensor [height, width, 1 or 3] of values 0..1. Throws ShapeError for another shape.
inline Tensor<float> input_frame(const Tensor<float>& picture, const FrameOptions& options = {},
                                 const ClipTransform& transform = {}, double moment = 0) {
  detail::check_frame(options);
  detail::check_transform(transform, moment);
  if (picture.rank() != 3 || (picture.size(2) != 1 && picture.size(2) != 3) || picture.empty())
    throw ShapeError(detail::text("input_frame: shape ", picture.shape(), " is not [height, width, 1 or 3]"));
  const Tensor<float> tight = picture.contiguous();
  Tensor<float> out({options.side, options.side, options.channels});
  detail::resample<float>({tight.data(), tight.size(1), tight.size(0), tight.size(2)}, options, transform, moment,
                          out.data());
  return out;
}

#if defined(MIEN_WITH_CUDA)
namespace detail {

/// A picture whose bytes begin at `first`, as kernels want it.
inline kernels::PreparedPicture prepared_picture(Index first, Index width, Index height, const FrameOptions& options,
                                                 const ClipTransform& transform, double moment) {
  const SourceMap map = source_map(width, height, options, transform, moment);
  const auto samples = [](double step) { return static_cast<std::int32_t>(std::max<Index>(1, std::llround(step))); };
  return {.first = first,
          .width = static_cast<std::int32_t>(width),
          .height = static_cast<std::int32_t>(height),
          .origin = {map.origin[0], map.origin[1]},
          .per_column = {map.per_column[0], map.per_column[1]},
          .per_row = {map.per_row[0], map.per_row[1]},
          .across = samples(map.columns_per_step()),
          .down = samples(map.rows_per_step()),
          .contrast = static_cast<float>(transform.contrast),
          .offset = static_cast<float>(0.5 - 0.5 * transform.contrast + transform.brightness)};
}

}  // namespace detail

/// The same of many pictures of one size at once, on the GPU: bytes [N, height, width, 1 or 3] to [N, side, side,
/// channels]. Picture i has transforms[i] and moments[i]; without transforms none is changed, without moments all are
/// seen at 0. Throws ShapeError and ValueError as above.
inline Tensor<float, Cuda> input_frames(const Tensor<std::uint8_t, Cuda>& pictures, const FrameOptions& options = {},
                                        std::span<const ClipTransform> transforms = {},
                                        std::span<const double> moments = {}) {
  detail::check_frame(options);
  const Shape& shape = pictures.shape();
  const auto has_one_each = [&](std::size_t count) { return count == 0 || static_cast<Index>(count) == shape[0]; };
  if (shape.rank() != 4 || shape[1] < 1 || shape[2] < 1 || (shape[3] != 1 && shape[3] != 3))
    throw ShapeError(detail::text("input_frames: shape ", shape, " is not [pictures, height, width, 1 or 3]"));
  if (!has_one_each(transforms.size()) || !has_one_each(moments.size()))
    throw ShapeError(detail::text("input_frames: ", transforms.size(), " transforms and ", moments.size(),
                                  " moments for pictures ", shape));
  std::vector<kernels::PreparedPicture> prepared;
  for (Index i = 0; i < shape[0]; ++i) {
    const auto which = static_cast<std::size_t>(i);
    const ClipTransform transform = transforms.empty() ? ClipTransform() : transforms[which];
    const double moment = moments.empty() ? 0 : moments[which];
    detail::check_transform(transform, moment);
    prepared.push_back(
        detail::prepared_picture(i * shape[1] * shape[2] * shape[3], shape[2], shape[1], options, transform, moment));
  }
  const auto& [mean, deviation] = options.normalisation;
  const auto on_device = Tensor<kernels::PreparedPicture, Cuda>::from({shape[0]}, prepared);
  Tensor<float, Cuda> frames({shape[0], options.side, options.side, options.channels});
  kernels::prepare_clips(pictures.contiguous().data(), on_device.data(),
                         {.pictures = shape[0],
                          .side = options.side,
                          .stored = static_cast<std::int32_t>(shape[3]),
                          .channels = static_cast<std::int32_t>(options.channels),
                          .black_outside = options.fit == Fit::letterbox,
                          .mean = {mean[0], mean[1], mean[2]},
                          .deviation = {deviation[0], deviation[1], deviation[2]}},
                         frames.data(), cuda::current_stream().get());
  return frames;
}
#endif

}  // namespace mien::data
