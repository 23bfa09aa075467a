#include <mien/gesture/keypoint_picture.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <set>

#include "io/message.hpp"
#include "mien/data/loader.hpp"
#include "mien/data/skeleton_pictures.hpp"
#include "mien/gesture/joint_groups.hpp"

using namespace mien;
using gesture::keypoint_picture;
using gesture::KeypointPictureOptions;

namespace {

/// T frames of the standing pose, each one a body's width further to the right.
Tensor<float> walk(Index frames) {
  const auto pose = gesture::standing_pose();
  Tensor<float> joints({frames, 25, 3});
  for (Index t = 0; t < frames; ++t)
    for (Index j = 0; j < 25; ++j) {
      joints(t, j, 0) = 100 * (pose(j, 0) + static_cast<float>(t));
      joints(t, j, 1) = 100 * pose(j, 1);
      joints(t, j, 2) = 1;
    }
  return joints;
}

std::array<int, 3> pixel(const io::Image& image, Index x, Index y) {
  return {image.at(x, y)[0], image.at(x, y)[1], image.at(x, y)[2]};
}

Index lit(const io::Image& image) {
  Index count = 0;
  for (Index y = 0; y < image.height; ++y)
    for (Index x = 0; x < image.width; ++x) count += pixel(image, x, y) != std::array<int, 3>{0, 0, 0};
  return count;
}

/// Columns that hold anything.
std::pair<Index, Index> extent(const io::Image& image) {
  Index left = image.width, right = -1;
  for (Index y = 0; y < image.height; ++y)
    for (Index x = 0; x < image.width; ++x)
      if (pixel(image, x, y) != std::array<int, 3>{0, 0, 0}) {
        left = std::min(left, x);
        right = std::max(right, x);
      }
  return {left, right};
}

}  // namespace

TEST_CASE("colours go around the circle") {
  CHECK(gesture::hue_colour(0) == gesture::Colour{255, 0, 0});
  CHECK(gesture::hue_colour(1.0 / 6) == gesture::Colour{255, 255, 0});
  CHECK(gesture::hue_colour(1.0 / 3) == gesture::Colour{0, 255, 0});
  CHECK(gesture::hue_colour(2.0 / 3, 0.2) == gesture::Colour{0, 0, 51});
  CHECK(gesture::hue_colour(1) == gesture::hue_colour(0));
}

TEST_CASE("keypoints are told apart by their number") {
  const auto counts = [](Index joints) {
    std::vector<Index> out;
    for (const auto& part : gesture::detail::keypoint_parts(joints)) out.push_back(part.count);
    return out;
  };
  CHECK(counts(25) == std::vector<Index>{25});
  CHECK(counts(18) == std::vector<Index>{18});
  CHECK(counts(95) == std::vector<Index>{25, 70});
  CHECK(counts(67) == std::vector<Index>{25, 21, 21});
  CHECK(counts(137) == std::vector<Index>{25, 70, 21, 21});
  CHECK(counts(130) == std::vector<Index>{18, 70, 21, 21});
  CHECK(counts(19) == std::vector<Index>{19});
  CHECK(gesture::detail::keypoint_parts(137)[3].first == 116);
  for (const auto& part : gesture::detail::keypoint_parts(137))
    for (const auto& [from, to] : part.lines) {
      CHECK(from >= 0);
      CHECK(to < part.count);
      CHECK(from != to);
    }
}

TEST_CASE("joints lie where they are, in the box's scale, each in its colour") {
  Tensor<float> joints = Tensor<float>::zeros({1, 25, 3});
  const auto place = [&](Index joint, float x, float y) {
    joints(0, joint, 0) = x;
    joints(0, joint, 1) = y;
    joints(0, joint, 2) = 0.5F;
  };
  place(4, 10, 20);
  place(7, 110, 120);
  const auto image = keypoint_picture(joints, 0, {.size = 100, .margin = 0, .line = 0, .radius = 0.02});
  // A joint in the corner (0, 0) and one in (100, 100), of which a quarter is seen.
  const auto colour_of = [](Index joint) {
    const auto colour = gesture::hue_colour(static_cast<double>(joint) / 25);
    return std::array<int, 3>{colour[0], colour[1], colour[2]};
  };
  CHECK(pixel(image, 0, 0) == colour_of(4));
  CHECK(pixel(image, 99, 99) == colour_of(7));
  CHECK(pixel(image, 50, 50) == std::array<int, 3>{0, 0, 0});
  const auto smaller = keypoint_picture(joints, 0, {.size = 100, .margin = 0.5, .line = 0, .radius = 0.02});
  CHECK(pixel(smaller, 25, 25) == colour_of(4));
  CHECK(pixel(smaller, 75, 75) == colour_of(7));
}

