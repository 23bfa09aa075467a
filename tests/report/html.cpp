#include <mien/report/html.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "io/temporary_folder.hpp"

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
  const std::vector<std::byte> jpeg{std::byte{0xFF}, std::byte{0xD8}, std::byte{0xFF}, std::byte{0xE0}};
  report::Page page("Everything");
  page.section("One")
      .facts({{"accuracy", "88 %", "of 7"}})
      .paragraph("words")
      .curves({{"a", {1, 2}}})
      .image(jpeg, "a face")
      .bars(three, std::vector<double>{0.1, 0.2, 0.3})
      .shares(three, std::vector<std::string>{"height", "width"}, {{0.5, 0.5}, {0.25, 0.75}, {1, 0}})
      .table(three, {{"1", "2", "3"}})
      .preformatted("--seed 1")
      .timeline({.classes = three, .times = {0}, .probabilities = {{1, 0, 0}}, .frames = {{0, jpeg}}})
      .skeleton_attention(std::vector<double>(25, 0.5))
      .confusion_matrix(Tensor<std::int64_t>::zeros({3, 3}), three);
  const std::string html = page.to_html();
  CHECK(html.starts_with("<!DOCTYPE html>"));
  for (const char* outside : {"http:", "https:", "//", "<script", "@import", "<link", "url("})
    CHECK_MESSAGE(!contains(html, outside), outside);
  CHECK(contains(html, "prefers-color-scheme:dark"));
  CHECK(contains(html, "width=device-width"));
  CHECK(contains(html, "data:image/jpeg;base64,/9j/4A=="));
  for (const char* tag : {"section", "figure", "table", "svg", "dl", "div", "tr", "td", "th", "g"})
    CHECK_MESSAGE(occurrences(html, std::string("<") + tag + " ") + occurrences(html, std::string("<") + tag + ">") ==
                      occurrences(html, std::string("</") + tag + ">"),
                  tag);
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
      .timeline({.classes = {evil}, .times = {0}, .probabilities = {{1}}, .title = evil}, evil);
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
