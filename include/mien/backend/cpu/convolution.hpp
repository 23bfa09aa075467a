#pragma once

/// Convolutions as matrix products over patches that are gathered block by block, so that no patch matrix of a whole map
/// is ever in memory. Inputs and outputs are read and written through tables of row and column offsets: a super image is
/// one such table over the frames where they lie.

#include <algorithm>
#include <vector>

#include "mien/backend/cpu/matrix_product.hpp"
#include "mien/core/tensor.hpp"

namespace mien::backend {

/// Images as somebody wants to see them: element (image, row, column, channel) lies at
/// image * image_stride + rows[row] + columns[column] + channel.
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

  /// Whether all pixels, in order, lie next to each other.
  bool is_contiguous() const {
    for (std::size_t i = 1; i < rows.size(); ++i)
      if (rows[i] != rows[i - 1] + width() * channels) return false;
    return has_adjacent_columns() && (images <= 1 || image_stride == height() * width() * channels);
  }
};

/// The grid of a map [N, H, W, C] as it lies in memory.
inline ImageGrid map_grid(Index images, Index height, Index width, Index channels) {
  ImageGrid grid{images, channels, height * width * channels, {}, {}};
  for (Index row = 0; row < height; ++row) grid.rows.push_back(row * width * channels);
  for (Index column = 0; column < width; ++column) grid.columns.push_back(column * channels);
  return grid;
}

struct ConvolutionWindow {
  Index height = 1, width = 1;  ///< of the kernel
  Index stride_height = 1, stride_width = 1;
  Index padding_height = 0, padding_width = 0;
  Index groups = 1;

  Index taps() const { return height * width; }
};

/// Pixels whose patches are gathered at a time: enough rows for the product to run near its peak.
inline constexpr Index convolution_block = 256;

/// The patches of output pixels [first, last) for kernel taps [first_tap, last_tap) and channels
/// [first_channel, first_channel + channels): one row a pixel, zero outside the image.
template <class T>
void gather_patches(const ImageGrid& input, const T* x, const ConvolutionWindow& window, Index output_height,
                    Index output_width, Index first, Index last, Index first_tap, Index last_tap, Index first_channel,
                    Index channels, T* patches) {
  const bool adjacent = input.has_adjacent_columns() && channels == input.channels;
  for (Index pixel = first; pixel < last; ++pixel) {
    const Index image = pixel / (output_height * output_width);
    const Index top = pixel / output_width % output_height * window.stride_height - window.padding_height;
    const Index left = pixel % output_width * window.stride_width - window.padding_width;
    for (Index tap = first_tap; tap < last_tap;) {
      const Index row = top + tap / window.width;
      const Index column = left + tap % window.width;
      // As many taps of this kernel row as lie next to each other, inside the image or outside of it.
      const Index row_end = std::min(last_tap, tap + window.width - tap % window.width);
      Index run = 1;
      if (row < 0 || row >= input.height()) {
        run = row_end - tap;
        std::fill_n(patches, run * channels, T{0});
      } else if (column < 0) {
        run = std::min(row_end - tap, -column);
        std::fill_n(patches, run * channels, T{0});
      } else if (column >= input.width()) {
        run = row_end - tap;
        std::fill_n(patches, run * channels, T{0});
      } else {
        if (adjacent) run = std::min(row_end - tap, input.width() - column);
        std::copy_n(x + input.offset(image, row, column) + first_channel, run * channels, patches);
      }
      patches += run * channels;
      tap += run;
    }
  }
}

/// Rows of a grid's pixels [first, last), copied to or from a block without gaps.
template <class T>
void gather_pixels(const ImageGrid& grid, const T* map, Index first, Index last, T* block) {
  for (Index pixel = first; pixel < last; ++pixel)
    std::copy_n(map + grid.offset(pixel / (grid.height() * grid.width()), pixel / grid.width() % grid.height(),
                                  pixel % grid.width()),
                grid.channels, block + (pixel - first) * grid.channels);
}
template <class T>
void scatter_pixels(const ImageGrid& grid, const T* block, Index first, Index last, T* map) {
  for (Index pixel = first; pixel < last; ++pixel)
    std::copy_n(block + (pixel - first) * grid.channels, grid.channels,
                map + grid.offset(pixel / (grid.height() * grid.width()), pixel / grid.width() % grid.height(),
                                  pixel % grid.width()));
}

