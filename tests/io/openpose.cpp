#include <mien/io/openpose.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"

using namespace mien;
using io::FrameGaps;
using io::PersonPolicy;

namespace {

/// A list of `joints` keypoints around (x, y), all with the same confidence.
std::string keypoints(int joints, double x, double y, double confidence) {
  std::string out = "[";
  for (int i = 0; i < joints; ++i) out += mien::detail::text(i > 0 ? "," : "", x + i, ",", y + 2 * i, ",", confidence);
  return out + "]";
}

std::string person(const std::string& pose, int id = -1) {
  return mien::detail::text("{\"person_id\":[", id, "],\"pose_keypoints_2d\":", pose,
                            ",\"face_keypoints_2d\":[],\"hand_left_keypoints_2d\":[]}");
}

std::string frame(const std::vector<std::string>& people) {
  std::string out = "{\"version\":1.3,\"people\":[";
  for (std::size_t i = 0; i < people.size(); ++i) out += (i > 0 ? "," : "") + people[i];
  return out + "]}";
}

void write_frame(const TemporaryFolder& folder, int number, const std::vector<std::string>& people,
                 const std::string& video = "clip_1") {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%012d", number);
  io::write_file(folder / (video + "_" + digits + "_keypoints.json"), frame(people));
}

std::string refusal(const std::string& content) {
  return message_of<FileError>([&] { io::parse_openpose_frame(content, "f.json"); });
}

}  // namespace

TEST_CASE("people of a frame are read with all their parts") {
  const auto people = io::parse_openpose_frame(
      "{\"people\":[{\"pose_keypoints_2d\":" + keypoints(25, 10, 20, 0.5) +
      ",\"face_keypoints_2d\":" + keypoints(70, 0, 0, 1) + ",\"hand_left_keypoints_2d\":" + keypoints(21, 0, 0, 1) +
      ",\"hand_right_keypoints_2d\":[],\"pose_keypoints_3d\":[]}," + person(keypoints(18, 1, 2, 0.25), 7) + "]}");
  REQUIRE(people.size() == 2);
  CHECK(people[0].pose.size() == 25);
  CHECK(people[0].pose[3].x == 13);
  CHECK(people[0].pose[3].y == 26);
  CHECK(people[0].pose[3].confidence == 0.5f);
  CHECK(people[0].face.size() == 70);
  CHECK(people[0].left_hand.size() == 21);
  CHECK(people[0].right_hand.empty());
  CHECK(people[0].id == -1);
  CHECK(people[0].confidence() == 12.5f);
  CHECK(people[1].pose.size() == 18);
  CHECK(people[1].id == 7);
  CHECK(io::parse_openpose_frame(frame({})).empty());
}

TEST_CASE("a joint of confidence 0 is missing, whatever x and y say") {
  const auto people = io::parse_openpose_frame(frame({person(keypoints(25, 10, 20, 0))}));
  CHECK(people[0].pose[4].x == 0);
  CHECK(people[0].pose[4].y == 0);
  CHECK(people[0].confidence() == 0);
}

TEST_CASE("other files and other lengths are refused with what was expected") {
  const std::string said = refusal(frame({person(keypoints(24, 0, 0, 1))}));
  CHECK(contains(said, "f.json"));
  CHECK(contains(said, "person 0"));
  CHECK(contains(said, "72 numbers"));
  CHECK(contains(said, "BODY_25"));
  CHECK(contains(said, "COCO"));
  for (const std::string bad : {"", "[]", "{}", "{\"people\":{}}", "{\"people\":[1]}", "{\"people\":[{}]}",
                                "{\"people\":[{\"pose_keypoints_2d\":7}]}"})
    CHECK(refusal(bad) != "nothing thrown");
  std::string pose = keypoints(25, 1, 1, 1);
  CHECK(refusal(frame({person("[null" + pose.substr(2))})) != "nothing thrown");
  CHECK(refusal(frame({person("[\"1\"" + pose.substr(2))})) != "nothing thrown");
  CHECK(contains(refusal(frame({person("[1e300" + pose.substr(2))})), "joint 0"));
  CHECK(refusal(frame({person("[nan" + pose.substr(2))})) != "nothing thrown");
  CHECK(contains(
      refusal("{\"people\":[{\"pose_keypoints_2d\":[],\"face_keypoints_2d\":" + keypoints(69, 0, 0, 1) + "}]}"),
      "210"));
}

