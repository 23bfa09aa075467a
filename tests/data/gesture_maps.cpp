#include <mien/data/gesture_maps.hpp>
#include <mien/data/loader.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "io/message.hpp"

using namespace mien;
using data::GestureBatch;
using data::GestureMaps;
using data::Loader;

static_assert(data::Source<GestureMaps>);

namespace {

data::GestureSequences recordings() {
  data::GestureSequences out{.class_names = {"wave", "point", "none"}};
  Generator generator(1);
  for (Index i = 0; i < 7; ++i) {
    data::GestureSequence sample{.name = "recording " + std::to_string(i), .label = i % 3};
    sample.joints.joints = Tensor<float>({3 + i, 25, 3});
    generator.fill_uniform(sample.joints.joints, 0.1, 1);
    sample.joints.layout = gesture::JointLayout::body_25;
    out.samples.push_back(sample);
  }
  return out;
}

bool same(const Tensor<float>& a, const Tensor<float>& b) {
  return a.shape() == b.shape() && std::memcmp(a.contiguous().data(), b.contiguous().data(),
                                               static_cast<std::size_t>(a.elements()) * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("a batch holds the representations, with labels and names") {
  const auto data = recordings();
  const gesture::RepresentationOptions representation{.size = 15, .sigma = 1, .joints = gesture::upper_body()};
  const Loader loader(GestureMaps(data, {.representation = representation}), {.batch = 4, .shuffle = false});
  Index next = 0;
  for (const GestureBatch& batch : loader.epoch(0)) {
    CHECK(batch.maps.shape() == Shape{next == 0 ? 4 : 3, 15, 15, 13});
    for (Index i = 0; i < batch.maps.size(0); ++i, ++next) {
      CHECK(batch.labels[static_cast<std::size_t>(i)] == next % 3);
      CHECK(batch.names[static_cast<std::size_t>(i)] == "recording " + std::to_string(next));
      const auto& joints = data.samples[static_cast<std::size_t>(next)].joints;
      CHECK(same(batch.maps.select(0, i), gesture::represent(joints, representation)));
    }
  }
  CHECK(next == 7);
}

TEST_CASE("any number of workers gives the same variations, each epoch gives others") {
  const GestureMaps maps(recordings(), {.representation = {.size = 15},
                                        .augmentation = {.mirror = 0.5, .rotation = 10, .crop = 0.2, .noise = 0.05}});
  const auto run = [&](Index workers, Index epoch) {
    std::vector<GestureBatch> batches;
    const Loader loader(maps, {.batch = 7, .seed = 3, .balanced = true, .workers = workers});
    for (const GestureBatch& batch : loader.epoch(epoch)) batches.push_back(batch);
    REQUIRE(batches.size() == 1);
    return batches[0];
  };
  const auto expected = run(0, 2);
  for (const Index workers : {1, 3}) {
    CHECK(same(run(workers, 2).maps, expected.maps));
    CHECK(run(workers, 2).labels == expected.labels);
  }
  CHECK_FALSE(same(run(0, 3).maps, expected.maps));
}

TEST_CASE("faults are told with the recording's name") {
  auto data = recordings();
  data.samples[5].joints.joints(1, 2, 0) = std::numeric_limits<float>::quiet_NaN();
  const Loader loader(GestureMaps(data), {.batch = 2, .workers = 2});
  const auto message = message_of<ValueError>([&] {
    for ([[maybe_unused]] const auto& batch : loader.epoch(0)) continue;
  });
  CHECK(contains(message, "sample recording 5: "));
  CHECK(contains(message, "frame 1, joint 2"));

  data.samples[3].joints.joints = Tensor<float>({4, 19, 3});
  CHECK(contains(message_of<ShapeError>([&] { GestureMaps{data}; }), "`recording 3`"));
  data = recordings();
  data.samples[3].label = 3;
  CHECK_THROWS_AS(GestureMaps{data}, ValueError);
  CHECK_THROWS_AS(GestureMaps(recordings()).collate({}), ShapeError);
  const auto sample = [](Index size) { return GestureMaps::Sample{Tensor<float>({size, size, 25}, 0.F), 0, ""}; };
  CHECK(contains(message_of<ShapeError>([&] {
                   GestureMaps(recordings()).collate({sample(7), sample(9)});
                 }),
                 "[9, 9, 25], expected [7, 7, 25]"));
}
