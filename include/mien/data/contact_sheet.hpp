#pragma once

/// Many pictures in one, with their labels: what a data set looks like.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "mien/data/data_set.hpp"
#include "mien/data/picture_source.hpp"
#include "mien/io/draw_text.hpp"

namespace mien::data {

struct ContactSheetOptions {
  Index count = 42;  ///< pictures, as many of each class as of any other, or one more
  Index columns = 7;
  Index side = 112;   ///< of a picture's square, in pixels
  bool names = true;  ///< draws samples' names under their labels
};

namespace detail {

/// Samples spread evenly over each class, class after class; those without a class are one.
template <class Sample>
std::vector<Index> spread_samples(const DataSet<Sample>& data, Index count) {
  std::vector<std::vector<Index>> by_class(static_cast<std::size_t>(data.classes() + 1));
  for (Index i = 0; i < data.size(); ++i) {
    const Index label = data.samples[static_cast<std::size_t>(i)].label;
    by_class[static_cast<std::size_t>(label < 0 || label >= data.classes() ? data.classes() : label)].push_back(i);
  }
  std::erase_if(by_class, [](const auto& samples) { return samples.empty(); });
  std::vector<Index> taken(by_class.size(), 0);
  Index left = std::min(count, data.size());
  while (left > 0)
    for (std::size_t c = 0; c < by_class.size() && left > 0; ++c)
      if (taken[c] < static_cast<Index>(by_class[c].size())) {
        ++taken[c];
        --left;
      }
  std::vector<Index> out;
  for (std::size_t c = 0; c < by_class.size(); ++c)
    for (Index i = 0; i < taken[c]; ++i)
      out.push_back(by_class[c][static_cast<std::size_t>(i * static_cast<Index>(by_class[c].size()) / taken[c])]);
  return out;
}

/// "+0.30".
inline std::string signed_number(double value) {
  const auto hundredths = static_cast<Index>(std::lround(100 * value));
  const std::string digits = std::to_string(std::abs(hundredths));
  const std::string padded = std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits;
  return (hundredths < 0 ? "-" : "+") + padded.substr(0, padded.size() - 2) + "." + padded.substr(padded.size() - 2);
}

/// As large as fits into a square, on black, in the middle.
inline io::Image fitted(const io::Image& image, Index side) {
  const Index longer = std::max(image.width, image.height);
  const Index width = std::max<Index>(1, image.width * side / longer);
  const Index height = std::max<Index>(1, image.height * side / longer);
  return io::crop(io::resize(image, width, height), (width - side) / 2, (height - side) / 2, side, side);
}

}  // namespace detail

/// A sheet of samples whose pictures `picture(sample)` makes (RGB, any size). Under each stand its class, or valence
/// and arousal, and its name's end. Throws ValueError for options that make no sense, and for a set without samples.
template <class Sample>
io::Image contact_sheet(const DataSet<Sample>& data, const std::function<io::Image(const Sample&)>& picture,
                        const ContactSheetOptions& options = {}) {
  if (options.count < 1 || options.columns < 1 || options.side < 8 || options.side > 4096 || data.size() == 0)
    throw ValueError(detail::text("contact_sheet: ", options.count, " pictures in ", options.columns, " columns of ",
                                  options.side, " pixels, from ", data.size(), " samples"));
  const auto chosen = detail::spread_samples(data, options.count);
  const Index columns = std::min(options.columns, static_cast<Index>(chosen.size()));
  const Index rows = (static_cast<Index>(chosen.size()) + columns - 1) / columns;
  const Index line = io::text_height + 3;
  const Index cell_height = options.side + (options.names ? 2 : 1) * line + 4;
  const Index cell_width = options.side + 4;
  io::Image sheet(columns * cell_width + 4, rows * cell_height + 4, 3, 24);
  const auto letters = static_cast<std::size_t>(std::max<Index>(1, options.side / io::text_width));
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const Sample& sample = data.samples[static_cast<std::size_t>(chosen[i])];
    const Index x = static_cast<Index>(i) % columns * cell_width + 4;
    const Index y = static_cast<Index>(i) / columns * cell_height + 4;
    const io::Image fitted = detail::fitted(picture(sample), options.side);
    for (Index row = 0; row < options.side; ++row)
      std::copy_n(fitted.at(0, row), options.side * 3, sheet.at(x, y + row));
    std::string label = sample.label >= 0 && sample.label < data.classes()
                            ? data.class_names[static_cast<std::size_t>(sample.label)]
                            : std::string();
    if (label.empty())
      label = sample.affect ? "V" + detail::signed_number(sample.affect->valence) + " A" +
                                  detail::signed_number(sample.affect->arousal)
                            : "no label";
    io::draw_text(sheet, x, y + options.side + 3, std::string_view(label).substr(0, letters), {255, 220, 120});
    if (!options.names) continue;
    const std::string& name = sample.name;
    io::draw_text(sheet, x, y + options.side + 3 + line,
                  std::string_view(name).substr(name.size() - std::min(name.size(), letters)), {170, 170, 170});
  }
  return sheet;
}

/// A sheet of the middle frames of videos; samples that are video files are grey squares.
inline io::Image contact_sheet(const FrameSequences& data, const ContactSheetOptions& options = {}) {
  return contact_sheet<FrameSequence>(
      data,
      [](const FrameSequence& sample) {
        if (sample.frames.empty()) return io::Image(8, 8, 3, 90);
        return read_frame(sample, static_cast<Index>(sample.frames.size()) / 2);
      },
      options);
}

}  // namespace mien::data
