#pragma once

/// Reports as one HTML file that needs nothing else: no script, no font, no picture from outside. Readable on a phone
/// and on paper, by day and by night.
///
///     report::Page page("Gestures of joints_social", {.subtitle = "ACCM, 15 epochs, seed 1"});
///     page.section("Result").facts({{"accuracy", "88.2 %"}, {"nearest neighbour", "60.3 %"}});
///     page.section("Training").curves({{"training", training_loss}, {"validation", validation_loss}},
///                                     {.title = "Loss"});
///     page.section("Mistakes").confusion_matrix(confusion.counts(), class_names);
///     page.save("report.html");

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mien/core/tensor.hpp"
#include "mien/gesture/joint_groups.hpp"
#include "mien/io/file.hpp"
#include "mien/report/affect_plane.hpp"
#include "mien/report/reliability_diagram.hpp"
#include "mien/report/svg.hpp"
#include "mien/train/history.hpp"
#include "mien/train/metrics.hpp"
#include "mien/version.hpp"

namespace mien::report {

/// A number worth a place of its own.
struct Fact {
  std::string name = {};
  std::string value = {};
  std::string note = {};
};

struct TableOptions {
  std::string caption = {};
  /// How many columns at the left hold words; the others hold numbers and are aligned to the right.
  std::size_t word_columns = 1;
};

struct BarOptions {
  std::string caption = {};
  bool percent = true;  ///< values are shares in 0..1 and shown in percent
  double full = 1;      ///< the value of a bar across the whole width; 0 takes the greatest value
};

/// A picture with words under it.
struct Picture {
  std::vector<std::byte> image = {};  ///< encoded JPEG or PNG; `report::picture` makes some
  std::string caption = {};
};

/// A sample that was taken for another class than its own.
struct Mistake {
  std::string name = {};        ///< of the sample
  std::string truth = {};       ///< the class that it has
  std::string recognised = {};  ///< the class that it was taken for
  double truth_probability = std::numeric_limits<double>::quiet_NaN();
  double recognised_probability = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::vector<std::byte>> frames = {};  ///< encoded JPEGs or PNGs, in the order of time
  std::vector<std::string> drawings = {};           ///< SVG text, taken as it is: what has no frames may be drawn
};

struct SkeletonAttentionOptions {
  std::string caption = {};
  /// The BODY_25 joint that each weight belongs to; all 25 in order if empty. `gesture::upper_body()` is the other
  /// usual choice.
  std::vector<Index> joints = {};
  /// Joints listed with their weights, most attended first.
  std::size_t listed = 8;
};

namespace detail {

inline constexpr std::string_view style_sheet = R"css(
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--ink:#1b2130;--soft:#5a6376;--line:#dfe3ea;--accent:#1f5fbf;
--c0:#1865ba;--c1:#ac6c17;--c2:#00884f;--c3:#a84484;--c4:#605c07;--c5:#2a86be;--c6:#942f34;--c7:#4a4a4a;--on-band:#fff;--depth:65%}
@media(prefers-color-scheme:dark){:root{--page:#12151b;--card:#1b2029;--ink:#e8ebf1;--soft:#a2abbb;--line:#323946;
--accent:#7db0ff;--c0:#6edaff;--c1:#ff8a3c;--c2:#4fbb70;--c3:#c88cb9;--c4:#f0e442;--c5:#2f86d6;--c6:#ffc0a8;--c7:#c8c8c8;
--on-band:#12151b;--depth:38%}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",
"DejaVu Sans",sans-serif;-webkit-text-size-adjust:100%}
main,header,footer{max-width:68rem;margin:0 auto;padding:0 1rem}
header{padding-top:2.2rem}
h1{font-size:clamp(1.5rem,4.5vw,2.2rem);line-height:1.2;margin:0 0 .3rem;letter-spacing:-.015em}
h2{font-size:1.3rem;line-height:1.3;margin:2.4rem 0 .3rem;letter-spacing:-.01em}
h3{font-size:1rem;margin:0 0 .6rem}
p{margin:.2rem 0 .9rem;max-width:46rem;overflow-wrap:anywhere}
.subtitle,.lead,footer{color:var(--soft)}
nav{display:flex;flex-wrap:wrap;gap:.4rem;margin:1rem 0 0;padding:0;list-style:none}
nav a{color:var(--ink);text-decoration:none;font-size:.9rem;padding:.2rem .75rem;border:1px solid var(--line);
border-radius:1rem;background:var(--card)}
nav a:hover,nav a:focus-visible{border-color:var(--accent);color:var(--accent)}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem;align-items:start}
.card{margin:0;padding:1rem 1.1rem;background:var(--card);border:1px solid var(--line);border-radius:.7rem;min-width:0}
.wide{grid-column:1/-1}
.scroll{overflow-x:auto}
figcaption,caption{color:var(--soft);font-size:.88rem;text-align:left;caption-side:bottom;padding-top:.6rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.8rem}
.facts .card{padding:.8rem 1rem}
.facts dt{color:var(--soft);font-size:.85rem}
.facts dd{margin:0;font-size:1.55rem;line-height:1.25;font-weight:650;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.facts dd small{display:block;font-size:.8rem;font-weight:400;color:var(--soft);line-height:1.35}
svg{display:block;width:100%;height:auto}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
.label{fill:var(--soft);font-variant-numeric:tabular-nums}.strong{font-weight:600;fill:var(--ink)}
.middle{text-anchor:middle}.end{text-anchor:end}
svg .grid{stroke:var(--line);stroke-width:1}.axis{stroke:var(--soft);stroke-width:1}
.mark{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}
.c0{color:var(--c0)}.c1{color:var(--c1)}.c2{color:var(--c2)}.c3{color:var(--c3)}
.c4{color:var(--c4)}.c5{color:var(--c5)}.c6{color:var(--c6)}.c7{color:var(--c7)}
.series{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.dash1{stroke-dasharray:7 5}.dash2{stroke-dasharray:1 5}.dash3{stroke-dasharray:10 4 1 4}
.dots{fill:currentColor}
.bone{stroke:color-mix(in srgb,var(--soft) 35%,var(--card));stroke-width:5;stroke-linecap:round}
.joint{fill:color-mix(in srgb,var(--c1) calc(15% + var(--share)*85%),var(--card));stroke:var(--c1);stroke-width:1.5}
.area{fill:currentColor;fill-opacity:.45;stroke:currentColor;stroke-width:1.5;stroke-linejoin:round}
.band{fill:currentColor}.on-band{fill:var(--on-band);font-weight:600}
.timeline svg{min-width:46rem}
.hit{fill:transparent}
.gap{stroke:currentColor;stroke-width:2}
.sector{fill:currentColor;fill-opacity:.1}.neutral{fill:var(--card);stroke:var(--line)}
.frame{fill:none;stroke:var(--soft)}
.point{fill:currentColor;fill-opacity:.75;stroke:var(--card);stroke-width:1}.thin{stroke-width:1.5}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,15rem),1fr));gap:1rem;margin:0}
.gallery>figure{margin:0;min-width:0}
.gallery .strip{display:flex;gap:.25rem;overflow-x:auto;padding-bottom:.3rem}
.gallery .strip>*{flex:1 1 0;min-width:0;margin:0}
.gallery .strip>img{object-fit:contain;max-height:12rem}
.gallery figcaption{padding-top:.2rem;overflow-wrap:anywhere;color:var(--ink)}
.gallery small{display:block;color:var(--soft)}
ul.notes{margin:.2rem 0 .9rem;padding-left:1.2rem;max-width:46rem}
.total td,.total th{font-weight:600;border-top:1px solid var(--soft)}
.key{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:0 0 .6rem;font-size:.88rem;color:var(--soft)}
.key span::before{content:"";display:inline-block;width:.8em;height:.8em;margin-right:.4em;border-radius:.2em;
background:currentColor;vertical-align:-.05em}
.key b{font-weight:400;color:var(--soft)}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600}th.word,td.word{text-align:left;white-space:normal;overflow-wrap:break-word}
td.word+td.word{overflow-wrap:anywhere}
tbody tr:last-child>*{border-bottom:0}
.confusion{width:auto;border-spacing:2px;border-collapse:separate}
.confusion th,.confusion td{border:0}
.confusion thead th.class{writing-mode:vertical-rl;transform:rotate(180deg);text-align:left;padding:.5rem .2rem;
max-height:9rem;font-weight:500}
.confusion tbody th{font-weight:500;padding-left:0}
.confusion td{min-width:2.75rem;padding:.35rem .2rem;text-align:center;border-radius:.3rem;line-height:1.15;
background:color-mix(in srgb,var(--c0) calc(var(--share)*var(--depth)),var(--card))}
.confusion td small{display:block;font-size:.72rem}
.confusion td.side{background:none;color:var(--soft)}
@media(max-width:34rem){.confusion{font-size:.78rem;border-spacing:1px}.confusion td{min-width:1.8rem;padding:.3rem 0}
.confusion td small{font-size:.6rem}.confusion thead th.class{padding:.4rem .1rem}.confusion tbody th{padding-right:.2rem}
.confusion thead td.side{font-size:.65rem}th,td{padding:.35rem .12rem}table{font-size:.8rem}
svg text{font-size:14px}.timeline svg text{font-size:12px}}
.bars{display:grid;grid-template-columns:minmax(4rem,max-content) 1fr max-content;gap:.45rem .7rem;align-items:center;
font-size:.92rem;margin:0}
.bars dt{overflow-wrap:anywhere;max-width:14rem}.bars dd{margin:0}
.bars .value{font-variant-numeric:tabular-nums;text-align:right;color:var(--soft)}
.track{display:flex;height:.95rem;border-radius:.25rem;overflow:hidden;background:color-mix(in srgb,var(--line) 60%,var(--card))}
.track i{display:block;background:currentColor}
.track i+i{border-left:2px solid var(--card)}
.attention{display:grid;grid-template-columns:minmax(0,13rem) minmax(min(100%,14rem),1fr);gap:1rem;align-items:center}
@media(max-width:34rem){.attention{grid-template-columns:1fr}.attention svg{max-width:15rem;margin:0 auto}}
img{display:block;max-width:100%;height:auto;border-radius:.4rem;margin:0 auto}
pre{margin:0;overflow-x:auto;font-size:.85rem}
footer{padding-top:2.5rem;padding-bottom:2.5rem;font-size:.85rem}
@media print{body{background:none}.card{break-inside:avoid}nav{display:none}}
)css";

