/// Where things lie in the drawings of reports: what a reader measures by the numbers beside an axis is what was given.

#include <mien/report/affect_plane.hpp>
#include <mien/report/reliability_diagram.hpp>
#include <mien/report/svg.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "report/drawing.hpp"

using namespace mien;
using testing::Drawing;
using testing::Element;
using testing::near;
using testing::Place;
using testing::Scale;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// About how long a line of letters is.
double length_of(const std::string& words) { return 6 * static_cast<double>(words.size()); }

std::vector<std::byte> a_picture() {
  std::vector<std::byte> out;
  for (const int byte : {0xFF, 0xD8, 0xFF, 0xE0}) out.push_back(static_cast<std::byte>(byte));
  return out;
}

/// Of a chart: numbers and lines from left to right belong together, in their order.
Scale scale_of_grid(const Drawing& drawing) {
  const auto labels = drawing.numbers("label end");
  const auto lines = drawing.all("line", "grid");
  REQUIRE(labels.size() == lines.size());
  std::vector<std::pair<double, double>> places;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    CHECK(lines[i]["y1"] == lines[i]["y2"]);
    CHECK(near(labels[i].second["y"] - 4, lines[i]["y1"]));
    CHECK(labels[i].second["x"] < lines[i]["x1"]);
    places.emplace_back(labels[i].first, lines[i]["y1"]);
  }
  return Scale(places);
}

void check_places(const std::vector<Place>& found, const std::vector<Place>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    CHECK_MESSAGE(near(found[i].x, expected[i].x), found[i].x, " ", expected[i].x);
    CHECK_MESSAGE(near(found[i].y, expected[i].y), found[i].y, " ", expected[i].y);
  }
}

double area_of(const std::vector<Place>& corners) {
  double twice = 0;
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const Place& a = corners[i];
    const Place& b = corners[(i + 1) % corners.size()];
    twice += a.x * b.y - b.x * a.y;
  }
  return std::abs(twice) / 2;
}

}  // namespace

TEST_CASE("a chart's lines, dots and marks lie where the numbers at its axes say") {
  const std::vector<report::Series> series{{"up", {-3, 5, 2}, {12, 20, 35}}, {"down", {4, -1}, {20, 26}}};
  const Drawing drawing(report::line_chart(series, {.mark = 26, .mark_label = "best"}));
  testing::check_inside(drawing);
  const Scale across = testing::scale_across(drawing);
  const Scale up = scale_of_grid(drawing);
  CHECK(across(20) < across(35));
  CHECK(up(5) < up(-3));
  const auto lines =
      std::array{drawing.all("path", "series dash0").front(), drawing.all("path", "series dash1").front()};
  std::vector<Place> points;
  for (std::size_t i = 0; i < series.size(); ++i) {
    std::vector<Place> expected;
    for (std::size_t j = 0; j < series[i].y.size(); ++j)
      expected.push_back({across(series[i].x[j]), up(series[i].y[j])});
    check_places(lines[i].path(), expected);
    points.insert(points.end(), expected.begin(), expected.end());
  }
  std::vector<Place> named;
  for (const Element& point : drawing.all("circle", "hit")) named.push_back({point["cx"], point["cy"]});
  check_places(named, points);
  const auto ends = drawing.all("circle", "");
  REQUIRE(ends.size() == 2);
  check_places({{ends[0]["cx"], ends[0]["cy"]}, {ends[1]["cx"], ends[1]["cy"]}}, {points[2], points[4]});

  // The mark goes from the axis to the uppermost line.
  const Element mark = drawing.all("line", "mark").front();
  const Element axis = drawing.only("line", "axis");
  CHECK(near(mark["x1"], across(26)));
  CHECK(mark["x2"] == mark["x1"]);
  CHECK(mark["y1"] == drawing.all("line", "grid").back()["y1"]);
  CHECK(mark["y2"] == axis["y1"]);
  CHECK(axis["y1"] == drawing.all("line", "grid").front()["y1"]);
  CHECK(near(axis["x1"], across(12)));
  CHECK(near(axis["x2"], across(35)));
}

