#pragma once

/// Convolution without patch matrices. Threads share out bands of output rows; for each, the input rows it needs are
/// copied once, with the padding around them, and the kernels of convolution_kernel.hpp read the copy in place.

#include <algorithm>
#include <vector>

#include "mien/backend/cpu/convolution_kernel.hpp"
#include "mien/backend/cpu/image_grid.hpp"
#include "mien/backend/cpu/matrix_product.hpp"
#include "mien/core/tensor.hpp"

namespace mien::backend {

/// Output pixels that a thread takes at a time, about: enough to use a block of weights many times while it is in the
/// cache, few enough that small maps keep several threads busy.
inline constexpr Index band_pixels = 192;

/// Rows of output, counted over all images, with the padded input rows that they read.
template <class T>
class InputBand {
 public:
  /// The output rows [first, last) of `output_height` x `output_width` images.
  InputBand(const ImageGrid& input, const T* x, const ConvolutionWindow& window, Index output_height,
            Index output_width, Index first, Index last)
      : row_length_((input.width() + 2 * window.padding_width) * input.channels) {
    // A kernel may read as many channels as it has sums, past the last pixel's own.
    constexpr Index slack = broadcasts_for<1>;
    Index rows = 0;
    for_each_image(output_height, first, last, [&](Index, Index begin, Index end) {
      rows += (end - begin - 1) * window.stride_height + window.height;
    });
    rows_ = Tensor<T>({rows * row_length_ + slack});
    std::fill_n(rows_.data() + rows * row_length_, slack, T{0});
    T* to = rows_.data();
    for_each_image(output_height, first, last, [&](Index image, Index begin, Index end) {
      for (Index row = begin; row < end; ++row)
        for (Index column = 0; column < output_width; ++column)
          pixels_.push_back(to + (row - begin) * window.stride_height * row_length_ +
                            column * window.stride_width * input.channels);
      const Index top = begin * window.stride_height - window.padding_height;
      const Index count = (end - begin - 1) * window.stride_height + window.height;
      for (Index row = top; row < top + count; ++row, to += row_length_)
        copy_row(input, x, image, row, window.padding_width, to);
    });
    for (Index tap = 0; tap < window.taps(); ++tap)
      tap_offsets_.push_back(tap / window.width * row_length_ + tap % window.width * input.channels);
  }

  Index count() const { return static_cast<Index>(pixels_.size()); }

  /// Where each output pixel's window begins, and from there each tap.
  const std::vector<const T*, PooledAllocator<const T*>>& pixels() const { return pixels_; }
  const std::vector<Index, PooledAllocator<Index>>& tap_offsets() const { return tap_offsets_; }

 private:
  template <class Visit>
  static void for_each_image(Index height, Index first, Index last, const Visit& visit) {
    for (Index row = first; row < last;) {
      const Index image = row / height;
      const Index end = std::min(last, (image + 1) * height);
      visit(image, row - image * height, end - image * height);
      row = end;
    }
  }

  static void copy_row(const ImageGrid& input, const T* x, Index image, Index row, Index padding, T* to) {
    const Index channels = input.channels;
    const Index length = input.width() * channels;
    if (row < 0 || row >= input.height()) {
      std::fill_n(to, length + 2 * padding * channels, T{0});
      return;
    }
    to = std::fill_n(to, padding * channels, T{0});
    if (input.has_adjacent_columns()) {
      to = std::copy_n(x + input.offset(image, row, 0), length, to);
    } else {
      for (Index column = 0; column < input.width(); ++column)
        to = std::copy_n(x + input.offset(image, row, column), channels, to);
    }
    std::fill_n(to, padding * channels, T{0});
  }