/// y = x * weight, weight [height, width, channels / groups, outputs].
template <class T>
void convolution(const ImageGrid& input, const T* x, const T* weight, const ConvolutionWindow& window,
                 const ImageGrid& output, T* y) {
  const Index inputs = input.channels / window.groups;
  const Index outputs = output.channels / window.groups;
  const Index depth = window.taps() * inputs;
  const Index blocks = chunk_count(output.pixels(), convolution_block);
  // Few pixels and many channels: the channels are shared out as well, or all but one thread would wait.
  const Index slice = blocks >= 8 ? outputs : std::min<Index>(outputs, 128);
  const Index slices = slice == 0 ? 0 : chunk_count(outputs, slice);
  const bool direct = output.is_contiguous();
  parallel_for(0, blocks * slices, 1, [&](Index task, Index) {
    const Index first = task / slices * convolution_block;
    const Index last = std::min(output.pixels(), first + convolution_block);
    const Index first_output = task % slices * slice;
    const Index columns = std::min(slice, outputs - first_output);
    Tensor<T> patches({last - first, depth});
    Tensor<T> block(direct ? Shape{0} : Shape{last - first, output.channels});
    for (Index group = 0; group < window.groups; ++group) {
      gather_patches(input, x, window, output.height(), output.width(), first, last, 0, window.taps(), group * inputs,
                     inputs, patches.data());
      const Index column = group * outputs + first_output;
      matrix_product_serial<T>(last - first, columns, depth, {patches.data(), depth}, {weight + column, output.channels},
                               (direct ? y + first * output.channels : block.data()) + column, output.channels, false);
    }
    if (direct) return;
    if (slices == 1) {
      scatter_pixels(output, block.data(), first, last, y);
      return;
    }
    for (Index pixel = first; pixel < last; ++pixel)
      for (Index group = 0; group < window.groups; ++group) {
        const Index column = group * outputs + first_output;
        std::copy_n(block.data() + (pixel - first) * output.channels + column, columns,
                    y + column + output.offset(pixel / (output.height() * output.width()),
                                               pixel / output.width() % output.height(), pixel % output.width()));
      }
  });
}

/// The kernel that turns the gradient of a convolution's output into that of its input, for stride 1: taps in reverse,
/// inputs and outputs swapped.
template <class T>
Tensor<T> reversed_kernel(const T* weight, const ConvolutionWindow& window, Index inputs, Index outputs) {
  const Index group_inputs = inputs / window.groups;
  const Index group_outputs = outputs / window.groups;
  Tensor<T> out({window.taps(), group_outputs, inputs});
  for (Index tap = 0; tap < window.taps(); ++tap)
    for (Index o = 0; o < group_outputs; ++o)
      for (Index group = 0; group < window.groups; ++group)
        for (Index i = 0; i < group_inputs; ++i)
          out.data()[(tap * group_outputs + o) * inputs + group * group_inputs + i] =
              weight[((window.taps() - 1 - tap) * group_inputs + i) * outputs + group * group_outputs + o];
  return out;
}