TEST_CASE("absent joints and their limbs are not drawn, and nobody is a black picture") {
  Tensor<float> joints = walk(1);
  const Index whole = lit(keypoint_picture(joints, 0));
  joints(0, 4, 2) = 0;
  joints(0, 4, 0) = 1e30F;
  const Index less = lit(keypoint_picture(joints, 0));
  CHECK(less < whole);
  joints(0, 7, 0) = std::numeric_limits<float>::quiet_NaN();
  CHECK(lit(keypoint_picture(joints, 0)) < less);
  for (Index j = 0; j < 25; ++j) joints(0, j, 2) = 0;
  CHECK(lit(keypoint_picture(joints, 0)) == 0);
  CHECK(lit(gesture::motion_picture(joints)) == 0);
}

TEST_CASE("one square for a sequence keeps movement, one a frame does not") {
  const auto joints = walk(3);
  const KeypointPictureOptions still{.size = 96};
  const KeypointPictureOptions moving{.size = 96, .box = gesture::Box::sequence};
  // But for the rounding of places far from the origin.
  const auto first = keypoint_picture(joints, 0, still);
  const auto last = keypoint_picture(joints, 2, still);
  for (std::size_t i = 0; i < first.pixels.size(); ++i) CHECK(std::abs(first.pixels[i] - last.pixels[i]) <= 2);
  CHECK(extent(keypoint_picture(joints, 0, moving)).second < extent(keypoint_picture(joints, 2, moving)).first);
  const auto all = gesture::motion_picture(joints, moving);
  CHECK(extent(all).first == extent(keypoint_picture(joints, 0, moving)).first);
  CHECK(extent(all).second == extent(keypoint_picture(joints, 2, moving)).second);
  // The first frame has a third of the last one's brightness.
  const auto brightest = [&](Index from, Index to) {
    int most = 0;
    for (Index y = 0; y < 96; ++y)
      for (Index x = from; x < to; ++x)
        for (const int value : pixel(all, x, y)) most = std::max(most, value);
    return most;
  };
  CHECK(brightest(0, 32) == 85);
  CHECK(brightest(64, 96) == 255);
}

TEST_CASE("faces and hands are drawn, and views give the same picture") {
  Tensor<float> joints = Tensor<float>::zeros({2, 137, 3});
  Generator generator(5);
  for (Index j = 25; j < 137; ++j)
    for (Index t = 0; t < 2; ++t) {
      joints(t, j, 0) = static_cast<float>(generator.uniform());
      joints(t, j, 1) = static_cast<float>(generator.uniform());
      joints(t, j, 2) = 1;
    }
  const auto image = keypoint_picture(joints, 1);
  CHECK(lit(image) > 500);
  Tensor<float> wide({2, 137, 5});
  for (Index t = 0; t < 2; ++t)
    for (Index j = 0; j < 137; ++j)
      for (Index c = 0; c < 3; ++c) wide(t, j, c + 1) = joints(t, j, c);
  CHECK(keypoint_picture(wide.slice(2, 1, 4), 1).pixels == image.pixels);
}

TEST_CASE("what cannot be drawn is told") {
  CHECK_THROWS_AS(keypoint_picture(Tensor<float>({25, 3}), 0), ShapeError);
  CHECK_THROWS_AS(keypoint_picture(walk(2), 2), IndexError);
  CHECK_THROWS_AS(keypoint_picture(walk(2), -1), IndexError);
  CHECK_THROWS_AS(keypoint_picture(walk(1), 0, {.size = 0}), ValueError);
  CHECK_THROWS_AS(keypoint_picture(walk(1), 0, {.line = -1}), ValueError);
  CHECK_THROWS_AS(keypoint_picture(walk(1), 0, {.radius = std::numeric_limits<double>::quiet_NaN()}), ValueError);
}