inline std::string caption_of(std::string_view caption) {
  return caption.empty() ? "" : text("<figcaption>", escape(caption), "</figcaption>");
}

inline std::string title_of(std::string_view title) {
  return title.empty() ? "" : text("<h3>", escape(title), "</h3>");
}

/// OpenPose's "RShoulder" as people say it: "right shoulder".
inline std::string spoken_joint_name(std::string_view name) {
  const auto is_capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  std::string out;
  if (name.size() > 1 && is_capital(name[1]) && (name[0] == 'R' || name[0] == 'L')) {
    out = name[0] == 'R' ? "right" : "left";
    name.remove_prefix(1);
  }
  for (const char c : name) {
    if (is_capital(c) && !out.empty()) out += ' ';
    out += is_capital(c) ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

/// Columns of a history that are drawn in one chart, each with the name of its line.
struct HistoryChart {
  ChartOptions options = {};
  std::vector<std::pair<std::string, std::string>> lines = {};
};

/// What the trainer writes, sorted by what it measures, and a chart for every other column but the epoch.
inline std::vector<HistoryChart> history_charts(const std::vector<std::string>& columns) {
  std::vector<HistoryChart> out{
      {{.title = "Loss"}, {{"train_loss", "training"}, {"validation_loss", "validation"}}},
      {{.title = "Accuracy", .y_low = 0, .y_high = 1, .percent = true},
       {{"train_accuracy", "training"}, {"validation_accuracy", "validation"}}},
      {{.title = "Recall and F1 on validation samples", .y_low = 0, .y_high = 1, .percent = true},
       {{"validation_mean_recall", "mean recall"}, {"validation_macro_f1", "macro F1"}}},
      {{.title = "Concordance (CCC) on validation samples"},
       {{"validation_ccc", "mean"}, {"validation_ccc_valence", "valence"}, {"validation_ccc_arousal", "arousal"}}},
      {{.title = "Squared error on validation samples"}, {{"validation_mse", "mean squared error"}}},
      {{.title = "Learning rate", .y_low = 0}, {{"learning_rate", "learning rate"}}}};
  std::vector<std::string> known{"epoch"};
  for (const HistoryChart& chart : out)
    for (const auto& [column, unused] : chart.lines) known.push_back(column);
  for (const std::string& column : columns)
    if (std::find(known.begin(), known.end(), column) == known.end())
      out.push_back({{.title = column}, {{column, column}}});
  return out;
}

}  // namespace detail

/// One part of a page. Every function adds a card below or beside those before it, and returns the section for the
/// next. All words are plain text, not HTML, and come out escaped.
class Section {
 public:
  Section(std::string title, std::string lead) : title_(std::move(title)), lead_(std::move(lead)) {}

  /// Numbers in large print.
  Section& facts(std::span<const Fact> facts) {
    std::string out;
    for (const Fact& fact : facts)
      out +=
          detail::text("<div class=\"card\"><dt>", escape(fact.name), "</dt><dd>", escape(fact.value),
                       fact.note.empty() ? "" : detail::text("<small>", escape(fact.note), "</small>"), "</dd></div>");
    body_ += detail::text("<dl class=\"facts wide\" style=\"margin:0\">", out, "</dl>");
    return *this;
  }
  Section& facts(std::initializer_list<Fact> list) { return facts(std::span(list.begin(), list.size())); }

  /// A paragraph.
  Section& paragraph(std::string_view words) {
    body_ += detail::text("<p class=\"wide\">", escape(words), "</p>");
    return *this;
  }

  /// Words that keep their lines, such as a command or settings.
  Section& preformatted(std::string_view words, std::string_view caption = "") {
    return card(detail::text("<pre>", escape(words), "</pre>", detail::caption_of(caption)), "wide");
  }

  /// Lines over epochs, or over whatever `options.x_label` names; see `line_chart`.
  Section& curves(std::span<const Series> series, const ChartOptions& options = {}) {
    return card(detail::title_of(options.title) + line_chart(series, options));
  }
  Section& curves(std::initializer_list<Series> series, const ChartOptions& options = {}) {
    return curves(std::span(series.begin(), series.size()), options);
  }

  /// All columns of a training's history: losses, accuracies, recall and F1, concordance and the learning rate, each in
  /// a chart with those like it, and a chart of its own for any other. `best_epoch` is marked.
  Section& learning_curves(const train::History& history, std::optional<Index> best_epoch = {});

  /// Counts [classes, classes], a row a true class, a column a recognised one, as metrics::ConfusionMatrix has them.
  /// Cells are shaded by their share of the row; the last column is the recall. Throws ShapeError unless rows, columns
  /// and names are equally many.
  Section& confusion_matrix(const Tensor<std::int64_t>& counts, std::span<const std::string> class_names,
                            std::string_view caption = "");

  /// Precision, recall, F1 and the number of samples of each class, and under them the mean precision of classes that
  /// have samples, the mean recall and the macro F1. Throws ShapeError unless there is a name a class.
  Section& per_class(const metrics::ConfusionMatrix& confusion, std::span<const std::string> class_names,
                     std::string_view caption = "");

  /// Confidence beside accuracy, and the expected calibration error; see `reliability_diagram`.
  Section& calibration(const metrics::Calibration& calibration, std::string_view caption = "");

  /// Samples that were taken for other classes, with what was seen of them, in the order given;
  /// `metrics::worst_mistakes` picks some.
  Section& mistakes(std::span<const Mistake> mistakes, std::string_view caption = "");

  /// Pictures beside each other, such as frames with class activation maps over them.
  Section& gallery(std::span<const Picture> pictures, std::string_view caption = "");

  /// Points of valence and arousal; see `report::affect_plane`.
  Section& affect_plane(const AffectPlane& plane, std::string_view caption = "") {
    return card(report::affect_plane(plane) + detail::caption_of(caption));
  }

  /// Pairs of a name and a value: the options of a program as std::map<std::string, std::string>, for example.
  template <class Pairs>
  Section& settings(const Pairs& pairs, std::string_view caption = "") {
    std::vector<std::vector<std::string>> rows;
    for (const auto& [name, value] : pairs) rows.push_back({name, value});
    return table(std::vector<std::string>{"setting", "value"}, rows,
                 {.caption = std::string(caption), .word_columns = 2});
  }

  /// Short remarks, one under the other.
  Section& notes(std::span<const std::string> notes) {
    std::string out;
    for (const std::string& note : notes) out += detail::text("<li>", escape(note), "</li>");
    body_ += detail::text("<ul class=\"notes wide\">", out, "</ul>");
    return *this;
  }

  /// Rows of cells; throws ShapeError if a row has not one cell for each column.
  Section& table(std::span<const std::string> columns, const std::vector<std::vector<std::string>>& rows,
                 const TableOptions& options = {});

  /// A drawing of one's own: SVG text, taken as it is. `line_chart`, `skeleton` and `timeline` make some.
  Section& figure(std::string_view svg, std::string_view caption = "") {
    return card(detail::text("<div class=\"scroll\">", svg, "</div>", detail::caption_of(caption)));
  }

  /// An encoded JPEG or PNG, kept inside the page. Throws ValueError for anything else.
  Section& image(std::span<const std::byte> encoded, std::string_view caption = "") {
    return card(detail::text("<img alt=\"", escape(caption), "\" src=\"", data_address(encoded), "\">",
                             detail::caption_of(caption)));
  }

  /// A bar for each label. Throws ShapeError if labels and values are not equally many.
  Section& bars(std::span<const std::string> labels, std::span<const double> values, const BarOptions& options = {}) {
    return card(draw_bars(labels, values, options) + detail::caption_of(options.caption));
  }

  /// A bar for each label, divided among `parts` by `shares` [label][part] in 0..1: the two views of each super-image
  /// convolution, for example. Throws ShapeError if they do not fit together.
  Section& shares(std::span<const std::string> labels, std::span<const std::string> parts,
                  const std::vector<std::vector<double>>& shares, std::string_view caption = "");

  /// Class probabilities, or valence and arousal, over time under the film's frames; see `report::timeline`.
  Section& timeline(const Timeline& data, std::string_view caption = "") {
    return card(
        detail::text("<div class=\"scroll timeline\">", report::timeline(data), "</div>", detail::caption_of(caption)),
        "wide");
  }

  /// How much each joint counted, drawn on a person: size and strength of a joint's dot run from the least to the
  /// greatest weight. Throws ShapeError if weights and joints are not equally many, IndexError for a joint outside
  /// BODY_25.
  Section& skeleton_attention(std::span<const double> weights, const SkeletonAttentionOptions& options = {});

  const std::string& title() const { return title_; }

  std::string to_html(std::size_t number) const {
    return detail::text("<section id=\"s", number, "\"><h2>", escape(title_), "</h2>",
                        lead_.empty() ? "" : detail::text("<p class=\"lead\">", escape(lead_), "</p>"),
                        "<div class=\"grid\">", body_, "</div></section>\n");
  }

 private:
  Section& card(std::string_view content, std::string_view look = "") {
    body_ += detail::text("<figure class=\"card ", look, "\">", content, "</figure>\n");
    return *this;
  }

  static std::string draw_bars(std::span<const std::string> labels, std::span<const double> values,
                               const BarOptions& options);

  std::string title_;
  std::string lead_;
  std::string body_;
};

struct PageOptions {
  std::string subtitle = {};
  std::string language = "en";
  std::string footer = {};
};

/// A report in the making.
class Page {
 public:
  explicit Page(std::string title, PageOptions options = {}) : title_(std::move(title)), options_(std::move(options)) {}

  /// A new section at the end; the reference stays good as long as the page.
  Section& section(std::string title, std::string lead = "") {
    return sections_.emplace_back(std::move(title), std::move(lead));
  }

  std::string to_html() const {
    std::string links;
    std::string body;
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      links += detail::text("<a href=\"#s", i, "\">", escape(sections_[i].title()), "</a>");
      body += sections_[i].to_html(i);
    }
    return detail::text(
        "<!DOCTYPE html>\n<html lang=\"", escape(options_.language), "\">\n<head>\n<meta charset=\"utf-8\">\n",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>", escape(title_),
        "</title>\n<style>", detail::style_sheet, "</style>\n</head>\n<body>\n<header><h1>", escape(title_), "</h1>",
        options_.subtitle.empty() ? "" : detail::text("<p class=\"subtitle\">", escape(options_.subtitle), "</p>"),
        sections_.size() > 1 ? detail::text("<nav aria-label=\"Sections\">", links, "</nav>") : "",
        "</header>\n<main>\n", body, "</main>\n<footer>", escape(options_.footer),
        options_.footer.empty() ? "" : " &middot; ", "mien ", version(), "</footer>\n</body>\n</html>\n");
  }

  /// Writes the page as a whole or not at all. Throws FileError.
  void save(const std::filesystem::path& path) const { io::write_file(path, to_html()); }

 private:
  std::string title_;
  PageOptions options_;
  std::deque<Section> sections_;
};

