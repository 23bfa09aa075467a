/// Data as they come: what docs/reliability.md says about each kind of bad input.

#include <mien/data/afew_va.hpp>
#include <mien/data/bad_samples.hpp>
#include <mien/data/face_clips.hpp>
#include <mien/data/frame_folders.hpp>
#include <mien/data/gesture_sequences.hpp>
#include <mien/data/packed_pictures.hpp>
#include <mien/data/raf_db.hpp>
#include <mien/io/joint_table.hpp>
#include <mien/io/openpose.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"
#include "unprivileged.hpp"

using namespace mien;
namespace fs = std::filesystem;

namespace {

void write_picture(const fs::path& path, Index side = 4) {
  fs::create_directories(path.parent_path());
  io::write_png(path, io::Image(side, side, 3, 100));
}

/// A message with the folder taken out of it.
template <class Action>
std::string refusal(const TemporaryFolder& folder, Action action) {
  std::string message = message_of<Error>(action);
  const std::string root = folder.path().string() + "/";
  for (std::size_t place = message.find(root); place != std::string::npos; place = message.find(root))
    message.erase(place, root.size());
  return message;
}

std::string openpose_frame(const std::vector<std::vector<double>>& people, int joints = 25) {
  std::string out = R"({"version": 1.3, "people": [)";
  for (std::size_t i = 0; i < people.size(); ++i) {
    out += (i > 0 ? std::string(", ") : std::string()) + R"({"pose_keypoints_2d": [)";
    for (int joint = 0; joint < joints; ++joint)
      out += (joint > 0 ? ", " : "") + std::to_string(people[i][0] + joint) + ", " + std::to_string(people[i][1]) +
             ", 0.5";
    out += "]}";
  }
  return out + "]}";
}

void write_openpose(const fs::path& folder, const std::vector<std::string>& frames) {
  fs::create_directories(folder);
  for (std::size_t i = 0; i < frames.size(); ++i)
    io::write_file(folder / ("film_00000000000" + std::to_string(i) + "_keypoints.json"), frames[i]);
}

const std::string joint_header = "sequence,frame,label,x0,y0,x1,y1\n";

std::vector<io::JointRecording> read_joints(const fs::path& path, bool allow_not_finite = false) {
  return io::read_joint_table(path, {.layout = gesture::JointLayout::other, .allow_not_finite = allow_not_finite});
}

}  // namespace

TEST_CASE("an HTML page, text and nothing under the names of pictures") {
  const TemporaryFolder folder;
  io::write_file(folder / "page.jpg", "<!DOCTYPE html>\n<html><body>404</body></html>");
  io::write_file(folder / "empty.png", "");
  CHECK(refusal(folder, [&] { io::read_image(folder / "page.jpg"); }) ==
        "page.jpg: found what looks like HTML, perhaps a saved error page under the extension .jpg, expected a PNG, "
        "JPEG, "
        "BMP, PGM or PPM image");
  CHECK(contains(refusal(folder, [&] { io::read_image(folder / "empty.png"); }), "empty.png: found "));
}

TEST_CASE("paths with spaces, letters of all scripts and quotes") {
  const TemporaryFolder folder;
  const fs::path picture = folder.path() / "データ é ü" / "喜び 1" / "пример \"1\", 👍.png";
  write_picture(picture, 7);
  const auto data = data::image_folder(folder / "データ é ü");
  CHECK(data.class_names == std::vector<std::string>{"喜び 1"});
  REQUIRE(data.size() == 1);
  CHECK(data.samples[0].frames[0] == picture);
  CHECK(data::read_frame(data.samples[0], 0).width == 7);
  // Through a table and a packed file, too.
  data::write_sheet(folder / "表.csv", data);
  const auto sheet = data::from_sheet(folder / "表.csv", folder.path(), data::written_sheet(data.class_names));
  CHECK(data::read_frame(sheet.samples[0], 0).width == 7);
  data::write_packed(folder / "包み.pack", data);
  CHECK(data::read_frame(data::read_packed(folder / "包み.pack").samples[0], 0).width == 7);
}

