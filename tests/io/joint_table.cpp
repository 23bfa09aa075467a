#include <mien/io/joint_table.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"

using namespace mien;
using gesture::JointLayout;
using io::CsvTable;

namespace {

const io::JointTableOptions any_layout = {.layout = JointLayout::other};

std::string refusal(const std::string& content, const io::JointTableOptions& options = any_layout) {
  return message_of<FileError>([&] { io::read_joint_table(CsvTable::parse(content, "t.csv"), options); });
}

void write_recordings(const TemporaryFolder& folder, const Tensor<std::int64_t>& array, const std::string& list) {
  io::write_npy(folder / "joints.npy", array);
  io::write_file(folder / "sequences.csv", list);
}

Tensor<std::int64_t> counting(const Shape& shape) {
  Tensor<std::int64_t> out(shape);
  for (Index i = 0; i < out.elements(); ++i) out.data()[i] = i;
  return out;
}

}  // namespace

TEST_CASE("recordings are gathered from a table and ordered by frame") {
  const auto recordings = io::read_joint_table(CsvTable::parse("label,sequence,frame,x0,y0,c0,x1,y1,c1\n"
                                                               "wave,b,3,5,6,0.5,7,8,1\n"
                                                               "bow,a,1,1,2,1,3,4,0\n"
                                                               "wave,b,2,9,10,1,,,0\n"),
                                               any_layout);
  REQUIRE(recordings.size() == 2);
  CHECK(recordings[0].sequence.name == "b");
  CHECK(recordings[0].label == "wave");
  CHECK(recordings[0].subject.empty());
  REQUIRE(recordings[0].sequence.joints.shape() == Shape{2, 2, 3});
  CHECK(recordings[0].sequence.joints(0, 0, 0) == 9);
  CHECK(recordings[0].sequence.joints(0, 1, 2) == 0);
  CHECK(recordings[0].sequence.joints(1, 0, 1) == 6);
  CHECK(recordings[0].sequence.joints(1, 0, 2) == 0.5f);
  CHECK(recordings[1].label == "bow");
  // Confidence 0: not seen, whatever the coordinates.
  CHECK(recordings[1].sequence.joints(0, 1, 0) == 0);
  CHECK(recordings[1].attributes.at("sequence") == "a");
}

TEST_CASE("columns are named by the caller, numbers are scaled") {
  io::JointTableOptions options{.columns = {.sequence = "clip",
                                            .frame = "",
                                            .label = "emotion",
                                            .subject = "actor",
                                            .split = "set",
                                            .x = {"nose_x", "neck_x", "hip_x"},
                                            .y = {"nose_y", "neck_y", "hip_y"}},
                                .layout = JointLayout::other,
                                .coordinate_scale = 0.5};
  const auto recordings = io::read_joint_table(
      CsvTable::parse("clip,emotion,actor,set,nose_x,nose_y,neck_x,neck_y,hip_x,hip_y\n1,joy,S1,train,2,4,6,8,,\n"),
      options);
  REQUIRE(recordings.size() == 1);
  CHECK(recordings[0].subject == "S1");
  CHECK(recordings[0].split == "train");
  CHECK(recordings[0].attributes.at("actor") == "S1");
  CHECK(recordings[0].sequence.joints(0, 1, 0) == 3);
  CHECK(recordings[0].sequence.joints(0, 1, 2) == 1);
  CHECK(recordings[0].sequence.joints(0, 2, 2) == 0);
  CHECK(recordings[0].sequence.frames_without_person == 0);
}

TEST_CASE("frames in which no joint was seen are counted") {
  const auto recordings = io::read_joint_table(
      CsvTable::parse("sequence,frame,label,x0,y0,c0\na,0,l,1,1,1\na,1,l,1,1,0\na,2,l,,,\n"), any_layout);
  CHECK(recordings[0].sequence.frames_without_person == 2);
}

