#include <mien/gesture/representation.hpp>

#include <mien/core/random.hpp>
#include <mien/gesture/joint_groups.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace mien;
using gesture::RepresentationOptions;

namespace {

/// A body that wanders, with a tenth of all joints absent.
Tensor<double> wandering(Index frames, Index joints, std::uint64_t seed = 1) {
  Generator generator(seed);
  Tensor<double> out({frames, joints, 3});
  for (Index t = 0; t < frames; ++t)
    for (Index j = 0; j < joints; ++j) {
      out(t, j, 0) = 300 + 3.0 * static_cast<double>(t) + 50 * generator.normal();
      out(t, j, 1) = 200 + 40 * generator.normal();
      out(t, j, 2) = generator.uniform() < 0.1 ? 0 : 0.7;
    }
  return out;
}

/// The definition, word by word, for one box over the whole sequence.
Tensor<double> by_definition(const Tensor<double>& joints, Index size, double sigma, gesture::TimeWeight kind) {
  double low[2] = {1e300, 1e300};
  double high[2] = {-1e300, -1e300};
  for (Index t = 0; t < joints.size(0); ++t)
    for (Index j = 0; j < joints.size(1); ++j)
      if (joints(t, j, 2) > 0)
        for (Index a = 0; a < 2; ++a) {
          low[a] = std::min(low[a], joints(t, j, a));
          high[a] = std::max(high[a], joints(t, j, a));
        }
  const double side = std::max({high[0] - low[0], high[1] - low[1], 1e-6}) * 1.1;
  auto out = Tensor<double>::zeros({size, size, joints.size(1)});
  for (Index t = 0; t < joints.size(0); ++t)
    for (Index j = 0; j < joints.size(1); ++j) {
      if (!(joints(t, j, 2) > 0)) continue;
      double place[2];
      for (Index a = 0; a < 2; ++a)
        place[a] =
            std::floor((joints(t, j, a) - ((low[a] + high[a]) / 2 - side / 2)) / side * static_cast<double>(size));
      for (Index r = 0; r < size; ++r)
        for (Index c = 0; c < size; ++c) {
          const double d2 =
              std::pow(static_cast<double>(r) - place[1], 2) + std::pow(static_cast<double>(c) - place[0], 2);
          const double value = sigma == 0 ? (d2 == 0 ? 1 : 0) : std::exp(-d2 / (2 * sigma * sigma));
          out(r, c, j) += gesture::time_weight(kind, t, joints.size(0)) * value;
        }
    }
  return out;
}

double sum(const Tensor<double>& map) {
  double total = 0;
  for (const double value : map.span()) total += value;
  return total;
}

double largest_difference(const Tensor<double>& a, const Tensor<double>& b) {
  REQUIRE(a.shape() == b.shape());
  double largest = 0;
  for (Index i = 0; i < a.elements(); ++i) largest = std::max(largest, std::abs(a.data()[i] - b.data()[i]));
  return largest;
}

}  // namespace

TEST_CASE("time weights are the published ones") {
  using gesture::TimeWeight;
  CHECK(gesture::time_weight(TimeWeight::linear, 0, 5) == 0);
  CHECK(gesture::time_weight(TimeWeight::linear, 3, 5) == doctest::Approx(5.0 / 4 * 3));
  CHECK(gesture::time_weight(TimeWeight::quadratic, 3, 5) == doctest::Approx((16.0 - 4) / 4));
  CHECK(gesture::time_weight(TimeWeight::uniform, 0, 5) == 1);
  CHECK(gesture::time_weight(TimeWeight::normalised, 4, 5) == 1);
  for (const auto kind : {TimeWeight::linear, TimeWeight::quadratic, TimeWeight::uniform, TimeWeight::normalised})
    CHECK(gesture::time_weight(kind, 0, 1) == 1);
}

TEST_CASE("maps equal the definition for odd sizes, few frames and wide Gaussians") {
  for (const Index size : {1, 7, 31, 65})
    for (const Index frames : {1, 2, 17})
      for (const double sigma : {0.0, 0.3, 1.0, 40.0})
        for (const auto kind : {gesture::TimeWeight::linear, gesture::TimeWeight::normalised}) {
          CAPTURE(size);
          CAPTURE(frames);
          CAPTURE(sigma);
          const auto joints = wandering(frames, 5);
          const auto map =
              gesture::represent(joints, {.size = size, .sigma = sigma, .weight = kind, .scale = gesture::Scale::none});
          CHECK(largest_difference(map, by_definition(joints, size, sigma, kind)) < 1e-11);
        }
}