inline Section& Section::confusion_matrix(const Tensor<std::int64_t>& counts, std::span<const std::string> class_names,
                                          std::string_view caption) {
  const auto classes = static_cast<Index>(class_names.size());
  if (counts.shape() != Shape{classes, classes})
    throw ShapeError(detail::text("confusion_matrix: counts ", counts.shape(), " for ", classes, " class names"));
  std::string head;
  std::string rows;
  for (Index label = 0; label < classes; ++label) {
    const std::string name = escape(class_names[static_cast<std::size_t>(label)]);
    head += detail::text("<th scope=\"col\" class=\"class\">", name, "</th>");
    rows += detail::text("<tr><th scope=\"row\">", name, "</th>");
    Index total = 0;
    for (Index prediction = 0; prediction < classes; ++prediction) total += counts(label, prediction);
    const auto share = [&](Index count) {
      return total > 0 ? static_cast<double>(count) / static_cast<double>(total) : 0;
    };
    for (Index prediction = 0; prediction < classes; ++prediction) {
      const Index count = counts(label, prediction);
      rows += detail::text("<td style=\"--share:", number(share(count), 3), "\">", count,
                           count > 0 ? detail::text("<small>", percent(share(count), 0), "</small>") : "", "</td>");
    }
    rows += detail::text("<td class=\"side\">", total > 0 ? percent(share(counts(label, label)), 0) : "no samples",
                         "</td></tr>");
  }
  return card(detail::text("<div class=\"scroll\"><table class=\"confusion\"><thead><tr><td class=\"side\">"
                           "recognised &rarr;<br>true &darr;</td>",
                           head, "<td class=\"side\">recall</td></tr></thead><tbody>", rows, "</tbody></table></div>",
                           detail::caption_of(caption)),
              classes > 7 ? "wide" : "");
}

