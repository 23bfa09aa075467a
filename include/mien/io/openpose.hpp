#pragma once

/// OpenPose's JSON output: a file a frame, `<video>_<12 digits>_keypoints.json`, read as folders or frame by frame:
///
///     OpenposeFollower follow(90);
///     while (...)                                            // as the frames come
///       if (follow.add(number, parse_openpose_frame(json)))  // somebody is there
///         classify(follow.sequence());                       // the last 90 frames

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "mien/core/tensor.hpp"
#include "mien/gesture/joint_sequence.hpp"
#include "mien/io/json.hpp"

namespace mien::io {

/// A point of the body, the face or a hand. Confidence 0: not seen, and then x and y are 0 too.
struct Keypoint {
  float x = 0;
  float y = 0;
  float confidence = 0;
};

/// One person in one frame; lists that OpenPose was not asked for are empty.
struct OpenposePerson {
  std::vector<Keypoint> pose = {};        ///< 25 (BODY_25), 18 (COCO) or none
  std::vector<Keypoint> face = {};        ///< 70 or none
  std::vector<Keypoint> left_hand = {};   ///< 21 or none
  std::vector<Keypoint> right_hand = {};  ///< 21 or none
  Index id = -1;                          ///< -1: not told; OpenPose itself does not follow people from frame to frame

  /// The sum of the pose's confidences.
  float confidence() const {
    float sum = 0;
    for (const Keypoint& joint : pose) sum += joint.confidence;
    return sum;
  }
};

/// Which of several people in a frame is taken.
enum class PersonPolicy {
  nearest,         ///< the one nearest to the person of the frame before; in the first frame, the most confident
  most_confident,  ///< the greatest sum of confidences, frame by frame
  first,           ///< the first in the file: OpenPose promises no order
  by_id            ///< the one whose `person_id` is `OpenposeOptions::person_id`; frames without that person are empty
};

/// What happens where frame numbers are skipped.
enum class FrameGaps {
  missing,  ///< the skipped frames are there, every joint missing
  closed,   ///< the next frame follows as if nothing had been skipped
  error     ///< FileError
};

struct OpenposeOptions {
  PersonPolicy person = PersonPolicy::nearest;
  Index person_id = 0;
  FrameGaps gaps = FrameGaps::missing;
  gesture::JointLayout layout = gesture::JointLayout::body_25;
  /// Guards against numbers like 999999999999: the most frames of a folder, and from one frame of an `OpenposeFollower`
  /// to the next, where those between them are `missing`.
  Index max_frames = 1'000'000;
  /// Appends the 70 points of the face, and the 21 of the left and of the right hand, to the pose's joints; the layout
  /// is then `other`. Lists that are empty are points that were not seen.
  bool face = false;
  bool hands = false;
};

namespace detail {

/// Reads the people of one parsed frame.
class OpenposeFrameReader {
 public:
  OpenposeFrameReader(const nlohmann::json& document, std::string_view file) : document_(document), file_(file) {}

  std::vector<OpenposePerson> read() const {
    if (!document_.is_object() || !document_.contains("people") || !document_["people"].is_array())
      throw FileError(file_, "", "no list `people`", "OpenPose's JSON of a frame");
    std::vector<OpenposePerson> people;
    for (const auto& person : document_["people"]) people.push_back(read_person(person, people.size()));
    return people;
  }

 private:
  OpenposePerson read_person(const nlohmann::json& person, std::size_t number) const {
    const std::string place = text("person ", number);
    if (!person.is_object() || !person.contains("pose_keypoints_2d"))
      throw FileError(file_, place, "no `pose_keypoints_2d`", "an object with it (OpenPose 1.2 or later)");
    OpenposePerson out;
    out.pose = read_keypoints(person, place, "pose_keypoints_2d", {25, 18}, "75 (BODY_25) or 54 (COCO)");
    out.face = read_keypoints(person, place, "face_keypoints_2d", {70, 70}, "210");
    out.left_hand = read_keypoints(person, place, "hand_left_keypoints_2d", {21, 21}, "63");
    out.right_hand = read_keypoints(person, place, "hand_right_keypoints_2d", {21, 21}, "63");
    out.id = read_id(person);
    return out;
  }

