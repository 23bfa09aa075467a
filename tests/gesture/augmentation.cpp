#include <mien/gesture/augmentation.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace mien;
using gesture::JointAugmentation;

namespace {

Tensor<double> body(Index frames, Index joints, std::uint64_t seed = 1) {
  Generator generator(seed);
  Tensor<double> out({frames, joints, 3});
  for (Index t = 0; t < frames; ++t)
    for (Index j = 0; j < joints; ++j) {
      out(t, j, 0) = 100 * generator.normal();
      out(t, j, 1) = 70 * generator.normal();
      out(t, j, 2) = 1;
    }
  return out;
}

bool same(const Tensor<double>& a, const Tensor<double>& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.elements()) * sizeof(double)) == 0;
}

double distance(const Tensor<double>& joints, Index frame, Index a, Index b) {
  return std::hypot(joints(frame, a, 0) - joints(frame, b, 0), joints(frame, a, 1) - joints(frame, b, 1));
}

}  // namespace

TEST_CASE("without any amount nothing changes") {
  Generator generator(1);
  const auto joints = body(7, 25);
  const auto out = gesture::augment(joints, {}, generator);
  REQUIRE(out.shape() == joints.shape());
  for (Index i = 0; i < out.elements(); ++i) CHECK(out.data()[i] == doctest::Approx(joints.data()[i]));
}

TEST_CASE("the same generator gives the same variation, another one another, and the input stays as it was") {
  const JointAugmentation all{.mirror = 0.5,
                              .rotation = 10,
                              .scale = 0.1,
                              .shear = 0.1,
                              .crop = 0.2,
                              .speed = 0.3,
                              .joint_dropout = 0.1,
                              .frame_dropout = 0.1,
                              .noise = 0.02};
  const auto joints = body(31, 25);
  const auto before = joints.clone();
  Generator one(5);
  Generator again(5);
  Generator other(6);
  const auto out = gesture::augment(joints, all, one);
  CHECK(same(out, gesture::augment(joints, all, again)));
  CHECK_FALSE(same(out, gesture::augment(joints, all, other)));
  CHECK(same(joints, before));
}

TEST_CASE("a mirror swaps left and right and turns x about") {
  Generator generator(1);
  const auto joints = body(3, 25);
  const auto out = gesture::augment(joints, {.mirror = 1}, generator);
  // Joint 4 is the right wrist, 7 the left one; 0 the nose.
  const double twice_middle = out(0, 0, 0) + joints(0, 0, 0);
  for (Index t = 0; t < 3; ++t) {
    CHECK(out(t, 7, 0) == doctest::Approx(twice_middle - joints(t, 4, 0)));
    CHECK(out(t, 4, 1) == doctest::Approx(joints(t, 7, 1)));
    CHECK(out(t, 0, 1) == doctest::Approx(joints(t, 0, 1)));
  }
  const auto back = gesture::augment(out, {.mirror = 1}, generator);
  for (Index i = 0; i < back.elements(); ++i) CHECK(back.data()[i] == doctest::Approx(joints.data()[i]));
}

TEST_CASE("a mirror needs to know the pairs") {
  Generator generator(1);
  // A body with a face or hands has BODY_25's joints in front, and more that would have to change places.
  for (const Index joints : {19, 30, 95})
    CHECK_THROWS_AS(gesture::augment(body(3, joints), {.mirror = 1}, generator), ValueError);
  CHECK_THROWS_AS(gesture::augment(body(3, 19), {.mirror = 1}, generator, gesture::JointLayout::other), ValueError);
  const auto out = gesture::augment(body(3, 3), {.mirror = 1, .mirrored = {{0, 2}}}, generator);
  CHECK(out(1, 0, 1) == doctest::Approx(body(3, 3)(1, 2, 1)));

  gesture::JointSequence sequence{.joints = body(3, 18).cast<float>(), .layout = gesture::JointLayout::coco_18};
  const auto mirrored = gesture::augment(sequence, {.mirror = 1}, generator);
  CHECK(mirrored.joints(2, 8, 1) == doctest::Approx(sequence.joints(2, 11, 1)));
}

