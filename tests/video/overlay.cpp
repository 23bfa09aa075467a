#include <mien/video/overlay.hpp>

#include <mien/gesture/joint_groups.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "io/message.hpp"

using namespace mien;

namespace {

const video::Colour green{0, 255, 0};

bool is(const std::uint8_t* pixel, const video::Colour& colour, int within = 3) {
  for (std::size_t c = 0; c < 3; ++c)
    if (std::abs(pixel[c] - colour[c]) > within) return false;
  return true;
}

/// How many pixels of the rectangle are of a colour.
Index count(const io::Image& image, const video::Colour& colour, Index left, Index top, Index right, Index bottom,
            int within = 3) {
  Index pixels = 0;
  for (Index y = top; y < bottom; ++y)
    for (Index x = left; x < right; ++x) pixels += is(image.at(x, y), colour, within) ? 1 : 0;
  return pixels;
}

Index changed(const io::Image& image, std::uint8_t before) {
  Index pixels = 0;
  for (Index i = 0; i < image.width * image.height; ++i) {
    const auto* const pixel = image.pixels.data() + 3 * i;
    pixels += std::any_of(pixel, pixel + 3, [&](std::uint8_t value) { return value != before; }) ? 1 : 0;
  }
  return pixels;
}

}  // namespace

TEST_CASE("a box is a line along its edge, and nothing inside") {
  io::Image image(320, 180, 3, 100);
  video::draw_box(image, {50, 60, 100, 80}, {}, green);
  CHECK(is(image.at(50, 100), green));
  CHECK(is(image.at(100, 60), green));
  CHECK(count(image, green, 140, 90, 160, 110) > 0);
  CHECK(count(image, {100, 100, 100}, 56, 66, 144, 134, 0) == 88 * 68);
  CHECK(is(image.at(49, 100), green));
  CHECK(is(image.at(49, 59), {100, 100, 100}, 0));  // round corners
}

TEST_CASE("lines grow with the picture") {
  const auto thickness = [](Index scale) {
    io::Image image(320 * scale, 180 * scale, 3);
    const auto s = static_cast<double>(scale);
    video::draw_box(image, {50 * s, 60 * s, 100 * s, 80 * s}, {}, {255, 255, 255});
    double sum = 0;
    for (Index x = 0; x < 100 * scale; ++x) sum += image.at(x, 100 * scale)[0] / 255.0;
    return sum;
  };
  CHECK(thickness(8) == doctest::Approx(4 * thickness(2)).epsilon(0.1));
}

TEST_CASE("a label stands above its box, and inside the frame wherever that is") {
  io::Image image(320, 180, 3);
  video::draw_box(image, {50, 60, 100, 80}, "happiness", green);
  CHECK(count(image, green, 50, 40, 150, 58, 20) > 200);
  for (const auto& [left, top] : {std::pair<double, double>{-40, -30}, {300, 170}, {-500, -500}, {1000, 1000}}) {
    io::Image small(320, 180, 3);
    video::draw_box(small, {left, top, 100, 80}, "anger", green);
    CHECK(count(small, green, 0, 0, 320, 180, 20) > 150);
  }
}

TEST_CASE("boxes, landmarks and styles that make no sense are refused") {
  io::Image image(32, 18, 3);
  io::Image grey(32, 18, 1);
  CHECK_THROWS_AS(video::draw_box(grey, {1, 1, 5, 5}), ValueError);
  CHECK_THROWS_AS(video::draw_box(image, {1, 1, 0, 5}), ValueError);
  CHECK_THROWS_AS(video::draw_box(image, {std::nan(""), 1, 2, 5}), ValueError);
  CHECK_THROWS_AS(video::draw_box(image, {1, 1, 5, 5}, "", green, {.scale = 0}), ValueError);
  CHECK_THROWS_AS(video::draw_box(image, {1, 1, 5, 5}, "", green, {.opacity = 2}), ValueError);
  const std::array<video::Point, 1> nowhere{{{std::numeric_limits<double>::infinity(), 0}}};
  CHECK_THROWS_AS(video::draw_landmarks(image, nowhere), ValueError);
  CHECK(changed(image, 0) == 0);
}

TEST_CASE("landmarks are dots where they are, bodies have bones") {
  io::Image image(640, 360, 3, 90);
  const std::array<video::Point, 3> points{{{100.5, 50.5}, {140.5, 52.5}, {-20, 700}}};
  video::draw_landmarks(image, points, green);
  CHECK(is(image.at(100, 50), green));
  CHECK(is(image.at(140, 52), green));
  CHECK(is(image.at(120, 51), {90, 90, 90}));

  auto pose = gesture::standing_pose();
  for (Index j = 0; j < 25; ++j) {
    pose(j, 0) = 300 + 200 * pose(j, 0);
    pose(j, 1) = 20 + 300 * pose(j, 1);
  }
  video::draw_body(image, pose);
  CHECK(image.at(400, 130)[0] > 180);  // from the neck to the hips
  CHECK(is(image.at(420, 130), {90, 90, 90}));
}