TEST_CASE("tables that contradict themselves are refused with line and column") {
  const std::string start = "sequence,frame,label,x0,y0,c0\n";
  CHECK(refusal(start + "a,0,l,1,2,1\n") == "nothing thrown");
  CHECK(contains(refusal(start + "a,0,l,1,2,1\na,0,l,1,2,1\n"), "line 3, column `frame`"));
  CHECK(contains(refusal(start + "a,0,l,1,2,1\na,1,m,1,2,1\n"), "line 3, column `label`"));
  // The other line that they contradict is named as well.
  CHECK(contains(refusal(start + "b,0,l,1,2,1\na,0,l,1,2,1\na,1,l,1,2,1\na,0,l,1,2,1\n"),
                 "line 5, column `frame`: found `0`, expected every frame of a recording once; line 3 has it too"));
  CHECK(contains(refusal(start + "b,0,l,1,2,1\na,0,l,1,2,1\na,1,m,1,2,1\n"),
                 "line 4, column `label`: found `m`, expected `l` as in line 3 of the same recording"));
  CHECK(contains(refusal(start + "a,0,l,1,x,1\n"), "line 2, column `y0`"));
  CHECK(contains(refusal(start + "a,0,l,1,nan,1\n"), "line 2, column `y0`"));
  CHECK(contains(refusal(start + "a,0,l,1e300,2,1\n"), "line 2, column `x0`"));
  CHECK(contains(refusal(start + "a,0,l,1,2,-1\n"), "line 2, column `c0`"));
  CHECK(contains(refusal(start + "a,0,l,1,2,1e39\n"), "line 2, column `c0`"));
  CHECK(contains(refusal(start + "a,z,l,1,2,1\n"), "line 2, column `frame`"));
  CHECK(contains(refusal("sequence,frame,x0,y0\na,0,1,2\n"), "no column `label`"));
  CHECK(contains(refusal("sequence,frame,label,x0,y0,x1\na,0,l,1,2,3\n"), "2 columns of x, 1 of y"));
  CHECK(contains(refusal("sequence,frame,label\na,0,l\n"), "0 columns of x"));
  CHECK(contains(refusal(start + "a,0,l,1,2,1\n", {}), "BODY_25"));
}

TEST_CASE("recordings are cut out of one array by a list") {
  const TemporaryFolder folder;
  write_recordings(folder, counting({5, 2, 3}),
                   "split,subject,label,rep,start,length\ntest,18,box,1,0,2\n,7,sit,2,2,3\n");
  const auto recordings = io::read_joint_recordings(folder.path(), {.layout = JointLayout::other});
  REQUIRE(recordings.size() == 2);
  CHECK(recordings[0].label == "box");
  CHECK(recordings[0].split == "test");
  CHECK(recordings[1].subject == "7");
  CHECK(recordings[1].attributes.at("rep") == "2");
  CHECK(recordings[1].sequence.name == "1");
  CHECK(recordings[1].place == (folder / "sequences.csv").string() + ": line 3");
  REQUIRE(recordings[1].sequence.joints.shape() == Shape{3, 2, 3});
  CHECK(recordings[1].sequence.joints(0, 0, 0) == doctest::Approx(1.2));
  CHECK(recordings[1].sequence.joints(2, 1, 1) == doctest::Approx(2.8));
  CHECK(recordings[1].sequence.joints(2, 1, 2) == doctest::Approx(0.029));
}

TEST_CASE("an array of two numbers a joint has no missing joints; one of three has") {
  const TemporaryFolder folder;
  const std::string list = "label,start,length\nbow,0,1\n";
  write_recordings(folder, Tensor<std::int64_t>({1, 25, 2}, 40), list);
  const auto seen = io::read_joint_recordings(folder.path());
  CHECK(seen[0].sequence.joints(0, 24, 0) == 4);
  CHECK(seen[0].sequence.joints(0, 24, 2) == 1);
  auto array = Tensor<std::int64_t>({1, 25, 3}, 40);
  array(0, 3, 2) = 0;
  write_recordings(folder, array, list);
  const auto partly = io::read_joint_recordings(folder.path());
  CHECK(partly[0].sequence.joints(0, 3, 0) == 0);
  CHECK(partly[0].sequence.joints(0, 3, 2) == 0);
  CHECK(partly[0].sequence.joints(0, 4, 0) == 4);
  array(0, 3, 2) = -7;
  write_recordings(folder, array, list);
  for (Index number = 0; number < 3; ++number)
    CHECK(io::read_joint_recordings(folder.path())[0].sequence.joints(0, 3, number) == 0);
  write_recordings(folder, Tensor<std::int64_t>({1, 25, 3}, 0), list);
  CHECK(io::read_joint_recordings(folder.path())[0].sequence.frames_without_person == 1);
}