TEST_CASE("rotation keeps distances and goes no further than asked") {
  const auto joints = body(4, 25);
  double largest = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Generator generator(seed);
    const auto out = gesture::augment(joints, {.rotation = 15}, generator);
    CHECK(distance(out, 2, 3, 9) == doctest::Approx(distance(joints, 2, 3, 9)));
    const auto angle = [](const Tensor<double>& pose) {
      return std::atan2(pose(2, 3, 1) - pose(2, 9, 1), pose(2, 3, 0) - pose(2, 9, 0));
    };
    const double turned = std::remainder(angle(out) - angle(joints), 2 * std::numbers::pi) * 180 / std::numbers::pi;
    largest = std::max(largest, std::abs(turned));
  }
  CHECK(largest <= 15 + 1e-9);
  CHECK(largest > 12);
}

TEST_CASE("time is cropped and stretched within bounds, never to nothing") {
  for (const Index frames : {1, 2, 31})
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      Generator generator(seed);
      const auto cropped = gesture::augment(body(frames, 5), {.crop = 0.5}, generator).size(0);
      CHECK(cropped >= std::max<Index>(1, frames / 2));
      CHECK(cropped <= frames);
      const auto faster = gesture::augment(body(frames, 5), {.speed = 1}, generator).size(0);
      CHECK(faster >= std::max<Index>(1, frames / 2));
      CHECK(faster <= frames * 2);
    }
}

TEST_CASE("time is interpolated between frames that both know a joint, else taken from the nearer") {
  Tensor<double> joints({3, 2, 3}, 1.0);
  for (Index t = 0; t < 3; ++t)
    joints(t, 0, 0) = 10.0 * static_cast<double>(t), joints(t, 1, 0) = static_cast<double>(t);
  joints(1, 1, 2) = 0;
  const auto five = gesture::resample_time(joints, 5);
  for (Index t = 0; t < 5; ++t) CHECK(five(t, 0, 0) == doctest::Approx(5.0 * static_cast<double>(t)));
  CHECK(five(0, 1, 2) == 1);
  CHECK(five(2, 1, 2) == 0);
  CHECK(five(4, 1, 0) == 2);
  CHECK(gesture::resample_time(joints, 1)(0, 0, 0) == 10);
  CHECK_THROWS_AS(gesture::resample_time(joints, 0), ValueError);
  CHECK_THROWS_WITH_AS(gesture::resample_time(Tensor<double>({4, 2}), 2),
                       "resample_time: joints [4, 2] are not [T, J, 3]: x, y, confidence", ShapeError);
  CHECK_THROWS_AS(gesture::resample_time(Tensor<double>({0, 2, 3}), 2), ValueError);
}

TEST_CASE("dropout takes joints away for good or for a frame; absent joints never come back") {
  auto joints = body(40, 25);
  for (Index t = 0; t < 40; ++t) joints(t, 6, 2) = 0;
  Generator generator(2);
  const auto whole = gesture::augment(joints, {.joint_dropout = 0.5}, generator);
  Index gone = 0;
  for (Index j = 0; j < 25; ++j) {
    for (Index t = 1; t < 40; ++t) CHECK(whole(t, j, 2) == whole(0, j, 2));
    gone += whole(0, j, 2) == 0;
  }
  CHECK(gone > 5);
  CHECK(gone < 20);
  CHECK(whole(0, 6, 2) == 0);

  const auto frames = gesture::augment(joints, {.frame_dropout = 0.25}, generator);
  Index absent = 0;
  for (Index t = 0; t < 40; ++t)
    for (Index j = 0; j < 25; ++j) absent += j != 6 && frames(t, j, 2) == 0;
  CHECK(absent > 180);
  CHECK(absent < 300);
  CHECK(frames(5, 6, 2) == 0);
}

TEST_CASE("noise has the deviation that was asked for, in parts of the body's extent") {
  Tensor<double> joints({500, 2, 3}, 1.0);
  for (Index t = 0; t < 500; ++t) joints(t, 0, 0) = 0, joints(t, 1, 0) = 200, joints(t, 1, 1) = 1;
  Generator generator(3);
  const auto out = gesture::augment(joints, {.noise = 0.05}, generator);
  double squares = 0;
  for (Index t = 0; t < 500; ++t) squares += std::pow(out(t, 0, 0), 2) + std::pow(out(t, 1, 1) - 1, 2);
  CHECK(std::sqrt(squares / 1000) == doctest::Approx(10).epsilon(0.1));
}