TEST_CASE("class folders without pictures, hidden files and files of other kinds") {
  const TemporaryFolder folder;
  write_picture(folder.path() / "joy" / "1.png");
  fs::create_directories(folder.path() / "fear");
  io::write_file(folder / "joy/.DS_Store", "x");
  io::write_file(folder / "joy/Thumbs.db", "x");
  io::write_file(folder / "joy/notes.txt", "x");
  CHECK(contains(refusal(folder, [&] { data::image_folder(folder.path()); }),
                 "found nothing for the classes `fear`, expected pictures for each class (FolderOptions::allow_empty "
                 "takes empty ones)"));
  const auto data = data::image_folder(folder.path(), {.allow_empty = true});
  // An empty class keeps its number.
  CHECK(data.class_names == std::vector<std::string>{"fear", "joy"});
  CHECK(data.samples[0].label == 1);
  CHECK(data.skipped.hidden == 2);
  CHECK(data.skipped.other == 1);
}

TEST_CASE("pictures, folders and tables that may not be read") {
  const TemporaryFolder folder;
  write_picture(folder.path() / "faces" / "joy" / "1.png");
  write_picture(folder.path() / "faces" / "fear" / "1.png");
  io::write_file(folder / "joints.csv", joint_header + "a,0,up,1,2,3,4\n");
  const auto denied = [&](auto action) { return without_privileges([&] { return refusal(folder, action); }); };
  {
    const Permissions locked(folder / "faces/joy/1.png", 0);
    const auto data = data::image_folder(folder / "faces");
    CHECK(denied([&] { data::read_frame(data.samples[1], 0); }) ==
          "faces/joy/1.png: found Permission denied, expected a readable file");
  }
  {
    // Not a class without pictures.
    const Permissions closed(folder / "faces/joy", 0);
    CHECK(contains(denied([&] { data::image_folder(folder / "faces", {.allow_empty = true}); }),
                   "faces/joy: found Permission denied, expected "));
  }
  const Permissions locked(folder / "joints.csv", 0);
  CHECK(denied([&] { read_joints(folder / "joints.csv"); }) ==
        "joints.csv: found Permission denied, expected a readable file");
}

TEST_CASE("links that lead round in circles") {
  const TemporaryFolder folder;
  write_picture(folder.path() / "joy" / "film" / "1.png");
  fs::create_directory_symlink("itself", folder.path() / "joy" / "itself");
  const auto data = data::frame_sequences(folder.path());
  CHECK(data.size() == 1);
  CHECK(data.skipped.other == 1);

  fs::create_directory_symlink(folder.path(), folder.path() / "joy" / "film" / "up");
  fs::create_directory_symlink(folder.path() / "joy", folder.path() / "joy" / "film" / "also up");
  data::SkippedFiles skipped;
  CHECK(data::detail::files_below(folder.path(), {}, skipped).size() == 1);
  CHECK(skipped.other == 3);
}

TEST_CASE("labels, valence and arousal beyond their range") {
  const TemporaryFolder folder;
  write_picture(folder / "a.png");
  const auto read = [&](const std::string& row) {
    io::write_file(folder / "sheet.csv", "path,label,valence,arousal\n" + row + "\n");
    return refusal(folder, [&] {
      data::from_sheet(folder / "sheet.csv", folder.path(),
                       {.class_names = {"joy", "fear"}, .valence = "valence", .arousal = "arousal"});
    });
  };
  CHECK(read("a.png,1,0.5,-1") == "nothing thrown");
  CHECK(read("a.png,2,0,0") == "sheet.csv: line 2, column `label`: found `2`, expected 0..1, or one of `joy`, `fear`");
  CHECK(read("a.png,-1,0,0") ==
        "sheet.csv: line 2, column `label`: found `-1`, expected 0..1, or one of `joy`, `fear`");
  CHECK(read("a.png,0,-2,0") == "sheet.csv: line 2, column `valence`: found `-2`, expected -1 to 1");
  CHECK(read("a.png,0,0,1.01") == "sheet.csv: line 2, column `arousal`: found `1.01`, expected -1 to 1");
  CHECK(read("a.png,0,nan,0") == "sheet.csv: line 2, column `valence`: found `nan`, expected a finite number");
  const data::FrameSequences set{.samples = {{.name = "film", .label = 7}}, .class_names = {"joy", "fear"}};
  CHECK(refusal(folder, [&] { set.check_labels(); }) == "`film`: label 7 of 2 classes");
}