TEST_CASE("an axis that was given ends where it was told, and what lies beyond is drawn at its end") {
  const std::vector<report::Series> series{{"share", {0.3, 0.27, 1.5, -1}, {3, 4, 14, 27}}};
  const Drawing drawing(report::line_chart(series, {.y_low = 0.25, .y_high = 0.33, .percent = true}));
  testing::check_inside(drawing);
  const Scale across = testing::scale_across(drawing);
  const Scale up = scale_of_grid(drawing);
  check_places(drawing.only("path", "series dash0").path(),
               {{across(3), up(30)}, {across(4), up(27)}, {across(14), up(33)}, {across(27), up(25)}});
  // No number and no line lies outside.
  const Element axis = drawing.only("line", "axis");
  CHECK(near(axis["y1"], up(25)));
  for (const auto& [number, label] : drawing.numbers("label end")) CHECK((number >= 25 && number <= 33));
  for (const auto& [number, label] : drawing.numbers("label middle")) CHECK((number >= 3 && number <= 27));
  // Whole steps have whole numbers.
  CHECK(drawing.text("28 %").tag == "text");
}

TEST_CASE("names of a chart's lines stand beside each other") {
  const std::vector<report::Series> series{{"training", {1, 2}}, {"validation", {2, 3}}, {"test", {2, 2}}};
  const Drawing drawing(report::line_chart(series, {.mark = 2, .mark_label = "best: 2"}));
  double end = 0;
  for (const char* const name : {"training", "validation", "test", "best: 2"}) {
    const Element text = drawing.text(name);
    CHECK(text["x"] > end);
    end = text["x"] + length_of(name);
  }
  CHECK(end < drawing.width());
}

TEST_CASE(
    "a skeleton has the proportions of its joints, in the middle of the drawing, and larger dots for more weight") {
  for (const double height : {20.0, 400.0}) {
    CAPTURE(height);
    const report::Skeleton body{.joints = {{100, -7}, {150, -7 + height}, {110, -7 + height / 2}},
                                .bones = {{0, 1}, {1, 2}},
                                .weights = {0.5, 0.25, 0.75}};
    const Drawing drawing(report::skeleton(body));
    testing::check_inside(drawing);
    const auto joints = drawing.all("circle", "joint");
    REQUIRE(joints.size() == 3);
    // One scale both ways, and y downwards.
    const double scale = (joints[1]["cx"] - joints[0]["cx"]) / 50;
    CHECK(scale > 0);
    CHECK(near(joints[1]["cy"] - joints[0]["cy"], scale * height));
    CHECK(near(joints[2]["cx"] - joints[0]["cx"], scale * 10));
    CHECK(near(joints[2]["cy"] - joints[0]["cy"], scale * height / 2));
    CHECK(near(joints[0]["cx"] + joints[1]["cx"], drawing.width()));
    CHECK(near(joints[0]["cy"] + joints[1]["cy"], drawing.height()));
    const auto bones = drawing.all("line", "bone");
    REQUIRE(bones.size() == 2);
    for (std::size_t i = 0; i < 2; ++i)
      check_places({{bones[i]["x1"], bones[i]["y1"]}, {bones[i]["x2"], bones[i]["y2"]}},
                   {{joints[i]["cx"], joints[i]["cy"]}, {joints[i + 1]["cx"], joints[i + 1]["cy"]}});
    CHECK(joints[1]["r"] < joints[0]["r"]);
    CHECK(joints[0]["r"] < joints[2]["r"]);
  }
  // Of equal weights none is the least.
  const Drawing even(report::skeleton({.joints = {{0, 0}, {1, 1}}, .weights = {0.2, 0.2}}));
  for (const Element& joint : even.all("circle", "joint")) CHECK(joint.attributes.at("style") == "--share:0.5");
}

