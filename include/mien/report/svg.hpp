#pragma once

/// Drawings for reports as SVG text: line charts, skeletons, timelines. Colours, lines and letters take their looks
/// from the style sheet of report/html.hpp, so that one drawing serves light and dark pages; nothing outside the text
/// is referred to. All words given are UTF-8 and come out escaped.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "mien/core/digits.hpp"
#include "mien/core/error.hpp"
#include "mien/core/shape.hpp"
#include "mien/data/emotion.hpp"

namespace mien::report {

/// Text for use between tags and inside quoted attributes. Control characters, which HTML forbids, become U+FFFD.
inline std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '\n':
      case '\t':
        out += c;
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
          out += "\xEF\xBF\xBD";
        } else {
          out += c;
        }
    }
  }
  return out;
}

/// A number with a fixed count of decimals and a point whatever the program's locale; "-" if it is not finite.
inline std::string number(double value, int decimals = 2) {
  if (!std::isfinite(value)) return "-";
  const std::string out = mien::detail::fixed_digits(value, decimals);
  return out.find_first_not_of("-0.") == std::string::npos && out.front() == '-' ? out.substr(1) : out;
}

/// With four significant digits, whatever the size: as in "0.8214" and "1.25e-05"; "-" if it is not finite.
inline std::string significant(double value) {
  return std::isfinite(value) ? mien::detail::general_digits(value, 4) : "-";
}

/// As in "87.5 %"; `share` is in 0..1.
inline std::string percent(double share, int decimals = 1) {
  return std::isfinite(share) ? number(100 * share, decimals) + " %" : "-";
}

namespace detail {

using mien::detail::text;

/// Whether a byte of UTF-8 begins a character.
inline bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

}  // namespace detail

/// At most `length` letters, the last one an ellipsis if something was cut. Counts UTF-8 characters, not bytes.
inline std::string shorten(std::string_view text, std::size_t length) {
  std::size_t letters = 0;
  std::size_t cut = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!detail::begins_character(text[i])) continue;
    if (letters + 1 == length) cut = i;
    if (++letters > length) return std::string(text.substr(0, cut)) + "\xE2\x80\xA6";
  }
  return std::string(text);
}

/// RFC 4648, with padding.
inline std::string base64(std::span<const std::byte> bytes) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = (group << 8) | (j < count ? std::to_integer<std::uint32_t>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) out += j <= count ? letters[(group >> (18 - 6 * j)) & 63U] : '=';
  }
  return out;
}

/// An encoded JPEG or PNG as an address that carries the whole picture. Throws ValueError for anything else.
inline std::string data_address(std::span<const std::byte> image) {
  const auto begins_with = [&](std::string_view magic) {
    return image.size() > magic.size() &&
           std::equal(magic.begin(), magic.end(), image.begin(),
                      [](char a, std::byte b) { return static_cast<std::byte>(static_cast<unsigned char>(a)) == b; });
  };
  if (begins_with("\xFF\xD8\xFF")) return "data:image/jpeg;base64," + base64(image);
  if (begins_with("\x89PNG")) return "data:image/png;base64," + base64(image);
  throw ValueError(detail::text("report: image of ", image.size(), " bytes is neither JPEG nor PNG"));
}

/// Series, classes and shares have this many colours of their own; further ones begin again.
inline constexpr Index colour_count = 8;

namespace detail {

/// A coordinate: two decimals are finer than any screen.
inline std::string at(double value) {
  std::string out = number(value, 2);
  if (out.find('.') != std::string::npos) {
    out.erase(out.find_last_not_of('0') + 1);
    if (out.back() == '.') out.pop_back();
  }
  return out;
}

inline std::string colour_class(Index i) { return text("c", i % colour_count); }

inline std::string open_svg(double width, double height, std::string_view description) {
  return text("<svg viewBox=\"0 0 ", at(width), " ", at(height), "\" role=\"img\" aria-label=\"", escape(description),
              "\" preserveAspectRatio=\"xMidYMid meet\">");
}

inline std::string svg_text(double x, double y, std::string_view look, std::string_view words) {
  return text("<text x=\"", at(x), "\" y=\"", at(y), "\" class=\"", look, "\">", escape(words), "</text>");
}

inline std::string svg_line(double x1, double y1, double x2, double y2, std::string_view look) {
  return text("<line x1=\"", at(x1), "\" y1=\"", at(y1), "\" x2=\"", at(x2), "\" y2=\"", at(y2), "\" class=\"", look,
              "\"/>");
}

}  // namespace detail

