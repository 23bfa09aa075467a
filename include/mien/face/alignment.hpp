#pragma once

/// Pictures of single faces: cut out by their box, or turned and scaled so that eyes, nose and mouth lie where they lie
/// in every picture.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "mien/face/face.hpp"
#include "mien/io/image.hpp"

namespace mien::face {

/// Turns by an angle, scales and shifts: x' = a x - b y + shift_x, y' = b x + a y + shift_y, with a = s cos and
/// b = s sin.
struct SimilarityTransform {
  double a = 1;
  double b = 0;
  double shift_x = 0;
  double shift_y = 0;

  Point operator()(const Point& p) const { return {a * p.x - b * p.y + shift_x, b * p.x + a * p.y + shift_y}; }

  double scale() const { return std::hypot(a, b); }
  /// In radians, from the x axis towards the y axis, which on pictures is clockwise.
  double angle() const { return std::atan2(b, a); }

  /// Throws ValueError for a scale of zero.
  SimilarityTransform inverse() const {
    const double square = a * a + b * b;
    if (!(square > 0)) throw ValueError("SimilarityTransform: a scale of zero has no inverse");
    const double c = a / square;
    const double d = -b / square;
    return {c, d, d * shift_y - c * shift_x, -d * shift_x - c * shift_y};
  }
};

/// The transform that takes `from` closest to `to`: the least sum of squared distances (Umeyama, Least-squares
/// estimation of transformation parameters between two point patterns, IEEE PAMI 13 (1991) 376; in the plane, and
/// without reflections, its singular values have a closed form). With p and q the points less their means,
///
///     a = sum of p . q / sum of |p|^2,     b = sum of p x q / sum of |p|^2.
///
/// Throws ValueError unless there are as many points as points, two at least, that are not all one.
inline SimilarityTransform similarity_transform(std::span<const Point> from, std::span<const Point> to) {
  if (from.size() != to.size() || from.size() < 2)
    throw ValueError(mien::detail::text("similarity_transform: ", from.size(), " and ", to.size(),
                                        " points, not two or more pairs"));
  const auto mean_of = [](std::span<const Point> points) {
    Point sum;
    for (const Point& p : points) sum = {sum.x + p.x, sum.y + p.y};
    const auto count = static_cast<double>(points.size());
    return Point{sum.x / count, sum.y / count};
  };
  const Point centre = mean_of(from);
  const Point target = mean_of(to);
  double square = 0;
  double dot = 0;
  double cross = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const Point p{from[i].x - centre.x, from[i].y - centre.y};
    const Point q{to[i].x - target.x, to[i].y - target.y};
    square += p.x * p.x + p.y * p.y;
    dot += p.x * q.x + p.y * q.y;
    cross += p.x * q.y - p.y * q.x;
  }
  if (!(square > 0) || !std::isfinite(dot) || !std::isfinite(cross))
    throw ValueError("similarity_transform: the points are all one, or not finite");
  const SimilarityTransform turned{dot / square, cross / square};
  const Point moved = turned(centre);
  return {turned.a, turned.b, target.x - moved.x, target.y - moved.y};
}

namespace detail {

/// Adds the pixels around a point to `sums`, weighed by their nearness (bilinear); what lies outside is black.
inline void add_bilinear(const io::Image& image, const Point& at, std::array<double, 3>& sums) {
  // Also false for what is no number.
  if (!(at.x > -1 && at.y > -1 && at.x < static_cast<double>(image.width) && at.y < static_cast<double>(image.height)))
    return;
  const double left = std::floor(at.x);
  const double top = std::floor(at.y);
  for (const Index down : {0, 1})
    for (const Index right : {0, 1}) {
      const Index x = static_cast<Index>(left) + right;
      const Index y = static_cast<Index>(top) + down;
      if (x < 0 || y < 0 || x >= image.width || y >= image.height) continue;
      const double weight =
          (right == 1 ? at.x - left : 1 - (at.x - left)) * (down == 1 ? at.y - top : 1 - (at.y - top));
      for (Index c = 0; c < image.channels; ++c)
        sums[static_cast<std::size_t>(c)] += weight * static_cast<double>(image.at(x, y)[c]);
    }
}

}  // namespace detail

