#pragma once

/// Joints as numbers that do not depend on where a person stands and how near.

#include <algorithm>
#include <numeric>
#include <vector>

#include "mien/core/tensor.hpp"
#include "mien/gesture/detail/box.hpp"

namespace mien::gesture {

struct NormalisationOptions {
  /// How many joints, in their order, share a box, as {25, 70} for a body and a face after it, which otherwise would be
  /// small in the body's box; none: all of them.
  std::vector<Index> groups = {};
};

namespace detail {

/// Writes the joints that `group` names, each sample's in the square that is about them.
template <class T>
void normalise_group(const Tensor<T>& joints, const std::vector<Index>& group, Tensor<T>& out) {
  const std::vector<Visit> present = present_joints("normalise_joints", joints, group);
  for (auto first = present.begin(); first != present.end();) {
    const auto last =
        std::find_if(first, present.end(), [&](const Visit& visit) { return visit.frame != first->frame; });
    const Square box = square_about("normalise_joints", first, last, 0);
    for (; first != last; ++first) {
      const Index joint = group[static_cast<std::size_t>(first->channel)];
      out(first->frame, joint, 0) = static_cast<T>(2 * (first->x - box.left) / box.side - 1);
      out(first->frame, joint, 1) = static_cast<T>(2 * (first->y - box.top) / box.side - 1);
      out(first->frame, joint, 2) = joints(first->frame, joint, 2);
    }
  }
}

}  // namespace detail

/// Joints [N, J, 3] (x, y, confidence), one pose or face a sample, to the same with
///
///     x' = 2 (x - centre of the box) / side of the box, y' likewise, confidence' = confidence
///
/// where the box is the smallest square about the sample's present joints, so that all x' and y' are in [-1, 1]. Absent
/// joints (confidence 0 or less) become (0, 0, 0) whatever x and y say, and so do all joints of a sample without any.
/// Throws ShapeError unless the joints are [N, J, 3] and the groups are of J joints, ValueError as `represent` does.
template <class T>
Tensor<T> normalise_joints(const Tensor<T>& joints, const NormalisationOptions& options = {}) {
  if (joints.rank() != 3 || joints.size(2) != 3)
    throw ShapeError(
        mien::detail::text("normalise_joints: joints ", joints.shape(), " are not [N, J, 3]: x, y, confidence"));
  const std::vector<Index> counts = options.groups.empty() ? std::vector<Index>(1, joints.size(1)) : options.groups;
  const Index counted = std::accumulate(counts.begin(), counts.end(), Index{0});
  if (counted != joints.size(1) || *std::min_element(counts.begin(), counts.end()) < 0)
    throw ShapeError(
        mien::detail::text("normalise_joints: groups of ", counted, " joints for joints ", joints.shape()));
  Tensor<T> out = Tensor<T>::zeros(joints.shape());
  Index first = 0;
  for (const Index count : counts) {
    std::vector<Index> group(static_cast<std::size_t>(count));
    std::iota(group.begin(), group.end(), first);
    detail::normalise_group(joints, group, out);
    first += count;
  }
  return out;
}

}  // namespace mien::gesture
