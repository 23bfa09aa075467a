#pragma once

/// Faces as a detector finds them.

#include <algorithm>
#include <array>

namespace mien::face {

/// In pixels of the picture, x from the left and y from the top.
struct Point {
  double x = 0;
  double y = 0;
};

/// An upright rectangle by its upper left corner; it may reach beyond the picture.
struct Box {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;

  double area() const { return width * height; }
  Point centre() const { return {x + width / 2, y + height / 2}; }
};

/// Shared area over the area that both cover together, from 0 to 1; 0 for boxes without area.
inline double intersection_over_union(const Box& a, const Box& b) {
  const double width = std::min(a.x + a.width, b.x + b.width) - std::max(a.x, b.x);
  const double height = std::min(a.y + a.height, b.y + b.height) - std::max(a.y, b.y);
  if (!(width > 0 && height > 0)) return 0;
  const double shared = width * height;
  return shared / (a.area() + b.area() - shared);
}

/// Left and right are the person's own: the right eye is on the left of a picture that faces the viewer.
struct Landmarks {
  Point right_eye = {};
  Point left_eye = {};
  Point nose = {};
  Point right_mouth_corner = {};
  Point left_mouth_corner = {};

  /// In the order above.
  std::array<Point, 5> points() const { return {right_eye, left_eye, nose, right_mouth_corner, left_mouth_corner}; }
};

struct Face {
  Box box = {};
  Landmarks landmarks = {};
  double confidence = 0;  ///< from 0 to 1
};

}  // namespace mien::face
