#pragma once

/// What was recognised, drawn on the frames: faces, landmarks, bodies, probabilities now and over time. Everything has
/// sizes that go with the picture, so that a film looks the same in any resolution.

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mien/data/emotion.hpp"
#include "mien/face/face.hpp"
#include "mien/gesture/skeleton.hpp"
#include "mien/io/image.hpp"
#include "mien/video/detail/paint.hpp"

namespace mien::video {

using face::Box;
using face::Point;
using gesture::Colour;

/// Sizes and opacity of all that is drawn.
struct OverlayStyle {
  double scale = 1;      ///< 2 draws lines, dots and words twice as large
  double opacity = 0.7;  ///< of the dark ground under words and diagrams
};

enum class Corner { top_left, top_right, bottom_left, bottom_right };

/// Colours of classes: those with the names of the library's emotions always the same, others in turn.
inline std::vector<Colour> class_colours(const std::vector<std::string>& names) {
  constexpr std::array<Colour, 7> emotions{{{255, 202, 58},
                                            {84, 140, 255},
                                            {176, 184, 196},
                                            {255, 89, 94},
                                            {255, 146, 76},
                                            {106, 190, 92},
                                            {176, 124, 255}}};
  constexpr std::array<Colour, 8> others{{{64, 196, 214},
                                          {255, 202, 58},
                                          {255, 105, 160},
                                          {138, 201, 38},
                                          {122, 140, 255},
                                          {255, 146, 76},
                                          {176, 184, 196},
                                          {32, 178, 140}}};
  std::vector<Colour> colours;
  std::size_t turn = 0;
  for (const std::string& name : names) {
    const auto known = std::find(data::emotion_names.begin(), data::emotion_names.end(), name);
    colours.push_back(known != data::emotion_names.end()
                          ? emotions[static_cast<std::size_t>(known - data::emotion_names.begin())]
                          : others[turn++ % others.size()]);
  }
  return colours;
}

namespace detail {

inline constexpr Colour ground_colour{14, 16, 22};
inline constexpr Colour bright_colour{245, 247, 250};
inline constexpr Colour quiet_colour{168, 176, 190};

/// The length that all others are counted in: 2 pixels in a picture of 640 x 360, 6 in one of 1920 x 1080.
inline double overlay_unit(const io::Image& image, const OverlayStyle& style, std::string_view caller) {
  io::detail::check_image_argument(image, caller);
  if (image.channels != 3) throw ValueError(text(caller, ": a grey image, expected RGB"));
  if (!(style.scale > 0 && style.scale <= 100) || !(style.opacity >= 0 && style.opacity <= 1))
    throw ValueError(text(caller, ": scale ", style.scale, ", opacity ", style.opacity));
  return style.scale * std::sqrt(static_cast<double>(image.width * image.height)) / 240;
}

inline double text_height(double unit) { return std::max(7.0, 5 * unit); }

/// The probabilities of some classes as numbers to count with.
template <class Values>
std::vector<double> checked_probabilities(const Values& values, std::size_t classes, std::string_view caller) {
  const std::span probabilities(values);
  if (probabilities.size() != classes)
    throw ValueError(text(caller, ": ", probabilities.size(), " probabilities for ", classes, " classes"));
  std::vector<double> out(probabilities.begin(), probabilities.end());
  for (const double value : out)
    if (!(value >= 0 && value <= 1.001)) throw ValueError(text(caller, ": a probability of ", value));
  return out;
}

/// "93 %".
inline std::string percent(double share) { return text(static_cast<Index>(std::lround(100 * share)), "%"); }

}  // namespace detail

/// A box with round corners about a face, and a label on it if there is one. What lies outside the image is cut off;
/// the label stays inside. Throws ValueError: a grey image, a box without size, a style that makes no sense.
inline void draw_box(io::Image& image, const Box& box, std::string_view label = {},
                     const Colour& colour = {255, 255, 255}, const OverlayStyle& style = {}) {
  const double unit = detail::overlay_unit(image, style, "draw_box");
  for (const double value : {box.x, box.y, box.width, box.height})
    if (!(std::abs(value) <= 1e6)) throw ValueError(detail::text("draw_box: a box with ", value));
  if (box.width <= 0 || box.height <= 0)
    throw ValueError(detail::text("draw_box: a box of ", box.width, " x ", box.height));
  const detail::Rectangle edge{box.x, box.y, box.x + box.width, box.y + box.height};
  const double radius = 4 * unit;
  const double line = std::max(2.0, 1.1 * unit);
  detail::outline_box(image, edge, radius, 1.8 * line, detail::ground_colour, 0.45);
  detail::outline_box(image, edge, radius, line, colour);
  if (label.empty()) return;

  const double height = detail::text_height(unit);
  const double border = 0.45 * height;
  const double width = detail::text_width(label, height) + 2 * border + unit;
  const double tall = height + 2 * border;
  const auto kept = [](double at, double size, double room) { return std::max(0.0, std::min(at, room - size)); };
  const double left = kept(edge.left - 0.55 * unit, width, static_cast<double>(image.width));
  const double above = edge.top - tall - unit;
  const double top = kept(above >= 0 ? above : edge.top + 1.5 * unit, tall, static_cast<double>(image.height));
  detail::fill_box(image, {left, top, left + width, top + tall}, 1.8 * unit, colour, 0.94);
  detail::write_text(image, left + border + unit / 2, top + border, height, label, detail::ink_on(colour));
}

/// Points of a face (eyes, nose and corners of the mouth, or any others) as dots with a dark rim. Throws ValueError.
inline void draw_landmarks(io::Image& image, std::span<const Point> points, const Colour& colour = {255, 255, 255},
                           const OverlayStyle& style = {}) {
  const double unit = detail::overlay_unit(image, style, "draw_landmarks");
  for (const auto& [x, y] : points) {
    if (!std::isfinite(x) || !std::isfinite(y)) throw ValueError("draw_landmarks: a place that is no number");
    detail::draw_line(image, x, y, x, y, 3.4 * unit, detail::ground_colour, 0.6);
    detail::draw_line(image, x, y, x, y, 2.2 * unit, colour);
  }
}

/// A body's joints [J, 3] (x, y in the image's pixels, confidence) as a skeleton with a dark rim, joints coloured by
/// their weights (0 to 1) if there are any: `gesture::draw_skeleton` in sizes that go with the picture.
/// Throws ShapeError, ValueError.
template <class T>
void draw_body(io::Image& image, const Tensor<T>& joints, const std::vector<double>& weights = {},
               gesture::JointLayout layout = gesture::JointLayout::body_25, const OverlayStyle& style = {}) {
  const double unit = detail::overlay_unit(image, style, "draw_body");
  const gesture::SkeletonStyle skeleton{.line = 1.3 * unit,
                                        .radius = 1.5 * unit,
                                        .growth = 0.6,
                                        .bone = {214, 222, 235},
                                        .joint = {64, 196, 214},
                                        .layout = layout};
  gesture::SkeletonStyle rim = skeleton;
  rim.line = 2.7 * unit;
  rim.radius = 2.2 * unit;
  rim.bone = detail::ground_colour;
  rim.joint = detail::ground_colour;
  gesture::draw_skeleton(image, joints, {}, rim);
  gesture::draw_skeleton(image, joints, weights, skeleton);
}

namespace detail {

/// One row of the table: the class's name, a bar of `share` of its track, the share in percent.
struct TableRow {
  Rectangle place;  ///< as high as the letters
  double name_width;
  double number_width;
  double unit;
};

inline void draw_row(io::Image& image, const TableRow& row, std::string_view name, double share, const Colour& colour,
                     bool stands_out) {
  const double height = row.place.bottom - row.place.top;
  const Colour& words = stands_out ? bright_colour : quiet_colour;
  write_text(image, row.place.left, row.place.top, height, name, words);
  const double thin = 0.14 * height;
  const Rectangle track{row.place.left + row.name_width + 3 * row.unit, row.place.top + thin,
                        row.place.right - row.number_width - 3 * row.unit, row.place.bottom - thin};
  fill_box(image, track, height, {70, 76, 90}, 0.65);
  // Any share that is seen at all is at least a dot.
  const double length = std::max(share * (track.right - track.left), height - 2 * thin);
  if (share > 0.005)
    fill_box(image, {track.left, track.top, track.left + length, track.bottom}, height, colour, stands_out ? 1 : 0.75);
  const std::string number = percent(share);
  write_text(image, row.place.right - text_width(number, height), row.place.top, height, number, words);
}

/// The upper left corner of a table of `width` x `height` in one of the frame's.
inline Point table_place(const io::Image& image, Corner corner, double width, double height, double margin) {
  const bool at_right = corner == Corner::top_right || corner == Corner::bottom_right;
  const bool at_bottom = corner == Corner::bottom_left || corner == Corner::bottom_right;
  return {at_right ? static_cast<double>(image.width) - margin - width : margin,
          at_bottom ? static_cast<double>(image.height) - margin - height : margin};
}

inline void draw_table(io::Image& image, const std::vector<std::string>& names,
                       const std::vector<double>& probabilities, Corner corner, std::string_view title,
                       const OverlayStyle& style) {
  const double rows = static_cast<double>(names.size()) + (title.empty() ? 0.0 : 1.2);
  const double unit =
      std::min(overlay_unit(image, style, "draw_probabilities"), static_cast<double>(image.height) / (9.2 * rows + 12));
  if (names.empty()) return;
  const double height = 4.6 * unit;
  const double row = 9.2 * unit;
  const double border = 4 * unit;
  double name_width = 0;
  for (const std::string& name : names) name_width = std::max(name_width, text_width(name, height));
  const double number_width = text_width("100%", height);
  const double width =
      2 * border + std::max(name_width + 34 * unit + number_width + 6 * unit, text_width(title, height));
  const double tall = 2 * border + rows * row - (row - height);
  const Point place = table_place(image, corner, width, tall, 4 * unit);
  fill_box(image, {place.x, place.y, place.x + width, place.y + tall}, 3 * unit, ground_colour, style.opacity);

  double y = place.y + border;
  if (!title.empty()) {
    write_text(image, place.x + border, y, height, title, bright_colour);
    y += 1.2 * row;
  }
  const auto colours = class_colours(names);
  const auto greatest = std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin();
  for (std::size_t i = 0; i < names.size(); ++i, y += row)
    draw_row(image, {{place.x + border, y, place.x + width - border, y + height}, name_width, number_width, unit},
             names[i], std::min(1.0, probabilities[i]), colours[i], static_cast<std::ptrdiff_t>(i) == greatest);
}

}  // namespace detail

/// A table in a corner of the frame: a row a class with its name, a bar as long as its probability, and that in
/// percent; the most probable one stands out. `title` stands above it, if there is one. It gets smaller where the frame
/// has no room for all rows. `probabilities` is a vector, array or span of numbers. Throws ValueError: another number
/// of them than of names, one that is no probability.
template <class Values>
void draw_probabilities(io::Image& image, const std::vector<std::string>& names, const Values& probabilities,
                        Corner corner = Corner::top_left, std::string_view title = {}, const OverlayStyle& style = {}) {
  detail::draw_table(image, names, detail::checked_probabilities(probabilities, names.size(), "draw_probabilities"),
                     corner, title, style);
}

/// Probabilities over the last seconds, as bands on top of each other at the foot of the frame: a band is as high as
/// its class is probable.
///
///     video::ProbabilityTimeline timeline(names);
///     for (video::Frame frame; film->read(frame);) {
///       timeline.add(frame.time, probabilities);
///       timeline.draw(frame.image);
///     }
class ProbabilityTimeline {
 public:
  /// Throws ValueError: no names, no time.
  explicit ProbabilityTimeline(std::vector<std::string> names, double seconds = 10)
      : names_(std::move(names)), colours_(class_colours(names_)), seconds_(seconds) {
    if (names_.empty() || !(seconds > 0 && seconds <= 1e6))
      throw ValueError(detail::text("ProbabilityTimeline: ", names_.size(), " classes, ", seconds, " s"));
  }

