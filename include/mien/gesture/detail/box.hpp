#pragma once

/// Present joints and the square about them, for all that does not depend on where a person stands.

#include <algorithm>
#include <cmath>
#include <vector>

#include "mien/core/tensor.hpp"

namespace mien::gesture::detail {

using mien::detail::text;

/// A joint that is present in one frame.
struct Visit {
  double x;
  double y;
  Index frame;
  Index channel;  ///< the joint's place among those that were asked for
};

/// Those of `wanted` that are present in joints [T, J, 3], in the order of frames. Absent ones (confidence 0 or less)
/// may hold anything. Throws ValueError, in the name of `operation`, for a present joint without finite coordinates,
/// and for a confidence that is not a number.
template <class T>
std::vector<Visit> present_joints(const char* operation, const Tensor<T>& joints, const std::vector<Index>& wanted) {
  std::vector<Visit> visits;
  const Tensor<T> source = joints.contiguous();
  const T* values = source.data();
  for (Index frame = 0; frame < joints.size(0); ++frame)
    for (Index channel = 0; channel < static_cast<Index>(wanted.size()); ++channel) {
      const Index joint = wanted[static_cast<std::size_t>(channel)];
      const T* place = values + (frame * joints.size(1) + joint) * 3;
      if (std::isnan(place[2]))
        throw ValueError(text(operation, ": frame ", frame, ", joint ", joint, ": the confidence is not a number"));
      if (!(place[2] > 0)) continue;
      if (!std::isfinite(place[0]) || !std::isfinite(place[1]))
        throw ValueError(text(operation, ": frame ", frame, ", joint ", joint, ": present at (", place[0], ", ",
                              place[1], "), expected finite coordinates; give absent joints confidence 0"));
      visits.push_back({static_cast<double>(place[0]), static_cast<double>(place[1]), frame, channel});
    }
  return visits;
}

/// A square about some joints.
struct Square {
  double left;
  double top;
  double side;
};

/// The bounding box of [first, last), made square about its centre and grown by the margin, a part of its side.
template <class Iterator>
Square square_about(const char* operation, Iterator first, Iterator last, double margin) {
  const auto [left, right] = std::minmax_element(first, last, [](auto& a, auto& b) { return a.x < b.x; });
  const auto [top, bottom] = std::minmax_element(first, last, [](auto& a, auto& b) { return a.y < b.y; });
  constexpr double smallest_side = 1e-6;  // a body in one point has a box too
  const double side = std::max({right->x - left->x, bottom->y - top->y, smallest_side}) * (1 + 2 * margin);
  if (!std::isfinite(side)) throw ValueError(text(operation, ": the joints lie too far apart"));
  return {(left->x + right->x) / 2 - side / 2, (top->y + bottom->y) / 2 - side / 2, side};
}

}  // namespace mien::gesture::detail
