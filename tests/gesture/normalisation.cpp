#include <mien/core/random.hpp>
#include <mien/gesture/normalisation.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "random_tensor.hpp"

using namespace mien;

namespace {

/// Samples with some joints absent and at odd places.
Tensor<double> random_joints(const Shape& shape, std::uint64_t seed) {
  Tensor<double> joints(shape);
  Generator generator(seed);
  generator.fill_uniform(joints, 0.1, 1);
  for (Index n = 0; n < shape[0]; ++n)
    for (Index joint = 0; joint < shape[1]; ++joint) {
      if (generator.uniform() >= 0.2) continue;
      joints(n, joint, 0) = std::numeric_limits<double>::quiet_NaN();
      joints(n, joint, 1) = 1e9;
      joints(n, joint, 2) = joint % 2 == 0 ? 0 : -1;
    }
  return joints;
}

}  // namespace

TEST_CASE("present joints lie in a square about 0, which its greater extent fills; absent ones are 0") {
  for (const Index count : {1, 2, 25, 95}) {
    const Tensor<double> joints = random_joints({31, count, 3}, 1);
    const Tensor<double> out = gesture::normalise_joints(joints);
    REQUIRE(out.shape() == joints.shape());
    for (Index n = 0; n < joints.size(0); ++n) {
      double low[2] = {2, 2};
      double high[2] = {-2, -2};
      Index present = 0;
      for (Index joint = 0; joint < count; ++joint) {
        if (!(joints(n, joint, 2) > 0)) {
          for (Index i = 0; i < 3; ++i) CHECK(out(n, joint, i) == 0);
          continue;
        }
        ++present;
        CHECK(out(n, joint, 2) == joints(n, joint, 2));
        for (Index axis = 0; axis < 2; ++axis) {
          low[axis] = std::min(low[axis], out(n, joint, axis));
          high[axis] = std::max(high[axis], out(n, joint, axis));
        }
      }
      if (present == 0) continue;
      for (int axis = 0; axis < 2; ++axis) CHECK(low[axis] + high[axis] == doctest::Approx(0).epsilon(1e-9));
      if (present > 1) CHECK(std::max(high[0] - low[0], high[1] - low[1]) == doctest::Approx(2));
    }
  }
}

TEST_CASE("where somebody stands and how near makes no difference, and both axes have one scale") {
  const Tensor<double> joints = random_joints({7, 25, 3}, 2);
  Tensor<double> moved = joints.clone();
  for (Index n = 0; n < 7; ++n)
    for (Index joint = 0; joint < 25; ++joint) {
      moved(n, joint, 0) = 30 * joints(n, joint, 0) + 400;
      moved(n, joint, 1) = 30 * joints(n, joint, 1) - 50;
    }
  CHECK(testing::largest_difference(gesture::normalise_joints(moved), gesture::normalise_joints(joints)) < 1e-9);
  const auto tall = Tensor<double>::from({1, 3, 3}, {0, 0, 1, 1, 10, 1, 0.5, 5, 0.5});
  const auto expected = Tensor<double>::from({1, 3, 3}, {-0.1, -1, 1, 0.1, 1, 1, 0, 0, 0.5});
  CHECK(testing::largest_difference(gesture::normalise_joints(tall), expected) < 1e-12);
}

TEST_CASE("groups have boxes of their own") {
  const Tensor<double> joints = random_joints({5, 95, 3}, 3);
  const Tensor<double> out = gesture::normalise_joints(joints, {.groups = {25, 70}});
  for (const auto& [begin, end] : {std::pair<Index, Index>{0, 25}, std::pair<Index, Index>{25, 95}})
    CHECK(testing::largest_difference(out.slice(1, begin, end),
                                      gesture::normalise_joints(joints.slice(1, begin, end))) == 0);
}

TEST_CASE("no samples, no joints and nobody there give what there is") {
  CHECK(gesture::normalise_joints(Tensor<float>({0, 25, 3})).shape() == Shape{0, 25, 3});
  CHECK(gesture::normalise_joints(Tensor<float>({2, 0, 3})).shape() == Shape{2, 0, 3});
  const Tensor<float> nobody({2, 3, 3}, -1.0F);
  CHECK(testing::largest_difference(gesture::normalise_joints(nobody), Tensor<float>({2, 3, 3}, 0.0F)) == 0);
}

TEST_CASE("what are no joints is refused") {
  CHECK_THROWS_AS(gesture::normalise_joints(Tensor<float>({25, 3}, 1.0F)), ShapeError);
  CHECK_THROWS_AS(gesture::normalise_joints(Tensor<float>({2, 25, 2}, 1.0F)), ShapeError);
  CHECK_THROWS_AS(gesture::normalise_joints(Tensor<float>({2, 5, 3}, 1.0F), {.groups = {2, 2}}), ShapeError);
  CHECK_THROWS_AS(gesture::normalise_joints(Tensor<float>({2, 5, 3}, 1.0F), {.groups = {6, -1}}), ShapeError);
  Tensor<float> joints({2, 5, 3}, 1.0F);
  joints(1, 2, 0) = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH_AS(gesture::normalise_joints(joints), doctest::Contains("joint 2"), ValueError);
  joints(1, 2, 2) = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(gesture::normalise_joints(joints), ValueError);
}