  /// What was recognised at a time. Throws ValueError: a time before the last, another number of probabilities than of
  /// classes, one that is no probability.
  template <class Values>
  void add(double time, const Values& probabilities) {
    append({time, detail::checked_probabilities(probabilities, names_.size(), "ProbabilityTimeline")});
  }

  /// That nothing was recognised at a time.
  void add(double time) { append({time, {}}); }

  Index moments() const { return static_cast<Index>(moments_.size()); }

  /// How high the strip is in an image of this size, so that other things can keep clear of it.
  static double height(const io::Image& image) { return std::round(0.17 * static_cast<double>(image.height)); }

  /// Draws the strip; the last time added is at its right end. Throws ValueError: a grey image.
  void draw(io::Image& image, const OverlayStyle& style = {}) const {
    const double unit = detail::overlay_unit(image, style, "ProbabilityTimeline::draw");
    const detail::Rectangle strip{0, static_cast<double>(image.height) - height(image),
                                  static_cast<double>(image.width), static_cast<double>(image.height)};
    detail::fill_box(image, strip, 0, detail::ground_colour, style.opacity);
    if (moments_.empty()) return;
    const detail::Rectangle bands{strip.left, strip.top + 1.5 * unit, strip.right, strip.bottom};
    draw_bands(image, bands);
    draw_clock(image, bands, unit);
    draw_names(image, bands, unit);
  }

