#pragma once

/// Body joints over time, as every reader gives them and every gesture model takes them.

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "mien/core/tensor.hpp"

namespace mien::gesture {

/// Which joint stands at which place: OpenPose's BODY_25, its older COCO form of 18, or something else.
enum class JointLayout { body_25, coco_18, other };

/// Two joints with a limb between them, by their places in the layout.
using Bone = std::pair<Index, Index>;

/// One person over T frames with J joints.
///
/// `joints` is [T, J, 3]: x, y and confidence of every joint. A confidence of 0 means that the joint was not seen,
/// whatever x and y say; it must never be taken for a point at the origin. Coordinates are in the source's unit, for
/// most sources pixels with y downwards.
struct JointSequence {
  Tensor<float> joints = {};
  JointLayout layout = JointLayout::other;
  std::string name = {};                 ///< where it comes from: a video's or a recording's name
  Index frames_without_person = 0;       ///< frames of which every joint is missing because nobody was found
  Index frames_with_several_people = 0;  ///< frames in which one of several people had to be chosen
  Index first_frame = 0;                 ///< the source's own number of the first frame, where it has numbers

  Index frames() const { return joints.size(0); }
  Index joint_count() const { return joints.size(1); }
};

namespace detail {

inline constexpr std::array<std::string_view, 25> body_25_names = {
    "Nose", "Neck",    "RShoulder", "RElbow", "RWrist",  "LShoulder", "LElbow", "LWrist", "MidHip",
    "RHip", "RKnee",   "RAnkle",    "LHip",   "LKnee",   "LAnkle",    "REye",   "LEye",   "REar",
    "LEar", "LBigToe", "LSmallToe", "LHeel",  "RBigToe", "RSmallToe", "RHeel"};

inline constexpr std::array<Bone, 24> body_25_bones = {{{0, 1},   {1, 2},   {2, 3},   {3, 4},   {1, 5},   {5, 6},
                                                        {6, 7},   {1, 8},   {8, 9},   {9, 10},  {10, 11}, {8, 12},
                                                        {12, 13}, {13, 14}, {0, 15},  {15, 17}, {0, 16},  {16, 18},
                                                        {14, 19}, {19, 20}, {14, 21}, {11, 22}, {22, 23}, {11, 24}}};

inline constexpr std::array<std::string_view, 18> coco_18_names = {
    "Nose",  "Neck",   "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "RHip",
    "RKnee", "RAnkle", "LHip",      "LKnee",  "LAnkle", "REye",      "LEye",   "REar",   "LEar"};

inline constexpr std::array<Bone, 17> coco_18_bones = {{{0, 1},
                                                        {1, 2},
                                                        {2, 3},
                                                        {3, 4},
                                                        {1, 5},
                                                        {5, 6},
                                                        {6, 7},
                                                        {1, 8},
                                                        {8, 9},
                                                        {9, 10},
                                                        {1, 11},
                                                        {11, 12},
                                                        {12, 13},
                                                        {0, 14},
                                                        {14, 16},
                                                        {0, 15},
                                                        {15, 17}}};

}  // namespace detail

/// OpenPose's names of the joints, R and L being the person's own right and left; empty for `other`.
inline std::span<const std::string_view> joint_names(JointLayout layout) {
  switch (layout) {
    case JointLayout::body_25:
      return detail::body_25_names;
    case JointLayout::coco_18:
      return detail::coco_18_names;
    case JointLayout::other:
      break;
  }
  return {};
}

/// The limbs to draw; empty for `other`.
inline std::span<const Bone> bones(JointLayout layout) {
  switch (layout) {
    case JointLayout::body_25:
      return detail::body_25_bones;
    case JointLayout::coco_18:
      return detail::coco_18_bones;
    case JointLayout::other:
      break;
  }
  return {};
}

/// How many joints a layout has; 0 for `other`, which may have any number.
inline Index joint_count(JointLayout layout) { return static_cast<Index>(joint_names(layout).size()); }

/// The layout's name as OpenPose writes it.
inline std::string_view layout_name(JointLayout layout) {
  switch (layout) {
    case JointLayout::body_25:
      return "BODY_25";
    case JointLayout::coco_18:
      return "COCO";
    case JointLayout::other:
      break;
  }
  return "other";
}

}  // namespace mien::gesture