  static Index read_id(const nlohmann::json& person) {
    if (!person.contains("person_id")) return -1;
    const auto& id =
        person["person_id"].is_array() && !person["person_id"].empty() ? person["person_id"][0] : person["person_id"];
    return json_integer(id).value_or(-1);
  }

  std::vector<Keypoint> read_keypoints(const nlohmann::json& person, const std::string& place, const char* key,
                                       std::array<std::size_t, 2> counts, std::string_view expected) const {
    if (!person.contains(key)) return {};
    const auto& numbers = person[key];
    const std::string where = text(place, ", ", key);
    if (!numbers.is_array()) throw FileError(file_, where, numbers.type_name(), "a list of numbers");
    if (numbers.empty()) return {};
    if (numbers.size() != counts[0] * 3 && numbers.size() != counts[1] * 3)
      throw FileError(file_, where, text(numbers.size(), " numbers"), text("none or ", expected));
    std::vector<Keypoint> out(numbers.size() / 3);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const float confidence = read_number(numbers[3 * i + 2], where, i);
      const Keypoint seen{read_number(numbers[3 * i], where, i), read_number(numbers[3 * i + 1], where, i), confidence};
      if (confidence > 0) out[i] = seen;
    }
    return out;
  }

  float read_number(const nlohmann::json& number, const std::string& where, std::size_t joint) const {
    const double value = number.is_number() ? number.get<double>() : std::numeric_limits<double>::quiet_NaN();
    if (!(std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max())))
      throw FileError(file_, text(where, ", joint ", joint), number.dump().substr(0, 40), "a finite number");
    return static_cast<float>(value);
  }

  const nlohmann::json& document_;
  std::string_view file_;
};

/// A file of a folder with the number in its name.
struct NumberedFrame {
  std::uint64_t number;
  std::string video;
  std::filesystem::path path;
};

/// Takes "<video>_<digits>_keypoints.json" apart.
inline std::optional<NumberedFrame> numbered_frame(const std::filesystem::path& path) {
  constexpr std::string_view ending = "_keypoints.json";
  const std::string name = path.filename().string();
  if (name.starts_with('.') || !name.ends_with(ending)) return {};
  const std::string stem = name.substr(0, name.size() - ending.size());
  const std::size_t before = stem.find_last_not_of("0123456789");
  const std::size_t digits = before == std::string::npos ? 0 : before + 1;
  NumberedFrame frame{0, stem.substr(0, digits), path};
  const auto [end, error] = std::from_chars(stem.data() + digits, stem.data() + stem.size(), frame.number);
  if (digits == stem.size() || error != std::errc{}) return {};
  if (frame.video.ends_with('_')) frame.video.pop_back();
  return frame;
}

/// The frames of a folder in the order of their numbers. Throws FileError if there are none, if they belong to several
/// videos, or if two have the same number.
inline std::vector<NumberedFrame> numbered_frames(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::directory_iterator entries(folder, error);
  if (error) throw FileError(folder.string(), "", error.message(), "a folder of OpenPose's JSON files");
  std::vector<NumberedFrame> frames;
  for (; entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    if (auto frame = numbered_frame(entries->path())) frames.push_back(std::move(*frame));
  }
  if (error) throw FileError(folder.string(), "", error.message(), "a folder that can be listed");
  std::sort(frames.begin(), frames.end(), [](const NumberedFrame& a, const NumberedFrame& b) {
    return std::tie(a.number, a.path) < std::tie(b.number, b.path);
  });
  if (frames.empty())
    throw FileError(folder.string(), "", "no frames", "files named <video>_<12 digits>_keypoints.json");
  for (std::size_t i = 1; i < frames.size(); ++i) {
    if (frames[i].video != frames[0].video)
      throw FileError(folder.string(), "",
                      text("frames of the videos `", frames[0].video, "` and `", frames[i].video, "`"),
                      "frames of one video");
    if (frames[i].number == frames[i - 1].number)
      throw FileError(folder.string(), "", text("frame ", frames[i].number, " twice"), "every frame once");
  }
  return frames;
}