inline Section& Section::learning_curves(const train::History& history, std::optional<Index> best_epoch) {
  if (history.empty()) return paragraph("No epoch was finished.");
  const std::vector<std::string>& columns = history.columns();
  const std::vector<double> epochs = history.column("epoch");
  for (detail::HistoryChart chart : detail::history_charts(columns)) {
    std::vector<Series> series;
    for (const auto& [column, name] : chart.lines)
      if (std::find(columns.begin(), columns.end(), column) != columns.end())
        series.push_back({name, history.column(column), epochs});
    if (series.empty()) continue;
    if (best_epoch) {
      chart.options.mark = static_cast<double>(*best_epoch);
      chart.options.mark_label = detail::text("best: ", *best_epoch);
    }
    curves(series, chart.options);
  }
  return *this;
}

inline Section& Section::per_class(const metrics::ConfusionMatrix& confusion, std::span<const std::string> class_names,
                                   std::string_view caption) {
  if (static_cast<Index>(class_names.size()) != confusion.classes())
    throw ShapeError(
        detail::text("per_class: ", confusion.classes(), " classes for ", class_names.size(), " class names"));
  std::string rows;
  const auto row = [&](const char* look, std::string_view name, double precision, double recall, double f1,
                       Index samples) {
    rows += detail::text("<tr", look, "><th scope=\"row\" class=\"word\">", escape(name), "</th>");
    for (const double share : {precision, recall, f1}) rows += detail::text("<td>", percent(share), "</td>");
    rows += detail::text("<td>", samples, "</td></tr>");
  };
  for (Index c = 0; c < confusion.classes(); ++c)
    row("", class_names[static_cast<std::size_t>(c)], confusion.precision(c), confusion.recall(c), confusion.f1(c),
        confusion.labelled(c));
  row(" class=\"total\"", "mean of classes", confusion.mean_precision(), confusion.mean_recall(),
      confusion.macro_f1(), confusion.total());
  return card(detail::text("<div class=\"scroll\"><table>",
                           caption.empty() ? "" : detail::text("<caption>", escape(caption), "</caption>"),
                           "<thead><tr><th scope=\"col\" class=\"word\">class</th><th scope=\"col\">precision</th>"
                           "<th scope=\"col\">recall</th><th scope=\"col\">F1</th><th scope=\"col\">samples</th></tr>"
                           "</thead><tbody>",
                           rows, "</tbody></table></div>"));
}

