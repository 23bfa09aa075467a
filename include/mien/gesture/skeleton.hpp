#pragma once

/// Bodies drawn as skeletons, with a weight for each joint if there is one: which joints a network looked at.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "mien/core/digits.hpp"
#include "mien/gesture/joint_sequence.hpp"
#include "mien/io/image.hpp"

namespace mien::gesture {

using Colour = std::array<std::uint8_t, 3>;  ///< R, G, B

/// From dark violet (0) over red and orange to light yellow (1), ever lighter, so that it reads in grey too. Weights
/// beyond 0..1 are taken as the nearer end, NaN as 0.
inline Colour weight_colour(double weight) {
  constexpr std::array<std::array<double, 3>, 5> stops{
      {{40, 11, 84}, {101, 21, 110}, {188, 55, 84}, {249, 142, 9}, {252, 255, 164}}};
  const double place = (weight > 0 ? std::min(weight, 1.0) : 0.0) * static_cast<double>(stops.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(place), stops.size() - 2);
  const double part = place - static_cast<double>(below);
  Colour colour{};
  for (std::size_t c = 0; c < 3; ++c)
    colour[c] = static_cast<std::uint8_t>(std::lround((1 - part) * stops[below][c] + part * stops[below + 1][c]));
  return colour;
}

struct SkeletonStyle {
  double line = 2;    ///< thickness of bones, in pixels; 0 draws none
  double radius = 3;  ///< of a joint's disc; 0 draws none
  double growth = 1;  ///< a joint of weight 1 is larger by this part than one of weight 0
  Colour bone = {150, 150, 150};
  Colour joint = {230, 230, 230};  ///< without weights
  JointLayout layout = JointLayout::body_25;
};

namespace detail {

using mien::detail::text;

template <class T>
void check_skeleton(const Tensor<T>& joints, const std::vector<double>& weights, const SkeletonStyle& style) {
  const Index expected = joint_count(style.layout);
  if (joints.rank() != 2 || joints.size(1) != 3 || (expected > 0 && joints.size(0) != expected))
    throw ShapeError(
        text("skeleton: joints ", joints.shape(), " are not [J, 3] of layout ", layout_name(style.layout)));
  if (!weights.empty() && static_cast<Index>(weights.size()) != joints.size(0))
    throw ValueError(text("skeleton: ", weights.size(), " weights for ", joints.size(0), " joints"));
  for (const double length : {style.line, style.radius, style.growth})
    if (!(length >= 0 && length <= 1e6))
      throw ValueError(text("skeleton: a line, radius or growth of ", length, " is not between 0 and 1e6"));
}

/// A joint that can be drawn: present, at a place that is a number.
struct DrawnJoint {
  bool present;
  double x;
  double y;
};

template <class T>
std::vector<DrawnJoint> drawn_joints(const Tensor<T>& joints) {
  std::vector<DrawnJoint> out;
  for (Index joint = 0; joint < joints.size(0); ++joint) {
    const auto x = static_cast<double>(joints(joint, 0));
    const auto y = static_cast<double>(joints(joint, 1));
    out.push_back({joints(joint, 2) > 0 && std::isfinite(x) && std::isfinite(y), x, y});
  }
  return out;
}

inline double joint_radius(const SkeletonStyle& style, const std::vector<double>& weights, std::size_t joint) {
  if (weights.empty() || !(weights[joint] > 0)) return style.radius;
  return style.radius * (1 + style.growth * std::min(weights[joint], 1.0));
}

inline Colour joint_colour(const SkeletonStyle& style, const std::vector<double>& weights, std::size_t joint) {
  return weights.empty() ? style.joint : weight_colour(weights[joint]);
}

/// Mixes a colour into a pixel; a grey image takes its luminance.
inline void blend(io::Image& image, Index x, Index y, const Colour& colour, double opacity) {
  std::uint8_t* const pixel = image.at(x, y);
  for (Index c = 0; c < image.channels; ++c) {
    const double value = image.channels == 1 ? 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
                                             : static_cast<double>(colour[static_cast<std::size_t>(c)]);
    pixel[c] = static_cast<std::uint8_t>(std::lround((1 - opacity) * pixel[c] + opacity * value));
  }
}

/// All points within `radius` of the line from (x0, y0) to (x1, y1), a point being a line of length 0. A pixel's share
/// falls from 1 to 0 over one pixel's width about the edge.
inline void draw_capsule(io::Image& image, DrawnJoint a, DrawnJoint b, double radius, const Colour& colour) {
  const auto first = [&](double low) { return static_cast<Index>(std::clamp(std::floor(low - radius - 1), 0.0, 1e9)); };
  const auto last = [&](double high, Index size) {
    return static_cast<Index>(std::clamp(std::ceil(high + radius + 1), -1.0, static_cast<double>(size - 1)));
  };
  const double along_x = b.x - a.x;
  const double along_y = b.y - a.y;
  const double squared = along_x * along_x + along_y * along_y;
  const double reach = radius + 0.5;
  for (Index y = first(std::min(a.y, b.y)); y <= last(std::max(a.y, b.y), image.height); ++y)
    for (Index x = first(std::min(a.x, b.x)); x <= last(std::max(a.x, b.x), image.width); ++x) {
      const double from_x = static_cast<double>(x) - a.x;
      const double from_y = static_cast<double>(y) - a.y;
      const double part = squared > 0 ? std::clamp((from_x * along_x + from_y * along_y) / squared, 0.0, 1.0) : 0.0;
      const double off_x = from_x - part * along_x;
      const double off_y = from_y - part * along_y;
      const double distance = off_x * off_x + off_y * off_y;
      // Most pixels of the box are not reached; they need no root.
      if (distance < reach * reach) blend(image, x, y, colour, std::min(reach - std::sqrt(distance), 1.0));
    }
}

inline std::string two_digits(double value) { return mien::detail::fixed_digits(value, 2); }

}  // namespace detail

/// Draws one frame's joints [J, 3] (x, y in the image's pixels, confidence) onto `image`: bones between joints that are
/// both present, then a disc for each present joint, coloured by `weights` (0..1, one a joint) if there are any. What
/// lies outside the image is cut off. Throws ShapeError, ValueError.
template <class T>
void draw_skeleton(io::Image& image, const Tensor<T>& joints, const std::vector<double>& weights = {},
                   const SkeletonStyle& style = {}) {
  detail::check_skeleton(joints, weights, style);
  io::detail::check_image_argument(image, "draw_skeleton");
  const auto drawn = detail::drawn_joints(joints);
  if (style.line > 0)
    for (const auto& [from, to] : bones(style.layout)) {
      const auto& a = drawn[static_cast<std::size_t>(from)];
      const auto& b = drawn[static_cast<std::size_t>(to)];
      if (a.present && b.present) detail::draw_capsule(image, a, b, style.line / 2, style.bone);
    }
  if (style.radius > 0)
    for (std::size_t joint = 0; joint < drawn.size(); ++joint)
      if (drawn[joint].present)
        detail::draw_capsule(image, drawn[joint], drawn[joint], detail::joint_radius(style, weights, joint),
                             detail::joint_colour(style, weights, joint));
}

/// The same as an SVG element for a page, `width` user units wide; the box about the present joints decides its height.
/// Each joint carries its name, and its weight if there is one, as a title. Without present joints it is empty.
/// Throws ShapeError, ValueError.
template <class T>
std::string skeleton_svg(const Tensor<T>& joints, const std::vector<double>& weights = {},
                         const SkeletonStyle& style = {}, double width = 240) {
  detail::check_skeleton(joints, weights, style);
  if (!(width > 0 && width <= 1e6)) throw ValueError(detail::text("skeleton_svg: width ", width));
  const auto drawn = detail::drawn_joints(joints);
  double left = 0, right = 0, top = 0, bottom = 0;
  bool any = false;
  for (const auto& joint : drawn) {
    if (!joint.present) continue;
    left = any ? std::min(left, joint.x) : joint.x;
    right = any ? std::max(right, joint.x) : joint.x;
    top = any ? std::min(top, joint.y) : joint.y;
    bottom = any ? std::max(bottom, joint.y) : joint.y;
    any = true;
  }
  const double border = style.radius * (1 + style.growth) + style.line;
  const double extent = std::max(right - left, (bottom - top) / 8);  // a body that is all height stays on the page
  const double scale = extent > 0 ? std::max(width - 2 * border, 1.0) / extent : 1.0;
  if (!std::isfinite(scale * (right - left)) || !std::isfinite(scale * (bottom - top)))
    throw ValueError("skeleton_svg: the joints lie too far apart, or too near");
  const double height = (bottom - top) * scale + 2 * border;
  const auto x = [&](const auto& joint) {
    return detail::two_digits(width / 2 + (joint.x - (left + right) / 2) * scale);
  };
  const auto y = [&](const auto& joint) { return detail::two_digits(border + (joint.y - top) * scale); };
  const auto rgb = [](const Colour& c) {
    return mien::detail::text("rgb(", static_cast<int>(c[0]), ",", static_cast<int>(c[1]), ",", static_cast<int>(c[2]),
                              ")");
  };

  std::string out =
      detail::text("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", detail::two_digits(width), " ",
                   detail::two_digits(height), "\" width=\"", detail::two_digits(width), "\" role=\"img\">");
  if (style.line > 0)
    for (const auto& [from, to] : bones(style.layout)) {
      const auto& a = drawn[static_cast<std::size_t>(from)];
      const auto& b = drawn[static_cast<std::size_t>(to)];
      if (a.present && b.present)
        out += detail::text("<line x1=\"", x(a), "\" y1=\"", y(a), "\" x2=\"", x(b), "\" y2=\"", y(b), "\" stroke=\"",
                            rgb(style.bone), "\" stroke-width=\"", detail::two_digits(style.line),
                            "\" stroke-linecap=\"round\"/>");
    }
  const auto names = joint_names(style.layout);
  for (std::size_t joint = 0; joint < drawn.size(); ++joint) {
    if (!drawn[joint].present || style.radius == 0) continue;
    std::string title = names.empty() ? detail::text("joint ", joint) : std::string(names[joint]);
    if (!weights.empty()) title += " " + detail::two_digits(weights[joint]);
    out += detail::text("<circle cx=\"", x(drawn[joint]), "\" cy=\"", y(drawn[joint]), "\" r=\"",
                        detail::two_digits(detail::joint_radius(style, weights, joint)), "\" fill=\"",
                        rgb(detail::joint_colour(style, weights, joint)), "\"><title>", title, "</title></circle>");
  }
  return out + "</svg>";
}

}  // namespace mien::gesture