TEST_CASE("a class's bar is as long as it is probable") {
  io::Image image(640, 360, 3);
  const std::vector<std::string> names{"happiness", "neutral"};
  const auto colours = video::class_colours(names);
  video::draw_probabilities(image, names, std::vector<float>{0.75F, 0.25F}, video::Corner::top_left, "face");
  const auto length = [&](const video::Colour& colour, int within) {  // of the longest run in any row
    Index longest = 0;
    for (Index y = 0; y < 180; ++y)
      for (Index x = 0, run = 0; x < 320; ++x) {
        run = is(image.at(x, y), colour, within) ? run + 1 : 0;
        longest = std::max(longest, run);
      }
    return static_cast<double>(longest);
  };
  const video::Colour dimmed{static_cast<std::uint8_t>(0.75 * colours[1][0] + 12),
                             static_cast<std::uint8_t>(0.75 * colours[1][1] + 13),
                             static_cast<std::uint8_t>(0.75 * colours[1][2] + 14)};
  CHECK(length(colours[0], 6) > 40);
  CHECK(length(colours[0], 6) / std::max(1.0, length(dimmed, 14)) == doctest::Approx(3).epsilon(0.25));
  CHECK(count(image, {0, 0, 0}, 320, 0, 640, 360, 0) == 320 * 360);

  // In the other corner, and in a frame that has hardly room.
  io::Image other(640, 360, 3);
  video::draw_probabilities(other, names, std::array<double, 2>{1, 0}, video::Corner::bottom_right);
  CHECK(count(other, colours[0], 320, 180, 640, 360, 6) > 100);
  CHECK(count(other, {0, 0, 0}, 0, 0, 320, 180, 0) == 320 * 180);
  io::Image tiny(33, 17, 3);
  video::draw_probabilities(tiny, names, std::array<double, 2>{0.5, 0.5});
  CHECK(changed(tiny, 0) > 0);

  CHECK(contains(message_of<ValueError>([&] { video::draw_probabilities(image, names, std::vector<float>{1}); }),
                 "1 probabilities for 2 classes"));
  CHECK_THROWS_AS(video::draw_probabilities(image, names, std::vector<float>{1.5F, 0}), ValueError);
  CHECK_THROWS_AS(video::draw_probabilities(image, names, std::vector<float>{std::nanf(""), 0}), ValueError);
}

TEST_CASE("emotions have colours of their own, wherever they stand") {
  const auto some = video::class_colours({"fear", "waving", "anger"});
  const auto all = video::class_colours(data::emotion_class_names());
  CHECK(some[0] == all[6]);
  CHECK(some[2] == all[3]);
  CHECK(some[1] == video::class_colours({"anything"})[0]);
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) CHECK(all[i] != all[j]);
}

TEST_CASE("the timeline's bands are as high as their classes are probable, at their times") {
  const std::vector<std::string> names{"happiness", "sadness"};
  const auto colours = video::class_colours(names);
  video::ProbabilityTimeline timeline(names, 10);
  // Four seconds of the one, two of nothing, four of three quarters of the other.
  for (int i = 0; i <= 400; ++i) timeline.add(0.01 * i, std::array<double, 2>{1, 0});
  for (int i = 401; i < 600; ++i) timeline.add(0.01 * i);
  for (int i = 600; i <= 1000; ++i) timeline.add(0.01 * i, std::vector<float>{0.25F, 0.75F});
  io::Image image(400, 200, 3);
  timeline.draw(image);
  const auto top = static_cast<Index>(200 - video::ProbabilityTimeline::height(image));
  CHECK(count(image, {0, 0, 0}, 0, 0, 400, top, 0) == 400 * top);
  const auto share = [&](Index x, std::size_t i) {
    return static_cast<double>(count(image, colours[i], x, top, x + 1, 200, 40)) / static_cast<double>(200 - top);
  };
  CHECK(share(90, 0) > 0.85);
  CHECK(share(90, 1) == 0);
  CHECK(share(190, 0) == 0);
  CHECK(share(190, 1) == 0);
  CHECK(share(265, 0) == doctest::Approx(0.25).epsilon(0.25));
  CHECK(share(265, 1) == doctest::Approx(0.72).epsilon(0.15));
}

TEST_CASE("the timeline forgets what is no longer seen, and refuses what makes no sense") {
  video::ProbabilityTimeline timeline({"a", "b"}, 2);
  io::Image image(40, 30, 3);
  timeline.draw(image);  // nothing yet
  for (int i = 0; i < 10000; ++i) timeline.add(0.04 * i, std::array<double, 2>{0.5, 0.5});
  CHECK(timeline.moments() <= 53);
  video::ProbabilityTimeline late({"a", "b"}, 2);
  for (const double time : {1e17 - 16, 1e17}) late.add(time, std::array<double, 2>{0.5, 0.5});
  late.draw(image);  // seconds are too small to count there
  CHECK_THROWS_AS(timeline.add(1.0), ValueError);
  CHECK_THROWS_AS(timeline.add(1e5, std::array<double, 1>{0.5}), ValueError);
  CHECK_THROWS_AS(timeline.add(std::nan("")), ValueError);
  CHECK_THROWS_AS(video::ProbabilityTimeline({}), ValueError);
  CHECK_THROWS_AS(video::ProbabilityTimeline({"a"}, 0), ValueError);
  CHECK_THROWS_AS(timeline.draw(*std::make_unique<io::Image>(40, 30, 1)), ValueError);
}