/// The input's gradient for any stride: patches of gradients are added where they came from, an image a thread.
template <class T>
void convolution_input_gradient_by_scatter(const ImageGrid& output, const T* upstream, const T* weight,
                                           const ConvolutionWindow& window, const ImageGrid& input, T* gradient) {
  const Index inputs = input.channels / window.groups;
  const Index outputs = output.channels / window.groups;
  const Index depth = window.taps() * inputs;
  const Index image_pixels = output.height() * output.width();
  parallel_for(0, input.images, 1, [&](Index image, Index) {
    for (Index row = 0; row < input.height(); ++row)
      for (Index column = 0; column < input.width(); ++column)
        std::fill_n(gradient + input.offset(image, row, column), input.channels, T{0});
    for (Index start = 0; start < image_pixels; start += convolution_block) {
      const Index count = std::min(convolution_block, image_pixels - start);
      Tensor<T> block({count, output.channels});
      Tensor<T> patches({count, depth});
      gather_pixels(output, upstream, image * image_pixels + start, image * image_pixels + start + count, block.data());
      for (Index group = 0; group < window.groups; ++group) {
        matrix_product_serial<T>(count, depth, outputs, {block.data() + group * outputs, output.channels},
                                 {weight + group * outputs, output.channels, true}, patches.data(), depth, false);
        for (Index i = 0; i < count; ++i) {
          const Index top = (start + i) / output.width() * window.stride_height - window.padding_height;
          const Index left = (start + i) % output.width() * window.stride_width - window.padding_width;
          for (Index tap = 0; tap < window.taps(); ++tap) {
            const Index row = top + tap / window.width;
            const Index column = left + tap % window.width;
            if (row < 0 || row >= input.height() || column < 0 || column >= input.width()) continue;
            array(gradient + input.offset(image, row, column) + group * inputs, inputs) +=
                array(patches.data() + i * depth + tap * inputs, inputs);
          }
        }
      }
    }
  });
}

template <class T>
void convolution_input_gradient(const ImageGrid& output, const T* upstream, const T* weight,
                                const ConvolutionWindow& window, const ImageGrid& input, T* gradient) {
  const bool unit_stride = window.stride_height == 1 && window.stride_width == 1;
  if (!unit_stride || window.padding_height >= window.height || window.padding_width >= window.width) {
    convolution_input_gradient_by_scatter(output, upstream, weight, window, input, gradient);
    return;
  }
  const Tensor<T> reversed = reversed_kernel(weight, window, input.channels, output.channels);
  ConvolutionWindow backwards = window;
  backwards.padding_height = window.height - 1 - window.padding_height;
  backwards.padding_width = window.width - 1 - window.padding_width;
  convolution(output, upstream, reversed.data(), backwards, input, gradient);
}

/// gradient [height, width, channels / groups, outputs] = sum over pixels of patch^T upstream. Threads share out the
/// kernel's taps, and each goes through the pixels in order.
template <class T>
void convolution_weight_gradient(const ImageGrid& input, const T* x, const ImageGrid& output, const T* upstream,
                                 const ConvolutionWindow& window, T* gradient) {
  const Index inputs = input.channels / window.groups;
  const Index outputs = output.channels / window.groups;
  const Index taps_together = inputs == 0 ? 1 : chunk_count(32, inputs);
  const bool direct = output.is_contiguous();
  parallel_for(0, window.taps(), taps_together, [&](Index first_tap, Index last_tap) {
    const Index depth = (last_tap - first_tap) * inputs;
    std::fill_n(gradient + first_tap * inputs * output.channels, depth * output.channels, T{0});
    for (Index first = 0; first < output.pixels(); first += convolution_block) {
      const Index last = std::min(output.pixels(), first + convolution_block);
      Tensor<T> patches({last - first, depth});
      Tensor<T> block(direct ? Shape{0} : Shape{last - first, output.channels});
      if (!direct) gather_pixels(output, upstream, first, last, block.data());
      const T* rows = direct ? upstream + first * output.channels : block.data();
      for (Index group = 0; group < window.groups; ++group) {
        gather_patches(input, x, window, output.height(), output.width(), first, last, first_tap, last_tap,
                       group * inputs, inputs, patches.data());
        matrix_product_serial<T>(depth, outputs, last - first, {patches.data(), depth, true},
                                 {rows + group * outputs, output.channels},
                                 gradient + first_tap * inputs * output.channels + group * outputs, output.channels,
                                 true);
      }
    }
  });
}

}  // namespace mien::backend
