#include <mien/gesture/skeleton.hpp>

#include <mien/gesture/joint_groups.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <string>

using namespace mien;

namespace {

Tensor<float> two_joints(float x0, float y0, float x1, float y1) {
  return Tensor<float>::from({2, 3}, {x0, y0, 1, x1, y1, 1});
}

Index times(const std::string& text, const std::string& part) {
  Index count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

double lightness(const gesture::Colour& c) { return 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2]; }

const gesture::SkeletonStyle dots{
    .radius = 2, .growth = 1, .joint = {255, 0, 0}, .layout = gesture::JointLayout::other};

}  // namespace

TEST_CASE("weights' colours grow lighter and stop at the ends") {
  for (int i = 0; i < 100; ++i)
    CHECK(lightness(gesture::weight_colour(0.01 * i)) <= lightness(gesture::weight_colour(0.01 * i + 0.01)) + 1);
  CHECK(gesture::weight_colour(-3) == gesture::weight_colour(0));
  CHECK(gesture::weight_colour(7) == gesture::weight_colour(1));
  CHECK(gesture::weight_colour(std::numeric_limits<double>::quiet_NaN()) == gesture::weight_colour(0));
  CHECK(lightness(gesture::weight_colour(1)) > lightness(gesture::weight_colour(0)) + 150);
}

TEST_CASE("a joint is a disc of its radius, with a soft edge") {
  io::Image image(21, 21, 3);
  auto joints = two_joints(10, 10, 0, 0);
  joints(1, 2) = 0;
  gesture::draw_skeleton(image, joints, {}, dots);
  CHECK(image.at(10, 10)[0] == 255);
  CHECK(image.at(10, 10)[1] == 0);
  CHECK(image.at(11, 10)[0] == 255);
  CHECK(image.at(12, 10)[0] == 128);
  CHECK(image.at(13, 10)[0] == 0);
  // The joint of confidence 0 is not drawn at the origin.
  CHECK(image.at(0, 0)[0] == 0);
}

TEST_CASE("weights colour joints and make them larger") {
  io::Image image(41, 11, 3);
  gesture::draw_skeleton(image, two_joints(8, 5, 30, 5), {0.0, 1.0}, dots);
  const auto low = gesture::weight_colour(0);
  const auto high = gesture::weight_colour(1);
  CHECK(std::equal(low.begin(), low.end(), image.at(8, 5)));
  CHECK(std::equal(high.begin(), high.end(), image.at(30, 5)));
  CHECK(image.at(33, 5)[0] > 0);
  CHECK(image.at(11, 5)[0] == 0);
}

TEST_CASE("bones run between joints that are both present") {
  auto pose = gesture::standing_pose();
  for (Index j = 0; j < 25; ++j)
    for (Index axis = 0; axis < 2; ++axis) pose(j, axis) *= 200;
  const gesture::SkeletonStyle lines{.line = 2, .radius = 0, .bone = {0, 255, 0}};
  io::Image image(200, 200, 3);
  gesture::draw_skeleton(image, pose, {}, lines);
  // Neck (100, 44) to the middle of the hips (100, 102).
  CHECK(image.at(100, 70)[1] == 255);
  CHECK(image.at(110, 70)[1] == 0);
  pose(8, 2) = 0;
  io::Image without(200, 200, 3);
  gesture::draw_skeleton(without, pose, {}, lines);
  CHECK(without.at(100, 70)[1] == 0);
}