/// How far a person is from the one chosen last: the mean distance of the joints that the last one had. A joint that
/// is missing now counts as far away as the last person was large, so that a stray joint does not pass for a person.
inline double person_distance(const OpenposePerson& last, const OpenposePerson& person) {
  float left = std::numeric_limits<float>::max();
  float right = std::numeric_limits<float>::lowest();
  float top = left;
  float bottom = right;
  for (const Keypoint& joint : last.pose) {
    if (joint.confidence == 0) continue;
    left = std::min(left, joint.x);
    right = std::max(right, joint.x);
    top = std::min(top, joint.y);
    bottom = std::max(bottom, joint.y);
  }
  const double size = std::hypot(static_cast<double>(right) - left, static_cast<double>(bottom) - top);
  double sum = 0;
  int joints = 0;
  for (std::size_t i = 0; i < std::min(last.pose.size(), person.pose.size()); ++i) {
    const Keypoint& before = last.pose[i];
    const Keypoint& now = person.pose[i];
    if (before.confidence == 0) continue;
    sum += now.confidence == 0
               ? size
               : std::hypot(static_cast<double>(before.x) - now.x, static_cast<double>(before.y) - now.y);
    ++joints;
  }
  return joints == 0 ? 0 : sum / joints;
}

/// The person of a frame by the policy, or null if there is none. `last` is whom it chose before, if anybody.
inline const OpenposePerson* choose_person(std::span<const OpenposePerson> people, const OpenposeOptions& options,
                                           const std::optional<OpenposePerson>& last) {
  const OpenposePerson* chosen = nullptr;
  const auto is_better = [&](const OpenposePerson& candidate) {
    if (options.person == PersonPolicy::first) return false;
    if (options.person == PersonPolicy::nearest && last)
      return person_distance(*last, candidate) < person_distance(*last, *chosen);
    return candidate.confidence() > chosen->confidence();
  };
  for (const OpenposePerson& candidate : people) {
    if (candidate.confidence() == 0) continue;
    if (options.person == PersonPolicy::by_id && candidate.id != options.person_id) continue;
    if (chosen == nullptr || is_better(candidate)) chosen = &candidate;
  }
  return chosen;
}

/// Writes points as joints; as many absent ones where the list is empty.
inline float* write_joints(const std::vector<Keypoint>& points, Index count, float* to) {
  for (const Keypoint& point : points) {
    *to++ = point.x;
    *to++ = point.y;
    *to++ = point.confidence;
  }
  return points.empty() ? std::fill_n(to, 3 * count, 0.0F) : to;
}

/// The joints of a pose that `caller` is to read.
inline Index pose_joints(const OpenposeOptions& options, std::string_view caller) {
  const Index joints = gesture::joint_count(options.layout);
  if (joints == 0) throw ValueError(text(caller, ": the layout must be body_25 or coco_18"));
  return joints;
}

/// The joints that are read of a person, in all: pose, face and hands.
inline Index all_joints(const OpenposeOptions& options) {
  return gesture::joint_count(options.layout) + (options.face ? 70 : 0) + (options.hands ? 42 : 0);
}

/// Parsed people always have such points; those that a program made itself need not.
inline void check_points(const std::vector<Keypoint>& points, std::string_view list, std::string_view file) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    const Keypoint& point = points[i];
    if (!(std::isfinite(point.x) && std::isfinite(point.y) && std::isfinite(point.confidence) && point.confidence >= 0))
      throw FileError(file, text(list, ", joint ", i), text(point.x, ", ", point.y, ", ", point.confidence),
                      "finite numbers, and a confidence from 0 on");
  }
}

inline void check_list(const std::vector<Keypoint>& points, std::size_t count, std::string_view list,
                       std::string_view file) {
  if (!points.empty() && points.size() != count)
    throw FileError(file, list, text(points.size(), " points"), text("none or ", count));
  check_points(points, list, file);
}

}  // namespace detail

/// The people of one frame. `content` is the JSON text, `file` is only named in errors. Throws FileError for invalid
/// JSON, lists of any other length than none or OpenPose's, and numbers that are not finite.
inline std::vector<OpenposePerson> parse_openpose_frame(std::string_view content,
                                                        std::string_view file = "OpenPose frame in memory") {
  return detail::OpenposeFrameReader(parse_json(content, file), file).read();
}

/// Reads one frame's file; see `parse_openpose_frame`. An empty list of people is a frame without a person, no error.
inline std::vector<OpenposePerson> read_openpose_frame(const std::filesystem::path& path) {
  return parse_openpose_frame(read_text(path, std::uint64_t{64} << 20), path.string());
}