inline Section& Section::calibration(const metrics::Calibration& calibration, std::string_view caption) {
  const std::string words = detail::text(caption, caption.empty() ? "" : " ", "Expected calibration error ",
                                         percent(calibration.expected_error()), ", greatest error of a bin ",
                                         percent(calibration.greatest_error()),
                                         ". The expected one is the sum over all ", calibration.bins().size(),
                                         " bins of |accuracy - confidence|, each weighted by its share of the samples "
                                         "(Guo et al., On Calibration of Modern "
                                         "Neural Networks, 2017).");
  return card(detail::title_of("Reliability") + reliability_diagram(calibration) + detail::caption_of(words));
}

inline Section& Section::mistakes(std::span<const Mistake> mistakes, std::string_view caption) {
  if (mistakes.empty()) return paragraph("No sample was taken for another class than its own.");
  const auto with_probability = [](const std::string& name, double probability) {
    return std::isfinite(probability) ? detail::text(name, " (", percent(probability), ")") : name;
  };
  std::string items;
  for (const Mistake& mistake : mistakes) {
    const std::string words =
        detail::text("true: ", with_probability(mistake.truth, mistake.truth_probability),
                     ", recognised: ", with_probability(mistake.recognised, mistake.recognised_probability));
    std::string strip;
    for (std::size_t i = 0; i < mistake.frames.size(); ++i)
      strip += detail::text("<img loading=\"lazy\" alt=\"", escape(mistake.name), ", frame ", i + 1, " of ",
                            mistake.frames.size(), "\" src=\"", data_address(mistake.frames[i]), "\">");
    for (const std::string& drawing : mistake.drawings) strip += detail::text("<div>", drawing, "</div>");
    items +=
        detail::text("<figure>", strip.empty() ? "" : detail::text("<div class=\"strip\">", strip, "</div>"),
                     "<figcaption>", escape(words), "<small>", escape(mistake.name), "</small></figcaption></figure>");
  }
  return card(detail::text("<div class=\"gallery\">", items, "</div>", detail::caption_of(caption)), "wide");
}