TEST_CASE("joints in space are turned around the vertical axis and seen from the front") {
  const TemporaryFolder folder;
  write_recordings(folder, Tensor<std::int64_t>::from({1, 1, 3}, {3, 5, 4}), "style,start,length\nsad,0,1\n");
  io::JointRecordingsOptions options{.coordinate_scale = 2,
                                     .third = io::ThirdNumber::depth,
                                     .y_upwards = true,
                                     .layout = JointLayout::other,
                                     .label = "style"};
  auto joints = io::read_joint_recordings(folder.path(), options)[0].sequence.joints;
  CHECK(joints(0, 0, 0) == 6);
  CHECK(joints(0, 0, 1) == -10);
  CHECK(joints(0, 0, 2) == 1);
  options.yaw = std::numbers::pi / 2;
  joints = io::read_joint_recordings(folder.path(), options)[0].sequence.joints;
  CHECK(joints(0, 0, 0) == doctest::Approx(8));
  CHECK(joints(0, 0, 1) == -10);
}

TEST_CASE("lists and arrays that do not fit are refused") {
  const TemporaryFolder folder;
  const io::JointRecordingsOptions options{.layout = JointLayout::other};
  const auto said = [&](const Shape& shape, const std::string& list, const io::JointRecordingsOptions& with) {
    write_recordings(folder, counting(shape), list);
    return message_of<FileError>([&] { io::read_joint_recordings(folder.path(), with); });
  };
  CHECK(said({5, 2, 3}, "label,start,length\na,0,5\n", options) == "nothing thrown");
  CHECK(contains(said({5, 2, 3}, "label,start,length\na,0,6\n", options), "line 2, column `length`"));
  CHECK(contains(said({5, 2, 3}, "label,start,length\na,4,9223372036854775807\n", options), "column `length`"));
  CHECK(contains(said({5, 2, 3}, "label,start,length\na,0,0\n", options), "column `length`"));
  CHECK(contains(said({5, 2, 3}, "label,start,length\na,-1,2\n", options), "column `start`"));
  CHECK(contains(said({5, 2, 3}, "label,start,length\na,6,2\n", options), "column `start`"));
  CHECK(contains(said({5, 2, 3}, "label,begin,length\na,0,2\n", options), "label, begin, length"));
  CHECK(contains(said({5, 2, 4}, "label,start,length\na,0,2\n", options), "[5, 2, 4]"));
  CHECK(contains(said({5, 6}, "label,start,length\na,0,2\n", options), "[5, 6]"));
  CHECK(contains(said({5, 2, 3}, "label,start,length\na,0,2\n", {}), "25"));
  CHECK(contains(
      said({5, 2, 2}, "label,start,length\na,0,2\n", {.third = io::ThirdNumber::depth, .layout = JointLayout::other}),
      "joints, 3"));
  const TemporaryFolder empty;
  CHECK_THROWS_AS(io::read_joint_recordings(empty.path()), FileError);
}

TEST_CASE("a joint that was not seen may be anywhere in an array too") {
  const TemporaryFolder folder;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  io::write_file(folder / "sequences.csv", "label,start,length\nbow,0,1\n");
  const auto read = [&](float confidence) {
    io::write_npy(folder / "joints.npy", Tensor<float>::from({1, 2, 3}, {10, 20, 1000, nan, nan, confidence}));
    return io::read_joint_recordings(folder.path(), {.layout = gesture::JointLayout::other})[0].sequence.joints;
  };
  for (Index number = 0; number < 3; ++number) CHECK(read(0)(0, 1, number) == 0);
  CHECK(contains(message_of<FileError>([&] { read(1); }), "element 3: found a number that is not finite"));
}