TEST_CASE("a folder is read in the order of its frame numbers; other files are skipped") {
  const TemporaryFolder folder;
  for (const int number : {12, 10, 11}) write_frame(folder, number, {person(keypoints(25, number, 0, 0.5))});
  io::write_file(folder / "notes.txt", "x");
  io::write_file(folder / ".hidden_000000000001_keypoints.json", "x");
  const auto sequence = io::read_openpose_folder(folder.path());
  CHECK(sequence.name == "clip_1");
  CHECK(sequence.layout == gesture::JointLayout::body_25);
  REQUIRE(sequence.joints.shape() == Shape{3, 25, 3});
  for (Index i = 0; i < 3; ++i) CHECK(sequence.joints(i, 0, 0) == static_cast<float>(10 + i));
  CHECK(sequence.joints(2, 24, 1) == 48);
  CHECK(sequence.joints(2, 24, 2) == 0.5f);
  CHECK(sequence.frames_without_person == 0);
  CHECK(sequence.frames_with_several_people == 0);
}

TEST_CASE("skipped frame numbers are missing frames, closed up, or an error") {
  const TemporaryFolder folder;
  write_frame(folder, 3, {person(keypoints(25, 3, 0, 1))});
  write_frame(folder, 4, {});
  write_frame(folder, 7, {person(keypoints(25, 7, 0, 1))});
  const auto missing = io::read_openpose_folder(folder.path());
  REQUIRE(missing.frames() == 5);
  CHECK(missing.joints(4, 0, 0) == 7);
  for (const Index gap : {1, 2, 3}) CHECK(missing.joints(gap, 0, 2) == 0);
  CHECK(missing.frames_without_person == 3);
  const auto closed = io::read_openpose_folder(folder.path(), {.gaps = FrameGaps::closed});
  REQUIRE(closed.frames() == 3);
  CHECK(closed.joints(2, 0, 0) == 7);
  CHECK(closed.frames_without_person == 1);
  CHECK_THROWS_AS(io::read_openpose_folder(folder.path(), {.gaps = FrameGaps::error}), FileError);
  CHECK_NOTHROW(io::read_openpose_folder(folder.path(), {.max_frames = 5}));
  CHECK_THROWS_AS(io::read_openpose_folder(folder.path(), {.max_frames = 4}), FileError);
}

TEST_CASE("one of several people is chosen as asked") {
  const TemporaryFolder folder;
  // Somebody at 100 who stays; somebody at 900 who is seen better from the second frame on, and stands first there.
  write_frame(folder, 0, {person(keypoints(25, 100, 0, 0.8), 1)});
  write_frame(folder, 1, {person(keypoints(25, 900, 0, 0.9), 2), person(keypoints(25, 104, 0, 0.5), 1)});
  write_frame(folder, 2, {person(keypoints(25, 108, 0, 0.5), 1), person(keypoints(25, 904, 0, 0.9), 2)});
  const auto places = [&](PersonPolicy policy, Index id = 0) {
    const auto sequence = io::read_openpose_folder(folder.path(), {.person = policy, .person_id = id});
    CHECK(sequence.frames_with_several_people == 2);
    return std::vector<float>{sequence.joints(0, 0, 0), sequence.joints(1, 0, 0), sequence.joints(2, 0, 0)};
  };
  CHECK(places(PersonPolicy::nearest) == std::vector<float>{100, 104, 108});
  CHECK(places(PersonPolicy::most_confident) == std::vector<float>{100, 900, 904});
  CHECK(places(PersonPolicy::first) == std::vector<float>{100, 900, 108});
  CHECK(places(PersonPolicy::by_id, 2) == std::vector<float>{0, 900, 904});
  CHECK(
      io::read_openpose_folder(folder.path(), {.person = PersonPolicy::by_id, .person_id = 2}).frames_without_person ==
      1);
  CHECK_THROWS_AS(io::read_openpose_folder(folder.path(), {.person = PersonPolicy::by_id, .person_id = 3}), FileError);
}

TEST_CASE("a stray joint close by does not pass for the person, nor an empty pose") {
  const TemporaryFolder folder;
  write_frame(folder, 0, {person(keypoints(25, 100, 0, 0.8))});
  std::string stray = "[100,0,0.9";
  for (int i = 1; i < 25; ++i) stray += ",0,0,0";
  write_frame(folder, 1, {person(stray + "]"), person("[]"), person(keypoints(25, 110, 0, 0.8))});
  const auto sequence = io::read_openpose_folder(folder.path());
  CHECK(sequence.joints(1, 0, 0) == 110);
}

