// What is told of data sets: checks, contact sheets, and sets made thinner.

#include <mien/data/contact_sheet.hpp>
#include <mien/data/data_check.hpp>
#include <mien/data/thinning.hpp>

#include <doctest/doctest.h>

#include "data/layout_files.hpp"
#include "io/message.hpp"

using namespace mien;
using data::FrameSequences;

namespace {

using Names = std::vector<std::string>;

/// Samples of one picture each, all of them unlike.
FrameSequences four_samples(const TemporaryFolder& root) {
  FrameSequences set{.class_names = {"glad", "low"}};
  for (int i = 0; i < 4; ++i) {
    const std::string name = std::to_string(i) + ".png";
    put_picture(root, name, static_cast<std::uint8_t>(20 + 50 * i));
    set.samples.push_back({.name = name,
                           .label = i % 2,
                           .subject = "S" + std::to_string(i),
                           .split = i < 3 ? "train" : "test",
                           .frames = {root / name}});
  }
  return set;
}

}  // namespace

TEST_CASE("a sound set is counted by class, split, subject and size") {
  const TemporaryFolder root;
  const auto set = four_samples(root);
  const auto report = data::check_data(set);
  CHECK(report.is_sound());
  CHECK(report.samples == 4);
  CHECK(report.frames == 4);
  CHECK(report.split_classes.at("train") == std::vector<Index>{2, 1});
  CHECK(report.split_classes.at("test") == std::vector<Index>{0, 1});
  CHECK(report.subjects.size() == 4);
  CHECK(report.sizes.at({5, 4}) == 4);
  CHECK_FALSE(data::check_data(FrameSequences{}).is_sound());
}

TEST_CASE("content in two splits is a leak however it was compressed; in one split it is told") {
  const TemporaryFolder root;
  auto set = four_samples(root);
  const auto image = io::read_image(root / "0.png", {.channels = 1});
  std::string pgm = "P5 5 4 255\n";
  pgm.append(reinterpret_cast<const char*>(image.pixels.data()), image.pixels.size());
  put(root, "copy.pgm", pgm);
  set.samples[3].frames = {root / "copy.pgm"};
  const auto report = data::check_data(set);
  CHECK_FALSE(report.is_sound());
  REQUIRE(report.content_leaks.size() == 1);
  CHECK(report.content_leaks[0].what == "0.png");
  CHECK(report.content_leaks[0].other == "3.png");
  CHECK(report.content_leaks[0].splits == "train and test");

  set.samples[3].split = "train";
  const auto together = data::check_data(set);
  CHECK(together.is_sound());
  CHECK(together.repeated == 1);
  CHECK(together.contradicting == 1);
  // A video that holds still is no repetition.
  set = four_samples(root);
  set.samples[0].frames.push_back(set.samples[0].frames[0]);
  CHECK(data::check_data(set).repeated == 0);
}

TEST_CASE("subjects in two splits, missing labels, and files that cannot be read are problems") {
  const TemporaryFolder root;
  auto set = four_samples(root);
  set.samples[3].subject = "S1";
  auto report = data::check_data(set);
  REQUIRE(report.subject_leaks.size() == 1);
  CHECK(report.subject_leaks[0].what == "S1");

  set = four_samples(root);
  set.samples[0].label = data::no_label;
  set.samples[1].label = data::no_label;
  set.samples[1].affect = data::Affect{0, 0};
  report = data::check_data(set);
  CHECK(report.unlabelled == Names{"0.png"});
  CHECK(report.without_class == 1);

  set = four_samples(root);
  put(root, "2.png", "nothing");
  set.samples[1].frames.clear();
  set.samples[0].frames = {root / "gone.png"};
  set.samples[3].frames.clear();
  set.samples[3].video = root / "gone.mp4";
  report = data::check_data(set);
  CHECK(report.unreadable.size() == 4);
  CHECK(report.video_files == 1);
}

TEST_CASE("recordings of joints are checked alike") {
  data::GestureSequences set{.class_names = {"wave"}};
  for (int i = 0; i < 3; ++i) {
    data::GestureSequence sample{.name = std::to_string(i), .split = i < 2 ? "train" : "test"};
    sample.joints.joints = Tensor<float>::zeros({3, 2, 3});
    sample.joints.joints(0, 0, 2) = static_cast<float>(i == 0 ? 1 : 2);
    set.samples.push_back(std::move(sample));
  }
  const auto report = data::check_data(set);
  CHECK(report.frames == 9);
  CHECK(report.absent_joints == 15);
  REQUIRE(report.content_leaks.size() == 1);
  CHECK(report.content_leaks[0].what == "1");
}

