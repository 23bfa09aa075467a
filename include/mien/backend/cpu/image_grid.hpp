#pragma once

/// How convolutions and pooling see the images they go over.

#include <algorithm>
#include <vector>

#include "mien/core/tensor.hpp"

namespace mien::backend {

/// Images as somebody wants to see them: element (image, row, column, channel) lies at
/// image * image_stride + rows[row] + columns[column] + channel. A super image is one such table over the frames where
/// they lie.
struct ImageGrid {
  Index images = 0;
  Index channels = 0;
  Index image_stride = 0;
  std::vector<Index> rows;
  std::vector<Index> columns;

  Index height() const { return static_cast<Index>(rows.size()); }
  Index width() const { return static_cast<Index>(columns.size()); }
  Index pixels() const { return images * height() * width(); }
  Index offset(Index image, Index row, Index column) const {
    return image * image_stride + rows[static_cast<std::size_t>(row)] + columns[static_cast<std::size_t>(column)];
  }

  /// Whether neighbouring columns lie next to each other.
  bool has_adjacent_columns() const {
    for (std::size_t i = 1; i < columns.size(); ++i)
      if (columns[i] != columns[i - 1] + channels) return false;
    return true;
  }
};

/// The grid of a map [N, H, W, C] as it lies in memory.
inline ImageGrid map_grid(Index images, Index height, Index width, Index channels) {
  ImageGrid grid{images, channels, height * width * channels, {}, {}};
  for (Index row = 0; row < height; ++row) grid.rows.push_back(row * width * channels);
  for (Index column = 0; column < width; ++column) grid.columns.push_back(column * channels);
  return grid;
}

/// A window that slides over an image.
struct ConvolutionWindow {
  Index height = 1, width = 1;  ///< of the kernel
  Index stride_height = 1, stride_width = 1;
  Index padding_height = 0, padding_width = 0;
  Index groups = 1;

  Index taps() const { return height * width; }
};

}  // namespace mien::backend