/// Keeps to one person in frames that come one after the other, from a camera or a folder, and remembers the last of
/// them. People come from `parse_openpose_frame`, or from a program that calls OpenPose itself. Which of several people
/// it is, and what becomes of skipped frame numbers, `OpenposeOptions` says.
class OpenposeFollower {
 public:
  /// `window` is how many frames are remembered; missing ones count. Throws ValueError for less than one, and for the
  /// layout `other`.
  explicit OpenposeFollower(Index window, const OpenposeOptions& options = {})
      : window_(window), options_(options), pose_joints_(detail::pose_joints(options, "OpenposeFollower")) {
    if (window < 1) throw ValueError(detail::text("OpenposeFollower: a window of ", window, " frames, at least 1"));
  }

  /// Takes the people of the next frame, and says whether the one that is followed is among them. `file` is only named
  /// in errors. Throws ValueError for a number that is not greater than the last one's; FileError for skipped numbers
  /// where they are an error or more than `max_frames`, for a pose of another layout, and for people whose lists have
  /// other lengths than OpenPose's or hold numbers that are not finite. The frame then counts as not taken.
  bool add(std::uint64_t number, std::span<const OpenposePerson> people, std::string_view file = {}) {
    const std::string name = file.empty() ? detail::text("OpenPose frame ", number) : std::string(file);
    const std::uint64_t missing = missing_before(number, name);
    Frame frame = frame_of(number, people, name);
    for (auto left = std::min(missing, static_cast<std::uint64_t>(window_)); left > 0; --left)
      remember({.number = number - left});
    remember(std::move(frame));
    return !frames_.back().joints.empty();
  }

  /// How many frames are remembered: `window`, and fewer at the beginning.
  Index frames() const { return static_cast<Index>(frames_.size()); }

  /// The joints of the last frame, [J, 3]; all of them missing if the person was not there. Throws ValueError before
  /// the first frame.
  Tensor<float> joints() const { return sequence(1).joints.select(0, 0); }

  /// The frames that are remembered.
  gesture::JointSequence sequence() const { return sequence(window_); }

  /// The last of them, at most `count`, with what is counted in them. Throws ValueError before the first frame, and for
  /// a count of less than one.
  gesture::JointSequence sequence(Index count) const {
    if (frames_.empty()) throw ValueError("OpenposeFollower: asked for joints before the first frame");
    if (count < 1)
      throw ValueError(detail::text("OpenposeFollower: asked for the last ", count, " frames, at least 1"));
    const Index length = std::min(count, frames());
    const Index all = detail::all_joints(options_);
    const auto first = frames_.end() - length;
    gesture::JointSequence out{
        .joints = Tensor<float>::zeros({length, all, 3}),
        .layout = all == pose_joints_ ? options_.layout : gesture::JointLayout::other,
        .first_frame = static_cast<Index>(std::min<std::uint64_t>(first->number, std::numeric_limits<Index>::max()))};
    float* to = out.joints.data();
    for (auto frame = first; frame != frames_.end(); ++frame, to += 3 * all) {
      std::copy(frame->joints.begin(), frame->joints.end(), to);
      if (frame->joints.empty()) ++out.frames_without_person;
      if (frame->has_several) ++out.frames_with_several_people;
    }
    return out;
  }

  /// Forgets the person and all frames, as at a cut; numbers may begin anew.
  void reset() {
    frames_.clear();
    last_.reset();
  }

 private:
  struct Frame {
    std::uint64_t number = 0;
    std::vector<float> joints = {};  ///< empty: the person is not there
    bool has_several = false;
  };

  /// How many frames of which nothing is known come before this one.
  std::uint64_t missing_before(std::uint64_t number, const std::string& name) const {
    if (frames_.empty()) return 0;
    const std::uint64_t before = frames_.back().number;
    if (number <= before)
      throw ValueError(
          detail::text("OpenposeFollower: frame ", number, " after frame ", before, ", expected a greater number"));
    const std::uint64_t skipped = number - before - 1;
    if (skipped > 0 && options_.gaps == FrameGaps::error)
      throw FileError(name, "", detail::text(skipped, " skipped frame numbers"), "numbers without gaps");
    if (skipped == 0 || options_.gaps == FrameGaps::closed) return 0;
    if (skipped + 1 >= static_cast<std::uint64_t>(std::max<Index>(options_.max_frames, 0)))
      throw FileError(name, "", detail::text("frames ", before, " to ", number),
                      detail::text("at most ", options_.max_frames, " frames (OpenposeOptions::max_frames)"));
    return skipped;
  }

