#pragma once

/// Valence and arousal as a plane: points and the paths between them, over the sectors that emotions are told by.
///
///     report::AffectPlane plane{.groups = {{.name = "film", .points = affect, .joined = true}}};
///     page.section("Valence and arousal").affect_plane(plane);

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mien/data/affect.hpp"
#include "mien/report/svg.hpp"

namespace mien::report {

/// Points of one kind, which share a mark and a colour.
struct AffectPoints {
  std::string name = {};
  std::vector<data::Affect> points = {};
  /// What a pointer finds at each, as in "2.5 s"; one for each point, or none.
  std::vector<std::string> titles = {};
  /// A line goes through them in their order; its ends are marked "start" and "end".
  bool joined = false;
};

struct AffectPlane {
  std::vector<AffectPoints> groups = {};
  /// What the plane is divided into; nothing leaves it undivided.
  std::optional<data::EmotionSectors> sectors = data::EmotionSectors{};
  std::string title = "Valence and arousal";
};

namespace detail {

/// A place in the plane's drawing; beyond -1..1 the nearest one inside.
struct AffectSquare {
  double left = 52;
  double top = 40;
  double side = 360;

  double x(double valence) const { return left + (std::clamp(valence, -1.0, 1.0) + 1) / 2 * side; }
  double y(double arousal) const { return top + (1 - std::clamp(arousal, -1.0, 1.0)) / 2 * side; }
  std::string point(double valence, double arousal) const { return text(at(x(valence)), " ", at(y(arousal))); }
};

inline double radians(double degrees) { return degrees * std::numbers::pi / 180; }

/// Where a ray from the middle meets the square's edge.
inline std::array<double, 2> edge_point(double degrees) {
  const double c = std::cos(radians(degrees));
  const double s = std::sin(radians(degrees));
  const double scale = 1 / std::max(std::abs(c), std::abs(s));
  return {c * scale, s * scale};
}

/// An emotion's part of the circle, in degrees; `begin` may lie below 0 and `end` beyond 360.
struct Sector {
  data::Emotion emotion;
  double degrees;
  double begin;
  double end;
};

inline std::vector<Sector> sectors_of(const data::EmotionSectors& sectors) {
  std::vector<data::EmotionAngle> angles = sectors.angles;
  for (data::EmotionAngle& one : angles) one.degrees -= 360 * std::floor(one.degrees / 360);
  std::stable_sort(angles.begin(), angles.end(), [](const auto& a, const auto& b) { return a.degrees < b.degrees; });
  std::vector<Sector> out;
  const std::size_t count = angles.size();
  for (std::size_t i = 0; i < count; ++i) {
    const double before = angles[(i + count - 1) % count].degrees - (i == 0 ? 360 : 0);
    const double after = angles[(i + 1) % count].degrees + (i + 1 == count ? 360 : 0);
    const double own = angles[i].degrees;
    out.push_back({angles[i].emotion, own, (before + own) / 2, (own + after) / 2});
  }
  return out;
}

/// A sector from the middle to the square's edge, tinted, and its border.
inline std::string draw_sector(const Sector& sector, const AffectSquare& square, bool divided) {
  std::string corners;
  const auto corner = [&](double degrees) {
    const auto [valence, arousal] = edge_point(degrees);
    corners += text("L", square.point(valence, arousal));
  };
  corner(sector.begin);
  for (double diagonal = 45 + 90 * std::ceil((sector.begin - 45) / 90); diagonal < sector.end; diagonal += 90)
    corner(diagonal);
  corner(sector.end);
  const auto [valence, arousal] = edge_point(sector.begin);
  return text("<g class=\"", colour_class(static_cast<Index>(sector.emotion)), "\"><path class=\"sector\" d=\"M",
              square.point(0, 0), corners, "Z\"/></g>",
              divided ? svg_line(square.x(0), square.y(0), square.x(valence), square.y(arousal), "grid") : "");
}

inline std::string draw_sectors(const data::EmotionSectors& sectors, const AffectSquare& square) {
  const std::vector<Sector> parts = sectors_of(sectors);
  std::string out;
  for (const Sector& sector : parts) out += draw_sector(sector, square, parts.size() > 1);
  if (sectors.neutral_radius > 0) {
    out += text("<circle class=\"neutral\" cx=\"", at(square.x(0)), "\" cy=\"", at(square.y(0)), "\" r=\"",
                at(std::min(sectors.neutral_radius, 1.0) * square.side / 2), "\"/>");
    out += svg_text(square.x(0), square.y(0) + 16, "label middle", data::name_of(data::Emotion::neutral));
  }
  for (const Sector& sector : parts)
    out += svg_text(square.x(0.8 * std::cos(radians(sector.degrees))),
                    square.y(0.8 * std::sin(radians(sector.degrees))) + 4, "label middle strong",
                    data::name_of(sector.emotion));
  return out;
}

/// A circle, a square, a triangle or a diamond, in turn, so that groups differ by more than colour.
inline std::string draw_mark(double x, double y, std::size_t group, double size, const std::string& title) {
  const std::string open = text("<path class=\"point\" d=\"M");
  std::string shape;
  switch (group % 4) {
    case 0:
      shape = text(at(x - size), " ", at(y), "a", at(size), " ", at(size), " 0 1 0 ", at(2 * size), " 0a", at(size),
                   " ", at(size), " 0 1 0 ", at(-2 * size), " 0");
      break;
    case 1:
      shape = text(at(x - size), " ", at(y - size), "h", at(2 * size), "v", at(2 * size), "h", at(-2 * size));
      break;
    case 2:
      shape = text(at(x), " ", at(y - 1.2 * size), "l", at(1.2 * size), " ", at(2.2 * size), "h", at(-2.4 * size));
      break;
    default:
      shape = text(at(x), " ", at(y - 1.4 * size), "l", at(1.4 * size), " ", at(1.4 * size), " ", at(-1.4 * size), " ",
                   at(1.4 * size), " ", at(-1.4 * size), " ", at(-1.4 * size));
  }
  return text(open, shape, "Z\"><title>", escape(title), "</title></path>");
}

inline bool is_point(const data::Affect& affect) {
  return std::isfinite(affect.valence) && std::isfinite(affect.arousal);
}

inline std::string title_of(const AffectPoints& group, std::size_t i) {
  const data::Affect& affect = group.points[i];
  return text(group.name, group.name.empty() ? "" : ", ", group.titles.empty() ? "" : group.titles[i],
              group.titles.empty() ? "" : ": ", "valence ", number(affect.valence), ", arousal ",
              number(affect.arousal));
}

inline std::string draw_group(const AffectPoints& group, std::size_t place, const AffectSquare& square) {
  std::string path;
  std::string marks;
  std::vector<std::size_t> drawn;
  bool joined = false;
  for (std::size_t i = 0; i < group.points.size(); ++i) {
    const data::Affect& affect = group.points[i];
    if (!is_point(affect)) {
      joined = false;
      continue;
    }
    path += text(joined ? "L" : "M", square.point(affect.valence, affect.arousal));
    joined = true;
    marks +=
        draw_mark(square.x(affect.valence), square.y(affect.arousal), place, group.joined ? 3 : 4, title_of(group, i));
    drawn.push_back(i);
  }
  std::string ends;
  if (group.joined && drawn.size() > 1) {
    const auto end = [&](std::size_t i, const char* words) {
      const data::Affect& affect = group.points[i];
      // To the side where there is room.
      const bool right = square.x(affect.valence) > square.left + square.side - 40;
      ends += svg_text(square.x(affect.valence) + (right ? -8 : 8), square.y(affect.arousal) - 7,
                       right ? "label strong end" : "label strong", words);
    };
    end(drawn.front(), "start");
    end(drawn.back(), "end");
  }
  return text("<g class=\"", colour_class(static_cast<Index>(place)), "\">",
              group.joined ? text("<path class=\"series thin\" d=\"", path, "\"/>") : "", marks, ends, "</g>");
}

inline void check(const AffectPlane& plane) {
  for (const AffectPoints& group : plane.groups)
    if (!group.titles.empty() && group.titles.size() != group.points.size())
      throw ShapeError(text("affect_plane: group ", group.name, " has ", group.titles.size(), " titles for ",
                            group.points.size(), " points"));
  if (!plane.sectors) return;
  // Whatever is wrong with sectors is said where they are used.
  static_cast<void>(data::emotion_of({}, *plane.sectors));
}

}  // namespace detail

/// The plane from -1 to 1 both ways, pleasant to the right and excited upwards. Points that are not finite are left out
/// and interrupt a line; those beyond the plane lie on its edge. Throws ShapeError unless a group has a title for each
/// point or none, ValueError for sectors that `data::emotion_of` would not take.
inline std::string affect_plane(const AffectPlane& plane) {
  using namespace detail;
  check(plane);
  constexpr double width = 430;
  constexpr double height = 450;
  const AffectSquare square;
  const double right = square.left + square.side;
  const double bottom = square.top + square.side;
  std::string description = plane.title;
  for (const AffectPoints& group : plane.groups)
    description += text("; ", group.name, group.name.empty() ? "" : ": ", group.points.size(), " points");
  std::string out = open_svg(width, height, description);
  if (plane.sectors) out += draw_sectors(*plane.sectors, square);
  out += svg_line(square.left, square.y(0), right, square.y(0), "mark");
  out += svg_line(square.x(0), square.top, square.x(0), bottom, "mark");
  for (const double value : {-1.0, -0.5, 0.0, 0.5, 1.0}) {
    out += svg_text(square.left - 7, square.y(value) + 4, "label end", number(value, 1));
    out += svg_text(square.x(value), bottom + 17, "label middle", number(value, 1));
  }
  out += text("<rect class=\"frame\" x=\"", at(square.left), "\" y=\"", at(square.top), "\" width=\"", at(square.side),
              "\" height=\"", at(square.side), "\"/>");
  out += svg_text(square.left + square.side / 2, height - 10, "label middle", "valence: unpleasant to pleasant");
  out += text("<text transform=\"translate(14 ", at(square.top + square.side / 2),
              ") rotate(-90)\" class=\"label middle\">arousal: calm to excited</text>");
  for (std::size_t i = 0; i < plane.groups.size(); ++i) out += draw_group(plane.groups[i], i, square);
  double place = square.left;
  for (std::size_t i = 0; i < plane.groups.size(); ++i) {
    const std::string shown = shorten(plane.groups[i].name, 22);
    if (shown.empty()) continue;
    out +=
        text("<g class=\"", colour_class(static_cast<Index>(i)), "\">", draw_mark(place + 5, 18, i, 4, shown), "</g>");
    out += svg_text(place + 15, 22, "label", shown);
    place += 34 + 6.6 * static_cast<double>(std::count_if(shown.begin(), shown.end(), begins_character));
  }
  return out + "</svg>";
}

}  // namespace mien::report