/// The picture after a transform, the part of it from (0, 0) on that has this size, by bilinear interpolation; what the
/// picture does not cover is black. Where it shrinks, each pixel is the mean of several points, so that fine patterns
/// do not alias. Throws ValueError for a scale of zero or beyond 1/64.
inline io::Image warp(const io::Image& image, const SimilarityTransform& transform, Index width, Index height) {
  io::detail::check_image_argument(image, "warp");
  constexpr double least_scale = 1.0 / 64;
  if (!(transform.scale() >= least_scale))
    throw ValueError(mien::detail::text("warp: a scale of ", transform.scale(), ", at least 1/64"));
  const SimilarityTransform back = transform.inverse();
  const auto points = static_cast<int>(std::max(1.0, std::round(back.scale())));
  io::Image out(width, height, image.channels);
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x) {
      std::array<double, 3> sums{};
      for (int i = 0; i < points; ++i)
        for (int j = 0; j < points; ++j) {
          const auto within = [points](int k) { return (k + 0.5) / points - 0.5; };
          detail::add_bilinear(image, back({static_cast<double>(x) + within(j), static_cast<double>(y) + within(i)}),
                               sums);
        }
      for (Index c = 0; c < image.channels; ++c)
        out.at(x, y)[c] =
            io::detail::to_byte(static_cast<float>(sums[static_cast<std::size_t>(c)] / (points * points)));
    }
  return out;
}

struct AlignmentOptions {
  Index side = 112;   ///< of the picture that comes out
  double margin = 0;  ///< more on each side, as a share of what is seen without it
};

/// Where the five points of a face come to lie in a picture of 112 pixels: the positions of ArcFace (Deng et al., CVPR
/// 2019), which many networks for faces have been trained with.
inline constexpr Landmarks canonical_landmarks{.right_eye = {38.2946, 51.6963},
                                               .left_eye = {73.5318, 51.5014},
                                               .nose = {56.0252, 71.7366},
                                               .right_mouth_corner = {41.5493, 92.3655},
                                               .left_mouth_corner = {70.7299, 92.2041}};

/// What takes a face's points closest to the canonical positions in a picture of these options. Throws ValueError for
/// points that are all one, and for options without sense.
inline SimilarityTransform alignment_of(const Landmarks& landmarks, const AlignmentOptions& options = {}) {
  if (options.side < 1 || !(options.margin >= 0 && std::isfinite(options.margin)))
    throw ValueError(mien::detail::text("alignment: side ", options.side, ", margin ", options.margin));
  constexpr double canonical_side = 112;
  const double whole = canonical_side * (1 + 2 * options.margin);
  std::array<Point, 5> to = canonical_landmarks.points();
  // Pixels have a width: the picture's edges, not the centres of its first and last pixels, stay edges.
  const auto placed = [&](double at) {
    return (at + 0.5 + options.margin * canonical_side) / whole * static_cast<double>(options.side) - 0.5;
  };
  for (Point& p : to) p = {placed(p.x), placed(p.y)};
  return similarity_transform(landmarks.points(), to);
}

/// The face upright, its eyes level, square.
inline io::Image align_face(const io::Image& image, const Landmarks& landmarks, const AlignmentOptions& options = {}) {
  return warp(image, alignment_of(landmarks, options), options.side, options.side);
}

/// The square around a box's centre whose side is the box's longer one times 1 + 2 margin, in a picture of `side`
/// pixels, 0 for as many as it has. What lies outside the picture is black. Throws ValueError for a box without area or
/// beyond all pictures, and a margin that leaves nothing.
inline io::Image crop_face(const io::Image& image, const Box& box, const AlignmentOptions& options = {}) {
  const double side = std::max(box.width, box.height) * (1 + 2 * options.margin);
  const Point centre = box.centre();
  constexpr double most = 1 << 20;
  if (!(side >= 1 && side <= most && std::abs(centre.x) <= most && std::abs(centre.y) <= most) || options.side < 0)
    throw ValueError(
        mien::detail::text("crop_face: a square of ", side, " at ", centre.x, ", ", centre.y, ", side ", options.side));
  const Index pixels = std::llround(side);
  const io::Image square =
      io::crop(image, std::llround(centre.x - side / 2), std::llround(centre.y - side / 2), pixels, pixels);
  return options.side == 0 ? square : io::resize(square, options.side, options.side);
}

}  // namespace mien::face