TEST_CASE("a contact sheet shows every class, with what stands under the pictures") {
  const TemporaryFolder root;
  const auto set = four_samples(root);
  const auto sheet = data::contact_sheet(set, {.count = 4, .columns = 3, .side = 20, .names = false});
  CHECK(sheet.width == 3 * 24 + 4);
  CHECK(sheet.height == 2 * (20 + 10 + 4) + 4);
  // Samples 0 and 2 are of the first class, so the second picture is sample 2.
  CHECK(*sheet.at(4 + 24 + 10, 4 + 10) == 120);
  const auto* letter = sheet.at(4, 4 + 20 + 3);
  bool drawn = false;
  for (Index x = 0; x < 20; ++x) drawn = drawn || letter[3 * x] == 255;
  CHECK(drawn);
  CHECK_THROWS_AS(data::contact_sheet(FrameSequences{}), ValueError);
  CHECK_THROWS_AS(data::contact_sheet(set, {.columns = 0}), ValueError);
  CHECK(data::detail::signed_number(-0.3) == "-0.30");
  CHECK(data::detail::signed_number(0.004) == "+0.00");
  CHECK(data::detail::signed_number(1) == "+1.00");
}

TEST_CASE("words are drawn letter by letter and cut off at the edges") {
  io::Image image(13, 7, 1);
  io::draw_text(image, 0, 0, "Li");
  CHECK(*image.at(0, 0) == 255);
  CHECK(*image.at(4, 6) == 255);
  CHECK(*image.at(4, 0) == 0);
  CHECK(*image.at(8, 0) == 255);
  io::Image twice(26, 14, 3);
  io::draw_text(twice, 0, 0, "LI", {9, 8, 7}, 2);
  for (Index y = 0; y < 14; ++y)
    for (Index x = 0; x < 26; ++x) CHECK((*twice.at(x, y) == 9) == (*image.at(x / 2, y / 2) == 255));
  io::draw_text(image, -3, -3, "####");
  io::draw_text(image, 11, 5, "####");
  CHECK_THROWS_AS(io::draw_text(image, 0, 0, "x", {1, 2, 3}, 0), ValueError);
}

TEST_CASE("videos are made thinner by number and by difference") {
  const TemporaryFolder root;
  FrameSequences set{.class_names = {"a"}};
  set.samples.push_back({.name = "v"});
  for (const int value : {0, 3, 6, 60, 61, 200, 0}) {
    const std::string name = std::to_string(set.samples[0].frames.size()) + ".png";
    put_picture(root, name, static_cast<std::uint8_t>(value), 40, 30);
    set.samples[0].frames.push_back(root / name);
  }
  const auto kept = [&](const data::ThinningOptions& options) {
    Names names;
    const auto thinned = data::thin(set, options);
    for (const auto& frame : thinned.samples.at(0).frames) names.push_back(frame.stem().string());
    return names;
  };
  CHECK(kept({}) == Names{"0", "1", "2", "3", "4", "5", "6"});
  CHECK(kept({.every = 3}) == Names{"0", "3", "6"});
  CHECK(kept({.difference = 0.1}) == Names{"0", "3", "5", "6"});
  CHECK(kept({.every = 2, .difference = 0.02}) == Names{"0", "2", "4", "6"});
  CHECK(kept({.difference = 1}) == Names{"0"});
  CHECK_THROWS_AS(data::thin(set, {.every = 0}), ValueError);
  CHECK_THROWS_AS(data::thin(set, {.difference = 1.5}), ValueError);
  CHECK(data::picture_difference(io::Image(5, 5, 1, 0), io::Image(9, 3, 3, 255)) == doctest::Approx(1));

  // Single pictures of one folder are a video, those of another folder another.
  FrameSequences singles{.class_names = {"a"}};
  for (const auto& frame : set.samples[0].frames)
    singles.samples.push_back({.name = frame.string(), .frames = {frame}});
  put_picture(root, "other/0.png", 0);
  singles.samples.push_back({.name = "other", .frames = {root / "other/0.png"}});
  CHECK(data::thin(singles, {.every = 4}).size() == 3);
}