TEST_CASE("tables, documents and lists in UTF-16, and in UTF-8 with a byte order mark") {
  const TemporaryFolder folder;
  // As spreadsheets save "Unicode text", and with the bytes of each unit the other way round.
  const auto in_utf_16 = [](const std::string& text, bool big) {
    std::string out = big ? "\xfe\xff" : "\xff\xfe";
    for (const char c : text) out += big ? std::string{'\0', c} : std::string{c, '\0'};
    return out;
  };
  const std::string joints = joint_header + "a,0,up,1,2,3,4\n";
  const std::string scene = R"({"frames": {"00000": {"valence": 3.0, "arousal": -3.0}}})";
  const std::string list = "train_00001.jpg 4\n";
  const fs::path documents = folder / "afew/1/1";
  const fs::path lists = folder / "raf/EmoLabel";
  for (const fs::path& place : {documents, lists}) fs::create_directories(place);
  write_picture(documents / "00000.png");
  write_picture(folder / "raf/Image/aligned/train_00001_aligned.jpg");
  const auto read_all = [&](const auto& encoded) {
    io::write_file(folder / "joints.csv", encoded(joints));
    io::write_file(documents / "1.json", encoded(scene));
    io::write_file(lists / "list_patition_label.txt", encoded(list));
    return std::vector<std::string>{refusal(folder, [&] { read_joints(folder / "joints.csv"); }),
                                    refusal(folder, [&] { data::read_afew_va(folder / "afew"); }),
                                    refusal(folder, [&] { data::read_raf_db(folder / "raf"); })};
  };
  const std::string answer = ": found text in UTF-16, expected UTF-8: save it as that (in Excel as `CSV UTF-8`)";
  for (const bool big : {false, true})
    CHECK(read_all([&](const std::string& text) { return in_utf_16(text, big); }) ==
          std::vector<std::string>{"joints.csv" + answer, "afew/1/1/1.json" + answer,
                                   "raf/EmoLabel/list_patition_label.txt" + answer});
  CHECK(read_all([](const std::string& text) { return "\xef\xbb\xbf" + text; }) ==
        std::vector<std::string>(3, "nothing thrown"));
}

TEST_CASE("labels, valence and arousal of a table of joints are named with their line") {
  const TemporaryFolder folder;
  const auto read = [&](const std::string& label, const std::string& valence, const std::string& arousal) {
    // Frames in another order than rows: the line is that of the first frame.
    const std::string row = "," + label + "," + valence + "," + arousal + ",1,2\n";
    io::write_file(folder / "joints.csv",
                   "sequence,frame,label,valence,arousal,x0,y0\nother,0,up,0,0,1,2\nwalk,1" + row + "walk,0" + row);
    const auto recordings = io::read_joint_table(
        folder / "joints.csv", {.columns = {.others = {"valence", "arousal"}}, .layout = gesture::JointLayout::other});
    return refusal(folder, [&] {
      data::gesture_sequences(recordings, {.class_names = {"up"}, .valence = "valence", .arousal = "arousal"});
    });
  };
  CHECK(read("up", "1", "-1") == "nothing thrown");
  CHECK(read("", "1", "-1") == "nothing thrown");
  CHECK(read("", "", "") ==
        "joints.csv: line 4: recording `walk`: the label is empty, expected one of the 1 named classes");
  CHECK(read("bow", "", "") == "joints.csv: line 4: recording `walk`: label `bow` is none of the 1 named classes");
  CHECK(read("up", "1.01", "0") == "joints.csv: line 4: recording `walk`: valence `1.01` is no number from -1 to 1");
  CHECK(read("up", "0", "nan") == "joints.csv: line 4: recording `walk`: arousal `nan` is no number from -1 to 1");
  CHECK(read("up", "inf", "0") == "joints.csv: line 4: recording `walk`: valence `inf` is no number from -1 to 1");
}

