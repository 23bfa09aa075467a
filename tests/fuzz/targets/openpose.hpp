#pragma once

#include <mien/io/openpose.hpp>

#include "fuzz/target.hpp"

namespace mien::fuzzing {

inline std::string openpose_frame(Index joints) {
  std::string points;
  for (Index i = 0; i < joints; ++i) points += (i > 0 ? "," : "") + std::to_string(10 * i) + ",20.5,0.75";
  const std::string person = R"({"person_id":[-1],"pose_keypoints_2d":[)" + points +
                             R"(],"face_keypoints_2d":[],"hand_left_keypoints_2d":[],"hand_right_keypoints_2d":[]})";
  return R"({"version":1.3,"people":[)" + person + "," + person + "]}";
}

/// One frame, alone, and as the last one of a folder whose first frame is whole, so that the choice among people has
/// a past.
inline const Target openpose_target{
    [](Bytes bytes) {
      static const MemoryFolder folder;
      static const auto first = folder.write("a_000000000000_keypoints.json", bytes_of(openpose_frame(25)));
      static_cast<void>(io::parse_openpose_frame(text_of(bytes)));
      folder.write("a_000000000002_keypoints.json", bytes);
      static_cast<void>(io::read_openpose_folder(folder.path(), {.face = true, .hands = true}));
      static_cast<void>(io::read_openpose_folder(folder.path(), {.person = io::PersonPolicy::most_confident}));
    },
    [] {
      return std::vector{openpose_frame(25), std::string(R"({"version":1.3,"people":[]})")};
    },
    {"\"people\"", "\"person_id\"", "\"pose_keypoints_2d\"", "\"face_keypoints_2d\"", "\"hand_left_keypoints_2d\"",
     "\"hand_right_keypoints_2d\"", "[]", "0,0,0", "1e39", "-1", "1.5", "null"}};

}  // namespace mien::fuzzing