/// Round numbers (1, 2 or 5 times a power of ten apart) that cover [low, high] with about `wanted` steps.
struct Ticks {
  std::vector<double> values;
  int decimals = 0;
};
inline Ticks nice_ticks(double low, double high, int wanted = 5) {
  if (!std::isfinite(low) || !std::isfinite(high)) return {};
  if (low > high) std::swap(low, high);
  // Beyond these a step would be infinite, or 0.
  for (double* const end : {&low, &high}) *end = std::abs(*end) < 1e-300 ? 0 : std::clamp(*end, -1e300, 1e300);
  if (high - low < 1e-12 * std::max({1.0, std::abs(low), std::abs(high)})) {
    const double margin = low == 0 ? 1 : 0.1 * std::abs(low);
    low -= margin;
    high += margin;
  }
  const double rough = (high - low) / std::max(1, wanted);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double fraction = rough / power;
  const double step = power * (fraction < 1.5 ? 1 : fraction < 3.5 ? 2 : fraction < 7.5 ? 5 : 10);
  Ticks out;
  out.decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  const double first = std::floor(low / step + 1e-9);
  const double last = std::ceil(high / step - 1e-9);
  for (double i = first; i <= last; ++i) out.values.push_back(i * step);
  return out;
}

/// One line of a chart. Without `x` the points are 1, 2, 3, ...; points that are not finite leave a gap.
struct Series {
  std::string name = {};
  std::vector<double> y = {};
  std::vector<double> x = {};
};

struct ChartOptions {
  std::string title = {};
  std::string x_label = "epoch";
  std::string y_label = {};
  /// Ends of the y axis; what is not given follows the data.
  std::optional<double> y_low = {};
  std::optional<double> y_high = {};
  /// y values are shares in 0..1 and shown in percent.
  bool percent = false;
  /// A place on the x axis to point out, such as the best epoch.
  std::optional<double> mark = {};
  std::string mark_label = {};
};

namespace detail {

/// The part of a chart that data lie in, and how values map onto it.
struct Plot {
  double left, top, width, height;
  double x_low, x_high, y_low, y_high;