  Index row_length_;
  Tensor<T> rows_;
  std::vector<const T*, PooledAllocator<const T*>> pixels_;
  std::vector<Index, PooledAllocator<Index>> tap_offsets_;
};

/// Calls `block.template operator()<vectors>(first channel, channels)` for blocks of up to four vectors of channels.
template <class T, class Block>
void for_each_channel_block(Index channels, const Block& block) {
  constexpr Index lanes = vector_lanes<T>;
  for (Index first = 0; first < channels;) {
    const Index vectors = vectors_at_a_time(chunk_count(channels - first, lanes));
    const Index count = std::min(channels - first, vectors * lanes);
    if (vectors == 4) {
      block.template operator()<4>(first, count);
    } else if (vectors == 2) {
      block.template operator()<2>(first, count);
    } else {
      block.template operator()<1>(first, count);
    }
    first += count;
  }
}

/// Weights [depth, outputs] of all groups, block by block as `for_each_channel_block` takes them, each block padded with
/// zeros to whole vectors: [block, depth, vectors * lanes].
template <class T>
Tensor<T> pack_weights(const T* weight, Index depth, Index group_outputs, Index groups) {
  constexpr Index lanes = vector_lanes<T>;
  const Index padded = chunk_count(group_outputs, lanes) * lanes;
  Tensor<T> packed({groups, depth * padded});
  for (Index group = 0; group < groups; ++group)
    for_each_channel_block<T>(group_outputs, [&]<Index vectors>(Index first, Index count) {
      T* to = packed.data() + (group * padded + first) * depth;
      const T* from = weight + group * group_outputs + first;
      parallel_for(0, depth, std::max<Index>(1, elementwise_grain / (vectors * lanes)), [&](Index begin, Index end) {
        for (Index k = begin; k < end; ++k) {
          T* row = std::copy_n(from + k * groups * group_outputs, count, to + k * vectors * lanes);
          std::fill(row, to + (k + 1) * vectors * lanes, T{0});
        }
      });
    });
  return packed;
}

/// Rows of output that a band has; the same for every number of threads.
inline Index band_rows(Index output_width) { return std::max<Index>(1, band_pixels / std::max<Index>(1, output_width)); }

/// y = x * weight, weight [height, width, channels / groups, outputs].
template <class T>
void convolution(const ImageGrid& input, const T* x, const T* weight, const ConvolutionWindow& window,
                 const ImageGrid& output, T* y) {
  constexpr Index lanes = vector_lanes<T>;
  const Index inputs = input.channels / window.groups;
  const Index outputs = output.channels / window.groups;
  const Index depth = window.taps() * inputs;
  const Tensor<T> packed = pack_weights(weight, depth, outputs, window.groups);
  const Index padded = chunk_count(outputs, lanes) * lanes;
  const Index rows = output.images * output.height();
  if (output.pixels() == 0) return;
  parallel_for(0, rows, band_rows(output.width()), [&](Index first, Index last) {
    const InputBand<T> band(input, x, window, output.height(), output.width(), first, last);
    for (Index group = 0; group < window.groups; ++group)
      for_each_channel_block<T>(outputs, [&]<Index vectors>(Index channel, Index count) {
        constexpr Index together = broadcasts_for<vectors>;
        const T* block = packed.data() + (group * padded + channel) * depth;
        for (Index start = 0; start < band.count(); start += together) {
          const T* pixels[together];
          for (Index p = 0; p < together; ++p)
            pixels[p] = band.pixels()[static_cast<std::size_t>(std::min(start + p, band.count() - 1))] + group * inputs;
          alignas(vector_bytes) T sums[together * vectors * lanes];
          convolve_pixels<T, vectors>(pixels, band.tap_offsets().data(), window.taps(), inputs, block, sums);
          for (Index p = 0; p < std::min(together, band.count() - start); ++p) {
            const Index pixel = first * output.width() + start + p;
            T* to = y + output.offset(pixel / (output.height() * output.width()),
                                      pixel / output.width() % output.height(), pixel % output.width());
            std::copy_n(sums + p * vectors * lanes, count, to + group * outputs + channel);
          }
        }
      });
  });
}

/// The kernel that turns the gradient of a convolution's output into that of its input, for stride 1: taps in reverse,
/// inputs and outputs swapped.
template <class T>
Tensor<T> reversed_kernel(const T* weight, const ConvolutionWindow& window, Index inputs, Index outputs) {
  const Index group_inputs = inputs / window.groups;
  const Index group_outputs = outputs / window.groups;
  Tensor<T> out({window.taps(), group_outputs, inputs});
  parallel_for(0, window.taps(), 1, [&](Index tap, Index) {
    for (Index group = 0; group < window.groups; ++group)
      matrix(out.data() + tap * group_outputs * inputs + group * group_inputs, group_outputs, group_inputs, inputs) =
          matrix(weight + (window.taps() - 1 - tap) * group_inputs * outputs + group * group_outputs, group_inputs,
                 group_outputs, outputs)
              .transpose();
  });
  return out;
}

/// The input's gradient for any stride: what each output passes back to the pixels under its window is added there, an
/// image a thread.
template <class T>
void convolution_input_gradient_by_scatter(const ImageGrid& output, const T* upstream, const T* weight,
                                           const ConvolutionWindow& window, const ImageGrid& input, T* gradient) {
  const Index inputs = input.channels / window.groups;
  const Index outputs = output.channels / window.groups;
  const Index depth = window.taps() * inputs;
  parallel_for(0, input.images, 1, [&](Index image, Index) {
    for (Index row = 0; row < input.height(); ++row)
      for (Index column = 0; column < input.width(); ++column)
        std::fill_n(gradient + input.offset(image, row, column), input.channels, T{0});
    Tensor<T> line({output.width(), output.channels});
    Tensor<T> patches({output.width(), depth});
    for (Index i = 0; i < output.height(); ++i) {
      for (Index j = 0; j < output.width(); ++j)
        std::copy_n(upstream + output.offset(image, i, j), output.channels, line.data() + j * output.channels);
      for (Index group = 0; group < window.groups; ++group) {
        matrix_product_serial<T>(output.width(), depth, outputs, {line.data() + group * outputs, output.channels},
                                 {weight + group * outputs, output.channels, true}, patches.data(), depth, false);
        for (Index j = 0; j < output.width(); ++j)
          for (Index tap = 0; tap < window.taps(); ++tap) {
            const Index row = i * window.stride_height - window.padding_height + tap / window.width;
            const Index column = j * window.stride_width - window.padding_width + tap % window.width;
            if (row < 0 || row >= input.height() || column < 0 || column >= input.width()) continue;
            array(gradient + input.offset(image, row, column) + group * inputs, inputs) +=
                array(patches.data() + j * depth + tap * inputs, inputs);
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

/// Adds a band's part to gradient [taps, inputs, all outputs].
template <class T>
void add_weight_gradient(const InputBand<T>& band, const T* upstream, Index upstream_stride,
                         const ConvolutionWindow& window, Index inputs, Index outputs, T* gradient) {
  constexpr Index lanes = vector_lanes<T>;
  const Index padded = chunk_count(outputs, lanes) * lanes;
  const Index all_outputs = outputs * window.groups;
  for (Index group = 0; group < window.groups; ++group)
    for_each_channel_block<T>(outputs, [&]<Index vectors>(Index channel, Index count) {
      constexpr Index together = broadcasts_for<vectors>;
      for (Index tap = 0; tap < window.taps(); ++tap)
        for (Index c = 0; c < inputs; c += together) {
          alignas(vector_bytes) T sums[together * vectors * lanes];
          correlate_pixels<T, vectors>(band.pixels().data(),
                                       band.tap_offsets()[static_cast<std::size_t>(tap)] + group * inputs + c,
                                       band.count(), upstream + group * padded + channel, upstream_stride, sums);
          for (Index i = 0; i < std::min(together, inputs - c); ++i)
            array(gradient + (tap * inputs + c + i) * all_outputs + group * outputs + channel, count) +=
                array(sums + i * vectors * lanes, count);
        }
    });
}

/// gradient [height, width, channels / groups, outputs] = sum over pixels of window^T upstream. Every part of the bands
/// has a sum of its own, and the parts are added in order, so that the bits do not depend on the threads.
template <class T>
void convolution_weight_gradient(const ImageGrid& input, const T* x, const ImageGrid& output, const T* upstream,
                                 const ConvolutionWindow& window, T* gradient) {
  constexpr Index lanes = vector_lanes<T>;
  const Index inputs = input.channels / window.groups;
  const Index outputs = output.channels / window.groups;
  const Index padded = chunk_count(outputs, lanes) * lanes;
  const Index stride = padded * window.groups;
  const Index size = window.taps() * inputs * output.channels;
  const Index rows = output.images * output.height();
  const Index bands = output.width() == 0 ? 0 : chunk_count(rows, band_rows(output.width()));
  // As many parts as keep eight threads busy, unless their sums would take more than 64 MiB.
  const Index affordable = (Index{1} << 26) / std::max<Index>(1, size * static_cast<Index>(sizeof(T)));
  const Index parts = std::max<Index>(1, std::min({bands, Index{8}, std::max<Index>(2, affordable)}));
  Tensor<T> partial({parts, size}, T{0});
  parallel_for(0, parts, 1, [&](Index part, Index) {
    for (Index i = bands * part / parts; i < bands * (part + 1) / parts; ++i) {
      const Index first = i * band_rows(output.width());
      const Index last = std::min(rows, first + band_rows(output.width()));
      const InputBand<T> band(input, x, window, output.height(), output.width(), first, last);
      Tensor<T> block({band.count(), stride});
      for (Index p = 0; p < band.count(); ++p) {
        const Index pixel = first * output.width() + p;
        const T* from = upstream + output.offset(pixel / (output.height() * output.width()),
                                                 pixel / output.width() % output.height(), pixel % output.width());
        for (Index group = 0; group < window.groups; ++group) {
          T* end = std::copy_n(from + group * outputs, outputs, block.data() + p * stride + group * padded);
          std::fill(end, block.data() + p * stride + (group + 1) * padded, T{0});
        }
      }
      add_weight_gradient(band, block.data(), stride, window, inputs, outputs, partial.data() + part * size);
    }
  });
  parallel_for(0, size, elementwise_grain, [&](Index first, Index last) {
    auto total = array(gradient + first, last - first);
    total = array(partial.data() + first, last - first);
    for (Index part = 1; part < parts; ++part) total += array(partial.data() + part * size + first, last - first);
  });
}

}  // namespace mien::backend
