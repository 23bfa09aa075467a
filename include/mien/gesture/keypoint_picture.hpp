#pragma once

/// Keypoints in colour on black: a body's skeleton, with face and hands if they are there, as a picture that networks
/// for pictures can be trained on.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "mien/gesture/representation.hpp"
#include "mien/gesture/skeleton.hpp"

namespace mien::gesture {

/// How keypoints are drawn. Lengths are in sides of the picture, so that a picture of any size looks the same.
struct KeypointPictureOptions {
  Index size = 224;              ///< S: rows and columns
  Box box = Box::per_frame;      ///< which frames share the square that becomes the picture
  double margin = 0.1;           ///< the square grows by this part of its side on each side
  double line = 0.016;           ///< thickness of a body's limbs; hands have half of it, faces a third; 0 draws none
  double radius = 0.014;         ///< of a body's joints; hands have half of it, faces a third; 0 draws none
  double limb_brightness = 0.7;  ///< of limbs beside the joints at their ends, so that both are seen
};

/// Pure colours around the circle, 0 and 1 being red, 1/3 green, 2/3 blue: channel c is clamp(2 - 6 d, 0, 1), d being
/// how far `turn` is from c / 3 around the circle.
inline Colour hue_colour(double turn, double brightness = 1) {
  Colour colour{};
  for (std::size_t c = 0; c < 3; ++c) {
    const double away = std::abs(std::remainder(turn - static_cast<double>(c) / 3, 1.0));
    colour[c] = static_cast<std::uint8_t>(std::lround(255 * brightness * std::clamp(2 - 6 * away, 0.0, 1.0)));
  }
  return colour;
}

namespace detail {

inline constexpr Index face_points = 70;
inline constexpr Index hand_points = 21;

/// Keypoints that belong together, and the lines between them, counted from the part's first.
struct KeypointPart {
  enum class Kind { body, face, hand } kind = Kind::body;
  Index first = 0;
  Index count = 0;
  std::vector<Bone> lines = {};
};

/// OpenPose's 70 points of a face: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, lips 48-67, pupils 68 and 69.
inline std::vector<Bone> face_lines() {
  struct Run {
    Index first;
    Index last;
    bool closed;
  };
  std::vector<Bone> lines;
  for (const Run run :
       {Run{0, 16, false}, Run{17, 21, false}, Run{22, 26, false}, Run{27, 30, false}, Run{31, 35, false},
        Run{36, 41, true}, Run{42, 47, true}, Run{48, 59, true}, Run{60, 67, true}}) {
    for (Index point = run.first; point < run.last; ++point) lines.emplace_back(point, point + 1);
    if (run.closed) lines.emplace_back(run.last, run.first);
  }
  return lines;
}

/// A wrist and five fingers of four points each.
inline std::vector<Bone> hand_lines() {
  std::vector<Bone> lines;
  for (Index point = 1; point < hand_points; ++point) lines.emplace_back(point % 4 == 1 ? 0 : point - 1, point);
  return lines;
}

/// What J keypoints are: a body of 25 (BODY_25) or 18 (COCO) joints, behind it maybe a face of 70 points, behind that
/// maybe two hands of 21. Any other number is a body whose limbs nobody knows.
inline std::vector<KeypointPart> keypoint_parts(Index joints) {
  for (const JointLayout layout : {JointLayout::body_25, JointLayout::coco_18}) {
    const Index body = joint_count(layout);
    const auto limbs = bones(layout);
    for (const Index face : {Index{0}, face_points})
      for (const Index hands : {Index{0}, 2 * hand_points}) {
        if (joints != body + face + hands) continue;
        std::vector<KeypointPart> parts{{KeypointPart::Kind::body, 0, body, {limbs.begin(), limbs.end()}}};
        if (face > 0) parts.push_back({KeypointPart::Kind::face, body, face, face_lines()});
        for (Index hand = 0; 21 * hand < hands; ++hand)
          parts.push_back({KeypointPart::Kind::hand, body + face + hand * hand_points, hand_points, hand_lines()});
        return parts;
      }
  }
  return {{KeypointPart::Kind::body, 0, joints, {}}};
}

/// Colours go around the circle with a body's joints, and with a hand's fingers; a face is white.
inline Colour keypoint_colour(const KeypointPart& part, Index point, double brightness) {
  if (part.kind == KeypointPart::Kind::face) {
    const auto grey = static_cast<std::uint8_t>(std::lround(255 * brightness));
    return {grey, grey, grey};
  }
  if (part.kind == KeypointPart::Kind::hand)
    return hue_colour(static_cast<double>(std::max<Index>(point - 1, 0) / 4) / 5, brightness);
  return hue_colour(static_cast<double>(point) / static_cast<double>(part.count), brightness);
}

inline void check_keypoints(const Shape& shape, const KeypointPictureOptions& options) {
  if (shape.rank() != 3 || shape[2] != 3 || shape[1] < 1)
    throw ShapeError(text("keypoint picture: joints ", shape, " are not [T, J, 3]: x, y, confidence"));
  if (options.size < 1 || options.size > 16384)
    throw ValueError(text("keypoint picture: size ", options.size, " is not 1 to 16384"));
  for (const double length : {options.margin, options.line, options.radius, options.limb_brightness})
    if (!(length >= 0 && length <= 1))
      throw ValueError(text("keypoint picture: a margin, line, radius or brightness of ", length, " is not 0 to 1"));
}

/// The present keypoints of frames [first, last), as [T, J, 3] says.
inline std::vector<DrawnJoint> present_keypoints(const Tensor<float>& joints, Index first, Index last) {
  std::vector<DrawnJoint> out;
  for (Index frame = first; frame < last; ++frame)
    for (Index joint = 0; joint < joints.size(1); ++joint) {
      const float* place = joints.data() + (frame * joints.size(1) + joint) * 3;
      if (place[2] > 0 && std::isfinite(place[0]) && std::isfinite(place[1]))
        out.push_back({true, static_cast<double>(place[0]), static_cast<double>(place[1])});
    }
  return out;
}

/// One frame's keypoints in a square, drawn onto `image`.
inline void draw_keypoints(io::Image& image, const Tensor<float>& joints, Index frame, const Square& square,
                           const std::vector<KeypointPart>& parts, const KeypointPictureOptions& options) {
  const auto side = static_cast<double>(options.size);
  const auto at = [&](Index joint) {
    const float* place = joints.data() + (frame * joints.size(1) + joint) * 3;
    const bool present = place[2] > 0 && std::isfinite(place[0]) && std::isfinite(place[1]);
    // Pixel 0 covers 0 to 1, so its centre is at a half.
    return DrawnJoint{present, (static_cast<double>(place[0]) - square.left) / square.side * side - 0.5,
                      (static_cast<double>(place[1]) - square.top) / square.side * side - 0.5};
  };
  for (const KeypointPart& part : parts) {
    const double share = part.kind == KeypointPart::Kind::body   ? 1.0
                         : part.kind == KeypointPart::Kind::hand ? 0.5
                                                                 : 1.0 / 3;
    if (options.line > 0)
      for (const auto& [from, to] : part.lines) {
        const DrawnJoint a = at(part.first + from);
        const DrawnJoint b = at(part.first + to);
        if (a.present && b.present)
          draw_capsule(image, a, b, share * options.line * side / 2,
                       keypoint_colour(part, to, options.limb_brightness));
      }
    if (options.radius > 0)
      for (Index point = 0; point < part.count; ++point)
        if (const DrawnJoint joint = at(part.first + point); joint.present)
          draw_capsule(image, joint, joint, share * options.radius * side, keypoint_colour(part, point, 1));
  }
}

}  // namespace detail

/// One frame of joints [T, J, 3] (x, y, confidence) in colour on black: [S, S], RGB. J is 25 (BODY_25) or 18 (COCO), or
/// one of them with a face of 70 points, two hands of 21, or both behind it, as OpenPose gives them; joints of another
/// number are drawn without limbs. Absent joints are not drawn, nor are limbs that end at one; without any the picture
/// is black. The picture is a square about the present joints (see `Box`).
/// Throws ShapeError, ValueError, IndexError.
inline io::Image keypoint_picture(const Tensor<float>& joints, Index frame,
                                  const KeypointPictureOptions& options = {}) {
  detail::check_keypoints(joints.shape(), options);
  if (frame < 0 || frame >= joints.size(0))
    throw IndexError(detail::text("keypoint_picture: frame ", frame, " of ", joints.size(0)));
  const Tensor<float> tight = joints.contiguous();
  io::Image image(options.size, options.size, 3);
  const bool alone = options.box == Box::per_frame;
  const auto present = detail::present_keypoints(tight, alone ? frame : 0, alone ? frame + 1 : joints.size(0));
  if (present.empty()) return image;
  const auto square = detail::square_about("keypoint_picture", present.begin(), present.end(), options.margin);
  detail::draw_keypoints(image, tight, frame, square, detail::keypoint_parts(joints.size(1)), options);
  return image;
}

/// All frames of joints [T, J, 3] in one picture, in one square: frame t of 1..T is drawn with brightness t / T, and
/// where frames lie over each other the brighter one is seen. Everything else as in `keypoint_picture`.
inline io::Image motion_picture(const Tensor<float>& joints, const KeypointPictureOptions& options = {}) {
  detail::check_keypoints(joints.shape(), options);
  const Tensor<float> tight = joints.contiguous();
  io::Image image(options.size, options.size, 3);
  const auto present = detail::present_keypoints(tight, 0, joints.size(0));
  if (present.empty()) return image;
  const auto square = detail::square_about("motion_picture", present.begin(), present.end(), options.margin);
  const auto parts = detail::keypoint_parts(joints.size(1));
  for (Index frame = 0; frame < joints.size(0); ++frame) {
    io::Image drawn(options.size, options.size, 3);
    detail::draw_keypoints(drawn, tight, frame, square, parts, options);
    const Index brightness = 255 * (frame + 1) / joints.size(0);
    for (std::size_t i = 0; i < image.pixels.size(); ++i)
      image.pixels[i] = std::max(image.pixels[i], static_cast<std::uint8_t>(drawn.pixels[i] * brightness / 255));
  }
  return image;
}

}  // namespace mien::gesture
