#include <mien/report/html.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "io/temporary_folder.hpp"
#include "report/browser.hpp"
#include "report/drawing.hpp"
#include "report/sample_page.hpp"

using namespace mien;

namespace {

Index occurrences(const std::string& text, const std::string& part) {
  Index count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const std::vector<std::string> three{"joy", "fear", "<anger>"};

}  // namespace

TEST_CASE("a page refers to nothing outside itself") {
  const std::string html = testing::sample_page().to_html();
  CHECK(html.starts_with("<!DOCTYPE html>"));
  // What a base64 alphabet can spell by chance is not looked for in pictures.
  std::string words;
  for (std::size_t at = 0; at < html.size();) {
    const std::size_t picture = html.find(";base64,", at);
    words += html.substr(at, picture - at);
    at = picture == std::string::npos ? html.size() : html.find('"', picture);
  }
  for (const char* outside : {"http:", "https:", "//", "<script", "@import", "<link", "url("})
    CHECK_MESSAGE(!contains(words, outside), outside);
  CHECK(contains(html, "prefers-color-scheme:dark"));
  CHECK(contains(html, "width=device-width"));
  CHECK(contains(html, "data:image/png;base64,iVBORw0KGgo"));
  for (const char* tag : {"section", "figure", "table", "svg", "dl", "div", "tr", "td", "th", "g", "ul", "li", "title"})
    CHECK_MESSAGE(occurrences(html, std::string("<") + tag + " ") + occurrences(html, std::string("<") + tag + ">") ==
                      occurrences(html, std::string("</") + tag + ">"),
                  tag);
}

TEST_CASE("who cannot see pictures is told what they show, and who cannot tell colours needs none") {
  const std::string html = testing::sample_page().to_html();
  CHECK(occurrences(html, "<img ") == occurrences(html, " alt=\""));
  CHECK(!contains(html, "alt=\"\""));
  CHECK(occurrences(html, "<svg ") == occurrences(html, "role=\"img\" aria-label=\""));
  CHECK(contains(html, "Loss; training from 1.748 to 0.2571; validation from"));
  CHECK(contains(html, "<title>validation, epoch 3: "));
  CHECK(contains(html, "alt=\"sadness/a_recording_with_quite_a_long_name_0, frame 1 of 3\""));
}

TEST_CASE("no word given can become markup") {
  const std::string evil = "<script>'\"&";
  report::Page page(evil, {.subtitle = evil, .language = "\"x", .footer = evil});
  page.section(evil, evil)
      .facts({{evil, evil, evil}})
      .paragraph(evil)
      .preformatted(evil, evil)
      .curves({{evil, {1}}, {evil, {2}}},
              {.title = evil, .x_label = evil, .y_label = evil, .mark = 1, .mark_label = evil})
      .bars(std::vector<std::string>{evil}, std::vector<double>{1}, {.caption = evil})
      .table(std::vector<std::string>{evil}, {{evil}}, {.caption = evil})
      .shares(std::vector<std::string>{evil}, std::vector<std::string>{evil}, {{1}}, evil)
      .confusion_matrix(Tensor<std::int64_t>({1, 1}, 1), std::vector<std::string>{evil}, evil)
      .timeline({.classes = {evil}, .times = {0}, .probabilities = {{1}}, .title = evil}, evil)
      .per_class(metrics::ConfusionMatrix(1), std::vector<std::string>{evil}, evil)
      .calibration(testing::sample_calibration(), evil)
      .mistakes(std::vector<report::Mistake>{{.name = evil, .truth = evil, .recognised = evil}}, evil)
      .mistakes(std::vector<report::Mistake>{{.name = evil, .frames = {report::picture(testing::sample_face(0))}}})
      .gallery(std::vector<report::Picture>{{report::picture(testing::sample_face(0)), evil}}, evil)
      .affect_plane(
          {.groups = {{.name = evil, .points = {{}, {}}, .titles = {evil, evil}, .joined = true}}, .title = evil}, evil)
      .settings(std::vector<std::pair<std::string, std::string>>{{evil, evil}}, evil)
      .notes(std::vector<std::string>{evil});
  page.section("second");
  const std::string html = page.to_html();
  CHECK(!contains(html, "<script"));
  CHECK(contains(html, "&lt;script&gt;&#39;&quot;&amp;"));
  CHECK(contains(html, "lang=\"&quot;x\""));
}

TEST_CASE("the confusion matrix shows counts, shares of the row, and the recall") {
  const std::string html =
      report::Section("", "")
          .confusion_matrix(Tensor<std::int64_t>::from({3, 3}, {7, 2, 1, 0, 0, 0, 1, 0, 31}), three)
          .to_html(0);
  CHECK(contains(html,
                 "<th scope=\"row\">joy</th><td style=\"--share:0.700\">7<small>70 %</small></td>"
                 "<td style=\"--share:0.200\">2<small>20 %</small></td>"));
  CHECK(contains(html, "<td class=\"side\">70 %</td>"));
  CHECK(contains(html, "<td class=\"side\">97 %</td>"));
  CHECK(contains(html, "no samples"));
  CHECK_THROWS_WITH_AS(report::Section("", "").confusion_matrix(Tensor<std::int64_t>({2, 3}, 0), three),
                       "confusion_matrix: counts [2, 3] for 3 class names", ShapeError);
}

TEST_CASE("bars are as long as their values, and what is not a number has none") {
  const auto width_of = [](double value, const report::BarOptions& options) {
    const std::string html =
        report::Section("", "").bars(std::vector<std::string>{"a"}, std::vector<double>{value}, options).to_html(0);
    const std::size_t at = html.find("width:") + 6;
    return html.substr(at, html.find('%', at) - at);
  };
  CHECK(width_of(0.25, {}) == "25.0");
  CHECK(width_of(3, {}) == "100.0");
  CHECK(width_of(-1, {}) == "0.0");
  CHECK(width_of(3, {.full = 12}) == "25.0");
  CHECK(width_of(3, {.full = 0}) == "100.0");
  CHECK(width_of(std::nan(""), {}) == "0.0");
  CHECK_THROWS_AS(report::Section("", "").bars(three, std::vector<double>{1}), ShapeError);
}

TEST_CASE("of several bars the greatest fills its track, and the numbers beside them are those given") {
  const std::vector<double> values{0.125, 0.5, 0.25};
  const auto numbers_between = [](const std::string& html, const std::string& before, const std::string& after) {
    std::vector<std::string> out;
    for (std::size_t at = html.find(before); at != std::string::npos; at = html.find(before, at)) {
      at += before.size();
      out.push_back(html.substr(at, html.find(after, at) - at));
    }
    return out;
  };
  const auto widths = [&](const std::string& html) { return numbers_between(html, "width:", "%"); };
  const auto words = [&](const std::string& html) { return numbers_between(html, "<dd class=\"value\">", "<"); };
  const std::string whole = report::Section("", "").bars(three, values, {.full = 1}).to_html(0);
  CHECK(widths(whole) == std::vector<std::string>{"12.5", "50.0", "25.0"});
  const std::string greatest = report::Section("", "").bars(three, values, {.percent = false, .full = 0}).to_html(0);
  CHECK(widths(greatest) == std::vector<std::string>{"25.0", "100.0", "50.0"});
  CHECK(words(greatest) == std::vector<std::string>{"0.125", "0.500", "0.250"});
  CHECK(words(report::Section("", "").bars(three, values, {.percent = true}).to_html(0)) ==
        std::vector<std::string>{"12.5 %", "50.0 %", "25.0 %"});

  const std::vector<std::string> layers{"first", "second"};
  const std::vector<std::string> views{"height", "width"};
  const std::string shares =
      report::Section("", "").shares(layers, views, {{0.75, 0.25}, {0.5, std::nan("")}}).to_html(0);
  CHECK(widths(shares) == std::vector<std::string>{"75.0", "25.0", "50.0", "0.0"});
  CHECK(words(shares) == std::vector<std::string>{"75 / 25", "50 / -"});
  CHECK(contains(shares, "<i class=\"c0\" style=\"width:75.0%\"></i><i class=\"c1\" style=\"width:25.0%\"></i>"));
}

TEST_CASE("attention is listed by weight under the joints' spoken names") {
  std::vector<double> weights(25, 0.1);
  weights[4] = 0.9;
  weights[19] = 0.8;
  const std::string html = report::Section("", "").skeleton_attention(weights, {.listed = 2}).to_html(0);
  const std::size_t first = html.find("<dt>right wrist</dt>");
  const std::size_t second = html.find("<dt>left big toe</dt>");
  REQUIRE(first != std::string::npos);
  REQUIRE(second != std::string::npos);
  CHECK(first < second);
  CHECK(occurrences(html, "<dt>") == 2);
  CHECK(occurrences(html, "class=\"joint\"") == 25);

  std::vector<double> unknown(25, std::nan(""));
  unknown[7] = 0.5;
  const std::string partly = report::Section("", "").skeleton_attention(unknown, {.listed = 2}).to_html(0);
  CHECK(partly.find("<dt>left wrist</dt>") < partly.find("<dt>nose</dt>"));
  CHECK(contains(partly, "width:100.0%"));

  // A weight belongs to the joint that was named, and that joint is where people have it.
  std::vector<double> ear(gesture::upper_body().size(), 0);
  ear.back() = 1;
  const std::string page =
      report::Section("", "").skeleton_attention(ear, {.joints = gesture::upper_body()}).to_html(0);
  CHECK(contains(page, "<dt>left ear</dt><dd class=\"track c0\"><i style=\"width:100.0%\">"));
  const std::size_t begin = page.find("<svg ");
  const testing::Drawing drawing(page.substr(begin, page.find("</svg>") + 6 - begin));
  std::map<std::string, testing::Element> joints;
  for (const auto& joint : drawing.all("circle", "joint")) joints[joint.words] = joint;
  REQUIRE(joints.count("left ear: 1.000") == 1);
  CHECK(joints["left ear: 1.000"].attributes.at("style") == "--share:1");
  CHECK(joints["left ear: 1.000"]["cy"] < joints.at("neck: 0.000")["cy"]);
  CHECK(joints.at("neck: 0.000")["cy"] < joints.at("mid hip: 0.000")["cy"]);

  const std::vector<double> upper(gesture::upper_body().size(), 0.5);
  CHECK(occurrences(report::Section("", "").skeleton_attention(upper, {.joints = gesture::upper_body()}).to_html(0),
                    "class=\"joint\"") == 13);
  CHECK_THROWS_AS(report::Section("", "").skeleton_attention(upper), ShapeError);
  CHECK_THROWS_AS(report::Section("", "").skeleton_attention(std::vector<double>{1}, {.joints = {25}}), IndexError);
}

TEST_CASE("rows of a table have the columns' number of cells") {
  CHECK_THROWS_WITH_AS(report::Section("", "").table(three, {{"1", "2", "3"}, {"1"}}),
                       "table: row 1 has 1 cells for 3 columns", ShapeError);
  CHECK_THROWS_AS(report::Section("", "").shares(three, three, {{1}}), ShapeError);
}

TEST_CASE("a page is saved as a whole, links to its sections, and an empty one is still a page") {
  const TemporaryFolder folder;
  report::Page page("A");
  CHECK(contains(page.to_html(), "</html>"));
  report::Section& first = page.section("First");
  for (int i = 0; i < 31; ++i) page.section("more");
  first.paragraph("still there");
  page.save(folder / "a.html");
  const std::string html = io::read_text(folder / "a.html");
  CHECK(html == page.to_html());
  CHECK(contains(html, "still there"));
  CHECK(contains(html, "<a href=\"#s31\">more</a>"));
  CHECK(contains(html, "<section id=\"s31\">"));
  std::filesystem::remove_all(folder.path());
  CHECK_THROWS_AS(page.save(folder / "a.html"), FileError);
}

TEST_CASE("the table of classes has precision, recall and F1, and their means") {
  metrics::ConfusionMatrix confusion(3);
  confusion.add(std::vector<Index>{0, 0, 0, 0, 1}, std::vector<Index>{0, 0, 0, 1, 1});
  const std::string html = report::Section("", "").per_class(confusion, three).to_html(0);
  CHECK(contains(html, "joy</th><td>100.0 %</td><td>75.0 %</td><td>85.7 %</td><td>4</td>"));
  CHECK(contains(html, "fear</th><td>50.0 %</td><td>100.0 %</td><td>66.7 %</td><td>1</td>"));
  CHECK(contains(html, "&lt;anger&gt;</th><td>0.0 %</td><td>0.0 %</td><td>0.0 %</td><td>0</td>"));
  CHECK(contains(html, "mean of classes</th><td>75.0 %</td><td>87.5 %</td><td>76.2 %</td><td>5</td>"));
  // A class without samples that was recognised all the same has a precision, of nothing.
  confusion.add(0, 2);
  CHECK(contains(report::Section("", "").per_class(confusion, three).to_html(0),
                 "mean of classes</th><td>50.0 %</td><td>80.0 %</td><td>47.2 %</td><td>6</td>"));
  CHECK_THROWS_WITH_AS(report::Section("", "").per_class(metrics::ConfusionMatrix(2), three),
                       "per_class: 2 classes for 3 class names", ShapeError);
}

TEST_CASE("every column of a history is in a chart, those that belong together in one") {
  const std::string html = report::Section("", "").learning_curves(testing::sample_history(), 17).to_html(0);
  CHECK(occurrences(html, "<svg ") == 5);
  for (const char* title :
       {"Loss", "Accuracy", "Recall and F1 on validation samples", "Learning rate", "gradient_norm"})
    CHECK_MESSAGE(contains(html, std::string("<h3>") + title + "</h3>"), title);
  CHECK(occurrences(html, ">best: 17</text>") == 5);
  CHECK(!contains(html, "Concordance"));
  train::History affect;
  affect.add(1, {{"validation_ccc", 0.1}, {"validation_ccc_valence", 0.2}, {"validation_ccc_arousal", 0}});
  const std::string one = report::Section("", "").learning_curves(affect).to_html(0);
  CHECK(occurrences(one, "<svg ") == 1);
  CHECK(contains(one, "Concordance"));
  CHECK(contains(report::Section("", "").learning_curves({}).to_html(0), "No epoch was finished."));
}

TEST_CASE("calibration says its error, and mistakes what was taken for what") {
  metrics::Calibration calibration(4);
  calibration.add(0.9, true);
  calibration.add(0.9, false);
  calibration.add(0.6, true);
  calibration.add(0.6, false);
  const std::string html = report::Section("", "").calibration(calibration).to_html(0);
  CHECK(contains(html, "Expected calibration error 25.0 %, greatest error of a bin 40.0 %."));
  CHECK(contains(html, "confidence 0.75 to 1.00: mean confidence 90.0 %, accuracy 50.0 %, 2 samples"));
  CHECK(contains(html, "Guo et al."));
  CHECK(contains(report::Section("", "").calibration(metrics::Calibration()).to_html(0), "no data"));

  const std::string wrong = report::Section("", "").mistakes(testing::sample_mistakes()).to_html(0);
  CHECK(contains(wrong, "true: sadness (2.0 %), recognised: happiness (92.0 %)"));
  CHECK(contains(wrong, "true: wave, recognised: point<small>wave/17</small>"));
  CHECK(contains(report::Section("", "").mistakes({}).to_html(0), "No sample was taken for another class"));
  CHECK_THROWS_AS(report::Section("", "").mistakes(std::vector<report::Mistake>{{.frames = {{std::byte{1}}}}}),
                  ValueError);
}

TEST_CASE("settings and notes come out in their order") {
  const std::string html = report::Section("", "")
                               .settings(std::map<std::string, std::string>{{"b", "2"}, {"a", "1"}})
                               .notes(std::vector<std::string>{"first", "second"})
                               .to_html(0);
  CHECK(contains(html, "<td class=\"word\">a</td><td class=\"word\">1</td></tr><tr><td class=\"word\">b</td>"));
  CHECK(contains(html, "<li>first</li><li>second</li>"));
}

TEST_CASE("pictures are made small, and activation brightens where a network looked") {
  const io::Image wide(300, 7, 1, 80);
  CHECK(io::decode_image(report::picture(wide), {}).width == 160);
  CHECK(io::decode_image(report::picture(wide), {}).height == 4);
  CHECK(io::decode_image(report::picture(wide, {.longest = 1}), {}).height == 1);
  CHECK(io::decode_image(report::picture(wide, {.longest = 1000}), {}).width == 300);
  CHECK(report::data_address(report::picture(wide)).starts_with("data:image/png"));
  CHECK(report::data_address(report::picture(wide, {.jpeg_quality = 80})).starts_with("data:image/jpeg"));
  CHECK_THROWS_AS(report::picture(wide, {.longest = 0}), ValueError);

  const auto map = Tensor<float>::from({1, 2}, {-5, 2});
  const io::Image seen = report::activation_over(io::Image(6, 3, 3, 80), map, 1);
  CHECK(seen.channels == 3);
  for (int c = 0; c < 3; ++c) CHECK(int{seen.at(0, 1)[c]} == 80);
  CHECK(int{seen.at(5, 1)[0]} == 252);
  CHECK(int{seen.at(5, 1)[2]} == 164);
  const auto upright = Tensor<float>::from({2, 2}, {-5, 2, 1, 0});
  const auto lying = Tensor<float>::from({2, 2}, {-5, 1, 2, 0});
  CHECK(report::activation_over(wide, lying.permute({1, 0})).pixels == report::activation_over(wide, upright).pixels);
  const io::Image nothing = report::activation_over(wide, Tensor<float>::from({1, 2}, {-1, 0}));
  CHECK(std::all_of(nothing.pixels.begin(), nothing.pixels.end(), [](int value) { return value == 80; }));
  CHECK_THROWS_AS(report::activation_over(wide, map, 1.5), ValueError);
  CHECK_THROWS_AS(report::activation_over(wide, Tensor<float>({3}, 0)), ShapeError);
}

TEST_CASE("a browser opens a page of everything without an error, and nothing is cut off at any width") {
  if (!testing::browser_is_installed()) return;
  const TemporaryFolder folder;
  for (const bool dark : {false, true}) {
    CAPTURE(dark);
    const testing::Inspection seen = testing::inspect(testing::sample_page().to_html(), folder.path(), dark);
    CHECK_MESSAGE(seen.messages.empty(), seen.messages);
    REQUIRE(seen.widths.size() == 4);
    for (const testing::SeenWidth& one : seen.widths) {
      CAPTURE(one.width);
      CHECK(one.dark == dark);
      CHECK(one.sections == 7);
      CHECK(one.page_width == one.width);
      CHECK(one.broken_pictures == 0);
      CHECK_MESSAGE(one.cut_off.empty(), one.cut_off);
    }
  }
}

TEST_CASE("the browser's inspection finds what it is there for") {
  if (!testing::browser_is_installed()) return;
  const TemporaryFolder folder;
  const std::string bad =
      "<!DOCTYPE html><html><head><title>bad</title></head><body><section><div style=\"width:3000px\">wide</div>"
      "<svg viewBox=\"0 0 10 10\"><text x=\"9\" y=\"5\">out of it</text></svg><img src=\"data:image/png;base64,AA\">"
      "</section><script>console.error('told')</script></body></html>";
  const testing::Inspection seen = testing::inspect(bad, folder.path(), false);
  CHECK(contains(seen.messages, "told"));
  REQUIRE(seen.widths.size() == 4);
  for (const testing::SeenWidth& one : seen.widths) {
    CHECK(one.page_width > one.width);
    CHECK(one.broken_pictures == 1);
    CHECK(contains(one.cut_off, "out of it"));
  }
}
