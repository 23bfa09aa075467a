#pragma once

/// Shapes and words with soft edges on RGB images.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "mien/gesture/skeleton.hpp"
#include "mien/io/draw_text.hpp"
#include "mien/io/image.hpp"

namespace mien::video::detail {

using gesture::Colour;
using mien::detail::text;

/// In pixels, of which the first covers 0 to 1.
struct Rectangle {
  double left = 0;
  double top = 0;
  double right = 0;
  double bottom = 0;
};

/// Mixes a colour into all pixels of a rectangle, as far as `share(x, y)` of the pixel's centre says, 0 to 1.
template <class Share>
void paint(io::Image& image, const Rectangle& within, const Colour& colour, Share share) {
  const auto first = [](double at) { return static_cast<Index>(std::clamp(std::floor(at), 0.0, 1e9)); };
  const auto end = [](double at, Index size) {
    return static_cast<Index>(std::clamp(std::ceil(at), 0.0, static_cast<double>(size)));
  };
  for (Index y = first(within.top); y < end(within.bottom, image.height); ++y)
    for (Index x = first(within.left); x < end(within.right, image.width); ++x) {
      const int parts = static_cast<int>(256 * share(static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5));
      if (parts <= 0) continue;
      std::uint8_t* const rgb = image.at(x, y);
      for (std::size_t c = 0; c < 3; ++c)
        rgb[c] = static_cast<std::uint8_t>((rgb[c] * (256 - parts) + colour[c] * parts + 128) >> 8);
    }
}

/// How far a point lies outside a rectangle with round corners; negative inside.
inline double distance_to(const Rectangle& box, double radius, double x, double y) {
  const double across = std::abs(x - (box.left + box.right) / 2) - (box.right - box.left) / 2 + radius;
  const double down = std::abs(y - (box.top + box.bottom) / 2) - (box.bottom - box.top) / 2 + radius;
  if (across <= 0 || down <= 0) return std::max(across, down) - radius;
  return std::hypot(across, down) - radius;
}

inline Rectangle grown(const Rectangle& box, double by) {
  return {box.left - by, box.top - by, box.right + by, box.bottom + by};
}

inline double fitting_radius(const Rectangle& box, double radius) {
  return std::max(0.0, std::min({radius, (box.right - box.left) / 2, (box.bottom - box.top) / 2}));
}

inline void fill_box(io::Image& image, const Rectangle& box, double radius, const Colour& colour, double opacity = 1) {
  const double round = fitting_radius(box, radius);
  paint(image, grown(box, 1), colour,
        [&](double x, double y) { return opacity * std::clamp(0.5 - distance_to(box, round, x, y), 0.0, 1.0); });
}

/// A line of `thickness` along the edge of the rectangle, half of it on either side.
inline void outline_box(io::Image& image, const Rectangle& box, double radius, double thickness, const Colour& colour,
                        double opacity = 1) {
  const double round = fitting_radius(box, radius);
  const auto share = [&](double x, double y) {
    return opacity * std::clamp(thickness / 2 + 0.5 - std::abs(distance_to(box, round, x, y)), 0.0, 1.0);
  };
  // Four bands instead of the whole rectangle: its middle has nothing to paint.
  const double reach = thickness / 2 + 1;
  const double corner = std::max(round, reach);
  const Rectangle all = grown(box, reach);
  const double upper = std::min(std::ceil(box.top + corner), std::floor((box.top + box.bottom) / 2));
  const double lower = std::max(std::floor(box.bottom - corner), upper);
  const double left = std::min(std::ceil(box.left + corner), std::floor((box.left + box.right) / 2));
  const double right = std::max(std::floor(box.right - corner), left);
  paint(image, {all.left, all.top, all.right, upper}, colour, share);
  paint(image, {all.left, lower, all.right, all.bottom}, colour, share);
  paint(image, {all.left, upper, left, lower}, colour, share);
  paint(image, {right, upper, all.right, lower}, colour, share);
}

/// A line with round ends; a disc where both ends are one.
inline void draw_line(io::Image& image, double x0, double y0, double x1, double y1, double thickness,
                      const Colour& colour, double opacity = 1) {
  const double along_x = x1 - x0;
  const double along_y = y1 - y0;
  const double squared = along_x * along_x + along_y * along_y;
  const Rectangle within =
      grown({std::min(x0, x1), std::min(y0, y1), std::max(x0, x1), std::max(y0, y1)}, thickness / 2 + 1);
  paint(image, within, colour, [&](double x, double y) {
    const double part = squared > 0 ? std::clamp(((x - x0) * along_x + (y - y0) * along_y) / squared, 0.0, 1.0) : 0.0;
    const double away = std::hypot(x - x0 - part * along_x, y - y0 - part * along_y);
    return opacity * std::clamp(thickness / 2 + 0.5 - away, 0.0, 1.0);
  });
}

/// A letter of the small font as strokes: points of a grid of 5 x 7, and which of them are joined.
struct StrokedGlyph {
  using Point = std::pair<int, int>;
  std::vector<std::pair<Point, Point>> strokes = {};
  int first_column = 0;
  int columns = 3;  ///< of a space
};

/// Neighbours among a glyph's dots are joined, diagonally only where they are not joined around the corner.
inline StrokedGlyph stroked_glyph(char character) {
  StrokedGlyph glyph;
  if (character == ' ') return glyph;
  const std::string_view rows = io::detail::glyph_of(character);
  const auto lit = [&](int x, int y) {
    return x >= 0 && x < 5 && y >= 0 && y < 7 && rows[static_cast<std::size_t>(6 * y + x)] == '#';
  };
  int first = 4;
  int last = 0;
  for (int y = 0; y < 7; ++y)
    for (int x = 0; x < 5; ++x) {
      if (!lit(x, y)) continue;
      first = std::min(first, x);
      last = std::max(last, x);
      bool joined = lit(x - 1, y) || lit(x, y - 1);
      if (lit(x + 1, y)) glyph.strokes.push_back({{x, y}, {x + 1, y}});
      if (lit(x, y + 1)) glyph.strokes.push_back({{x, y}, {x, y + 1}});
      for (const int side : {-1, 1}) {
        joined = joined || lit(x + side, y - 1);
        if (lit(x + side, y + 1) && !lit(x + side, y) && !lit(x, y + 1))
          glyph.strokes.push_back({{x, y}, {x + side, y + 1}});
      }
      if (!joined && !lit(x + 1, y) && !lit(x, y + 1) && !lit(x - 1, y + 1) && !lit(x + 1, y + 1))
        glyph.strokes.push_back({{x, y}, {x, y}});
    }
  // Digits are equally wide, so that numbers don't dance.
  const bool is_digit = character >= '0' && character <= '9';
  glyph.first_column = is_digit ? 0 : first;
  glyph.columns = is_digit ? 5 : last - first + 1;
  return glyph;
}

/// How wide a line of text is whose capitals are `height` high.
inline double text_width(std::string_view words, double height) {
  double columns = 0;
  for (const char character : words) columns += stroked_glyph(character).columns + 1;
  return std::max(0.0, columns - 1) * height / 7;
}

/// Writes a line of text whose capitals reach from `top` to `top + height`.
inline void write_text(io::Image& image, double left, double top, double height, std::string_view words,
                       const Colour& colour, double opacity = 1) {
  const double pitch = height / 7;
  for (const char character : words) {
    const StrokedGlyph glyph = stroked_glyph(character);
    const auto x_of = [&](int column) { return left + (column - glyph.first_column + 0.5) * pitch; };
    const auto y_of = [&](int row) { return top + (row + 0.5) * pitch; };
    for (const auto& [from, to] : glyph.strokes)
      draw_line(image, x_of(from.first), y_of(from.second), x_of(to.first), y_of(to.second), 1.15 * pitch, colour,
                opacity);
    left += (glyph.columns + 1) * pitch;
  }
}

inline double lightness(const Colour& colour) { return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]; }

/// Black or white, whichever can be read on a colour.
inline Colour ink_on(const Colour& colour) {
  return lightness(colour) > 140 ? Colour{16, 18, 24} : Colour{255, 255, 255};
}

}  // namespace mien::video::detail