  double x(double value) const { return left + (value - x_low) / (x_high - x_low) * width; }
  double y(double value) const {
    return top + height - (std::clamp(value, y_low, y_high) - y_low) / (y_high - y_low) * height;
  }
};

struct Extent {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

inline double x_of(const Series& series, std::size_t i) {
  return series.x.empty() ? static_cast<double>(i + 1) : series.x[i];
}

inline bool is_point(const Series& series, std::size_t i) {
  return std::isfinite(series.y[i]) && std::isfinite(x_of(series, i));
}

inline std::string value_in_words(double value, const ChartOptions& options) {
  return options.percent ? percent(value) : significant(value);
}

/// What a screen reader says of a line: where it begins and ends.
inline std::string in_words(const Series& series, const ChartOptions& options) {
  std::optional<std::size_t> first;
  std::size_t last = 0;
  for (std::size_t i = 0; i < series.y.size(); ++i) {
    if (!is_point(series, i)) continue;
    if (!first) first = i;
    last = i;
  }
  if (!first) return series.name + " without data";
  return text(series.name, series.name.empty() ? "" : " ", "from ", value_in_words(series.y[*first], options), " to ",
              value_in_words(series.y[last], options));
}

/// Beyond so many points a line has no words at each.
inline constexpr std::size_t most_named_points = 200;

/// The words that a pointer finds at every point of a line.
inline std::string name_points(const Series& series, const Plot& plot, const ChartOptions& options) {
  if (series.y.size() > most_named_points) return "";
  std::string out;
  for (std::size_t i = 0; i < series.y.size(); ++i)
    if (is_point(series, i))
      out += text("<circle class=\"hit\" cx=\"", at(plot.x(x_of(series, i))), "\" cy=\"", at(plot.y(series.y[i])),
                  "\" r=\"6\"><title>", escape(series.name), series.name.empty() ? "" : ", ", escape(options.x_label),
                  " ", significant(x_of(series, i)), ": ", value_in_words(series.y[i], options), "</title></circle>");
  return out;
}

/// The series' runs of finite points as lines, lonely points as dots, and a dot with its value at the end.
inline std::string draw_series(const Series& series, Index colour, const Plot& plot, const ChartOptions& options) {
  std::string path;
  std::string dots;
  std::size_t last = series.y.size();
  for (std::size_t i = 0; i < series.y.size(); ++i) {
    if (!is_point(series, i)) continue;
    const bool joined = i > 0 && is_point(series, i - 1);
    const bool goes_on = i + 1 < series.y.size() && is_point(series, i + 1);
    const std::string x = at(plot.x(x_of(series, i)));
    const std::string y = at(plot.y(series.y[i]));
    path += text(joined ? "L" : "M", x, " ", y);
    if (!joined && !goes_on) dots += text("<circle cx=\"", x, "\" cy=\"", y, "\" r=\"3\"/>");
    last = i;
  }
  if (last == series.y.size()) return "";
  return text("<g class=\"", colour_class(colour), "\"><path class=\"series dash", colour % 4, "\" d=\"", path, "\"/>",
              "<g class=\"dots\">", dots, "<circle cx=\"", at(plot.x(x_of(series, last))), "\" cy=\"",
              at(plot.y(series.y[last])), "\" r=\"3.5\"><title>", escape(series.name), ": ",
              value_in_words(series.y[last], options), "</title></circle></g>", name_points(series, plot, options),
              "</g>");
}

/// The ticks between two ends; `nice_ticks` reaches a step beyond.
inline std::vector<double> ticks_inside(const Ticks& ticks, double low, double high) {
  std::vector<double> out;
  const double slack = 1e-9 * (high - low);
  for (const double value : ticks.values)
    if (value >= low - slack && value <= high + slack) out.push_back(value);
  return out;
}

}  // namespace detail

/// Lines over a common axis, told apart by colour, by dashes and by name. Throws ShapeError if a series' x and y differ
/// in length, ValueError if the ends of the y axis are not finite or not in order.
inline std::string line_chart(std::span<const Series> series, const ChartOptions& options = {}) {
  using namespace detail;
  constexpr double width = 430;
  constexpr double height = 275;
  const double low_end = options.y_low.value_or(0);
  const double high_end = options.y_high.value_or(0);
  if (!std::isfinite(low_end) || !std::isfinite(high_end) || (options.y_low && options.y_high && low_end >= high_end))
    throw ValueError(text("line_chart: a y axis from ", low_end, " to ", high_end));
  Extent x;
  Extent y;
  bool whole = true;
  for (const Series& line : series) {
    if (!line.x.empty() && line.x.size() != line.y.size())
      throw ShapeError(text("line_chart: series ", line.name, " has ", line.x.size(), " x for ", line.y.size(), " y"));
    for (std::size_t i = 0; i < line.y.size(); ++i) {
      if (!is_point(line, i)) continue;
      x.add(x_of(line, i));
      y.add(line.y[i]);
      whole = whole && std::nearbyint(x_of(line, i)) == x_of(line, i);
    }
  }
  std::string description = options.title.empty() ? "Line chart" : options.title;
  for (const Series& line : series) description += "; " + in_words(line, options);
  std::string out = open_svg(width, height, description);
  if (x.empty()) return out + svg_text(width / 2, height / 2, "label middle", "no data") + "</svg>";

  const Ticks y_ticks = nice_ticks(options.y_low.value_or(y.low), options.y_high.value_or(y.high));
  // Between two epochs there is none.
  const double most_ticks = whole ? std::clamp(x.high - x.low, 1.0, 6.0) : 6;
  const Ticks x_ticks = nice_ticks(x.low, x.high, static_cast<int>(most_ticks));
  const double y_low = options.y_low.value_or(y_ticks.values.front());
  const double y_high = std::max(options.y_high.value_or(y_ticks.values.back()), y_low + 1e-12);
  const bool one_place = x.high - x.low <= 0;
  const double top = series.size() > 1 || !options.mark_label.empty() ? 34 : 18;
  const Plot plot{.left = 58,
                  .top = top,
                  .width = width - 74,
                  .height = height - 44 - top,
                  .x_low = one_place ? x.low - 1 : x.low,
                  .x_high = one_place ? x.high + 1 : x.high,
                  .y_low = y_low,
                  .y_high = y_high};
  const double bottom = plot.top + plot.height;

  const int decimals = options.percent ? std::max(0, y_ticks.decimals - 2) : y_ticks.decimals;
  for (const double value : ticks_inside(y_ticks, y_low, y_high)) {
    out += svg_line(plot.left, plot.y(value), plot.left + plot.width, plot.y(value), "grid");
    out += svg_text(plot.left - 7, plot.y(value) + 4, "label end",
                    options.percent ? percent(value, decimals) : number(value, decimals));
  }
  for (const double value : ticks_inside(x_ticks, plot.x_low, plot.x_high))
    out += svg_text(plot.x(value), bottom + 17, "label middle", number(value, x_ticks.decimals));
  out += svg_line(plot.left, bottom, plot.left + plot.width, bottom, "axis");
  out += svg_text(plot.left + plot.width / 2, height - 8, "label middle", options.x_label);
  if (!options.y_label.empty())
    out += text("<text transform=\"translate(14 ", at(plot.top + plot.height / 2),
                ") rotate(-90)\" class=\"label middle\">", escape(options.y_label), "</text>");

  for (std::size_t i = 0; i < series.size(); ++i) out += draw_series(series[i], static_cast<Index>(i), plot, options);
  const bool marked = options.mark && *options.mark >= plot.x_low && *options.mark <= plot.x_high;
  if (marked) out += svg_line(plot.x(*options.mark), plot.top, plot.x(*options.mark), bottom, "mark");

  double place = plot.left;
  const auto explain = [&](const std::string& sample, std::string_view name, double sample_width) {
    const std::string shown = shorten(name, 22);
    out += sample + svg_text(place + sample_width + 6, 17, "label", shown);
    const auto letters = std::count_if(shown.begin(), shown.end(), begins_character);
    place += sample_width + 24 + 6.6 * static_cast<double>(letters);
  };
  for (std::size_t i = 0; series.size() > 1 && i < series.size(); ++i)
    explain(text("<g class=\"", colour_class(static_cast<Index>(i)), "\"><path class=\"series dash", i % 4, "\" d=\"M",
                 at(place), " 13h22\"/></g>"),
            series[i].name, 22);
  if (marked && !options.mark_label.empty())
    explain(svg_line(place + 3, 6, place + 3, 20, "mark"), options.mark_label, 6);
  return out + "</svg>";
}

/// Joints, what connects them, and a weight for each joint that its dot's size and strength show.
struct Skeleton {
  /// x and y of each joint, in any unit, y downwards; a joint that is not finite is absent.
  std::vector<std::array<double, 2>> joints = {};
  std::vector<std::pair<Index, Index>> bones = {};
  /// One for each joint, or none.
  std::vector<double> weights = {};
  std::vector<std::string> names = {};
  std::string title = "Skeleton";
};

/// Throws ShapeError if the weights or names are not as many as the joints, IndexError if a bone names no joint.
inline std::string skeleton(const Skeleton& body) {
  using namespace detail;
  const auto count = body.joints.size();
  if (!body.weights.empty() && body.weights.size() != count)
    throw ShapeError(text("skeleton: ", body.weights.size(), " weights for ", count, " joints"));
  if (!body.names.empty() && body.names.size() != count)
    throw ShapeError(text("skeleton: ", body.names.size(), " names for ", count, " joints"));
  for (const auto& [from, to] : body.bones)
    if (std::min(from, to) < 0 || std::max(from, to) >= static_cast<Index>(count))
      throw IndexError(text("skeleton: bone ", from, "-", to, " among ", count, " joints"));

  constexpr double width = 260;
  constexpr double height = 360;
  constexpr double margin = 24;
  const auto present = [&](std::size_t j) {
    return std::isfinite(body.joints[j][0]) && std::isfinite(body.joints[j][1]);
  };
  Extent x;
  Extent y;
  Extent weight;
  for (std::size_t j = 0; j < count; ++j) {
    if (!present(j)) continue;
    x.add(body.joints[j][0]);
    y.add(body.joints[j][1]);
    if (!body.weights.empty()) weight.add(body.weights[j]);
  }
  std::string out = open_svg(width, height, body.title);
  if (x.empty()) return out + svg_text(width / 2, height / 2, "label middle", "no joints") + "</svg>";
  const double scale = std::min((width - 2 * margin) / std::max(x.high - x.low, 1e-9),
                                (height - 2 * margin) / std::max(y.high - y.low, 1e-9));
  const auto place = [&](std::size_t j) {
    return std::array<double, 2>{width / 2 + (body.joints[j][0] - (x.low + x.high) / 2) * scale,
                                 height / 2 + (body.joints[j][1] - (y.low + y.high) / 2) * scale};
  };
  for (const auto& [from, to] : body.bones) {
    const auto a = static_cast<std::size_t>(from);
    const auto b = static_cast<std::size_t>(to);
    if (present(a) && present(b)) out += svg_line(place(a)[0], place(a)[1], place(b)[0], place(b)[1], "bone");
  }
  for (std::size_t j = 0; j < count; ++j) {
    if (!present(j)) continue;
    const bool weighted = !body.weights.empty() && std::isfinite(body.weights[j]);
    const double share = !weighted                         ? 0
                         : weight.high - weight.low > 1e-9 ? (body.weights[j] - weight.low) / (weight.high - weight.low)
                                                           : 0.5;
    out += text("<circle class=\"joint\" cx=\"", at(place(j)[0]), "\" cy=\"", at(place(j)[1]), "\" r=\"",
                at(3.5 + 7 * share), "\" style=\"--share:", at(share), "\"><title>",
                escape(body.names.empty() ? text("joint ", j) : body.names[j]),
                weighted ? ": " + number(body.weights[j], 3) : "", "</title></circle>");
  }
  return out + "</svg>";
}

/// A picture of a film at a moment.
struct TimelineFrame {
  double time = 0;                    ///< seconds
  std::vector<std::byte> image = {};  ///< encoded JPEG or PNG
};

/// Class probabilities over time, valence and arousal over time, or both, under the film's frames.
struct Timeline {
  std::vector<std::string> classes = {};
  std::vector<double> times = {};                       ///< seconds, ascending, one for each row of `probabilities`
  std::vector<std::vector<double>> probabilities = {};  ///< [moments][classes], in 0..1; none without classes
  std::vector<data::Affect> affect = {};                ///< one for each moment, or none
  std::vector<TimelineFrame> frames = {};               ///< if they are too many to fit, evenly chosen ones are drawn
  double frame_aspect = 4.0 / 3;  ///< width / height of the places for frames; pictures are cut to fit
  std::string title = "Emotion over time";
};

namespace detail {

inline void check(const Timeline& timeline) {
  const std::size_t moments = timeline.times.size();
  if (timeline.probabilities.size() != moments && !(timeline.classes.empty() && timeline.probabilities.empty()))
    throw ShapeError(text("timeline: ", moments, " times for ", timeline.probabilities.size(), " rows"));
  if (!timeline.affect.empty() && timeline.affect.size() != moments)
    throw ShapeError(
        text("timeline: ", moments, " times for ", timeline.affect.size(), " pairs of valence and arousal"));
  for (std::size_t i = 0; i < timeline.probabilities.size(); ++i)
    if (timeline.probabilities[i].size() != timeline.classes.size())
      throw ShapeError(text("timeline: row ", i, " has ", timeline.probabilities[i].size(), " probabilities for ",
                            timeline.classes.size(), " classes"));
  for (std::size_t i = 0; i < moments; ++i)
    if (!std::isfinite(timeline.times[i]) || (i > 0 && timeline.times[i] < timeline.times[i - 1]))
      throw ValueError(text("timeline: time ", timeline.times[i], " of row ", i, " is not finite and ascending"));
  for (const TimelineFrame& frame : timeline.frames)
    if (!std::isfinite(frame.time)) throw ValueError(text("timeline: a frame at time ", frame.time));
  if (!(timeline.frame_aspect > 0) || !std::isfinite(timeline.frame_aspect))
    throw ValueError(text("timeline: frame aspect ", timeline.frame_aspect, " is not positive"));
}

/// The frames that fit, side by side, each under the moment it shows as nearly as its neighbours allow.
inline std::string draw_frames(const Timeline& timeline, const Plot& plot, double top, double height) {
  const double width = height * timeline.frame_aspect;
  const auto fit = static_cast<std::size_t>(std::max(1.0, std::floor((plot.width + 4) / (width + 4))));
  const std::size_t shown = std::min(fit, timeline.frames.size());
  std::string out;
  for (std::size_t i = 0; i < shown; ++i) {
    const std::size_t pick = shown == 1 ? 0 : i * (timeline.frames.size() - 1) / (shown - 1);
    const TimelineFrame& frame = timeline.frames[pick];
    const double room_before = static_cast<double>(i) * (width + 4);
    const double room_after = static_cast<double>(shown - 1 - i) * (width + 4);
    const double latest = std::max(plot.left + plot.width - width - room_after, plot.left + room_before);
    const double place = std::clamp(plot.x(frame.time) - width / 2, plot.left + room_before, latest);
    out += text("<image x=\"", at(place), "\" y=\"", at(top), "\" width=\"", at(width), "\" height=\"", at(height),
                "\" preserveAspectRatio=\"xMidYMid slice\" href=\"", data_address(frame.image), "\"><title>",
                number(frame.time, 2), " s</title></image>");
  }
  return out;
}

/// Where one moment's stretch of time begins: halfway from the moment before.
inline double stretch_begin(const std::vector<double>& times, std::size_t i, const Plot& plot) {
  return i == 0 ? plot.x_low : (times[i - 1] + times[i]) / 2;
}

inline std::size_t most_likely(const std::vector<double>& probabilities) {
  return static_cast<std::size_t>(std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin());
}

/// A band that names the most likely class of each moment.
inline std::string draw_winners(const Timeline& timeline, const Plot& plot, double top, double height) {
  std::string out;
  const auto& times = timeline.times;
  for (std::size_t begin = 0; begin < times.size();) {
    const std::size_t winner = most_likely(timeline.probabilities[begin]);
    std::size_t end = begin + 1;
    while (end < times.size() && most_likely(timeline.probabilities[end]) == winner) ++end;
    const double from = plot.x(stretch_begin(times, begin, plot));
    const double to = end == times.size() ? plot.left + plot.width : plot.x(stretch_begin(times, end, plot));
    out += text("<g class=\"", colour_class(static_cast<Index>(winner)), "\"><rect class=\"band\" x=\"", at(from),
                "\" y=\"", at(top), "\" width=\"", at(std::max(0.5, to - from - 1)), "\" height=\"", at(height),
                "\" rx=\"3\"><title>", escape(timeline.classes[winner]), "</title></rect></g>");
    const auto letters = static_cast<std::size_t>(std::max(0.0, (to - from - 8) / 7));
    if (letters >= 3)
      out +=
          svg_text((from + to) / 2, top + height / 2 + 4, "on-band middle", shorten(timeline.classes[winner], letters));
    begin = end;
  }
  return out;
}

/// One class's probability as a filled line of its own.
inline std::string draw_class(const Timeline& timeline, std::size_t c, const Plot& row) {
  const double bottom = row.top + row.height;
  std::string top_line;
  double previous = row.left;
  for (std::size_t i = 0; i < timeline.times.size(); ++i) {
    const double p = timeline.probabilities[i][c];
    const double x = row.x(timeline.times[i]);
    const double y = row.y(std::isfinite(p) ? p : 0);
    if (i == 0) top_line += text("L", at(row.left), " ", at(y));
    top_line += text("L", at(x), " ", at(y));
    previous = y;
  }
  top_line += text("L", at(row.left + row.width), " ", at(previous));
  return text(svg_text(row.left - 8, bottom - row.height / 2 + 5, "label end", shorten(timeline.classes[c], 14)),
              svg_line(row.left, bottom, row.left + row.width, bottom, "grid"), "<g class=\"",
              colour_class(static_cast<Index>(c)), "\"><path class=\"area\" d=\"M", at(row.left), " ", at(bottom),
              top_line, "L", at(row.left + row.width), " ", at(bottom), "Z\"><title>", escape(timeline.classes[c]),
              "</title></path></g>");
}

/// Valence or arousal as a line about a middle of 0; moments whose numbers are not finite leave a gap.
inline std::string draw_affect(const Timeline& timeline, const char* name, double data::Affect::*value, Index colour,
                               const Plot& row) {
  Series series{.name = name, .x = timeline.times};
  for (const data::Affect& affect : timeline.affect) series.y.push_back(affect.*value);
  const double middle = row.y(0);
  return text(svg_text(row.left - 8, middle + 4, "label end", name),
              svg_line(row.left, middle, row.left + row.width, middle, "axis"),
              svg_text(row.left - 8, row.top + 9, "label end", "+1"),
              svg_text(row.left - 8, row.top + row.height, "label end", "-1"),
              draw_series(series, colour, row, {.x_label = "second"}));
}

}  // namespace detail

/// Frames on top; then, if there are classes, a band with the most likely one and a row for each; then, if they are
/// known, lines of valence and arousal. Throws ShapeError or ValueError if what is given does not fit together.
inline std::string timeline(const Timeline& timeline) {
  using namespace detail;
  check(timeline);
  constexpr double width = 900;
  constexpr double left = 108;
  constexpr double frame_height = 84;
  constexpr double band_height = 24;
  constexpr double row_height = 30;
  constexpr double affect_height = 84;
  const bool tells_classes = !timeline.classes.empty();
  const double frames_end = timeline.frames.empty() ? 8 : 8 + frame_height + 10;
  const double rows_begin = frames_end + (tells_classes ? band_height + 10 : 0);
  const double classes_end = rows_begin + row_height * static_cast<double>(timeline.classes.size());
  const double rows_end = classes_end + (timeline.affect.empty() ? 0 : 2 * affect_height);
  std::string out = open_svg(width, rows_end + 44, timeline.title);
  if (timeline.times.empty() || rows_end <= rows_begin)
    return out + svg_text(width / 2, rows_begin, "label middle", "no data") + "</svg>";

  Extent time;
  for (const double moment : timeline.times) time.add(moment);
  for (const TimelineFrame& frame : timeline.frames) time.add(frame.time);
  const double end = time.high > time.low ? time.high : time.low + 1;
  const Plot plot{left, rows_begin, width - left - 16, rows_end - rows_begin, time.low, end, 0, 1};

  const Ticks ticks = nice_ticks(time.low, end, 8);
  for (const double value : ticks_inside(ticks, time.low, end)) {
    out += svg_line(plot.x(value), rows_begin, plot.x(value), rows_end, "grid");
    out += svg_text(plot.x(value), rows_end + 17, "label middle", number(value, ticks.decimals));
  }
  out += svg_text(plot.left + plot.width / 2, rows_end + 36, "label middle", "seconds");
  if (!timeline.frames.empty()) out += draw_frames(timeline, plot, 8, frame_height);
  if (tells_classes) {
    out += svg_text(left - 8, frames_end + band_height / 2 + 4, "label end strong", "most likely");
    out += draw_winners(timeline, plot, frames_end, band_height);
  }
  for (std::size_t c = 0; c < timeline.classes.size(); ++c) {
    Plot row = plot;
    row.top = rows_begin + row_height * static_cast<double>(c) + 5;
    row.height = row_height - 5;
    out += draw_class(timeline, c, row);
  }
  if (timeline.affect.empty()) return out + "</svg>";
  Plot row = plot;
  row.top = classes_end + 10;
  row.height = affect_height - 20;
  row.y_low = -1;
  out += draw_affect(timeline, "valence", &data::Affect::valence, 0, row);
  row.top += affect_height;
  return out + draw_affect(timeline, "arousal", &data::Affect::arousal, 1, row) + "</svg>";
}

}  // namespace mien::report