TEST_CASE("coordinates that are not finite, and other numbers of joints") {
  const TemporaryFolder folder;
  io::write_file(folder / "joints.csv", joint_header + "a,0,up,1,2,3,4\na,1,up,1,nan,3,4\n");
  CHECK(refusal(folder, [&] { read_joints(folder / "joints.csv"); }) ==
        "joints.csv: line 3, column `y0`: found `nan`, expected a finite number");
  CHECK(refusal(folder, [&] { io::read_joint_table(folder / "joints.csv"); }) ==
        "joints.csv: line 1: found 2 columns of x, 2 of y, 0 of confidence, expected 25 each (BODY_25)");

  write_openpose(folder / "coco", {openpose_frame({{1, 2}}, 18)});
  CHECK(refusal(folder, [&] { io::read_openpose_folder(folder / "coco"); }) ==
        "coco/film_000000000000_keypoints.json: pose_keypoints_2d: found 18 joints, expected 25 (BODY_25)");
  write_openpose(folder / "odd", {openpose_frame({{1, 2}}, 24)});
  CHECK(contains(refusal(folder, [&] { io::read_openpose_folder(folder / "odd"); }),
                 "person 0, pose_keypoints_2d: found 72 numbers, expected none or 75 (BODY_25) or 54 (COCO)"));
  std::string infinite = openpose_frame({{1, 2}});
  infinite.replace(infinite.find("0.5"), 3, "1e99");
  write_openpose(folder / "infinite", {infinite});
  CHECK(contains(refusal(folder, [&] { io::read_openpose_folder(folder / "infinite"); }), "expected a finite number"));
  infinite.replace(infinite.find("1e99"), 4, "NaN");
  write_openpose(folder / "infinite", {infinite});
  CHECK(contains(refusal(folder, [&] { io::read_openpose_folder(folder / "infinite"); }),
                 "infinite/film_000000000000_keypoints.json"));
}

TEST_CASE("frames without people, and people who change places in the list") {
  const TemporaryFolder folder;
  const std::string nobody = R"({"people": []})";
  write_openpose(folder / "empty", {nobody, nobody});
  CHECK(refusal(folder, [&] { io::read_openpose_folder(folder / "empty"); }) ==
        "empty: found no person in 2 frames, expected somebody in at least one");

  const std::vector<double> left{10, 100}, right{400, 100};
  write_openpose(folder / "two", {openpose_frame({left}), openpose_frame({left, right}), openpose_frame({right, left}),
                                  nobody, openpose_frame({right, left})});
  const auto sequence = io::read_openpose_folder(folder / "two");
  CHECK(sequence.frames_with_several_people == 3);
  CHECK(sequence.frames_without_person == 1);
  for (const Index frame : {0, 1, 2, 4}) CHECK(sequence.joints(frame, 0, 0) == 10);
  CHECK(sequence.joints(3, 0, 2) == 0);
}

TEST_CASE("frames of several sizes, and films shorter than a clip") {
  const TemporaryFolder folder;
  data::FrameSequence film{.name = "joy/film"};
  for (const Index side : {4, 9, 31}) {
    film.frames.push_back(folder / (std::to_string(side) + ".png"));
    write_picture(film.frames.back(), side);
  }
  const data::FrameSequences set{.samples = {film}, .class_names = {"joy"}};
  Generator unused;
  // Every frame becomes one of the network's side; a short film repeats its frames, or is refused where that is asked
  // for.
  const auto sample = data::FaceClips(set, {.clips = 2, .frames = 8, .side = 5}).make(0, unused);
  CHECK(sample.frames.shape() == Shape{2, 8, 5, 5, 3});
  CHECK(refusal(folder, [&] {
          data::FaceClips(set, {.clips = 2, .frames = 8, .short_video = data::ShortVideo::reject});
        }) == "`joy/film`: clip_frames: the video has 3 frames, fewer than 2 clips of 8");
}

