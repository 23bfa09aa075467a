#include <mien/report/affect_plane.hpp>
#include <mien/report/svg.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace mien;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

Index occurrences(const std::string& text, const std::string& part) {
  Index count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

/// Every opened element is closed again, in order: what a strict XML reader would accept, as far as tags go.
bool is_well_formed(const std::string& svg) {
  std::vector<std::string> open;
  for (std::size_t i = svg.find('<'); i != std::string::npos; i = svg.find('<', i + 1)) {
    const std::size_t end = svg.find('>', i);
    if (end == std::string::npos) return false;
    const std::string name = svg.substr(i + 1, svg.find_first_of(" />", i + 2) - i - 1);
    if (svg[i + 1] == '/') {
      if (open.empty() || open.back() != svg.substr(i + 2, end - i - 2)) return false;
      open.pop_back();
    } else if (svg[end - 1] != '/') {
      open.push_back(name);
    }
  }
  return open.empty();
}

std::vector<std::byte> bytes(const std::string& text) {
  std::vector<std::byte> out;
  for (const char c : text) out.push_back(static_cast<std::byte>(c));
  return out;
}

}  // namespace

TEST_CASE("words come out escaped, control characters replaced, UTF-8 untouched") {
  CHECK(report::escape("a<b> & \"c\" 'd'") == "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  CHECK(report::escape(std::string("x\0y\x1b", 4)) == "x\xEF\xBF\xBDy\xEF\xBF\xBD");
  CHECK(report::escape("Überraschung 驚き") == "Überraschung 驚き");
}

TEST_CASE("numbers are plain, and what is not finite is a dash") {
  CHECK(report::number(0.125, 2) == "0.12");
  CHECK(report::number(-0.001, 2) == "0.00");
  CHECK(report::number(-0.01, 2) == "-0.01");
  CHECK(report::number(1e20, 0) == "100000000000000000000");
  CHECK(report::number(not_a_number) == "-");
  CHECK(report::significant(0.82144) == "0.8214");
  CHECK(report::significant(1.25e-5) == "1.25e-05");
  CHECK(report::significant(not_a_number) == "-");
  CHECK(report::percent(0.875) == "87.5 %");
  CHECK(report::percent(std::numeric_limits<double>::infinity()) == "-");
}

TEST_CASE("words are cut between letters, never inside one") {
  CHECK(report::shorten("surprise", 8) == "surprise");
  CHECK(report::shorten("surprise", 5) == "surp…");
  CHECK(report::shorten("äöüäöü", 3) == "äö…");
  CHECK(report::shorten("", 3).empty());
}

TEST_CASE("base64 agrees with the examples of RFC 4648") {
  CHECK(report::base64(bytes("")).empty());
  CHECK(report::base64(bytes("f")) == "Zg==");
  CHECK(report::base64(bytes("fo")) == "Zm8=");
  CHECK(report::base64(bytes("foo")) == "Zm9v");
  CHECK(report::base64(bytes("foobar")) == "Zm9vYmFy");
  CHECK(report::base64(bytes("\xFB\xFF\xFE")) == "+//+");
}

TEST_CASE("pictures are told apart by what they begin with; anything else is refused") {
  CHECK(report::data_address(bytes("\xFF\xD8\xFF\xE0")).starts_with("data:image/jpeg;base64,"));
  CHECK(report::data_address(bytes("\x89PNG\r\n")).starts_with("data:image/png;base64,"));
  CHECK_THROWS_WITH_AS(report::data_address(bytes("<html>")), doctest::Contains("6 bytes is neither JPEG nor PNG"),
                       ValueError);
  CHECK_THROWS_AS(report::data_address({}), ValueError);
}

TEST_CASE("ticks are round and cover the range") {
  for (const auto& range : std::vector<std::pair<double, double>>{
           {0, 1}, {0.03, 2.37}, {-7, 31}, {5, 5}, {0, 0}, {-3, -3}, {1, 65}, {1e-7, 3e-7}, {-1e9, 1e9}}) {
    const double low = range.first;
    const double high = range.second;
    INFO(low, " to ", high);
    const report::Ticks ticks = report::nice_ticks(low, high);
    REQUIRE(ticks.values.size() >= 2);
    CHECK(ticks.values.size() <= 12);
    CHECK(ticks.values.front() <= low + 1e-12 * std::abs(low));
    CHECK(ticks.values.back() >= high - 1e-12 * std::abs(high));
    const double step = ticks.values[1] - ticks.values[0];
    const double leading = step / std::pow(10.0, std::floor(std::log10(step) + 1e-9));
    CHECK(std::min({std::abs(leading - 1), std::abs(leading - 2), std::abs(leading - 5)}) < 1e-6);
  }
  // As many steps as were asked for, as nearly as round numbers allow.
  for (const double high : {5.0, 6.0, 30.0}) CHECK(report::nice_ticks(0, high).values.back() == high);
  CHECK(report::nice_ticks(0, 6).values.size() == 7);
  CHECK(report::nice_ticks(0, 15).values.size() == 9);
  CHECK(report::nice_ticks(0, 30).values.size() == 7);
  CHECK(report::nice_ticks(0, 40).values.size() == 5);
  CHECK(report::nice_ticks(0, 2).decimals == 1);
  CHECK(report::nice_ticks(0, 100).decimals == 0);
  CHECK(report::nice_ticks(not_a_number, 1).values.empty());
}

TEST_CASE("a chart draws one line a series and leaves gaps where there is no number") {
  const std::vector<report::Series> series{{"training", {3, 2, not_a_number, 1, 0.5}},
                                           {"a<b", {not_a_number, 7}, {4, 5}}};
  const std::string svg = report::line_chart(series, {.title = "Loss & more", .mark = 4, .mark_label = "best"});
  CHECK(is_well_formed(svg));
  CHECK(svg.find("aria-label=\"Loss &amp; more; training from 3 to 0.5; a&lt;b from 7 to 7\"") != std::string::npos);
  CHECK(svg.find("<title>training: 0.5<") != std::string::npos);
  CHECK(svg.find("<title>training, epoch 2: 2<") != std::string::npos);
  CHECK(svg.find("<title>a&lt;b, epoch 5: 7<") != std::string::npos);
  CHECK(occurrences(svg, "class=\"hit\"") == 5);
  CHECK(svg.find("nan") == std::string::npos);
  const std::size_t line = svg.find("class=\"series dash0\" d=\"");
  REQUIRE(line != std::string::npos);
  const std::string path = svg.substr(line, svg.find("/>", line) - line);
  CHECK(occurrences(path, "M") == 2);  // begins anew after the gap
  CHECK(occurrences(path, "L") == 2);
  CHECK(svg.find("class=\"mark\"") != std::string::npos);
}

TEST_CASE("points of a chart lie where the axes say") {
  const std::string svg =
      report::line_chart(std::vector<report::Series>{{"y", {0, 1}, {0, 10}}}, {.y_low = 0.0, .y_high = 1.0});
  // The plot of a single series reaches from (58, 18) to (414, 231).
  CHECK(svg.find("d=\"M58 231L414 18\"") != std::string::npos);
  // Whole numbers have whole ticks.
  const std::string epochs = report::line_chart(std::vector<report::Series>{{"y", {0, 1, 2, 5}}});
  CHECK(epochs.find(">4</text>") != std::string::npos);
  CHECK(epochs.find(">1.5</text>") == std::string::npos);
}

TEST_CASE("charts of nothing, of one point and of a constant are charts") {
  CHECK(report::line_chart({}).find("no data") != std::string::npos);
  CHECK(report::line_chart(std::vector<report::Series>{{"empty", {}}, {"none", {not_a_number}}}).find("no data") !=
        std::string::npos);
  for (const auto& values : {std::vector<double>{0.5}, std::vector<double>(65, 2.0)}) {
    const std::string svg = report::line_chart(std::vector<report::Series>{{"y", values}});
    CHECK(is_well_formed(svg));
    CHECK(svg.find("<circle") != std::string::npos);
    CHECK(svg.find("class=\"label end\">-<") == std::string::npos);
  }
  for (const auto& values : {std::vector<double>{1.7e308}, {-1e308, 1e308}, {5e-324}, {0, 5e-324}})
    CHECK(is_well_formed(report::line_chart(std::vector<report::Series>{{"y", values}})));
  const std::vector<report::Series> line{{"y", {1, 2}}};
  CHECK_THROWS_AS(report::line_chart(line, {.y_low = not_a_number}), ValueError);
  CHECK_THROWS_AS(report::line_chart(line, {.y_low = 1.0, .y_high = 1.0}), ValueError);
  CHECK(is_well_formed(report::line_chart(line, {.y_low = 5.0})));
  CHECK(is_well_formed(report::line_chart(line, {.y_high = -5.0})));
  CHECK_THROWS_WITH_AS(report::line_chart(std::vector<report::Series>{{"y", {1, 2}, {1}}}),
                       "line_chart: series y has 1 x for 2 y", ShapeError);
}

TEST_CASE("a skeleton shows present joints, their weights, and bones between present joints only") {
  report::Skeleton body{.joints = {{0, 0}, {10, 20}, {not_a_number, 5}},
                        .bones = {{0, 1}, {1, 2}},
                        .weights = {0.25, 0.75, 1},
                        .names = {"head", "hand", "foot"}};
  const std::string svg = report::skeleton(body);
  CHECK(is_well_formed(svg));
  CHECK(occurrences(svg, "<circle") == 2);
  CHECK(occurrences(svg, "class=\"bone\"") == 1);
  CHECK(svg.find("head: 0.250") != std::string::npos);
  CHECK(svg.find("--share:0\"") != std::string::npos);
  CHECK(svg.find("--share:1\"") != std::string::npos);
  body.weights = {1, 2};
  CHECK_THROWS_AS(report::skeleton(body), ShapeError);
  body.weights.clear();
  body.bones = {{0, 3}};
  CHECK_THROWS_WITH_AS(report::skeleton(body), "skeleton: bone 0-3 among 3 joints", IndexError);
  body.names.pop_back();
  CHECK_THROWS_WITH_AS(report::skeleton(body), "skeleton: 2 names for 3 joints", ShapeError);
  CHECK(report::skeleton({}).find("no joints") != std::string::npos);
  CHECK(is_well_formed(report::skeleton({.joints = {{4, 4}}, .bones = {}})));
}

TEST_CASE("a timeline names the most likely class of every stretch") {
  report::Timeline timeline{.classes = {"joy", "fear"},
                            .times = {0, 1, 2, 3},
                            .probabilities = {{0.9, 0.1}, {0.8, 0.2}, {0.3, 0.7}, {0.6, 0.4}}};
  const std::string svg = report::timeline(timeline);
  CHECK(is_well_formed(svg));
  CHECK(occurrences(svg, "class=\"band\"") == 3);  // joy, fear, joy
  CHECK(occurrences(svg, "class=\"area\"") == 2);

  for (int i = 0; i < 65; ++i) timeline.frames.push_back({i * 3 / 64.0, bytes("\xFF\xD8\xFF\xE0 frame")});
  const std::string film = report::timeline(timeline);
  CHECK(is_well_formed(film));
  const Index shown = occurrences(film, "<image");
  CHECK(shown > 2);
  CHECK(shown < 10);
  CHECK(film.find(">0.00 s<") != std::string::npos);
  CHECK(film.find(">3.00 s<") != std::string::npos);  // the chosen frames reach from the first to the last
}

TEST_CASE("a timeline has valence and arousal under the classes, or alone") {
  report::Timeline timeline{.times = {0, 1, 2}, .affect = {{0.5, -1}, {-0.5, 1}, {not_a_number, 0}}};
  const std::string alone = report::timeline(timeline);
  CHECK(is_well_formed(alone));
  CHECK(alone.find("most likely") == std::string::npos);
  CHECK(alone.find(">valence<") != std::string::npos);
  CHECK(alone.find("<title>arousal, second 1: 1<") != std::string::npos);
  CHECK(alone.find("<title>valence: -0.5<") != std::string::npos);  // at the last one that is known
  timeline.classes = {"joy"};
  timeline.probabilities = {{1}, {1}, {1}};
  const std::string both = report::timeline(timeline);
  CHECK(is_well_formed(both));
  CHECK(both.find("most likely") != std::string::npos);
  CHECK(both.find(">arousal<") != std::string::npos);
  timeline.affect.pop_back();
  CHECK_THROWS_WITH_AS(report::timeline(timeline), "timeline: 3 times for 2 pairs of valence and arousal", ShapeError);
  CHECK(report::timeline({.times = {1}}).find("no data") != std::string::npos);
}

TEST_CASE("a timeline of one moment, of none, and of what does not fit together") {
  CHECK(is_well_formed(report::timeline({.classes = {"joy"}, .times = {2}, .probabilities = {{1}}})));
  CHECK(report::timeline({.classes = {"joy"}, .times = {}, .probabilities = {}}).find("no data") != std::string::npos);
  CHECK_THROWS_AS(report::timeline({.classes = {"joy"}, .times = {1, 2}, .probabilities = {{1}}}), ShapeError);
  CHECK_THROWS_WITH_AS(report::timeline({.classes = {"joy"}, .times = {1}, .probabilities = {{1}}, .frame_aspect = 0}),
                       "timeline: frame aspect 0 is not positive", ValueError);
  CHECK_THROWS_WITH_AS(report::timeline({.classes = {"joy"}, .times = {1}, .probabilities = {{1, 2}}}),
                       "timeline: row 0 has 2 probabilities for 1 classes", ShapeError);
  CHECK_THROWS_AS(report::timeline({.classes = {"joy"}, .times = {2, 1}, .probabilities = {{1}, {1}}}), ValueError);
  CHECK_THROWS_AS(report::timeline({.classes = {"joy"}, .times = {not_a_number}, .probabilities = {{1}}}), ValueError);
  const report::TimelineFrame nowhen{.time = not_a_number, .image = bytes("\xFF\xD8\xFF\xE0")};
  CHECK_THROWS_AS(report::timeline({.classes = {"joy"}, .times = {1}, .probabilities = {{1}}, .frames = {nowhen}}),
                  ValueError);
}

TEST_CASE("the affect plane's sectors are those that emotions are told by") {
  const data::EmotionSectors usual;
  const auto sectors = report::detail::sectors_of(usual);
  REQUIRE(sectors.size() == usual.angles.size());
  for (const auto& sector : sectors) {
    CAPTURE(data::name_of(sector.emotion));
    for (const double inside : {sector.begin + 0.5, sector.degrees, sector.end - 0.5}) {
      const double turn = report::detail::radians(inside);
      CHECK(data::emotion_of({std::cos(turn), std::sin(turn)}, usual) == sector.emotion);
    }
  }
  const std::string svg = report::affect_plane({});
  CHECK(is_well_formed(svg));
  CHECK(occurrences(svg, "class=\"sector\"") == 6);
  for (const std::string_view name : data::emotion_names)
    CHECK_MESSAGE(svg.find(">" + std::string(name) + "<") != std::string::npos, name);
  const std::string one = report::affect_plane({.sectors = {{0, {{data::Emotion::fear, -90}}}}});
  CHECK(is_well_formed(one));
  CHECK(occurrences(one, "class=\"sector\"") == 1);
  CHECK(one.find(">neutral<") == std::string::npos);
  CHECK(occurrences(report::affect_plane({.sectors = std::nullopt}), "class=\"sector\"") == 0);
  CHECK_THROWS_AS(report::affect_plane({.sectors = {{0.1, {}}}}), ValueError);
}

TEST_CASE("points of the affect plane lie where they belong, have words, and differ by their marks") {
  const report::AffectPlane plane{
      .groups = {{.name = "path", .points = {{-1, -1}, {not_a_number, 0}, {0, 0}, {1, 1}}, .joined = true},
                 {.name = "a<b", .points = {{7, 0}}, .titles = {"at 2 s"}}}};
  const std::string svg = report::affect_plane(plane);
  CHECK(is_well_formed(svg));
  // The square reaches from (52, 40) to (412, 400); the line begins anew after the gap.
  CHECK(svg.find("class=\"series thin\" d=\"M52 400M232 220L412 40\"") != std::string::npos);
  CHECK(svg.find("<title>path, valence -1.00, arousal -1.00</title>") != std::string::npos);
  CHECK(svg.find("<title>a&lt;b, at 2 s: valence 7.00, arousal 0.00</title>") != std::string::npos);
  CHECK(svg.find("d=\"M408 216h8v8h-8Z\"") != std::string::npos);  // a square on the edge
  CHECK(svg.find(">start<") != std::string::npos);
  CHECK(svg.find(">end<") != std::string::npos);
  CHECK(svg.find("nan") == std::string::npos);
  CHECK_THROWS_WITH_AS(report::affect_plane({.groups = {{.name = "x", .points = {{}}, .titles = {"a", "b"}}}}),
                       "affect_plane: group x has 2 titles for 1 points", ShapeError);
}