TEST_CASE("a Gaussian too narrow for its square draws one pixel, one too wide fills the map") {
  const auto joints = wandering(3, 2);
  const auto one_pixel = gesture::represent(joints, {.size = 9});
  CHECK(largest_difference(gesture::represent(joints, {.size = 9, .sigma = 1e-200}), one_pixel) == 0);
  const auto wide = gesture::represent(wandering(1, 1, 2), {.size = 9, .sigma = 1e200});
  for (const double value : wide.span()) CHECK(value == wide(0, 0, 0));
}

TEST_CASE("rows follow y and columns follow x") {
  Tensor<double> joints({2, 1, 3}, 1.0);
  joints(0, 0, 0) = 0, joints(0, 0, 1) = 0;
  joints(1, 0, 0) = 10, joints(1, 0, 1) = 2;
  const auto map = gesture::represent(
      joints, {.size = 10, .weight = gesture::TimeWeight::uniform, .scale = gesture::Scale::none, .margin = 0});
  // The box is [0, 10] x [-4, 6].
  CHECK(map(4, 0, 0) == 1);
  CHECK(map(6, 9, 0) == 1);
  CHECK(sum(map) == 2);
}

TEST_CASE("an absent joint neither draws nor moves the box, whatever its coordinates") {
  auto joints = wandering(9, 6);
  for (Index t = 0; t < 9; ++t) joints(t, 2, 2) = 0;
  auto elsewhere = joints.clone();
  for (Index t = 0; t < 9; ++t) {
    elsewhere(t, 2, 0) = t % 2 == 0 ? -1e9 : std::numeric_limits<double>::quiet_NaN();
    elsewhere(t, 2, 1) = std::numeric_limits<double>::infinity();
  }
  const auto map = gesture::represent(joints, {.size = 31});
  CHECK(largest_difference(map, gesture::represent(elsewhere, {.size = 31})) == 0);
  for (Index r = 0; r < 31; ++r)
    for (Index c = 0; c < 31; ++c) CHECK(map(r, c, 2) == 0);
}

TEST_CASE("nobody in any frame, and no frames, give zeros") {
  for (const Index frames : {0, 1, 7}) {
    const auto map = gesture::represent(Tensor<float>::zeros({frames, 25, 3}), {.size = 7, .sigma = 1});
    CHECK(map.shape() == Shape{7, 7, 25});
    for (const float value : map.span()) CHECK(value == 0);
  }
  CHECK(gesture::represent(Tensor<float>::zeros({4, 0, 3})).shape() == Shape{64, 64, 0});
}

TEST_CASE("a single point has a box") {
  Tensor<double> joints({1, 1, 3}, 5.0);
  const auto map = gesture::represent(joints, {.size = 7});
  CHECK(sum(map) == 1);
  CHECK(map(3, 3, 0) == 1);
}

TEST_CASE("division by the weights makes repeated sequences equal, by the maximum gives 1") {
  const auto joints = wandering(1, 4);
  Tensor<double> standing({50, 4, 3});
  for (Index t = 0; t < 50; ++t) standing.slice(0, t, t + 1).copy_from(joints);
  for (const auto kind : {gesture::TimeWeight::linear, gesture::TimeWeight::quadratic, gesture::TimeWeight::uniform,
                          gesture::TimeWeight::normalised})
    CHECK(largest_difference(gesture::represent(joints, {.size = 9, .weight = kind}),
                             gesture::represent(standing, {.size = 9, .weight = kind})) < 1e-12);

  const auto map = gesture::represent(wandering(20, 4), {.sigma = 2, .scale = gesture::Scale::by_maximum});
  CHECK(*std::max_element(map.span().begin(), map.span().end()) == 1);
}

TEST_CASE("the square root comes after the division") {
  const auto joints = wandering(20, 4);
  const auto map = gesture::represent(joints, {.size = 15, .sigma = 1});
  const auto root = gesture::represent(joints, {.size = 15, .sigma = 1, .square_root = true});
  for (Index i = 0; i < map.elements(); ++i) CHECK(root.data()[i] == doctest::Approx(std::sqrt(map.data()[i])));
}