TEST_CASE("empty sequences pass through; amounts out of range and bad shapes are refused") {
  Generator generator(1);
  CHECK(gesture::augment(Tensor<double>({0, 25, 3}), {.crop = 0.5}, generator).shape() == Shape{0, 25, 3});
  CHECK_THROWS_AS(gesture::augment(body(2, 2), {.mirror = 1.5}, generator), ValueError);
  CHECK_THROWS_AS(gesture::augment(body(2, 2), {.noise = std::nan("")}, generator), ValueError);
  CHECK_THROWS_AS(gesture::augment(body(2, 2), {.crop = 1}, generator), ValueError);
  CHECK_THROWS_AS(gesture::augment(Tensor<double>({2, 3}), {}, generator), ShapeError);
}

TEST_CASE("each axis has a factor of its own, within bounds") {
  const auto joints = body(1, 25);
  double least = 1, greatest = 1, furthest = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Generator generator(seed);
    const auto out = gesture::augment(joints, {.scale = 0.3}, generator);
    const auto factor = [&](Index axis) {
      return (out(0, 4, axis) - out(0, 9, axis)) / (joints(0, 4, axis) - joints(0, 9, axis));
    };
    least = std::min({least, factor(0), factor(1)});
    greatest = std::max({greatest, factor(0), factor(1)});
    furthest = std::max(furthest, std::abs(factor(0) - factor(1)));
  }
  CHECK(least >= 0.7 - 1e-9);
  CHECK(least < 0.75);
  CHECK(greatest <= 1.3 + 1e-9);
  CHECK(greatest > 1.25);
  CHECK(furthest > 0.3);
}

TEST_CASE("shear moves x with y within bounds, and keeps areas, turned or not") {
  const auto joints = body(1, 25);
  const auto area = [](const Tensor<double>& pose) {
    return (pose(0, 1, 0) - pose(0, 0, 0)) * (pose(0, 2, 1) - pose(0, 0, 1)) -
           (pose(0, 1, 1) - pose(0, 0, 1)) * (pose(0, 2, 0) - pose(0, 0, 0));
  };
  double largest = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Generator generator(seed);
    const auto out = gesture::augment(joints, {.shear = 0.2}, generator);
    CHECK(out(0, 4, 1) == doctest::Approx(joints(0, 4, 1)));
    const double moved = (out(0, 4, 0) - out(0, 9, 0)) - (joints(0, 4, 0) - joints(0, 9, 0));
    largest = std::max(largest, std::abs(moved / (joints(0, 4, 1) - joints(0, 9, 1))));
    const auto turned = gesture::augment(joints, {.rotation = 40, .shear = 0.2}, generator);
    CHECK(area(turned) == doctest::Approx(area(joints)));
  }
  CHECK(largest <= 0.2 + 1e-9);
  CHECK(largest > 0.17);
}

TEST_CASE("both ends are cropped, and time runs faster or slower") {
  Tensor<double> joints = body(31, 5);
  for (Index t = 0; t < 31; ++t) joints(t, 0, 2) = static_cast<double>(t + 1);
  double latest_first = 0;
  double earliest_last = 31;
  Index shortest = 31;
  Index longest = 31;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Generator generator(seed);
    const auto cropped = gesture::augment(joints, {.crop = 0.5}, generator);
    latest_first = std::max(latest_first, cropped(0, 0, 2));
    earliest_last = std::min(earliest_last, cropped(-1 + cropped.size(0), 0, 2));
    const Index frames = gesture::augment(joints, {.speed = 1}, generator).size(0);
    shortest = std::min(shortest, frames);
    longest = std::max(longest, frames);
  }
  CHECK(latest_first > 10);
  CHECK(earliest_last < 22);
  CHECK(shortest < 20);
  CHECK(longest > 50);
}

TEST_CASE("a pair of which one joint is the first that there is not is refused") {
  Generator generator(1);
  CHECK_THROWS_AS(gesture::augment(body(3, 5), {.mirror = 1, .mirrored = {{5, 0}}}, generator), IndexError);
  CHECK_THROWS_AS(gesture::augment(body(3, 5), {.mirror = 1, .mirrored = {{0, -1}}}, generator), IndexError);
}

TEST_CASE("beside a frame that lacks a joint the nearer frame decides, before and after") {
  Tensor<double> joints({2, 2, 3}, 1.0);
  joints(0, 0, 2) = 0;
  joints(1, 1, 2) = 0;
  const auto four = gesture::resample_time(joints, 4);  // at 0, 1/3, 2/3 and 1
  for (Index t = 0; t < 4; ++t) {
    CHECK(four(t, 0, 2) == (t < 2 ? 0 : 1));
    CHECK(four(t, 1, 2) == (t < 2 ? 1 : 0));
  }
}