  /// Chooses the person of a frame, who is then the last one chosen.
  Frame frame_of(std::uint64_t number, std::span<const OpenposePerson> people, const std::string& name) {
    for (const OpenposePerson& one : people) detail::check_points(one.pose, "pose_keypoints_2d", name);
    const auto is_seen = [](const OpenposePerson& one) { return one.confidence() > 0; };
    Frame frame{.number = number, .has_several = std::count_if(people.begin(), people.end(), is_seen) > 1};
    if (const OpenposePerson* const person = detail::choose_person(people, options_, last_)) {
      frame.joints = joints_of(*person, name);
      last_ = *person;
    }
    return frame;
  }

  std::vector<float> joints_of(const OpenposePerson& person, const std::string& name) const {
    if (static_cast<Index>(person.pose.size()) != pose_joints_)
      throw FileError(name, "pose_keypoints_2d", detail::text(person.pose.size(), " joints"),
                      detail::text(pose_joints_, " (", gesture::layout_name(options_.layout), ")"));
    std::vector<float> joints(static_cast<std::size_t>(3 * detail::all_joints(options_)));
    float* to = detail::write_joints(person.pose, pose_joints_, joints.data());
    if (options_.face) {
      detail::check_list(person.face, 70, "face_keypoints_2d", name);
      to = detail::write_joints(person.face, 70, to);
    }
    if (options_.hands) {
      detail::check_list(person.left_hand, 21, "hand_left_keypoints_2d", name);
      detail::check_list(person.right_hand, 21, "hand_right_keypoints_2d", name);
      detail::write_joints(person.right_hand, 21, detail::write_joints(person.left_hand, 21, to));
    }
    return joints;
  }

  void remember(Frame frame) {
    frames_.push_back(std::move(frame));
    if (frames() > window_) frames_.pop_front();
  }

  Index window_;
  OpenposeOptions options_;
  Index pose_joints_;
  std::deque<Frame> frames_;
  std::optional<OpenposePerson> last_;
};

/// Reads the pose of one person, with face and hands if asked for, from a folder with one JSON file a frame, in the
/// order of the frame numbers.
///
/// The sequence starts at the first number there is, its `first_frame`. Frames without the chosen person have
/// confidence 0 in all joints and are counted, and so are frames in which somebody had to be chosen among several.
/// Files with other names are skipped. Throws FileError for damaged files, a pose of another layout, several videos in
/// one folder, and if no frame shows a person.
inline gesture::JointSequence read_openpose_folder(const std::filesystem::path& folder,
                                                   const OpenposeOptions& options = {}) {
  detail::pose_joints(options, "read_openpose_folder");
  const auto frames = detail::numbered_frames(folder);
  const std::uint64_t span = frames.back().number - frames.front().number;
  const std::uint64_t gaps = span - (frames.size() - 1);
  if (gaps > 0 && options.gaps == FrameGaps::error)
    throw FileError(folder.string(), "", detail::text(gaps, " skipped frame numbers"), "numbers without gaps");
  const std::uint64_t count = options.gaps == FrameGaps::missing ? span : frames.size() - 1;
  if (count >= static_cast<std::uint64_t>(std::max<Index>(options.max_frames, 0)))
    throw FileError(folder.string(), "", detail::text("frames ", frames.front().number, " to ", frames.back().number),
                    detail::text("at most ", options.max_frames, " frames (OpenposeOptions::max_frames)"));

  const Index length = static_cast<Index>(count) + 1;
  OpenposeFollower follow(length, options);
  for (const detail::NumberedFrame& frame : frames)
    follow.add(frame.number, read_openpose_frame(frame.path), frame.path.string());
  gesture::JointSequence out = follow.sequence();
  out.name = frames[0].video;
  if (out.frames_without_person == length)
    throw FileError(folder.string(), "", detail::text("no person in ", frames.size(), " frames"),
                    "somebody in at least one");
  return out;
}

}  // namespace mien::io