TEST_CASE("a box for each frame removes movement through space, one box keeps it") {
  const auto joints = wandering(6, 8, 3);
  auto walking = joints.clone();
  for (Index t = 0; t < 6; ++t)
    for (Index j = 0; j < 8; ++j) walking(t, j, 0) += 64.0 * static_cast<double>(t);
  const RepresentationOptions pose{.size = 31, .box = gesture::Box::per_frame};
  CHECK(largest_difference(gesture::represent(joints, pose), gesture::represent(walking, pose)) < 1e-9);
  CHECK(largest_difference(gesture::represent(joints, {.size = 31}), gesture::represent(walking, {.size = 31})) > 0.1);
}

TEST_CASE("a subset draws its joints alone, in its order, in a box of its own") {
  const auto joints = wandering(5, 25);
  const auto upper = gesture::represent(joints, {.size = 15, .joints = gesture::upper_body()});
  CHECK(upper.shape() == Shape{15, 15, 13});

  Tensor<double> chosen({5, 2, 3});
  chosen.slice(1, 0, 1).copy_from(joints.slice(1, 17, 18));
  chosen.slice(1, 1, 2).copy_from(joints.slice(1, 4, 5));
  CHECK(largest_difference(gesture::represent(joints, {.size = 15, .joints = {17, 4}}),
                           gesture::represent(chosen, {.size = 15})) == 0);
}

TEST_CASE("tensors with gaps are read as what they show") {
  const auto joints = wandering(10, 6);
  CHECK(largest_difference(gesture::represent(joints.slice(0, 1, 9, 2), {.size = 9}),
                           gesture::represent(joints.slice(0, 1, 9, 2).clone(), {.size = 9})) == 0);
}

TEST_CASE("a present joint without a place is an error that names frame and joint") {
  auto joints = wandering(5, 6).cast<float>();
  joints(3, 4, 2) = 1;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    joints(3, 4, 1) = bad;
    try {
      gesture::represent(joints);
      FAIL("no exception");
    } catch (const ValueError& error) {
      CHECK(std::string(error.what()).find("frame 3, joint 4") != std::string::npos);
    }
  }
  joints(3, 4, 1) = 0;
  joints(3, 4, 2) = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(gesture::represent(joints), ValueError);
}

TEST_CASE("joints that lie further apart than numbers reach are an error") {
  Tensor<double> joints({1, 2, 3}, 1.0);
  joints(0, 0, 0) = -1.7e308;
  joints(0, 1, 0) = 1.7e308;
  CHECK_THROWS_AS(gesture::represent(joints), ValueError);
}

TEST_CASE("bad shapes and options are refused") {
  CHECK_THROWS_AS(gesture::represent(Tensor<float>::zeros({5, 25, 2})), ShapeError);
  CHECK_THROWS_AS(gesture::represent(Tensor<float>::zeros({25, 3})), ShapeError);
  const auto joints = wandering(2, 3);
  CHECK_THROWS_AS(gesture::represent(joints, {.size = 0}), ValueError);
  CHECK_THROWS_AS(gesture::represent(joints, {.sigma = -1}), ValueError);
  CHECK_THROWS_AS(gesture::represent(joints, {.sigma = std::nan("")}), ValueError);
  CHECK_THROWS_AS(gesture::represent(joints, {.margin = -0.1}), ValueError);
  CHECK_THROWS_AS(gesture::represent(joints, {.joints = {0, 3}}), IndexError);
}

TEST_CASE("the upper body is head, shoulders and arms, and in BODY_25 the middle of the hips") {
  CHECK(gesture::upper_body() == std::vector<Index>{0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 18});
  using gesture::JointLayout;
  for (const auto layout : {JointLayout::body_25, JointLayout::coco_18})
    for (const Index joint : gesture::upper_body(layout)) {
      const std::string name(gesture::joint_names(layout)[static_cast<std::size_t>(joint)]);
      CAPTURE(name);
      for (const char* lower : {"Knee", "Ankle", "Toe", "Heel", "LHip", "RHip"})
        CHECK(name.find(lower) == std::string::npos);
    }
}

TEST_CASE("what changes places in a mirror is the same joint of the other side") {
  using gesture::JointLayout;
  for (const auto layout : {JointLayout::body_25, JointLayout::coco_18})
    for (const auto& [right, left] : gesture::mirrored_pairs(layout)) {
      const std::string of_right(gesture::joint_names(layout)[static_cast<std::size_t>(right)]);
      const std::string of_left(gesture::joint_names(layout)[static_cast<std::size_t>(left)]);
      CHECK(of_right.front() == 'R');
      CHECK(of_left.front() == 'L');
      CHECK(of_right.substr(1) == of_left.substr(1));
    }
}