 private:
  struct Moment {
    double time;
    std::vector<double> upper;  ///< where each class's band ends, counted from the first; empty: nothing was recognised
  };

  /// Takes a moment with its classes' shares, and makes ends of bands out of them.
  void append(Moment moment) {
    const double last = moments_.empty() ? moment.time : moments_.back().time;
    if (!std::isfinite(moment.time) || moment.time < last)
      throw ValueError(detail::text("ProbabilityTimeline: ", moment.time, " s after ", last, " s"));
    double sum = 0;
    for (double& upper : moment.upper) upper = sum += upper;
    if (sum <= 0) moment.upper.clear();
    // Bands fill the height, also where probabilities were rounded.
    for (double& upper : moment.upper) upper /= sum;
    moments_.push_back(std::move(moment));
    // One moment before those that are seen stays, to begin the bands with.
    while (moments_.size() > 2 && moments_[1].time < moments_.back().time - seconds_) moments_.pop_front();
  }

  double time_at(const detail::Rectangle& bands, double x) const {
    return moments_.back().time - (bands.right - x) / (bands.right - bands.left) * seconds_;
  }

  /// The bands' ends at a time, between those of the two moments beside it; empty where either has none.
  std::vector<double> upper_at(double time) const {
    const auto after = std::lower_bound(moments_.begin(), moments_.end(), time,
                                        [](const Moment& moment, double value) { return moment.time < value; });
    if (after == moments_.end()) return moments_.back().upper;
    if (after == moments_.begin()) return time < after->time ? std::vector<double>() : after->upper;
    const Moment& before = *std::prev(after);
    if (before.upper.empty() || after->upper.empty()) return {};
    const double part = after->time > before.time ? (time - before.time) / (after->time - before.time) : 1.0;
    std::vector<double> upper = after->upper;
    for (std::size_t i = 0; i < upper.size(); ++i) upper[i] += (1 - part) * (before.upper[i] - upper[i]);
    return upper;
  }