TEST_CASE("pictures that cannot be read are an error, or skipped, or taken out of their film, in training alone") {
  const TemporaryFolder folder;
  data::FrameSequences set{.class_names = {"joy", "fear"}};
  for (const std::string name : {"good", "half", "bad"}) {
    data::FrameSequence film{.name = name, .label = name == "bad" ? 1 : 0};
    for (int frame = 0; frame < 2; ++frame) {
      film.frames.push_back(folder / (name + std::to_string(frame) + ".png"));
      const bool is_page = name == "bad" || (name == "half" && frame == 0);
      if (is_page) io::write_file(film.frames.back(), "<html>");
      if (!is_page) write_picture(film.frames.back());
    }
    set.samples.push_back(film);
  }
  data::BadSamplesReport report;
  CHECK(contains(
      refusal(folder, [&] { data::without_bad_samples(set, data::BadSamples::error, report); }),
      "sample `half`: 1 of 2 frames: half0.png: found what looks like HTML, perhaps a saved error page under the "
      "extension .png"));
  CHECK(contains(refusal(folder, [&] { data::require_good_samples(set); }), "sample `half`"));

  const auto skipped = data::without_bad_samples(set, data::BadSamples::skip, report);
  REQUIRE(skipped.size() == 1);
  CHECK(skipped.samples[0].name == "good");
  CHECK(skipped.class_names == set.class_names);
  REQUIRE(report.skipped.size() == 2);
  CHECK(report.skipped[1].sample == "bad");
  CHECK(contains(report.skipped[1].reason, "2 of 2 frames: "));
  CHECK(report.masked.empty());

  report = {};
  const auto masked = data::without_bad_samples(set, data::BadSamples::mask, report);
  REQUIRE(masked.size() == 2);
  CHECK(masked.samples[1].frames == data::FrameList{folder / "half1.png"});
  CHECK(report.masked.size() == 1);
  CHECK(report.skipped.size() == 1);
  CHECK(set.samples[1].frames.size() == 2);
}

TEST_CASE("joints that are not finite are an error, or skipped, or unseen, in training alone") {
  const TemporaryFolder folder;
  io::write_file(folder / "joints.csv", joint_header +
                                            "good,0,up,1,2,3,4\n"
                                            "half,0,up,1,2,inf,4\nhalf,1,up,1,2,3,4\n"
                                            "bad,0,down,nan,2,3,-inf\n");
  data::GestureSequences set{.class_names = {"up", "down"}};
  for (const auto& recording : read_joints(folder / "joints.csv", true))
    set.samples.push_back(
        {.name = recording.sequence.name, .label = recording.label == "up" ? 0 : 1, .joints = recording.sequence});
  REQUIRE(set.size() == 3);
  data::BadSamplesReport report;
  CHECK(refusal(folder, [&] { data::require_good_samples(set); }) ==
        "sample `half`: 1 of 4 joints: frame 0, joint 1 at (inf, 4) with confidence 1");
  CHECK(data::without_bad_samples(set, data::BadSamples::skip, report).size() == 1);
  CHECK(report.skipped.size() == 2);
  // Frames and joints are as many as they are.
  data::GestureSequences longer{.class_names = {"up"}};
  longer.samples.push_back({.name = "long", .joints = {.joints = Tensor<float>({7, 2, 3}, 1.0F)}});
  longer.samples[0].joints.joints(5, 1, 0) = std::nanf("");
  CHECK(refusal(folder, [&] { data::require_good_samples(longer); }) ==
        "sample `long`: 1 of 14 joints: frame 5, joint 1 at (nan, 1) with confidence 1");

  report = {};
  const auto masked = data::without_bad_samples(set, data::BadSamples::mask, report);
  REQUIRE(masked.size() == 2);
  const Tensor<float>& joints = masked.samples[1].joints.joints;
  for (Index number = 0; number < 3; ++number) CHECK(joints(0, 1, number) == 0);
  CHECK(joints(0, 0, 1) == 2);
  CHECK(joints(1, 1, 2) == 1);
  REQUIRE(report.masked.size() == 1);
  CHECK(report.masked[0].sample == "half");
  REQUIRE(report.skipped.size() == 1);
  CHECK(report.skipped[0].sample == "bad");
  // Those of the set itself are as they were read.
  CHECK(std::isinf(set.samples[1].joints.joints(0, 1, 0)));

  // A joint that was not seen may be anywhere.
  set.samples[1].joints.joints(0, 1, 2) = 0;
  report = {};
  CHECK(data::without_bad_samples(set, data::BadSamples::skip, report).size() == 2);
}
