#include <mien/data/gesture_sequences.hpp>
#include <mien/data/keypoint_frames.hpp>
#include <mien/data/loader.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "io/message.hpp"

using namespace mien;
using data::KeypointFrames;

namespace {

/// `frames` frames of two joints; the second is at (frame, 0) to the right of the first, whose confidence is the
/// frame's number.
data::GestureSequence recording(const std::string& name, Index frames, Index label) {
  data::GestureSequence out{.name = name, .label = label};
  out.joints.joints = Tensor<float>({frames, 2, 3}, 0.0F);
  for (Index frame = 0; frame < frames; ++frame) {
    out.joints.joints(frame, 0, 2) = static_cast<float>(frame + 1);
    out.joints.joints(frame, 1, 0) = static_cast<float>(frame + 1);
    out.joints.joints(frame, 1, 2) = 1;
  }
  return out;
}

data::GestureSequences recordings() {
  data::GestureSequences out{.class_names = {"a", "b"}};
  out.samples = {recording("long", 31, 0), recording("short", 2, 1), recording("one", 1, data::no_label)};
  out.samples[0].votes = {0.75, 0.25};
  out.samples[2].affect = data::Affect{-0.5, 0.25};
  return out;
}

}  // namespace

TEST_CASE("frames come in order, one from each part, with their joints in the box of those that are present") {
  const KeypointFrames source(recordings(), {.frames = 3});
  Generator generator(1);
  const auto sample = source.make(0, generator);
  REQUIRE(sample.keypoints.shape() == Shape{3, 2, 3});
  // The middles of three parts of 31 frames.
  CHECK(sample.keypoints(0, 0, 2) == 6);
  CHECK(sample.keypoints(1, 0, 2) == 16);
  CHECK(sample.keypoints(2, 0, 2) == 26);
  for (Index frame = 0; frame < 3; ++frame) {
    CHECK(sample.keypoints(frame, 0, 0) == -1);
    CHECK(sample.keypoints(frame, 1, 0) == 1);
    CHECK(sample.keypoints(frame, 1, 1) == 0);
  }
  CHECK(source.make(1, generator).keypoints.shape() == Shape{3, 2, 3});  // fewer frames than are asked for
  const KeypointFrames random(recordings(), {.frames = 3, .sampling = data::ClipSampling::random});
  bool differs = false;
  for (int i = 0; i < 8; ++i) {
    const auto drawn = random.make(0, generator).keypoints;
    for (Index frame = 0; frame < 3; ++frame) {
      CHECK(drawn(frame, 0, 2) > static_cast<float>(frame * 31 / 3));
      CHECK(drawn(frame, 0, 2) <= static_cast<float>((frame + 1) * 31 / 3));
      differs = differs || drawn(frame, 0, 2) != sample.keypoints(frame, 0, 2);
    }
  }
  CHECK(differs);
}

TEST_CASE("batches of keypoints hold what is known of recordings") {
  const data::Loader loader(KeypointFrames(recordings(), {.frames = 5}), {.batch = 3, .shuffle = false});
  for (const data::KeypointBatch& batch : loader.epoch(0)) {
    CHECK(batch.keypoints.shape() == Shape{3, 5, 2, 3});
    CHECK(batch.labels == std::vector<Index>{0, 1, data::no_label});
    CHECK(batch.names == std::vector<std::string>{"long", "short", "one"});
    CHECK(batch.votes(0, 1) == 0.25F);
    CHECK(batch.votes(1, 1) == 1);
    CHECK(batch.votes(2, 0) == 0);
    CHECK(batch.affect_mask(0) == 0);
    CHECK(batch.affect_mask(2) == 1);
    CHECK(batch.affect(2, 0) == -0.5F);
  }
  CHECK_THROWS_AS(KeypointFrames(recordings(), {.frames = 0}), ValueError);
  auto unlike = recordings();
  unlike.samples[1].joints.joints = Tensor<float>({4, 3, 3});
  CHECK_THROWS_AS(KeypointFrames(unlike, {}), ShapeError);
}

TEST_CASE("valence and arousal of recordings are columns that describe them") {
  const auto read = [](const std::string& valence, const std::string& arousal) {
    const std::string csv = "sequence,frame,label,v,a,x0,y0\n1,0,x," + valence + "," + arousal + ",1,2\n1,1,x," +
                            valence + "," + arousal + ",2,3\n";
    const io::CsvTable table = io::CsvTable::parse(csv, "table.csv");
    return data::gesture_sequences(
        io::read_joint_table(table, {.columns = {.others = {"v", "a"}}, .layout = gesture::JointLayout::other}),
        {.valence = "v", .arousal = "a"});
  };
  CHECK(read("0.5", "-1").samples[0].affect == data::Affect{0.5, -1});
  CHECK(!read("", "-1").samples[0].affect);
  CHECK(contains(message_of<ValueError>([&] { read("1.5", "0"); }), "v `1.5`"));
  CHECK(contains(message_of<ValueError>([&] { read("0", "high"); }), "a `high`"));
}
