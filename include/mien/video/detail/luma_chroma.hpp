#pragma once

/// Between RGB and planes of luma and chroma (Y, Cb, Cr) by ITU-R BT.601, whichever the resolution of the chroma and
/// wherever its samples lie.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mien/io/image.hpp"

namespace mien::video::detail {

/// Where the samples of one axis of a chroma plane lie.
enum class Siting {
  each,    ///< one at each pixel
  centre,  ///< one in the middle of two pixels
  first,   ///< one at the first of two pixels
  second   ///< one at the second of two pixels
};

/// How frames lie in a stream: plane after plane, row by row.
struct PlaneLayout {
  Index width = 0;
  Index height = 0;
  bool has_chroma = true;
  Siting columns = Siting::centre;
  Siting blue_rows = Siting::centre;
  Siting red_rows = Siting::centre;
  bool full_range = false;  ///< Y, Cb, Cr from 0 to 255; else Y from 16 to 235, Cb and Cr from 16 to 240

  Index chroma_width() const { return columns == Siting::each ? width : (width + 1) / 2; }
  Index chroma_height() const { return blue_rows == Siting::each ? height : (height + 1) / 2; }
  std::size_t luma_bytes() const { return static_cast<std::size_t>(width * height); }
  std::size_t chroma_bytes() const {
    return has_chroma ? static_cast<std::size_t>(chroma_width() * chroma_height()) : 0;
  }
  std::size_t frame_bytes() const { return luma_bytes() + 2 * chroma_bytes(); }
};

/// The two samples between which a pixel lies, and the second one's share in quarters: linear interpolation.
struct ChromaTap {
  Index near = 0;
  Index far = 0;
  int far_quarters = 0;
};

inline ChromaTap chroma_tap(Index pixel, Index samples, Siting siting) {
  const Index pair = pixel / 2;
  const bool is_second = pixel % 2 == 1;
  const auto at = [&](Index sample) { return std::clamp<Index>(sample, 0, samples - 1); };
  switch (siting) {
    case Siting::each:
      break;
    case Siting::centre:
      return {at(pair), at(is_second ? pair + 1 : pair - 1), 1};
    case Siting::first:
      return {at(pair), at(pair + 1), is_second ? 2 : 0};
    case Siting::second:
      return {at(pair), at(pair - 1), is_second ? 0 : 2};
  }
  return {pixel, pixel, 0};
}

/// What luma and chroma count in red, green and blue, times 2^16.
struct ColourMatrix {
  int luma;
  int red_of_red;
  int green_of_blue;
  int green_of_red;
  int blue_of_blue;
  int black;  ///< the luma of black
};

/// R = Y' + 1.402 Cr', G = Y' - 0.344136 Cb' - 0.714136 Cr', B = Y' + 1.772 Cb'; a limited range is stretched by
/// 255/219 (Y') and 255/224.
inline constexpr ColourMatrix full_range_matrix{65536, 91881, 22554, 46802, 116130, 0};
inline constexpr ColourMatrix limited_range_matrix{76309, 104597, 25675, 53279, 132201, 16};

inline std::uint8_t clamped(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

/// Turns frames of one layout into RGB. Keeps what it needs for that from frame to frame.
class PlanesToRgb {
 public:
  explicit PlanesToRgb(const PlaneLayout& layout) : layout_(layout) {
    for (Index x = 0; layout.has_chroma && x < layout.width; ++x)
      column_taps_.push_back(chroma_tap(x, layout.chroma_width(), layout.columns));
    for (auto* row : {&blue_, &red_}) row->resize(static_cast<std::size_t>(layout.width));
    between_.resize(static_cast<std::size_t>(layout.chroma_width()));
  }

  /// `bytes` are `frame_bytes()` of the layout; `image` is RGB of its size.
  void convert(std::span<const std::byte> bytes, io::Image& image) {
    const auto* const luma = reinterpret_cast<const std::uint8_t*>(bytes.data());
    const std::uint8_t* const blue = luma + layout_.luma_bytes();
    const std::uint8_t* const red = blue + layout_.chroma_bytes();
    for (Index y = 0; y < layout_.height; ++y) {
      if (layout_.has_chroma) {
        spread(blue, chroma_tap(y, layout_.chroma_height(), layout_.blue_rows), blue_);
        spread(red, chroma_tap(y, layout_.chroma_height(), layout_.red_rows), red_);
        colour_row(luma + y * layout_.width, image.at(0, y));
      } else {
        grey_row(luma + y * layout_.width, image.at(0, y));
      }
    }
  }

 private:
  /// A row of chroma, times 16, about 0, at each pixel.
  void spread(const std::uint8_t* plane, const ChromaTap& tap, std::vector<int>& out) {
    const std::uint8_t* const near = plane + tap.near * layout_.chroma_width();
    const std::uint8_t* const far = plane + tap.far * layout_.chroma_width();
    for (std::size_t x = 0; x < between_.size(); ++x)
      between_[x] = (4 - tap.far_quarters) * near[x] + tap.far_quarters * far[x] - 4 * 128;
    for (std::size_t x = 0; x < out.size(); ++x) {
      const ChromaTap& column = column_taps_[x];
      out[x] = (4 - column.far_quarters) * between_[static_cast<std::size_t>(column.near)] +
               column.far_quarters * between_[static_cast<std::size_t>(column.far)];
    }
  }

  void colour_row(const std::uint8_t* luma, std::uint8_t* rgb) const {
    const ColourMatrix& matrix = layout_.full_range ? full_range_matrix : limited_range_matrix;
    constexpr int half = 1 << 19;  // 2^16 of the matrix and the chroma's 16, halved
    for (std::size_t x = 0; x < blue_.size(); ++x, rgb += 3) {
      const int light = matrix.luma * 16 * (luma[x] - matrix.black) + half;
      rgb[0] = clamped((light + matrix.red_of_red * red_[x]) >> 20);
      rgb[1] = clamped((light - matrix.green_of_blue * blue_[x] - matrix.green_of_red * red_[x]) >> 20);
      rgb[2] = clamped((light + matrix.blue_of_blue * blue_[x]) >> 20);
    }
  }

  void grey_row(const std::uint8_t* luma, std::uint8_t* rgb) const {
    const ColourMatrix& matrix = layout_.full_range ? full_range_matrix : limited_range_matrix;
    for (Index x = 0; x < layout_.width; ++x, rgb += 3)
      std::fill_n(rgb, 3, clamped((matrix.luma * (luma[x] - matrix.black) + (1 << 15)) >> 16));
  }

  PlaneLayout layout_;
  std::vector<ChromaTap> column_taps_;
  std::vector<int> between_;  ///< a row of chroma, times 4, before its columns are spread
  std::vector<int> blue_;
  std::vector<int> red_;
};

/// RGB as planes in the limited range: Y of each pixel, Cb and Cr of each pixel or of the mean of up to 2 x 2.
inline void rgb_to_planes(const io::Image& image, const PlaneLayout& layout, std::vector<std::byte>& out) {
  out.resize(layout.frame_bytes());
  auto* const luma = reinterpret_cast<std::uint8_t*>(out.data());
  std::uint8_t* const blue = luma + layout.luma_bytes();
  std::uint8_t* const red = blue + layout.chroma_bytes();
  const auto rounded = [](double value) { return clamped(static_cast<int>(value + 0.5)); };
  for (Index y = 0; y < image.height; ++y)
    for (Index x = 0; x < image.width; ++x) {
      const std::uint8_t* const rgb = image.at(x, y);
      luma[y * image.width + x] = rounded(16 + 219.0 / 255 * (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]));
    }
  const Index step_x = layout.columns == Siting::each ? 1 : 2;
  const Index step_y = layout.blue_rows == Siting::each ? 1 : 2;
  for (Index y = 0; y < layout.chroma_height(); ++y)
    for (Index x = 0; x < layout.chroma_width(); ++x) {
      std::array<double, 3> mean{};
      double count = 0;
      for (Index row = y * step_y; row < std::min((y + 1) * step_y, image.height); ++row)
        for (Index column = x * step_x; column < std::min((x + 1) * step_x, image.width); ++column, ++count)
          for (std::size_t c = 0; c < 3; ++c) mean[c] += image.at(column, row)[c];
      for (double& value : mean) value /= count;
      const double light = 0.299 * mean[0] + 0.587 * mean[1] + 0.114 * mean[2];
      const Index place = y * layout.chroma_width() + x;
      blue[place] = rounded(128 + 224.0 / 255 * (mean[2] - light) / 1.772);
      red[place] = rounded(128 + 224.0 / 255 * (mean[0] - light) / 1.402);
    }
}

}  // namespace mien::video::detail
