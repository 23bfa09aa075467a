#pragma once

/// Confidence beside accuracy, bin by bin: is a classifier right as often as it says?

#include <algorithm>
#include <string>
#include <vector>

#include "mien/report/svg.hpp"
#include "mien/train/metrics.hpp"

namespace mien::report {

namespace detail {

inline std::string draw_calibration_bin(const metrics::CalibrationBin& bin, Index most, const Plot& plot,
                                        const Plot& counts) {
  if (bin.samples == 0) return "";
  const std::string title =
      text("confidence ", number(bin.low), " to ", number(bin.high), ": mean confidence ", percent(bin.confidence()),
           ", accuracy ", percent(bin.accuracy()), ", ", bin.samples, bin.samples == 1 ? " sample" : " samples");
  const auto bar = [&](const Plot& where, double value, const char* look) {
    return text("<rect class=\"", look, "\" x=\"", at(where.x(bin.low) + 1), "\" y=\"", at(where.y(value)),
                "\" width=\"", at(where.x(bin.high) - where.x(bin.low) - 2), "\" height=\"",
                at(where.top + where.height - where.y(value)), "\"><title>", title, "</title></rect>");
  };
  const double x = plot.x(bin.confidence());
  return text("<g class=\"c0\">", bar(plot, bin.accuracy(), "area"),
              bar(counts, static_cast<double>(bin.samples) / static_cast<double>(most), "area"), "</g><g class=\"c1\">",
              svg_line(x, plot.y(bin.accuracy()), x, plot.y(bin.confidence()), "gap"), "<circle class=\"dots\" cx=\"",
              at(x), "\" cy=\"", at(plot.y(bin.accuracy())), "\" r=\"3\"><title>", title, "</title></circle></g>");
}

}  // namespace detail

/// A bar of accuracy for each bin of confidence. The dashed diagonal is where both are equal; a line from the bar's dot
/// to it is that bin's error. The lower bars are how many samples there are in each.
inline std::string reliability_diagram(const metrics::Calibration& calibration) {
  using namespace detail;
  constexpr double width = 430;
  constexpr double height = 390;
  std::string out = open_svg(width, height,
                             text("Reliability diagram of ", calibration.samples(),
                                  " samples; expected calibration error ", percent(calibration.expected_error())));
  Index most = 0;
  for (const metrics::CalibrationBin& bin : calibration.bins()) most = std::max(most, bin.samples);
  if (most == 0) return out + svg_text(width / 2, height / 2, "label middle", "no data") + "</svg>";
  const Plot plot{
      .left = 62, .top = 14, .width = width - 86, .height = 240, .x_low = 0, .x_high = 1, .y_low = 0, .y_high = 1};
  Plot counts = plot;
  counts.top = plot.top + plot.height + 20;
  counts.height = 62;
  for (const double value : {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}) {
    out += svg_line(plot.left, plot.y(value), plot.left + plot.width, plot.y(value), "grid");
    out += svg_text(plot.left - 7, plot.y(value) + 4, "label end", percent(value, 0));
    out += svg_text(plot.x(value), counts.top + counts.height + 17, "label middle", percent(value, 0));
  }
  out += svg_text(counts.left - 7, counts.top + 9, "label end", std::to_string(most));
  out += svg_text(counts.left - 7, counts.top + counts.height, "label end", "0");
  for (const metrics::CalibrationBin& bin : calibration.bins()) out += draw_calibration_bin(bin, most, plot, counts);
  out += svg_line(plot.x(0), plot.y(0), plot.x(1), plot.y(1), "mark");
  for (const Plot& one : {plot, counts})
    out += svg_line(one.left, one.top + one.height, one.left + one.width, one.top + one.height, "axis");
  out += svg_text(plot.left + plot.width / 2, height - 6, "label middle", "confidence");
  const auto beside = [&](const Plot& one, const char* words) {
    out += text("<text transform=\"translate(14 ", at(one.top + one.height / 2),
                ") rotate(-90)\" class=\"label middle\">", words, "</text>");
  };
  beside(plot, "accuracy");
  beside(counts, "samples");
  return out + "</svg>";
}

}  // namespace mien::report