inline Section& Section::gallery(std::span<const Picture> pictures, std::string_view caption) {
  std::string items;
  for (const Picture& picture : pictures)
    items += detail::text("<figure><div class=\"strip\"><img loading=\"lazy\" alt=\"", escape(picture.caption),
                          "\" src=\"", data_address(picture.image), "\"></div><figcaption>", escape(picture.caption),
                          "</figcaption></figure>");
  return card(detail::text("<div class=\"gallery\">", items, "</div>", detail::caption_of(caption)), "wide");
}

inline Section& Section::table(std::span<const std::string> columns, const std::vector<std::vector<std::string>>& rows,
                               const TableOptions& options) {
  const auto look = [&](std::size_t i) { return i < options.word_columns ? " class=\"word\"" : ""; };
  std::string head;
  for (std::size_t i = 0; i < columns.size(); ++i)
    head += detail::text("<th scope=\"col\"", look(i), ">", escape(columns[i]), "</th>");
  std::string body;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    if (rows[r].size() != columns.size())
      throw ShapeError(
          detail::text("table: row ", r, " has ", rows[r].size(), " cells for ", columns.size(), " columns"));
    body += "<tr>";
    for (std::size_t i = 0; i < columns.size(); ++i)
      body += detail::text("<td", look(i), ">", escape(rows[r][i]), "</td>");
    body += "</tr>";
  }
  return card(
      detail::text("<div class=\"scroll\"><table>",
                   options.caption.empty() ? "" : detail::text("<caption>", escape(options.caption), "</caption>"),
                   "<thead><tr>", head, "</tr></thead><tbody>", body, "</tbody></table></div>"));
}