TEST_CASE("what lies outside is cut off, wherever it is; nothing else changes") {
  for (const float far : {-5.0F, 25.0F, 1e6F, -1e30F, 3e38F}) {
    io::Image image(20, 20, 1, 7);
    gesture::draw_skeleton(image, two_joints(far, 10, far, far), {}, dots);
    CHECK(std::count(image.pixels.begin(), image.pixels.end(), 7) == 400);
  }
  io::Image image(20, 20, 1);
  gesture::draw_skeleton(image, two_joints(0, 0, 19, 19), {}, dots);
  CHECK(*image.at(0, 0) == 76);
  CHECK(*image.at(19, 19) == 76);
  auto nowhere = two_joints(5, 5, 5, 5);
  nowhere(0, 0) = nowhere(1, 1) = std::numeric_limits<float>::quiet_NaN();
  gesture::draw_skeleton(image, nowhere, {}, dots);
  CHECK(*image.at(5, 5) == 0);
}

TEST_CASE("the SVG has each present joint and bone once, inside its box") {
  auto pose = gesture::standing_pose();
  const auto all = gesture::skeleton_svg(pose, std::vector<double>(25, 0.5));
  CHECK(times(all, "<circle") == 25);
  CHECK(times(all, "<line") == 24);
  CHECK(times(all, "<title>RWrist 0.50</title>") == 1);
  CHECK(all.starts_with("<svg "));
  CHECK(all.ends_with("</svg>"));
  CHECK(times(all, "=\"-") == 0);
  pose(4, 2) = 0;
  const auto without = gesture::skeleton_svg(pose);
  CHECK(times(without, "<circle") == 24);
  CHECK(times(without, "<line") == 23);
  CHECK(times(without, "RWrist") == 0);
}

TEST_CASE("the SVG of nobody, of one point and of far points") {
  auto pose = gesture::standing_pose();
  for (Index j = 0; j < 25; ++j) pose(j, 2) = 0;
  CHECK(times(gesture::skeleton_svg(pose), "<circle") == 0);
  pose(3, 2) = 1;
  CHECK(times(gesture::skeleton_svg(pose), "<circle") == 1);
  const auto vast = Tensor<double>::from({2, 3}, {-1.7e308, 0, 1, 1.7e308, 0, 1});
  CHECK_THROWS_AS(gesture::skeleton_svg(vast, {}, dots), ValueError);
}

TEST_CASE("bad arguments are refused") {
  io::Image image(5, 5, 3);
  CHECK_THROWS_AS(gesture::draw_skeleton(image, Tensor<float>({24, 3}, 1.0F)), ShapeError);
  CHECK_THROWS_AS(gesture::draw_skeleton(image, Tensor<float>({25, 2}, 1.0F)), ShapeError);
  CHECK_THROWS_AS(gesture::draw_skeleton(image, two_joints(1, 1, 2, 2), {0.5}, dots), ValueError);
  CHECK_THROWS_AS(gesture::draw_skeleton(image, gesture::standing_pose(), {}, {.line = -1}), ValueError);
  CHECK_THROWS_AS(gesture::skeleton_svg(gesture::standing_pose(), {}, {}, 0), ValueError);
  io::Image broken;
  CHECK_THROWS_AS(gesture::draw_skeleton(broken, gesture::standing_pose()), ValueError);
}

TEST_CASE("a weight beyond 1 draws no larger joint than 1") {
  const auto joints = Tensor<double>::from({2, 3}, {0, 0, 1, 10, 10, 1});
  const gesture::SkeletonStyle style{.layout = gesture::JointLayout::other};
  const auto within = gesture::skeleton_svg(joints, {0.5, 1}, style);
  const auto beyond = gesture::skeleton_svg(joints, {0.5, 7}, style);
  CHECK(within.find("r=\"6.00\"") != std::string::npos);
  CHECK(beyond.find("r=\"6.00\"") != std::string::npos);
}

TEST_CASE("the SVG of a body that is all height is eight times as high as it is wide") {
  const auto joints = Tensor<double>::from({2, 3}, {5, 0, 1, 5, 100, 1});
  const auto svg = gesture::skeleton_svg(joints, {}, {.layout = gesture::JointLayout::other});
  CHECK(svg.find("viewBox=\"0 0 240.00 1808.00\"") != std::string::npos);  // 8 (240 - 2 * 8) + 2 * 8
}