  void draw_bands(io::Image& image, const detail::Rectangle& bands) const {
    for (double x = bands.left; x < bands.right; x += 1) {
      const auto upper = upper_at(time_at(bands, x + 0.5));
      double from = bands.bottom;
      for (std::size_t i = 0; i < upper.size(); ++i) {
        const double to = bands.bottom - upper[i] * (bands.bottom - bands.top);
        detail::paint(image, {x, to, x + 1, from}, colours_[i], [&](double, double y) {
          return 0.88 * std::max(0.0, std::min(y + 0.5, from) - std::max(y - 0.5, to));
        });
        from = to;
      }
    }
  }

  /// Faint lines at whole seconds, few enough to be told apart.
  void draw_clock(io::Image& image, const detail::Rectangle& bands, double unit) const {
    const double step = std::max(1.0, std::round(seconds_ / 10));
    // Counted back from the end: to times as large as damaged films have them, adding a step changes nothing.
    const double past = std::fmod(moments_.back().time, step);
    for (double ago = past < 0 ? past + step : past; ago <= seconds_; ago += step) {
      const double x = bands.right - ago / seconds_ * (bands.right - bands.left);
      const double thickness = std::max(1.0, 0.4 * unit);
      detail::paint(
          image, {x - thickness, bands.top, x + thickness, bands.bottom}, detail::ground_colour,
          [&](double at, double) { return 0.35 * std::clamp(thickness / 2 + 0.5 - std::abs(at - x), 0.0, 1.0); });
    }
  }

  /// Names at the right end, in the bands that are high enough for them.
  void draw_names(io::Image& image, const detail::Rectangle& bands, double unit) const {
    const auto& upper = moments_.back().upper;
    const double height = std::min(detail::text_height(unit), 0.3 * (bands.bottom - bands.top));
    double lower = 0;
    for (std::size_t i = 0; i < upper.size(); ++i) {
      const double tall = (upper[i] - lower) * (bands.bottom - bands.top);
      const double middle = bands.bottom - (upper[i] + lower) / 2 * (bands.bottom - bands.top);
      lower = upper[i];
      if (tall < 1.5 * height) continue;
      const double left = bands.right - detail::text_width(names_[i], height) - 3 * unit;
      detail::write_text(image, left, middle - height / 2, height, names_[i], detail::ink_on(colours_[i]));
    }
  }

  std::vector<std::string> names_;
  std::vector<Colour> colours_;
  double seconds_;
  std::deque<Moment> moments_;
};

}  // namespace mien::video