inline std::string Section::draw_bars(std::span<const std::string> labels, std::span<const double> values,
                                      const BarOptions& options) {
  if (labels.size() != values.size())
    throw ShapeError(detail::text("bars: ", labels.size(), " labels for ", values.size(), " values"));
  double full = options.full;
  if (!(full > 0)) {
    full = 0;
    for (const double value : values) full = std::isfinite(value) ? std::max(full, value) : full;
  }
  std::string out;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double share = std::isfinite(values[i]) && full > 0 ? std::clamp(values[i] / full, 0.0, 1.0) : 0;
    out += detail::text(
        "<dt>", escape(labels[i]), "</dt><dd class=\"track c0\"><i style=\"width:", number(100 * share, 1),
        "%\"></i></dd><dd class=\"value\">", options.percent ? percent(values[i]) : number(values[i], 3), "</dd>");
  }
  return detail::text("<dl class=\"bars\">", out, "</dl>");
}

inline Section& Section::shares(std::span<const std::string> labels, std::span<const std::string> parts,
                                const std::vector<std::vector<double>>& shares, std::string_view caption) {
  if (shares.size() != labels.size())
    throw ShapeError(detail::text("shares: ", labels.size(), " labels for ", shares.size(), " rows"));
  std::string key;
  for (std::size_t p = 0; p < parts.size(); ++p)
    key += detail::text("<span class=\"", detail::colour_class(static_cast<Index>(p)), "\"><b>", escape(parts[p]),
                        "</b></span>");
  std::string rows;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (shares[i].size() != parts.size())
      throw ShapeError(
          detail::text("shares: row ", i, " has ", shares[i].size(), " shares for ", parts.size(), " parts"));
    std::string track;
    std::string values;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      const double share = std::isfinite(shares[i][p]) ? std::clamp(shares[i][p], 0.0, 1.0) : 0;
      track += detail::text("<i class=\"", detail::colour_class(static_cast<Index>(p)),
                            "\" style=\"width:", number(100 * share, 1), "%\"></i>");
      values += (p > 0 ? " / " : "") + number(100 * shares[i][p], 0);
    }
    rows += detail::text("<dt>", escape(labels[i]), "</dt><dd class=\"track\">", track, "</dd><dd class=\"value\">",
                         values, "</dd>");
  }
  return card(detail::text("<div class=\"key\">", key, "</div><dl class=\"bars\">", rows, "</dl>",
                           detail::caption_of(caption)));
}