TEST_CASE(
    "a timeline's bands, areas and pictures lie at their times, and areas are as high as their classes are likely") {
  report::Timeline timeline{.classes = {"joy", "fear"},
                            .times = {10, 12, 16, 20},
                            .probabilities = {{1, 0}, {0.75, 0.25}, {0, 1.5}, {not_a_number, 0.5}}};
  for (const double time : {0.0, 15.0, 24.0}) timeline.frames.push_back({time, a_picture()});
  const Drawing drawing(report::timeline(timeline));
  testing::check_inside(drawing);
  const Scale across = testing::scale_across(drawing);
  const double left = across(0);
  const double right = across(24);

  // From the first moment or picture to the last; one gives way to the next halfway.
  const auto bands = drawing.all("rect", "band");
  REQUIRE(bands.size() == 3);
  const std::array ends{left, across(14), across(18), right};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(bands[i].group == (i == 1 ? "c1" : "c0"));
    CHECK(bands[i].words == (i == 1 ? "fear" : "joy"));
    CHECK(near(bands[i]["x"], ends[i]));
    CHECK(near(bands[i]["x"] + bands[i]["width"], ends[i + 1], 1.5));
  }

  const auto areas = drawing.all("path", "area");
  REQUIRE(areas.size() == 2);
  double top = bands[0]["y"] + bands[0]["height"];
  for (std::size_t c = 0; c < 2; ++c) {
    CAPTURE(c);
    const auto corners = areas[c].path();
    REQUIRE(corners.size() == 8);
    const double bottom = drawing.all("line", "grid")[drawing.all("line", "grid").size() - 2 + c]["y1"];
    const double whole = c == 0 ? bottom - corners[2].y : bottom - corners[4].y;  // where it is certain
    CHECK(bottom - whole > top);
    const auto height = [&](double share) { return bottom - share * whole; };
    const std::vector<double> shares =
        c == 0 ? std::vector<double>{1, 0.75, 0, 0} : std::vector<double>{0, 0.25, 1, 0.5};
    check_places(corners, {{left, bottom},
                           {left, height(shares[0])},
                           {across(10), height(shares[0])},
                           {across(12), height(shares[1])},
                           {across(16), height(shares[2])},
                           {across(20), height(shares[3])},
                           {right, height(shares[3])},
                           {right, bottom}});
    const Element name = drawing.all("text", "label end").at(c);
    CHECK(name.words == timeline.classes[c]);
    CHECK((name["y"] > bottom - whole && name["y"] <= bottom));
    top = bottom;
  }

  // Beyond the beginning and the end there is no room for pictures.
  const auto pictures = drawing.all("image", "");
  REQUIRE(pictures.size() == 3);
  CHECK(near(pictures[0]["x"], left));
  CHECK(near(pictures[1]["x"] + pictures[1]["width"] / 2, across(15)));
  CHECK(near(pictures[2]["x"] + pictures[2]["width"], right));
  CHECK(pictures[0]["y"] + pictures[0]["height"] < bands[0]["y"]);
}

TEST_CASE("pictures of a timeline stand beside each other where several were taken at nearly one time") {
  report::Timeline timeline{.classes = {"joy"}, .times = {0, 100}, .probabilities = {{1}, {1}}};
  for (const double time : {0.0, 1.0, 2.0, 98.0, 99.0, 100.0}) timeline.frames.push_back({time, a_picture()});
  const Drawing drawing(report::timeline(timeline));
  testing::check_inside(drawing);
  const auto pictures = drawing.all("image", "");
  REQUIRE(pictures.size() == 6);
  for (std::size_t i = 1; i < pictures.size(); ++i)
    CHECK(pictures[i]["x"] >= pictures[i - 1]["x"] + pictures[i - 1]["width"]);
  CHECK(near(pictures.front()["x"], testing::scale_across(drawing)(0)));
  CHECK(near(pictures.back()["x"] + pictures.back()["width"], testing::scale_across(drawing)(100)));
}

TEST_CASE("a timeline's lines of valence and arousal lie between their +1 and -1, one under the other") {
  const Drawing drawing(report::timeline({.times = {2, 4, 6}, .affect = {{1, -1}, {-0.5, 0}, {-1, 1}}}));
  testing::check_inside(drawing);
  const Scale across = testing::scale_across(drawing);
  const auto ends = drawing.numbers("label end");
  const auto middles = drawing.all("line", "axis");
  REQUIRE(ends.size() == 4);
  REQUIRE(middles.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CAPTURE(i);
    const auto line = drawing.only("path", i == 0 ? "series dash0" : "series dash1").path();
    const double middle = middles[i]["y1"];
    const double high = i == 0 ? line[0].y : line[2].y;
    const double low = i == 0 ? line[2].y : line[0].y;
    const double between = i == 0 ? middle + (low - middle) / 2 : middle;
    CHECK(near(middle, (high + low) / 2));
    check_places(line, {{across(2), line[0].y}, {across(4), between}, {across(6), line[2].y}});
    // "+1" hangs from its place, "-1" stands on it.
    CHECK(ends[2 * i].first == 1);
    CHECK(near(ends[2 * i].second["y"] - 9, high));
    CHECK(near(ends[2 * i + 1].second["y"], low));
    CHECK(near(drawing.text(i == 0 ? "valence" : "arousal")["y"], middle, 6));
    if (i == 1) CHECK(high > middles[0]["y1"] + 20);
  }
}

