/// recognise over films: made of the pictures in tests/data/face, two with a face and one without.

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "examples/process.hpp"
#include "io/temporary_folder.hpp"
#include "mien/data/emotion.hpp"
#include "mien/io/csv.hpp"
#include "mien/io/image.hpp"
#include "mien/video/reader.hpp"

namespace {

using namespace mien;

const fs::path pictures = fs::path(MIEN_TEST_DATA_DIR) / "face";

/// A folder of frames: each named picture so many times.
fs::path write_frames(const fs::path& folder, const std::vector<std::pair<std::string, int>>& scenes) {
  fs::create_directories(folder);
  int number = 0;
  for (const auto& [name, times] : scenes) {
    const io::Image image = io::resize(io::read_image(pictures / (name + ".jpg")), 320, 180);
    for (int i = 0; i < times; ++i) io::write_png(folder / (std::to_string(number++) + ".png"), image);
  }
  return folder;
}

Words film(const fs::path& input, const Words& more = {}) {
  Words out{input.string(), "--threads", "1"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

}  // namespace

TEST_CASE("recognise tells a row a face and frame, and where there is none") {
  const TemporaryFolder folder;
  const fs::path frames = write_frames(folder.path() / "frames", {{"sad", 2}, {"no_face", 1}, {"happy", 2}});
  const auto outcome = run(folder.path(), "recognise", film(frames, {"--frame-rate", "10"}));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const auto table = io::CsvTable::parse(outcome.out, "rows");
  REQUIRE(table.rows() == 5);
  CHECK(table.columns() == 10 + static_cast<Index>(data::emotion_names.size()));
  const auto text = [&](Index row, const char* column) { return table.text(row, table.column(column)); };
  for (Index row = 0; row < 5; ++row) {
    CAPTURE(row);
    CHECK(table.integer(row, table.column("frame")) == row);
    CHECK(table.number(row, table.column("timestamp")) == doctest::Approx(0.1 * static_cast<double>(row)));
    CHECK(text(row, "success") == (row == 2 ? "0" : "1"));
    CHECK(text(row, "emotion") == (row < 2 ? "sadness" : row == 2 ? "" : "happiness"));
    double sum = 0;
    for (const std::string_view name : data::emotion_names)
      if (row != 2) sum += table.number(row, table.column("probability_" + std::string(name)));
    CHECK(sum == doctest::Approx(row == 2 ? 0 : 1).epsilon(1e-4));
  }
  CHECK(text(0, "face_id") == text(1, "face_id"));
  CHECK(text(2, "x").empty());
  CHECK(contains(outcome.err, "5 frames, 1 without a face"));
}

TEST_CASE("clips, a film with everything drawn on it, and a page") {
  const TemporaryFolder folder;
  const fs::path frames = write_frames(folder.path() / "frames", {{"sad", 4}, {"no_face", 2}, {"happy", 1}});
  const fs::path seen = folder.path() / "seen.y4m";
  const fs::path page = folder.path() / "page.html";
  const auto outcome = run(
      folder.path(), "recognise",
      film(frames, {"--rows", "clips", "--frames", "2", "--json", "--video", seen.string(), "--html", page.string()}));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const auto clips = nlohmann::json::parse(outcome.out)["clips"];
  REQUIRE(clips.size() == 4);
  CHECK(clips[0]["emotion"] == "sadness");
  CHECK(clips[1]["start"] == 2);
  CHECK(clips[1]["end"] == 3);
  CHECK(clips[2]["emotion"].is_null());
  CHECK(clips[2]["frames_with_face"] == 0);
  CHECK(clips[3]["start"] == 6);  // what was left over
  CHECK(clips[3]["seen_by"] == "face");

  const auto written = video::open_video(seen);
  CHECK(written->facts().width == 320);
  Index count = 0;
  while (const auto frame = written->next()) {
    const io::Image plain = io::read_image(frames / (std::to_string(count) + ".png"));
    CHECK(frame->image.pixels != plain.pixels);
    ++count;
  }
  CHECK(count == 7);
  const std::string words = io::read_text(page);
  CHECK(contains(words, "happiness"));
  // Five of seven frames show a face, and with it where the network looked.
  CHECK(contains(words, "Class activation maps"));
  CHECK(contains(words, "sadness, 0.0 s"));
  CHECK(contains(words, "happiness, 0.2 s"));
}

TEST_CASE("a film that breaks off keeps its rows, and says where it broke") {
  const TemporaryFolder folder;
  const fs::path frames = write_frames(folder.path() / "frames", {{"happy", 3}});
  const fs::path whole = folder.path() / "whole.y4m";
  const auto made = run(folder.path(), "recognise", film(frames, {"--video", whole.string()}));
  REQUIRE_MESSAGE(made.code == 0, made.err);
  auto bytes = io::read_file(whole);
  bytes.resize(bytes.size() - 1000);
  io::write_file(folder.path() / "cut.y4m", std::span<const std::byte>(bytes));
  const auto cut = run(folder.path(), "recognise", film(folder.path() / "cut.y4m"));
  CHECK(cut.code == 1);
  CHECK(io::CsvTable::parse(cut.out, "rows").rows() == 2);
  CHECK_MESSAGE(contains(cut.err, "after 2 frames"), cut.err);
}

TEST_CASE("joints of the same film are recognised beside its faces, and stand in where there are none") {
  const TemporaryFolder folder;
  const fs::path frames = write_frames(folder.path() / "frames", {{"happy", 2}, {"no_face", 2}});
  const auto write_pose = [](const fs::path& to, int frame, double slope) {
    fs::create_directories(to);
    std::string pose;
    for (int joint = 0; joint < 25; ++joint)
      pose += (joint > 0 ? "," : "") + std::to_string(5 * joint) + "," + std::to_string(slope * joint) + ",1";
    char name[40];
    std::snprintf(name, sizeof name, "a_%012d_keypoints.json", frame);
    io::write_file(to / name, R"({"people": [{"pose_keypoints_2d": [)" + pose + "]}]}");
  };
  double slope = 1;
  for (const std::string_view emotion : data::emotion_names) {
    for (const char* recording : {"1", "2", "3"})
      for (int frame = 0; frame < 2; ++frame)
        write_pose(folder.path() / "poses" / emotion / recording, frame, slope + 0.1 * frame);
    slope += 1;
  }
  for (int frame = 0; frame < 3; ++frame) write_pose(folder.path() / "joints", frame, 2);
  const auto trained = run(folder.path(), "train_gesture",
                           {"--openpose", (folder.path() / "poses").string(), "--size", "8", "--width", "4", "--epochs",
                            "1", "--threads", "1", "--work-dir", (folder.path() / "work").string()});
  REQUIRE_MESSAGE(trained.code == 0, trained.err);
  const std::string model = (folder.path() / "work" / "model.safetensors").string();
  const auto joints = (folder.path() / "joints").string();

  // The model's classes are in the order of their folders, the faces' in that of the library.
  const auto outcome = run(folder.path(), "recognise",
                           film(frames, {"--joints", joints, "--joint-model", model, "--frames", "2", "--json",
                                         "--html", (folder.path() / "page.html").string()}));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const auto clips = nlohmann::json::parse(outcome.out)["clips"];
  REQUIRE(clips.size() == 2);
  CHECK(clips[0]["seen_by"] == "both");
  CHECK(clips[1]["seen_by"] == "body");
  CHECK(clips[0]["probability_happiness"].get<double>() > clips[1]["probability_happiness"].get<double>());
  // What the body alone says of the second clip.
  const auto by_itself = run(folder.path(), "recognise", {joints, "--model", model, "--frames", "2", "--json"});
  REQUIRE_MESSAGE(by_itself.code == 0, by_itself.err);
  const auto body = nlohmann::json::parse(by_itself.out)["clips"][1]["probabilities"];
  CHECK(body.size() > 1);
  for (const auto& [name, probability] : body.items())
    CHECK(clips[1]["probability_" + name].get<double>() == doctest::Approx(probability.get<double>()).epsilon(1e-4));
  CHECK(contains(io::read_text(folder.path() / "page.html"), "joint attention"));

  // Of two that agree, the product of both says it more loudly than their mean; the second clip has one of them alone.
  const auto multiplied =
      run(folder.path(), "recognise",
          film(frames, {"--joints", joints, "--joint-model", model, "--frames", "2", "--json", "--fusion", "product"}));
  REQUIRE_MESSAGE(multiplied.code == 0, multiplied.err);
  const auto products = nlohmann::json::parse(multiplied.out)["clips"];
  CHECK(products[0]["probability_happiness"] != clips[0]["probability_happiness"]);
  CHECK(products[1]["probability_happiness"] == clips[1]["probability_happiness"]);

  // Joints whose frames begin later than the film are nobody's before.
  for (int frame = 2; frame < 4; ++frame) write_pose(folder.path() / "later", frame, 2);
  const auto later = run(folder.path(), "recognise",
                         film(frames, {"--joints", (folder.path() / "later").string(), "--joint-model", model,
                                       "--frames", "2", "--json"}));
  REQUIRE_MESSAGE(later.code == 0, later.err);
  CHECK(nlohmann::json::parse(later.out)["clips"][0]["seen_by"] == "face");
  CHECK(nlohmann::json::parse(later.out)["clips"][1]["seen_by"] == "body");

  const auto alone = run(folder.path(), "recognise", film(frames, {"--joint-model", model}));
  CHECK(alone.code == 2);
  CHECK(contains(alone.err, "--joints"));
}

TEST_CASE("of several faces, clips are about the one that was asked for") {
  const TemporaryFolder folder;
  const auto face = [](const char* name) { return io::read_image(pictures / (std::string(name) + ".jpg")); };
  // The sad face fills the left half, the happy one is smaller.
  io::Image both(640, 360, 3);
  const auto paste = [&](const io::Image& picture, Index left, Index top) {
    for (Index y = 0; y < picture.height; ++y)
      std::copy_n(picture.pixels.begin() + 3 * y * picture.width, 3 * picture.width,
                  both.pixels.begin() + 3 * ((top + y) * both.width + left));
  };
  paste(io::resize(face("sad"), 420, 236), 0, 60);
  paste(io::resize(face("happy"), 213, 120), 425, 120);
  const fs::path frames = folder.path() / "frames";
  fs::create_directories(frames);
  for (int i = 0; i < 2; ++i) io::write_png(frames / (std::to_string(i) + ".png"), both);

  const auto clip = [&](const char* which) {
    const auto outcome =
        run(folder.path(), "recognise", film(frames, {"--rows", "clips", "--json", "--several", which}));
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    return nlohmann::json::parse(outcome.out)["clips"][0];
  };
  CHECK(clip("largest")["emotion"] == "sadness");
  CHECK(clip("most-confident")["emotion"] == "happiness");
}

TEST_CASE("clips that overlap have a page too") {
  const TemporaryFolder folder;
  const fs::path frames = write_frames(folder.path() / "frames", {{"happy", 4}});
  const fs::path page = folder.path() / "page.html";
  const auto outcome = run(folder.path(), "recognise",
                           film(frames, {"--rows", "clips", "--frames", "3", "--step", "1", "--html", page.string()}));
  CHECK_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(fs::exists(page));
  CHECK(run(folder.path(), "recognise", film(frames, {"--work-dir", (folder.path() / "w").string()})).code == 2);
}

TEST_CASE("rows that nobody takes end a film, which may have no end of its own") {
  const TemporaryFolder folder;
  const fs::path frames = write_frames(folder.path() / "frames", {{"no_face", 3}});
  // Whoever reads on to the end meets this one.
  io::write_file(frames / "9.png", std::string_view("no picture"));
  const IgnoredPipeSignal ignored;
  for (const Words& more : {Words{}, Words{"--rows", "clips", "--frames", "1"}}) {
    for (const auto& outcome : {run_on_full_device(folder.path(), "recognise", film(frames, more)),
                                run_into_closed_pipe(folder.path(), "recognise", film(frames, more))}) {
      CHECK(outcome.code == 1);
      CHECK_MESSAGE(contains(outcome.err, "error: standard output: cannot be written\n"), outcome.err);
      CHECK_FALSE(contains(outcome.err, "9.png"));
    }
  }
  CHECK(contains(run(folder.path(), "recognise", film(frames)).err, "9.png"));
}

TEST_CASE("what does not go together is refused") {
  const TemporaryFolder folder;
  const fs::path frames = write_frames(folder.path() / "frames", {{"happy", 1}});
  CHECK(run(folder.path(), "recognise", film(frames, {"--crop", "0,0,10,10"})).code == 2);
  CHECK(run(folder.path(), "recognise", film(frames, {"--rows", "people"})).code == 2);
  CHECK(run(folder.path(), "recognise", film(folder.path() / "none.y4m")).code == 1);
  const auto described = run(folder.path(), "recognise", film(frames, {"--dry-run"}));
  CHECK(described.code == 0);
  CHECK(contains(described.out, "320 x 180 pixels"));
  const auto facts = run(folder.path(), "recognise", film(frames, {"--dry-run", "--json"}));
  CHECK(nlohmann::json::parse(facts.out)["width"] == 320);
  io::write_file(folder.path() / "nothing.y4m", std::string_view("nothing"));
  const auto nothing = run(folder.path(), "recognise", film(folder.path() / "nothing.y4m"));
  CHECK(nothing.code == 1);
  CHECK(contains(nothing.err, "nothing.y4m"));
}
