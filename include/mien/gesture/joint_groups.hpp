#pragma once

/// Joints that belong together: what mirrors what, the upper body, and a pose to draw on.

#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "mien/gesture/joint_sequence.hpp"

namespace mien::gesture {

/// The right and the left one of two joints that change places in a mirror.
using MirroredPair = std::pair<Index, Index>;

namespace detail {

inline constexpr std::array<MirroredPair, 11> body_25_mirrored{
    {{2, 5}, {3, 6}, {4, 7}, {9, 12}, {10, 13}, {11, 14}, {15, 16}, {17, 18}, {22, 19}, {23, 20}, {24, 21}}};
inline constexpr std::array<MirroredPair, 8> coco_18_mirrored{
    {{2, 5}, {3, 6}, {4, 7}, {8, 11}, {9, 12}, {10, 13}, {14, 15}, {16, 17}}};

inline constexpr std::array<Index, 13> body_25_upper_body{0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 18};
inline constexpr std::array<Index, 12> coco_18_upper_body{0, 1, 2, 3, 4, 5, 6, 7, 14, 15, 16, 17};

}  // namespace detail

/// All pairs of a layout; empty for `other`.
inline std::vector<MirroredPair> mirrored_pairs(JointLayout layout) {
  switch (layout) {
    case JointLayout::body_25:
      return {detail::body_25_mirrored.begin(), detail::body_25_mirrored.end()};
    case JointLayout::coco_18:
      return {detail::coco_18_mirrored.begin(), detail::coco_18_mirrored.end()};
    case JointLayout::other:
      break;
  }
  return {};
}

/// Head, shoulders and arms, and in BODY_25 (joints 0-8 and 15-18) the middle of the hips; empty for `other`.
/// In the form that `RepresentationOptions::joints` takes.
inline std::vector<Index> upper_body(JointLayout layout = JointLayout::body_25) {
  switch (layout) {
    case JointLayout::body_25:
      return {detail::body_25_upper_body.begin(), detail::body_25_upper_body.end()};
    case JointLayout::coco_18:
      return {detail::coco_18_upper_body.begin(), detail::coco_18_upper_body.end()};
    case JointLayout::other:
      break;
  }
  return {};
}

/// Somebody in BODY_25 who faces the viewer with hanging arms, [25, 3], inside the unit square: something to draw on
/// when only joints' weights are at hand.
inline Tensor<float> standing_pose() {
  constexpr std::array<std::array<float, 2>, 25> places{
      {{0.50F, 0.11F}, {0.50F, 0.22F}, {0.39F, 0.22F}, {0.33F, 0.37F}, {0.30F, 0.51F}, {0.61F, 0.22F}, {0.67F, 0.37F},
       {0.70F, 0.51F}, {0.50F, 0.51F}, {0.44F, 0.51F}, {0.43F, 0.71F}, {0.42F, 0.90F}, {0.56F, 0.51F}, {0.57F, 0.71F},
       {0.58F, 0.90F}, {0.47F, 0.08F}, {0.53F, 0.08F}, {0.43F, 0.10F}, {0.57F, 0.10F}, {0.60F, 0.96F}, {0.64F, 0.95F},
       {0.57F, 0.93F}, {0.40F, 0.96F}, {0.36F, 0.95F}, {0.43F, 0.93F}}};
  Tensor<float> pose({static_cast<Index>(places.size()), 3});
  for (Index joint = 0; joint < pose.size(0); ++joint) {
    pose(joint, 0) = places[static_cast<std::size_t>(joint)][0];
    pose(joint, 1) = places[static_cast<std::size_t>(joint)][1];
    pose(joint, 2) = 1;
  }
  return pose;
}

}  // namespace mien::gesture