TEST_CASE("a reliability diagram's bars are as high as accuracy and counts, and its gaps end at the diagonal") {
  metrics::Calibration calibration(5);
  for (int i = 0; i < 8; ++i) calibration.add(0.3, i < 4);
  for (int i = 0; i < 4; ++i) calibration.add(0.9, i < 3);
  calibration.add(0.5, false);
  calibration.add(0.46, false);
  const Drawing drawing(report::reliability_diagram(calibration));
  testing::check_inside(drawing);
  const Scale across = testing::scale_across(drawing);
  auto labels = drawing.numbers("label end");
  const auto zero = labels.back();
  labels.pop_back();
  const auto most = labels.back();
  labels.pop_back();
  const Scale up = testing::scale_down(labels);
  for (const auto& [number, label] : labels) {
    const auto lines = drawing.all("line", "grid");
    CHECK(std::any_of(lines.begin(), lines.end(), [&, at = up(number)](const Element& line) {
      return near(line["y1"], at) && near(line["y2"], at) && near(line["x1"], across(0)) &&
             near(line["x2"], across(100));
    }));
  }
  const auto axes = drawing.all("line", "axis");
  REQUIRE(axes.size() == 2);
  CHECK(near(axes[0]["y1"], up(0)));
  const double foot = axes[1]["y1"];

  // Two bars for each bin that has samples: of its accuracy, and as high as its share of the greatest count.
  const auto bars = drawing.all("rect", "area");
  REQUIRE(bars.size() == 6);
  const double full = bars[1]["height"];  // 8 samples, more than any other bin has
  struct Bin {
    double low, accuracy, confidence, share;
  };
  const std::vector<Bin> bins{{20, 50, 30, 1}, {40, 0, 48, 2.0 / 8}, {80, 75, 90, 4.0 / 8}};
  const auto gaps = drawing.all("line", "gap");
  const auto dots = drawing.all("circle", "dots");
  REQUIRE(gaps.size() == 3);
  REQUIRE(dots.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    const Bin& bin = bins[i];
    for (const std::size_t which : {2 * i, 2 * i + 1}) {
      CHECK(near(bars[which]["x"] + bars[which]["width"] / 2, across(bin.low + 10)));
      CHECK(near(bars[which]["width"], across(20) - across(0), 3));
    }
    CHECK(near(bars[2 * i]["y"], up(bin.accuracy)));
    CHECK(near(bars[2 * i]["y"] + bars[2 * i]["height"], up(0)));
    CHECK(near(bars[2 * i + 1]["height"], bin.share * full));
    CHECK(near(bars[2 * i + 1]["y"] + bars[2 * i + 1]["height"], foot));
    check_places({{gaps[i]["x1"], gaps[i]["y1"]}, {gaps[i]["x2"], gaps[i]["y2"]}, {dots[i]["cx"], dots[i]["cy"]}},
                 {{across(bin.confidence), up(bin.accuracy)},
                  {across(bin.confidence), up(bin.confidence)},
                  {across(bin.confidence), up(bin.accuracy)}});
  }
  const Element diagonal = drawing.only("line", "mark");
  check_places({{diagonal["x1"], diagonal["y1"]}, {diagonal["x2"], diagonal["y2"]}},
               {{across(0), up(0)}, {across(100), up(100)}});
  // The greatest count stands at the top of its bar, under the upper plot.
  CHECK(most.first == 8);
  CHECK(near(most.second["y"], foot - full, 10));
  CHECK(zero.first == 0);
  CHECK(near(zero.second["y"], foot));
  CHECK(foot - full > up(0));
}