TEST_CASE("drawn skeletons are a source for a loader, like faces") {
  static_assert(data::Source<data::SkeletonPictures>);
  data::GestureSequences set{.class_names = {"stand", "walk"}};
  for (Index i = 0; i < 3; ++i) {
    data::GestureSequence sample{.name = "r" + std::to_string(i), .label = i % 2};
    sample.joints = {.joints = walk(i + 2), .layout = gesture::JointLayout::body_25};
    set.samples.push_back(std::move(sample));
  }
  const data::SkeletonPictures plain(set, {.clips = 1, .frames = 2, .picture = {.size = 31}, .normalisation = {}});
  const data::Loader<data::FaceBatch> loader(plain, {.batch = 3, .shuffle = false, .workers = 0});
  for (const auto& batch : loader.epoch(0)) {
    CHECK(batch.frames.shape() == Shape{3, 1, 2, 31, 31, 3});
    CHECK(batch.labels == std::vector<Index>{0, 1, 0});
    CHECK(batch.names[2] == "r2");
    const auto expected = keypoint_picture(set.samples[0].joints.joints, 1, {.size = 31});
    for (Index y = 0; y < 31; ++y)
      for (Index x = 0; x < 31; ++x) CHECK(std::lround(255 * batch.frames(0, 0, 1, y, x, 1)) == expected.at(x, y)[1]);
  }
  const data::SkeletonPictures whole(set, {.whole = true, .picture = {.size = 31}});
  Generator generator(1);
  const auto sample = whole.make(1, generator);
  CHECK(sample.frames.shape() == Shape{1, 1, 31, 31, 3});
  CHECK(sample.frames(0, 0, 0, 0, 0) == doctest::Approx(-0.485 / 0.229));
  CHECK_THROWS_AS(data::SkeletonPictures(set, {.frames = 2, .whole = true}), ValueError);
  CHECK_THROWS_AS(data::SkeletonPictures(set, {.picture = {.size = 0}}), ValueError);
  CHECK_THROWS_AS(whole.make(3, generator), IndexError);
}

TEST_CASE("drawn skeletons bring votes, valence and arousal along") {
  data::GestureSequences set{.class_names = {"stand", "walk"}};
  for (Index i = 0; i < 2; ++i) {
    data::GestureSequence sample{.name = "r" + std::to_string(i), .label = i};
    sample.joints = {.joints = walk(2), .layout = gesture::JointLayout::body_25};
    set.samples.push_back(std::move(sample));
  }
  set.samples[0].votes = {0.25, 0.75};
  set.samples[1].affect = data::Affect{-0.5, 0.125};
  const data::SkeletonPictures source(set, {.picture = {.size = 7}});
  Generator generator(1);
  const auto batch = source.collate({source.make(0, generator), source.make(1, generator)});
  CHECK(batch.votes(0, 1) == 0.75F);
  CHECK(batch.votes(1, 1) == 1);
  CHECK(batch.affect_mask(0) == 0);
  CHECK(batch.affect_mask(1) == 1);
  CHECK(batch.affect(1, 0) == -0.5F);
  CHECK(batch.affect(1, 1) == 0.125F);
  set.samples[0].votes = {1};
  CHECK_THROWS_AS(data::SkeletonPictures(set, {.picture = {.size = 7}}), ValueError);
}

TEST_CASE("a finger has one colour, and hands and faces are drawn finer than bodies") {
  const auto parts = gesture::detail::keypoint_parts(137);
  const auto colour = [&](Index point) { return gesture::detail::keypoint_colour(parts[2], point, 1); };
  for (Index finger = 0; finger < 5; ++finger) {
    for (Index point = 4 * finger + 2; point <= 4 * finger + 4; ++point) CHECK(colour(point) == colour(4 * finger + 1));
    if (finger > 0) CHECK(colour(4 * finger + 1) != colour(4 * finger));
  }
  const auto lit_by = [](Index first) {
    Tensor<float> joints = Tensor<float>::zeros({1, 137, 3});
    for (Index i = 0; i < 2; ++i)
      for (Index c = 0; c < 3; ++c) joints(0, first + i, c) = c == 2 ? 1.0F : static_cast<float>(i);
    return lit(keypoint_picture(joints, 0, {.size = 200, .margin = 0.5, .line = 0, .radius = 0.06}));
  };
  CHECK(lit_by(0) > 3 * lit_by(95));       // half the radius
  CHECK(lit_by(95) > lit_by(25) * 3 / 2);  // half, beside a third
  CHECK(lit_by(116) == lit_by(95));
}

TEST_CASE("a joint without a height neither is drawn nor moves the square") {
  Tensor<float> joints = walk(1);
  joints(0, 4, 2) = 0;
  const auto absent = keypoint_picture(joints, 0);
  joints(0, 4, 2) = 1;
  joints(0, 4, 1) = std::numeric_limits<float>::quiet_NaN();
  CHECK(keypoint_picture(joints, 0).pixels == absent.pixels);
}