inline Section& Section::skeleton_attention(std::span<const double> weights, const SkeletonAttentionOptions& options) {
  std::vector<std::string> names;
  for (const std::string_view name : gesture::joint_names(gesture::JointLayout::body_25))
    names.push_back(detail::spoken_joint_name(name));
  const auto joint_count = static_cast<Index>(names.size());
  std::vector<Index> joints = options.joints;
  if (joints.empty()) {
    joints.resize(names.size());
    std::iota(joints.begin(), joints.end(), Index{0});
  }
  if (weights.size() != joints.size())
    throw ShapeError(detail::text("skeleton_attention: ", weights.size(), " weights for ", joints.size(), " joints"));

  constexpr double absent = std::numeric_limits<double>::quiet_NaN();
  const Tensor<float> pose = gesture::standing_pose();
  Skeleton body;
  body.title = "Attention of each joint";
  body.joints.assign(names.size(), {absent, absent});
  body.weights.assign(names.size(), absent);
  body.names = names;
  for (std::size_t i = 0; i < joints.size(); ++i) {
    if (joints[i] < 0 || joints[i] >= joint_count)
      throw IndexError(detail::text("skeleton_attention: joint ", joints[i], " of ", joint_count));
    const auto joint = static_cast<std::size_t>(joints[i]);
    body.joints[joint] = {static_cast<double>(pose(joints[i], 0)), static_cast<double>(pose(joints[i], 1))};
    body.weights[joint] = weights[i];
  }
  const auto bones = gesture::bones(gesture::JointLayout::body_25);
  body.bones.assign(bones.begin(), bones.end());

  std::vector<std::size_t> order(weights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // What is no number comes last: the order must be one.
  const auto rank = [&](std::size_t i) {
    return std::isnan(weights[i]) ? -std::numeric_limits<double>::infinity() : weights[i];
  };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rank(a) > rank(b); });
  order.resize(std::min(order.size(), options.listed));
  std::vector<std::string> labels;
  std::vector<double> values;
  for (const std::size_t i : order) {
    labels.push_back(names[static_cast<std::size_t>(joints[i])]);
    values.push_back(weights[i]);
  }
  return card(detail::text("<div class=\"attention\">", skeleton(body), "<div>",
                           draw_bars(labels, values, {.percent = false, .full = 0}), "</div></div>",
                           detail::caption_of(options.caption)));
}

}  // namespace mien::report
