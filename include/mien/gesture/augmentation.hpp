#pragma once

/// Variations of a joint sequence that leave its meaning alone, applied before `represent`. All of a sequence's frames
/// are turned and stretched alike. Every amount is 0 (or off) by default.

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "mien/core/random.hpp"
#include "mien/core/tensor.hpp"
#include "mien/gesture/joint_groups.hpp"
#include "mien/gesture/joint_sequence.hpp"

namespace mien::gesture {

/// How much `augment` may change. Ranges are drawn uniformly and symmetrically about "no change".
struct JointAugmentation {
  double mirror = 0;         ///< probability that left and right change places
  double rotation = 0;       ///< up to so many degrees either way, about the middle of all present joints
  double scale = 0;          ///< each axis by its own factor, up to this part more or less; below 1
  double shear = 0;          ///< x grows by up to this times y
  double crop = 0;           ///< up to this part of the frames is cut off the two ends together; below 1
  double speed = 0;          ///< up to this part faster or slower; frames are interpolated
  double joint_dropout = 0;  ///< probability that a joint is absent throughout
  double frame_dropout = 0;  ///< probability that a joint is absent in one frame
  double noise = 0;          ///< deviation of Gaussian noise on x and y, as a part of the body's greater extent

  /// Pairs of joints that `mirror` swaps; empty: those of the sequence's layout (BODY_25 for a plain tensor of 25).
  std::vector<MirroredPair> mirrored = {};
};

namespace detail {

using mien::detail::text;

inline void check_augmentation(const JointAugmentation& augmentation, const Shape& shape) {
  if (shape.rank() != 3 || shape[2] != 3)
    throw ShapeError(text("augment: joints ", shape, " are not [T, J, 3]: x, y, confidence"));
  const auto check = [](const char* name, double value, double limit) {
    if (!(value >= 0 && value <= limit))
      throw ValueError(text("augment: ", name, " ", value, " is not between 0 and ", limit));
  };
  check("mirror", augmentation.mirror, 1);
  check("rotation", augmentation.rotation, 180);
  check("scale", augmentation.scale, 0.99);
  check("shear", augmentation.shear, 10);
  check("crop", augmentation.crop, 0.99);
  check("speed", augmentation.speed, 10);
  check("joint_dropout", augmentation.joint_dropout, 1);
  check("frame_dropout", augmentation.frame_dropout, 1);
  check("noise", augmentation.noise, 10);
}

/// The pairs that are swapped in a mirror, checked.
inline std::vector<MirroredPair> pairs_to_swap(const JointAugmentation& augmentation, JointLayout layout,
                                               Index joints) {
  if (augmentation.mirror == 0) return {};
  auto pairs = augmentation.mirrored;
  if (pairs.empty() && joint_count(layout) == joints) pairs = mirrored_pairs(layout);
  if (pairs.empty())
    throw ValueError(text("augment: mirroring ", joints, " joints of an unknown layout needs their pairs"));
  for (const auto& [right, left] : pairs)
    if (std::min(right, left) < 0 || std::max(right, left) >= joints)
      throw IndexError(text("augment: the mirrored pair (", right, ", ", left, ") is not within ", joints, " joints"));
  return pairs;
}

/// Middle and greater extent of all present joints.
struct Extent {
  double x = 0;
  double y = 0;
  double side = 0;
};

template <class T>
Extent extent_of(const Tensor<T>& joints) {
  std::array<double, 2> low{}, high{};
  bool any = false;
  const T* place = joints.data();
  for (Index i = 0; i < joints.size(0) * joints.size(1); ++i, place += 3) {
    if (!(place[2] > 0)) continue;
    for (std::size_t axis = 0; axis < 2; ++axis) {
      const auto value = static_cast<double>(place[axis]);
      low[axis] = any ? std::min(low[axis], value) : value;
      high[axis] = any ? std::max(high[axis], value) : value;
    }
    any = true;
  }
  return {(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, std::max(high[0] - low[0], high[1] - low[1])};
}

/// [x, y] -> middle + matrix ([x, y] - middle) for present joints.
template <class T>
void transform_joints(Tensor<T>& joints, const Extent& extent, const std::array<double, 4>& matrix) {
  T* place = joints.data();
  for (Index i = 0; i < joints.size(0) * joints.size(1); ++i, place += 3) {
    if (!(place[2] > 0)) continue;
    const double x = static_cast<double>(place[0]) - extent.x;
    const double y = static_cast<double>(place[1]) - extent.y;
    place[0] = static_cast<T>(extent.x + matrix[0] * x + matrix[1] * y);
    place[1] = static_cast<T>(extent.y + matrix[2] * x + matrix[3] * y);
  }
}

template <class T>
void swap_joints(Tensor<T>& joints, const std::vector<MirroredPair>& pairs) {
  for (Index frame = 0; frame < joints.size(0); ++frame) {
    T* places = joints.data() + frame * joints.size(1) * 3;
    for (const auto& [right, left] : pairs)
      std::swap_ranges(places + right * 3, places + right * 3 + 3, places + left * 3);
  }
}

/// A joint between two frames: mixed where both know it, else as the nearer one says.
template <class T>
void interpolate_joint(const T* before, const T* after, double part, T* out) {
  if (before[2] > 0 && after[2] > 0) {
    for (Index i = 0; i < 3; ++i)
      out[i] = static_cast<T>((1 - part) * static_cast<double>(before[i]) + part * static_cast<double>(after[i]));
  } else {
    std::copy_n(part < 0.5 ? before : after, 3, out);
  }
}

}  // namespace detail

/// The same movement in `frames` frames: [frames, J, 3]. First and last frame stay; between them positions are linear
/// in time. A joint that one of two neighbouring frames lacks is taken from the nearer frame, present or absent.
template <class T>
Tensor<T> resample_time(const Tensor<T>& joints, Index frames) {
  if (joints.rank() != 3 || joints.size(2) != 3)
    throw ShapeError(detail::text("resample_time: joints ", joints.shape(), " are not [T, J, 3]: x, y, confidence"));
  if (frames < 1 || joints.size(0) < 1)
    throw ValueError(detail::text("resample_time: ", joints.size(0), " frames cannot become ", frames));
  const Tensor<T> source = joints.contiguous();
  const Index last = source.size(0) - 1;
  const Index stride = source.size(1) * 3;
  Tensor<T> out({frames, source.size(1), 3});
  for (Index frame = 0; frame < frames; ++frame) {
    const double at = frames == 1
                          ? static_cast<double>(last) / 2
                          : static_cast<double>(frame) * static_cast<double>(last) / static_cast<double>(frames - 1);
    const Index before = std::min(static_cast<Index>(at), last);
    const Index after = std::min(before + 1, last);
    for (Index joint = 0; joint < source.size(1); ++joint)
      detail::interpolate_joint(source.data() + before * stride + joint * 3, source.data() + after * stride + joint * 3,
                                at - static_cast<double>(before), out.data() + frame * stride + joint * 3);
  }
  return out;
}

/// A random variation of `joints` [T, J, 3]; the result may have another number of frames, at least one.
/// Absent joints stay absent. Throws ShapeError, ValueError (an amount out of its range, no pairs to mirror),
/// IndexError (a mirrored pair that is not there).
template <class T>
Tensor<T> augment(const Tensor<T>& joints, const JointAugmentation& augmentation, Generator& generator,
                  JointLayout layout = JointLayout::body_25) {
  detail::check_augmentation(augmentation, joints.shape());
  const auto pairs = detail::pairs_to_swap(augmentation, layout, joints.size(1));
  if (joints.empty()) return joints.clone();

  const auto length = static_cast<double>(joints.size(0));
  const auto kept =
      std::max<Index>(1, static_cast<Index>(std::ceil(length * (1 - generator.uniform(0, augmentation.crop)))));
  const Index first = generator.below(joints.size(0) - kept + 1);
  Tensor<T> out = joints.slice(0, first, first + kept).clone();

  const double faster = std::exp(generator.uniform(-1, 1) * std::log1p(augmentation.speed));
  const auto frames = std::max<Index>(1, static_cast<Index>(std::lround(static_cast<double>(kept) / faster)));
  if (frames != kept) out = resample_time(out, frames);

  const detail::Extent extent = detail::extent_of(out);
  const bool mirrored = generator.uniform() < augmentation.mirror;
  const double angle = generator.uniform(-1, 1) * augmentation.rotation * std::numbers::pi / 180;
  const double shear = generator.uniform(-1, 1) * augmentation.shear;
  const double across = (mirrored ? -1 : 1) * (1 + generator.uniform(-1, 1) * augmentation.scale);
  const double down = 1 + generator.uniform(-1, 1) * augmentation.scale;
  const double cosine = std::cos(angle);
  const double sine = std::sin(angle);
  // Rotation times shear times scale.
  detail::transform_joints(
      out, extent, {cosine * across, (cosine * shear - sine) * down, sine * across, (sine * shear + cosine) * down});
  if (mirrored) detail::swap_joints(out, pairs);

  std::vector<char> absent(static_cast<std::size_t>(out.size(1)));
  for (char& joint : absent) joint = generator.uniform() < augmentation.joint_dropout;
  const double deviation = augmentation.noise * extent.side;
  T* place = out.data();
  for (Index i = 0; i < out.size(0) * out.size(1); ++i, place += 3) {
    const bool dropped = augmentation.frame_dropout > 0 && generator.uniform() < augmentation.frame_dropout;
    if (deviation > 0)
      for (Index axis = 0; axis < 2; ++axis)
        place[axis] = static_cast<T>(static_cast<double>(place[axis]) + deviation * generator.normal());
    if (dropped || absent[static_cast<std::size_t>(i % out.size(1))]) place[2] = 0;
  }
  return out;
}

/// The same of a whole sequence; its name and its counts of frames stay those of the original.
inline JointSequence augment(const JointSequence& sequence, const JointAugmentation& augmentation,
                             Generator& generator) {
  JointSequence out = sequence;
  out.joints = augment(sequence.joints, augmentation, generator, sequence.layout);
  return out;
}

}  // namespace mien::gesture
