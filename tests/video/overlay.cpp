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
#include <string_view>
#include <tuple>
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

/// The pixels from the first to the last, both included, in rows and in columns, that are so; none: right < left.
struct Extent {
  Index left, top, right, bottom;
};

template <class Predicate>
Extent extent_of(const io::Image& image, Predicate is_so) {
  Extent out{image.width, image.height, -1, -1};
  for (Index y = 0; y < image.height; ++y)
    for (Index x = 0; x < image.width; ++x) {
      if (!is_so(image.at(x, y))) continue;
      out = {std::min(out.left, x), std::min(out.top, y), std::max(out.right, x), std::max(out.bottom, y)};
    }
  return out;
}

Extent extent_of(const io::Image& image, const video::Colour& colour, int within) {
  return extent_of(image, [&](const std::uint8_t* pixel) { return is(pixel, colour, within); });
}

Extent changed_extent(const io::Image& image, std::uint8_t before) {
  return extent_of(image, [&](const std::uint8_t* pixel) {
    return std::any_of(pixel, pixel + 3, [&](std::uint8_t value) { return value != before; });
  });
}

}  // namespace

TEST_CASE("a box is a line along its edge, and nothing inside") {
  io::Image image(320, 180, 3, 100);
  video::draw_box(image, {50, 60, 100, 80}, {}, green);
  CHECK(is(image.at(50, 100), green));
  CHECK(is(image.at(100, 60), green));
  CHECK(is(image.at(150, 100), green));
  CHECK(is(image.at(100, 140), green));
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

TEST_CASE("a label has no room above a box at the frame's edge, and stands in it then") {
  io::Image image(320, 180, 3);
  video::draw_box(image, {50, 5, 100, 80}, "happiness", green);
  CHECK(count(image, {0, 0, 0}, 0, 0, 320, 2, 0) == 2 * 320);
  CHECK(count(image, green, 53, 8, 147, 20, 20) > 200);
}

TEST_CASE("a label's letters are in its middle, and can be read on its colour") {
  for (const video::Colour& colour : {green, video::Colour{0, 0, 255}}) {
    io::Image image(1280, 720, 3, 128);
    video::draw_box(image, {200, 240, 400, 320}, "joy", colour);
    // What is above the box and its rim: the label.
    io::Image label(1280, 235, 3);
    std::copy_n(image.pixels.begin(), label.pixels.size(), label.pixels.begin());
    const Extent ground = changed_extent(label, 128);
    const video::Colour ink = colour == green ? video::Colour{16, 18, 24} : video::Colour{255, 255, 255};
    const Extent letters = extent_of(label, ink, 3);
    REQUIRE(letters.right > letters.left);
    CHECK(std::abs((letters.top - ground.top) - (ground.bottom - letters.bottom)) <= 3);
    CHECK(std::abs((letters.left - ground.left) - (ground.right - letters.right)) <= 3);
    CHECK(letters.top > ground.top + 3);
    CHECK(letters.left > ground.left + 3);
  }
}

TEST_CASE("what is white is seen on white too, and landmarks are small") {
  io::Image box(640, 360, 3, 255);
  video::draw_box(box, {100, 100, 80, 80});
  CHECK(changed(box, 255) > 300);
  io::Image dot(640, 360, 3, 255);
  video::draw_landmarks(dot, std::array<video::Point, 1>{{{100.5, 50.5}}});
  const Extent rim = changed_extent(dot, 255);
  CHECK(changed(dot, 255) > 10);
  CHECK((rim.left >= 96 && rim.right <= 104 && rim.top >= 46 && rim.bottom <= 54));
  io::Image coloured(640, 360, 3);
  video::draw_landmarks(coloured, std::array<video::Point, 1>{{{100.5, 50.5}}}, green);
  const Extent middle = extent_of(coloured, green, 3);
  CHECK((middle.left > rim.left && middle.right < rim.right && middle.top > rim.top && middle.bottom < rim.bottom));
}

TEST_CASE("a body's joints have the colours of their weights, and a dark rim") {
  auto pose = gesture::standing_pose();
  for (Index j = 0; j < 25; ++j) {
    pose(j, 0) = 300 + 200 * pose(j, 0);
    pose(j, 1) = 20 + 300 * pose(j, 1);
  }
  std::vector<double> weights(25, 0);
  weights[4] = 1;
  io::Image image(640, 360, 3, 255);
  video::draw_body(image, pose, weights);
  const auto colour_at = [&](Index joint) {
    return image.at(std::lround(pose(joint, 0)), std::lround(pose(joint, 1)));
  };
  CHECK(is(colour_at(4), gesture::weight_colour(1)));
  CHECK(is(colour_at(7), gesture::weight_colour(0)));
  CHECK(count(image, video::detail::ground_colour, 0, 0, 640, 360, 20) > 500);
}

TEST_CASE("letters are those of the small font, side by side, and as wide as is said") {
  constexpr Index pitch = 10;
  for (char character = '!'; character <= '~'; ++character) {
    CAPTURE(character);
    io::Image image(80, 90, 3);
    video::detail::write_text(image, 10, 10, 7 * pitch, std::string(1, character), green);
    const std::string_view rows = io::detail::glyph_of(character);
    // Digits are equally wide; others begin with the first of their columns that has anything in it.
    Index first = 0;
    const auto is_empty = [&](Index x) {
      for (Index y = 0; y < 7; ++y)
        if (rows[static_cast<std::size_t>(6 * y + x)] == '#') return false;
      return true;
    };
    while ((character < '0' || character > '9') && is_empty(first)) ++first;
    for (Index y = 0; y < 7; ++y)
      for (Index x = first; x < 5; ++x) {
        const bool lit = rows[static_cast<std::size_t>(6 * y + x)] == '#';
        CHECK(is(image.at(10 + (x - first) * pitch + pitch / 2, 10 + y * pitch + pitch / 2),
                 lit ? green : video::Colour{0, 0, 0}));
      }
  }
  io::Image image(400, 90, 3);
  video::detail::write_text(image, 10, 10, 7 * pitch, "Hello", green);
  const Extent word = changed_extent(image, 0);
  const double end = 10 + video::detail::text_width("Hello", 7 * pitch);
  CHECK(word.left <= 12);
  CHECK(std::abs(static_cast<double>(word.right) - end) <= 2);
  CHECK(video::detail::text_width("111", 7) == video::detail::text_width("808", 7));
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

TEST_CASE("a table of probabilities stands as far from the edges in every corner, whatever is in it") {
  const std::vector<std::string> names{"happiness", "neutral"};
  for (const std::string title : {"", "a title that is longer than all of the rows that are below it"}) {
    std::vector<Extent> places;
    for (const auto corner :
         {video::Corner::top_left, video::Corner::top_right, video::Corner::bottom_left, video::Corner::bottom_right}) {
      io::Image image(640, 360, 3, 255);
      video::draw_probabilities(image, names, std::array<double, 2>{0.5, 0.5}, corner, title);
      places.push_back(changed_extent(image, 255));
    }
    const Index margin = places[0].left;
    CHECK(margin > 2);
    for (std::size_t corner = 0; corner < 4; ++corner) {
      CAPTURE(corner);
      const Extent& place = places[corner];
      const Index beside = corner % 2 == 0 ? place.left : 639 - place.right;
      const Index beyond = corner < 2 ? place.top : 359 - place.bottom;
      CHECK(std::abs(beside - margin) <= 1);
      CHECK(std::abs(beyond - margin) <= 1);
      CHECK(std::abs((place.right - place.left) - (places[0].right - places[0].left)) <= 1);
    }
  }
}

TEST_CASE("rows of a table stand one below the other: names, bars, numbers, and the most probable one brightest") {
  const std::vector<std::string> names{"a name of many letters", "fear", "b"};
  const auto colours = video::class_colours(names);
  io::Image image(1280, 720, 3);
  video::draw_probabilities(image, names, std::array<double, 3>{0.011, 1, 0.001}, video::Corner::top_left, "title",
                            {.opacity = 1});
  const Extent table = changed_extent(image, 0);
  const video::Colour quiet{168, 176, 190};
  const video::Colour bright{245, 247, 250};
  const Extent bar = extent_of(image, colours[1], 6);
  const Index height = bar.bottom - bar.top;
  REQUIRE(bar.right - bar.left > 100);
  // Its own name and number are on either side of it, bright.
  const auto between = [&](const video::Colour& colour, Index left, Index top, Index right, Index bottom) {
    return count(image, colour, left, top, right, bottom, 6);
  };
  const Index above = bar.top - height / 2;
  const Index below = bar.bottom + height / 2;
  CHECK(between(bright, table.left, above, bar.left, below) > 20);
  CHECK(between(bright, bar.right + 1, above, table.right, below) > 20);
  CHECK(between(bright, bar.left, above, bar.right, below) == 0);
  CHECK(between(quiet, table.left, above, table.right, below) == 0);
  // The title is above all; other names and numbers are quiet, and beside the same track.
  const Extent title = extent_of(image, bright, 6);
  const Extent others = extent_of(image, quiet, 6);
  CHECK(title.top < others.top);
  CHECK(between(bright, table.left, table.top, table.right, others.top) > 20);
  CHECK(others.right < table.right - height / 2);
  CHECK(others.bottom < table.bottom - height / 2);
  CHECK(between(quiet, bar.left, table.top, bar.right, table.bottom) == 0);
  // A dot for a little, nothing for nearly nothing.
  const auto seen = [&](Index top, Index bottom) {
    Index pixels = 0;
    for (Index y = top; y < bottom; ++y)
      for (Index x = bar.left; x < bar.right; ++x) {
        const auto* const pixel = image.at(x, y);
        pixels += *std::max_element(pixel, pixel + 3) > 120 ? 1 : 0;
      }
    return pixels;
  };
  const Index dot = seen(others.top, above);
  CHECK(dot > height * height / 2);
  CHECK(dot < 2 * height * height);
  CHECK(seen(below, table.bottom) == 0);
}

TEST_CASE("a table gets smaller where the frame has no room for all rows") {
  const auto names = data::emotion_class_names();
  io::Image image(1280, 60, 3, 255);
  video::draw_probabilities(image, names, std::vector<double>(names.size(), 0.9), video::Corner::top_left, "all",
                            {.opacity = 1});
  const Extent table = changed_extent(image, 255);
  CHECK(table.top > 0);
  CHECK(table.bottom < 59);
  // The last row, which is not the greatest, is seen as well.
  Index pixels = 0;
  for (Index y = table.top; y < table.bottom; ++y)
    for (Index x = table.left; x < table.right; ++x) {
      const auto* const rgb = image.at(x, y);
      pixels += rgb[2] > 150 && rgb[1] < 120 && rgb[0] > 100 ? 1 : 0;
    }
  CHECK(pixels > 20);
}

TEST_CASE("dark ground under words lets through as much of the picture as its opacity says") {
  for (const double opacity : {0.0, 0.5, 1.0}) {
    io::Image image(640, 360, 3, 200);
    video::ProbabilityTimeline({"a"}).draw(image, {.opacity = opacity});
    CHECK(std::abs(image.at(320, 359)[0] - (200 * (1 - opacity) + 14 * opacity)) <= 1.5);
    CHECK(int{image.at(320, 200)[0]} == 200);
  }
}

TEST_CASE("classes that are no emotions have different colours, too") {
  const auto colours = video::class_colours({"a", "b", "c", "fear", "d"});
  for (std::size_t i = 0; i < colours.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) CHECK(colours[i] != colours[j]);
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

TEST_CASE("the timeline's bands fill its height, and pass into each other between two moments") {
  const std::vector<std::string> names{"happiness", "sadness"};
  const auto colours = video::class_colours(names);
  io::Image image(400, 200, 3);
  const auto top = static_cast<Index>(200 - video::ProbabilityTimeline::height(image));
  const auto share = [&](Index x, std::size_t i) {
    return static_cast<double>(count(image, colours[i], x, top, x + 1, 200, 40)) / static_cast<double>(200 - top);
  };
  video::ProbabilityTimeline timeline(names, 10);
  timeline.add(4, std::array<double, 2>{0.5, 0});
  timeline.add(8, std::array<double, 2>{0, 0.5});
  timeline.add(8.2, std::array<double, 2>{0, 0});
  timeline.add(10, std::array<double, 2>{0, 0});
  timeline.draw(image);
  for (const Index x : {30, 100, 150, 330, 390}) {  // before the first moment, and where nothing was recognised
    CHECK(share(x, 0) == 0);
    CHECK(share(x, 1) == 0);
  }
  CHECK(share(170, 0) == doctest::Approx(0.92).epsilon(0.1));
  CHECK(share(210, 0) == doctest::Approx(0.7).epsilon(0.15));
  CHECK(share(210, 1) == doctest::Approx(0.3).epsilon(0.25));
  CHECK(share(310, 1) > 0.85);
}

TEST_CASE("the timeline has a faint line at every whole second, or at fewer of them") {
  for (const auto& [seconds, last, step] : {std::tuple{10.0, 10.5, 40}, {10.0, -0.5, 40}, {100.0, 205.0, 40}}) {
    CAPTURE(seconds);
    io::Image image(400, 200, 3);
    video::ProbabilityTimeline timeline({"happiness"}, seconds);
    timeline.add(last - seconds, std::array<double, 1>{1});
    timeline.add(last, std::array<double, 1>{1});
    timeline.draw(image);
    std::vector<Index> lines;
    for (Index x = 1; x < 290; ++x) {  // where no name stands
      const auto light = [&](Index at) { return int{image.at(at, 190)[0]}; };
      if (light(x) + 10 < light(x - 1) && light(x) <= light(x + 1)) lines.push_back(x);
    }
    REQUIRE(lines.size() == 7);
    for (std::size_t i = 0; i < lines.size(); ++i) CHECK(std::abs(lines[i] - (20 + static_cast<Index>(i) * step)) <= 1);
  }
}

TEST_CASE("the timeline names its bands at the right end, where they are high enough") {
  const std::vector<std::string> names{"happiness", "sadness", "fear"};
  const auto colours = video::class_colours(names);
  video::ProbabilityTimeline timeline(names, 10);
  for (const double time : {0.0, 10.0}) timeline.add(time, std::array<double, 3>{0.45, 0.5, 0.05});
  io::Image image(1280, 720, 3);
  timeline.draw(image);
  const double height = video::ProbabilityTimeline::height(image);
  // As the letters are dark on the first colour and white on the second.
  const auto row = [&](double share) { return static_cast<Index>(720 - share * (height - 6)); };
  const auto letters = [&](const video::Colour& ink, double from, double to) {
    Extent found{1280, 720, -1, -1};
    for (Index y = row(to); y < row(from); ++y)
      for (Index x = 0; x < 1280; ++x)
        if (is(image.at(x, y), ink, 8))
          found = {std::min(found.left, x), std::min(found.top, y), std::max(found.right, x),
                   std::max(found.bottom, y)};
    return found;
  };
  const Extent lower = letters(video::detail::ink_on(colours[0]), 0, 0.45);
  const Extent upper = letters(video::detail::ink_on(colours[1]), 0.45, 0.95);
  for (const Extent& word : {lower, upper}) {
    CHECK(word.left > 1100);
    CHECK(word.right < 1279);
    CHECK(word.right > 1240);
  }
  CHECK(std::abs((lower.top + lower.bottom) / 2 - (row(0.45) + row(0)) / 2) <= 3);
  CHECK(std::abs((upper.top + upper.bottom) / 2 - (row(0.95) + row(0.45)) / 2) <= 3);
  CHECK(letters(video::detail::ink_on(colours[2]), 0.955, 0.99).right < 0);
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