TEST_CASE("folders that cannot be one person's sequence are refused") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(io::read_openpose_folder(folder / "missing"), FileError);
  CHECK(contains(message_of<FileError>([&] { io::read_openpose_folder(folder.path()); }), "_keypoints.json"));
  write_frame(folder, 0, {});
  CHECK(contains(message_of<FileError>([&] { io::read_openpose_folder(folder.path()); }), "no person in 1 frames"));
  write_frame(folder, 1, {person(keypoints(18, 1, 1, 1))});
  CHECK(contains(message_of<FileError>([&] { io::read_openpose_folder(folder.path()); }), "BODY_25"));
  CHECK(io::read_openpose_folder(folder.path(), {.layout = gesture::JointLayout::coco_18}).joint_count() == 18);
  CHECK_THROWS_AS(io::read_openpose_folder(folder.path(), {.layout = gesture::JointLayout::other}), ValueError);
  write_frame(folder, 40, {});
  io::write_file(folder / "clip_1_40_keypoints.json", frame({}));
  CHECK(contains(message_of<FileError>([&] { io::read_openpose_folder(folder.path()); }),
                 "found frame 40 twice, expected every frame once"));
  std::filesystem::remove(folder / "clip_1_40_keypoints.json");
  write_frame(folder, 2, {}, "clip_2");
  CHECK(contains(message_of<FileError>([&] { io::read_openpose_folder(folder.path()); }), "`clip_2`"));
}

TEST_CASE("faces and hands stand behind the pose where they are asked for") {
  const TemporaryFolder folder;
  write_frame(
      folder, 0,
      {"{\"pose_keypoints_2d\":" + keypoints(25, 1, 2, 0.5) + ",\"face_keypoints_2d\":" + keypoints(70, 300, 0, 0.25) +
       ",\"hand_left_keypoints_2d\":[],\"hand_right_keypoints_2d\":" + keypoints(21, 500, 0, 1) + "}"});
  write_frame(folder, 1, {person(keypoints(25, 3, 2, 0.5))});
  const auto all = io::read_openpose_folder(folder.path(), {.face = true, .hands = true});
  CHECK(all.joints.shape() == Shape{2, 137, 3});
  CHECK(all.layout == gesture::JointLayout::other);
  CHECK(all.joints(0, 24, 0) == 25);
  CHECK(all.joints(0, 25, 0) == 300);
  CHECK(all.joints(0, 94, 0) == 369);
  CHECK(all.joints(0, 95, 2) == 0);
  CHECK(all.joints(0, 116, 0) == 500);
  CHECK(all.joints(0, 136, 2) == 1);
  CHECK(all.joints(1, 0, 0) == 3);
  CHECK(all.joints(1, 60, 2) == 0);
  CHECK(io::read_openpose_folder(folder.path(), {.hands = true}).joints(0, 46, 0) == 500);
  CHECK(io::read_openpose_folder(folder.path()).joints.shape() == Shape{2, 25, 3});
}

TEST_CASE("a sequence says which frame it begins with, and counts as several those who are seen") {
  const TemporaryFolder folder;
  const std::string seen = person(keypoints(25, 1, 1, 0.5));
  write_frame(folder, 3, {seen, person("[]")});
  write_frame(folder, 4, {seen, person(keypoints(25, 1, 1, 0))});
  const auto one = io::read_openpose_folder(folder.path());
  CHECK(one.first_frame == 3);
  CHECK(one.frames_with_several_people == 0);
  write_frame(folder, 5, {seen, seen});
  CHECK(io::read_openpose_folder(folder.path()).frames_with_several_people == 1);
}

namespace {

/// The frames of a film in which somebody at 100 walks to the right and somebody at 900 stays, in changing order, with
/// frames of nobody, of one of them, of a stray joint, and skipped numbers.
std::vector<std::pair<int, std::vector<std::string>>> frames_of_two_people() {
  const auto walker = [](int number) { return person(keypoints(25, 100 + 4 * number, 31, 0.5), 1); };
  const auto other = [](int number) { return person(keypoints(25, 900, 65 - number, 0.6), 2); };
  return {{3, {walker(3)}},
          {4, {walker(4), other(4)}},
          {5, {other(5), walker(5)}},
          {6, {}},
          {7, {other(7), walker(7)}},
          {10, {other(10)}},
          {11, {person("[]"), other(11), walker(11)}},
          {15, {walker(15), person(keypoints(25, 1, 1, 0))}}};
}

void check_equal(const gesture::JointSequence& a, const gesture::JointSequence& b) {
  REQUIRE(a.joints.shape() == b.joints.shape());
  CHECK(std::equal(a.joints.span().begin(), a.joints.span().end(), b.joints.span().begin()));
  CHECK(a.layout == b.layout);
  CHECK(a.frames_without_person == b.frames_without_person);
  CHECK(a.frames_with_several_people == b.frames_with_several_people);
  CHECK(a.first_frame == b.first_frame);
}

/// One that has taken frames 3 and 4 of somebody at 100.
io::OpenposeFollower follower_after_4(Index window, const io::OpenposeOptions& options = {}) {
  io::OpenposeFollower follow(window, options);
  for (const std::uint64_t number : {3U, 4U}) {
    const auto x = static_cast<double>(100 + number);
    follow.add(number, io::parse_openpose_frame(frame({person(keypoints(25, x, 0, 0.5))})));
  }
  return follow;
}

io::OpenposePerson person_at(float x, std::size_t joints = 25) {
  return {.pose = std::vector<io::Keypoint>(joints, {x, 1, 0.5f})};
}

}  // namespace

