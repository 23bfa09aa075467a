#include <mien/data/data_set.hpp>
#include <mien/data/gesture_sequences.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace mien;

namespace {

data::FrameSequences four_videos() {
  data::FrameSequences data{.class_names = {"calm", "angry", "afraid"}};
  data.samples.push_back({.name = "a", .label = 0, .subject = "x", .split = "train"});
  data.samples.push_back({.name = "b", .label = 2, .subject = "y", .split = "test"});
  data.samples.push_back({.name = "c", .label = 2, .subject = "x", .split = "train"});
  data.samples.push_back({.name = "d", .label = 0, .subject = "z", .split = ""});
  return data;
}

io::JointRecording recording(const std::string& name, const std::string& label) {
  return {.sequence = {.joints = Tensor<float>({2, 25, 3}, 1.0F), .name = name},
          .label = label,
          .subject = "who made " + name,
          .split = "train"};
}

}  // namespace

TEST_CASE("columns, counts and subsets") {
  const auto data = four_videos();
  CHECK(data.size() == 4);
  CHECK(data.classes() == 3);
  CHECK(data.labels() == std::vector<Index>{0, 2, 2, 0});
  CHECK(data.subjects() == std::vector<std::string>{"x", "y", "x", "z"});
  CHECK(data.splits() == std::vector<std::string>{"train", "test", "train", ""});
  CHECK(data::class_counts(data) == std::vector<Index>{2, 0, 2});

  const auto some = data.subset({3, 1, 3});
  CHECK(some.classes() == 3);
  CHECK(some.subjects() == std::vector<std::string>{"z", "y", "z"});
  CHECK(data.subset({}).size() == 0);
  CHECK_THROWS_AS(data.subset({4}), IndexError);
  CHECK_THROWS_AS(data.subset({-1}), IndexError);
}

TEST_CASE("labels without a class are found, with the sample's name") {
  auto data = four_videos();
  data.samples[2].label = 3;
  CHECK_THROWS_WITH_AS(data::class_counts(data), "`c`: label 3 of 3 classes", ValueError);
  data.samples[2].label = -1;
  CHECK_THROWS_AS(data.check_labels(), ValueError);
}

TEST_CASE("a sample that was voted on or has valence and arousal needs no label, but none that is wrong") {
  auto data = four_videos();
  data.samples[1].label = data::no_label;
  CHECK_THROWS_AS(data.check_labels(), ValueError);
  data.samples[1].votes = {0.5, 0.25, 0.25};
  CHECK_NOTHROW(data.check_labels());
  data.samples[3].label = data::no_label;
  data.samples[3].affect = data::Affect{0.5, 0};
  CHECK_NOTHROW(data.check_labels());
  data.samples[1].label = 3;
  CHECK_THROWS_WITH_AS(data.check_labels(), "`b`: label 3 of 3 classes", ValueError);
}

TEST_CASE("recordings become a data set, their labels numbers") {
  const auto data = data::gesture_sequences({recording("1", "walk"), recording("2", "bow"), recording("3", "walk")});
  CHECK(data.class_names == std::vector<std::string>{"bow", "walk"});
  CHECK(data.labels() == std::vector<Index>{1, 0, 1});
  CHECK(data.samples[2].name == "3");
  CHECK(data.samples[2].subject == "who made 3");
  CHECK(data.splits()[0] == "train");
  CHECK(data.samples[0].joints.frames() == 2);
  CHECK(data::gesture_sequences({}).size() == 0);
}

TEST_CASE("a recording without a label has valence and arousal, or is refused") {
  std::vector<io::JointRecording> all{recording("1", "walk"), recording("2", "")};
  CHECK_THROWS_WITH_AS(data::gesture_sequences(all),
                       "recording `2`: the label is empty, expected one of the 1 named classes", ValueError);
  for (auto& one : all) one.attributes = {{"valence", "0.5"}, {"arousal", "-0.5"}};
  const auto data = data::gesture_sequences(all, {.valence = "valence", .arousal = "arousal"});
  CHECK(data.class_names == std::vector<std::string>{"walk"});
  CHECK(data.labels() == std::vector<Index>{0, data::no_label});
}

TEST_CASE("recordings of classes that are not named are refused or left out") {
  const std::vector<io::JointRecording> all{recording("1", "walk"), recording("2", "bow")};
  CHECK(data::gesture_sequences(all, {.class_names = {"walk", "run", "bow"}}).labels() == std::vector<Index>{0, 2});
  CHECK_THROWS_WITH_AS(data::gesture_sequences(all, {.class_names = {"walk"}}),
                       "recording `2`: label `bow` is none of the 1 named classes", ValueError);
  CHECK_THROWS_WITH_AS(data::gesture_sequences(all, {.class_names = {"walk", "bow", "walk"}}),
                       "two classes are named `walk`", ValueError);
  const auto some = data::gesture_sequences(all, {.class_names = {"bow"}, .skip_other_labels = true});
  CHECK(some.labels() == std::vector<Index>{0});
  CHECK(some.samples[0].name == "2");
  CHECK(some.skipped.other == 1);
}