TEST_CASE("the affect plane has pleasant on the right and excited above, as the numbers at its axes say") {
  const report::AffectPlane plane{.groups = {{.name = "circles", .points = {{1, -1}, {-0.5, 0.25}}},
                                             {.name = "squares", .points = {{0.5, 0.75}}},
                                             {.name = "triangles", .points = {{-1, 1}}},
                                             {.name = "diamonds", .points = {{0, -9}, {4, 0.5}}}}};
  const Drawing drawing(report::affect_plane(plane));
  testing::check_inside(drawing);
  const Scale across = testing::scale_across(drawing);
  const Scale up = testing::scale_down(drawing.numbers("label end"));
  const Element frame = drawing.only("rect", "frame");
  CHECK(near(frame["x"], across(-1)));
  CHECK(near(frame["x"] + frame["width"], across(1)));
  CHECK(near(frame["y"], up(1)));
  CHECK(near(frame["y"] + frame["height"], up(-1)));
  CHECK(across(1) > across(-1));
  CHECK(up(1) < up(-1));
  const auto axes = drawing.all("line", "mark");
  REQUIRE(axes.size() == 2);
  check_places({{axes[0]["x1"], axes[0]["y1"]},
                {axes[0]["x2"], axes[0]["y2"]},
                {axes[1]["x1"], axes[1]["y1"]},
                {axes[1]["x2"], axes[1]["y2"]}},
               {{across(-1), up(0)}, {across(1), up(0)}, {across(0), up(1)}, {across(0), up(-1)}});

  // What lies beyond the plane is drawn on its edge. After the points come those that explain the marks.
  const std::vector<std::array<double, 2>> places{{1, -1}, {-0.5, 0.25}, {0.5, 0.75}, {-1, 1}, {0, -1}, {1, 0.5}};
  const auto marks = drawing.all("path", "point");
  REQUIRE(marks.size() == places.size() + 4);
  for (std::size_t i = 0; i < places.size(); ++i) {
    CAPTURE(i);
    const Place middle = marks[i].middle();
    CHECK(near(middle.x, across(places[i][0])));
    CHECK(near(middle.y, up(places[i][1]), 0.5));  // a triangle stands a little higher
  }
  double end = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const Element& mark = marks[places.size() + i];
    const Element name = drawing.text(plane.groups[i].name);
    CHECK(mark.group == marks[i == 0 ? 0 : i + 1].group);
    CHECK(mark.middle().x > end);
    CHECK(name["x"] > mark.middle().x + 4);
    end = name["x"] + length_of(name.words);
  }
}

TEST_CASE("the affect plane's sectors fill the square, and each name stands in its own") {
  const data::EmotionSectors usual;
  const Drawing drawing(report::affect_plane({}));
  testing::check_inside(drawing);
  const Scale across = testing::scale_across(drawing);
  const Scale up = testing::scale_down(drawing.numbers("label end"));
  double area = 0;
  const auto sectors = drawing.all("path", "sector");
  const auto borders = drawing.all("line", "grid");
  REQUIRE(borders.size() == sectors.size());
  for (std::size_t i = 0; i < sectors.size(); ++i) {
    const auto corners = sectors[i].path();
    area += area_of(corners);
    check_places({{borders[i]["x1"], borders[i]["y1"]}, {borders[i]["x2"], borders[i]["y2"]}},
                 {corners[0], corners[1]});
    check_places({corners[0]}, {{across(0), up(0)}});
  }
  CHECK(area == doctest::Approx((across(1) - across(-1)) * (up(-1) - up(1))).epsilon(1e-3));
  const double half = (across(1) - across(-1)) / 2;
  for (const auto& angle : usual.angles) {
    const Element name = drawing.text(std::string(data::name_of(angle.emotion)));
    const data::Affect there{(name["x"] - across(0)) / half, (up(0) - (name["y"] - 4)) / half};
    const double turn = std::atan2(there.arousal, there.valence) - report::detail::radians(angle.degrees);
    CHECK(std::cos(turn) > 0.999);
    CHECK(data::emotion_of(there, usual) == angle.emotion);
  }
  const Element neutral = drawing.only("circle", "neutral");
  CHECK(near(neutral["r"], usual.neutral_radius * half));
  check_places({{neutral["cx"], neutral["cy"]}}, {{across(0), up(0)}});
}

TEST_CASE("a path through the affect plane says where it begins and ends, inside the plane") {
  for (const bool backwards : {false, true}) {
    std::vector<data::Affect> points{{-1, -0.5}, {0, 0}, {1, 0.5}};
    if (backwards) std::reverse(points.begin(), points.end());
    const Drawing drawing(report::affect_plane({.groups = {{.points = points, .joined = true}}}));
    const Scale across = testing::scale_across(drawing);
    const Scale up = testing::scale_down(drawing.numbers("label end"));
    for (const bool end : {false, true}) {
      const Element word = drawing.text(end ? "end" : "start");
      const data::Affect& point = end ? points.back() : points.front();
      const bool leftwards = word.attributes.at("class") == "label strong end";
      CHECK(leftwards == (point.valence > 0));
      CHECK(near(word["x"], across(point.valence) + (leftwards ? -8 : 8), 4));
      CHECK(near(word["y"], up(point.arousal), 12));
    }
  }
}