TEST_CASE("frame by frame a folder gives the same joints as at once, by each policy and with each kind of gaps") {
  const TemporaryFolder with_gaps;
  const TemporaryFolder without_gaps;
  const auto frames = frames_of_two_people();
  for (const auto& [number, people] : frames) write_frame(with_gaps, number, people);
  for (int i = 0; i < 8; ++i) write_frame(without_gaps, i, frames[static_cast<std::size_t>(i)].second);
  for (const auto policy :
       {PersonPolicy::nearest, PersonPolicy::most_confident, PersonPolicy::first, PersonPolicy::by_id})
    for (const auto gaps : {FrameGaps::missing, FrameGaps::closed, FrameGaps::error})
      for (const bool has_parts : {false, true}) {
        CAPTURE(static_cast<int>(policy));
        CAPTURE(static_cast<int>(gaps));
        const io::OpenposeOptions options{
            .person = policy, .person_id = 2, .gaps = gaps, .face = has_parts, .hands = has_parts};
        const bool is_whole = gaps == FrameGaps::error;
        const auto at_once = io::read_openpose_folder((is_whole ? without_gaps : with_gaps).path(), options);
        io::OpenposeFollower follow(100, options);
        for (std::size_t i = 0; i < frames.size(); ++i) {
          const auto number = is_whole ? i : static_cast<std::size_t>(frames[i].first);
          const bool is_there = follow.add(number, io::parse_openpose_frame(frame(frames[i].second)));
          const Index place = gaps == FrameGaps::missing ? static_cast<Index>(number) - 3 : static_cast<Index>(i);
          REQUIRE(follow.frames() == place + 1);
          const auto joints = follow.joints();
          const auto expected = at_once.joints.select(0, place);
          REQUIRE(joints.shape() == expected.shape());
          CHECK(std::equal(joints.span().begin(), joints.span().end(), expected.span().begin()));
          CHECK(is_there == (expected(0, 2) > 0));
        }
        check_equal(follow.sequence(), at_once);
      }
}

TEST_CASE("a follower keeps to its person while people change places in the list, and waits through empty frames") {
  io::OpenposeFollower follow(20);
  std::vector<float> places;
  for (const auto& [number, people] : frames_of_two_people())
    if (follow.add(static_cast<std::uint64_t>(number), io::parse_openpose_frame(frame(people))))
      places.push_back(follow.joints()(0, 0));
  CHECK(places == std::vector<float>{112, 116, 120, 128, 900, 900, 160});
  const auto all = follow.sequence();
  CHECK(all.frames() == 13);
  CHECK(all.frames_without_person == 6);
  CHECK(all.frames_with_several_people == 4);
}

