#pragma once

/// How convolutions and pooling see the images they go over.

#include <algorithm>
#include <array>
#include <vector>

#include "mien/core/tensor.hpp"
#include "mien/core/threads.hpp"

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

/// Images in a map [..., H, W, C], whose leading axes count as one.
inline Index image_count(const Shape& map) { return map.first(map.rank() - 3).elements(); }

/// The grid of all images of a map [..., H, W, C].
inline ImageGrid map_grid(const Shape& map) { return map_grid(image_count(map), map[-3], map[-2], map[-1]); }

/// The places where a frame of a super image touches its neighbours. The pixels beyond a seam are convolved with the
/// kernel's first or last row (top, bottom), or with its first or last column (left, right).
enum class Seam { top, bottom, left, right };
inline constexpr std::array<Seam, 4> seams{Seam::top, Seam::bottom, Seam::left, Seam::right};

/// Lines of pixels of a map, [batch, frames, length, channels], with gaps between lines and between pixels.
template <class T>
struct Lines {
  T* data = nullptr;
  Index batch = 0, frames = 0, length = 0, channels = 0;
  Index batch_stride = 0, frame_stride = 0, pixel_stride = 0;

  T* pixel(Index line, Index place) const {
    return data + line / frames * batch_stride + line % frames * frame_stride + place * pixel_stride;
  }

  /// A row for each frame.
  ImageGrid grid() const {
    ImageGrid grid{batch, channels, batch_stride, {}, {}};
    for (Index frame = 0; frame < frames; ++frame) grid.rows.push_back(frame * frame_stride);
    for (Index place = 0; place < length; ++place) grid.columns.push_back(place * pixel_stride);
    return grid;
  }
};

/// Lines for each seam, none (a batch of 0) where nothing touches.
template <class T>
using SeamLines = std::array<Lines<T>, 4>;

/// A window that slides over an image.
struct ConvolutionWindow {
  Index height = 1, width = 1;  ///< of the kernel
  Index stride_height = 1, stride_width = 1;
  Index padding_height = 0, padding_width = 0;
  Index groups = 1;

  Index taps() const { return height * width; }
};

/// Every `step`-th row and column of a grid.
inline ImageGrid grid_phase(const ImageGrid& grid, Index row, Index row_step, Index column, Index column_step) {
  ImageGrid out{grid.images, grid.channels, grid.image_stride, {}, {}};
  for (Index i = row; i < grid.height(); i += row_step) out.rows.push_back(grid.rows[static_cast<std::size_t>(i)]);
  for (Index i = column; i < grid.width(); i += column_step)
    out.columns.push_back(grid.columns[static_cast<std::size_t>(i)]);
  return out;
}

/// The taps of one axis that an input position r = s q + `phase` meets, where s is the stride: `first`, `first` + s and
/// so on, and how far before output q the outputs begin that they lead to.
struct PhaseTaps {
  Index first, count, padding;
};

inline PhaseTaps phase_taps(Index phase, Index kernel, Index stride, Index padding) {
  const Index first = (phase + padding) % stride;
  const Index count = first < kernel ? chunk_count(kernel - first, stride) : 0;
  return {first, count, count - 1 - (phase + padding - first) / stride};
}

}  // namespace mien::backend