TEST_CASE("a window has the last frames, missing ones among them, and forgets those before") {
  const auto seen = [](float x) { return std::vector{person_at(x)}; };
  io::OpenposeFollower follow(4);
  for (std::uint64_t number = 10; number < 17; ++number) follow.add(number, seen(static_cast<float>(number)));
  const auto window = follow.sequence();
  CHECK(window.frames() == 4);
  CHECK(window.first_frame == 13);
  CHECK(window.joints(0, 0, 0) == 13);
  CHECK(follow.sequence(2).joints(0, 24, 0) == 15);
  CHECK(follow.sequence(2).first_frame == 15);
  CHECK(follow.sequence(99).frames() == 4);

  follow.add(19, seen(19));
  const auto gap = follow.sequence();
  CHECK(gap.frames() == 4);
  CHECK(gap.first_frame == 16);
  CHECK(gap.frames_without_person == 2);
  CHECK(gap.joints(0, 0, 0) == 16);
  CHECK(gap.joints(2, 0, 2) == 0);
  CHECK(gap.joints(3, 0, 0) == 19);

  follow.add(900'000, {});
  CHECK(follow.sequence().first_frame == 899'997);
  CHECK(follow.sequence().frames_without_person == 4);

  follow.reset();
  CHECK(follow.frames() == 0);
  CHECK_THROWS_AS(follow.joints(), ValueError);
  // Whom it followed is forgotten too: the most confident counts anew.
  auto better = person_at(700);
  better.pose[3].confidence = 0.9f;
  CHECK(follow.add(1, std::vector{person_at(20), better}));
  CHECK(follow.joints()(0, 0) == 700);
}

TEST_CASE("a frame's number has to grow, and what is refused was not taken") {
  auto follow = follower_after_4(3);
  for (const std::uint64_t number : {4U, 3U, 0U}) {
    const std::string said = message_of<ValueError>([&] { follow.add(number, {}); });
    CHECK(contains(said, mien::detail::text("frame ", number, " after frame 4")));
  }
  CHECK(follow.frames() == 2);
  CHECK(follow.joints()(0, 0) == 104);
  CHECK_FALSE(follow.add(5, {}));
  CHECK(follow.frames() == 3);
}

TEST_CASE("a follower treats skipped numbers as it is told, and none that are too many") {
  auto strict = follower_after_4(9, {.gaps = FrameGaps::error});
  const std::string said = message_of<FileError>([&] { strict.add(7, {}); });
  CHECK(contains(said, "OpenPose frame 7: found 2 skipped frame numbers"));
  CHECK(strict.frames() == 2);
  CHECK_NOTHROW(strict.add(5, {}));

  auto closed = follower_after_4(9, {.gaps = FrameGaps::closed});
  closed.add(std::numeric_limits<std::uint64_t>::max(), {});
  CHECK(closed.frames() == 3);
  CHECK(closed.sequence(1).first_frame == std::numeric_limits<Index>::max());

  auto missing = follower_after_4(9, {.max_frames = 5});
  CHECK(contains(message_of<FileError>([&] { missing.add(9, {}); }), "found frames 4 to 9, expected at most 5 frames"));
  CHECK(missing.frames() == 2);
  CHECK_NOTHROW(missing.add(8, {}));
  // A stream may go on for longer than that.
  for (std::uint64_t number = 9; number < 20; ++number) CHECK_NOTHROW(missing.add(number, {}));
}

TEST_CASE("people that a program made itself are checked as files are") {
  auto follow = follower_after_4(9, {.face = true, .hands = true});
  const auto refusal_of = [&](const io::OpenposePerson& one) {
    const std::string said = message_of<FileError>([&] { follow.add(5, std::vector{one}, "camera 2"); });
    CHECK(follow.frames() == 2);
    return said;
  };
  CHECK(contains(refusal_of(person_at(1, 18)), "camera 2: pose_keypoints_2d: found 18 joints, expected 25 (BODY_25)"));
  auto one = person_at(1);
  one.face.resize(69);
  CHECK(contains(refusal_of(one), "face_keypoints_2d: found 69 points, expected none or 70"));
  one.face.resize(70);
  one.left_hand.resize(22);
  CHECK(contains(refusal_of(one), "hand_left_keypoints_2d: found 22 points, expected none or 21"));
  one.left_hand.clear();
  one.right_hand.resize(1);
  CHECK(contains(refusal_of(one), "hand_right_keypoints_2d"));
  one.right_hand.resize(21);
  one.right_hand[20].y = std::nanf("");
  CHECK(contains(refusal_of(one), "hand_right_keypoints_2d, joint 20"));
  one.right_hand[20].y = 1;
  for (const io::Keypoint bad :
       {io::Keypoint{std::nanf(""), 1, 1}, {1, HUGE_VALF, 1}, {1, 1, std::nanf("")}, {1, 1, -1}}) {
    one.pose[24] = bad;
    CHECK(contains(refusal_of(one), "pose_keypoints_2d, joint 24"));
  }
  one.pose[24] = {};
  CHECK(follow.add(5, std::vector{one}));

  CHECK_THROWS_AS(io::OpenposeFollower(0), ValueError);
  CHECK(contains(message_of<ValueError>([] { io::OpenposeFollower(1, {.layout = gesture::JointLayout::other}); }),
                 "OpenposeFollower: the layout must be body_25 or coco_18"));
  CHECK_THROWS_AS(follow.sequence(0), ValueError);
  CHECK_THROWS_AS(io::OpenposeFollower(1).sequence(), ValueError);
}
