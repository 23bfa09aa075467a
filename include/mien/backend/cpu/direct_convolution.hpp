#pragma once

/// Convolution without patch matrices, output by output. Threads share out bands of output rows; for each, the input
/// rows it needs are copied once, with the padding around them, and the kernels of direct_kernels.hpp read the copy in
/// place.

#include <algorithm>
#include <array>
#include <vector>

#include "mien/backend/cpu/convolution_epilogue.hpp"
#include "mien/backend/cpu/direct_kernels.hpp"
#include "mien/backend/cpu/image_grid.hpp"
#include "mien/core/tensor.hpp"

namespace mien::backend {

/// Output pixels that a thread takes at a time, about: enough to use a block of weights many times while it is in the
/// cache, few enough that small maps keep several threads busy.
inline constexpr Index band_pixels = 192;

/// A kernel's taps lie in runs of inputs that are next to each other in a row: its whole rows, or, where groups of
/// channels stand between one tap and the next, single taps.
inline Index tap_runs(const ConvolutionWindow& window) { return window.groups == 1 ? window.height : window.taps(); }
inline Index run_length(const ConvolutionWindow& window, Index group_inputs) {
  return window.groups == 1 ? window.width * group_inputs : group_inputs;
}

/// Rows of output, counted over all images, with the padded input rows that they read.
template <class T>
class InputBand {
 public:
  /// For the output rows [first, last).
  InputBand(const ImageGrid& input, const T* x, const ConvolutionWindow& window, const ImageGrid& output, Index first,
            Index last)
      : columns_((output.width() - 1) * window.stride_width + window.width), row_length_(columns_ * input.channels) {
    // A kernel may read as many channels as it has sums, past the last pixel's own.
    constexpr Index slack = most_direct_sums;
    const auto pixels = static_cast<std::size_t>((last - first) * output.width());
    pixels_.reserve(pixels);
    places_.reserve(pixels);
    Index rows = 0;
    for_each_image(output.height(), first, last, [&](Index, Index begin, Index end) {
      rows += (end - begin - 1) * window.stride_height + window.height;
    });
    rows_ = Tensor<T>({rows * row_length_ + slack});
    std::fill_n(rows_.data() + rows * row_length_, slack, T{0});
    T* to = rows_.data();
    for_each_image(output.height(), first, last, [&](Index image, Index begin, Index end) {
      for (Index row = begin; row < end; ++row)
        for (Index column = 0; column < output.width(); ++column) {
          pixels_.push_back(to + (row - begin) * window.stride_height * row_length_ +
                            column * window.stride_width * input.channels);
          places_.push_back(output.offset(image, row, column));
        }
      const Index top = begin * window.stride_height - window.padding_height;
      const Index count = (end - begin - 1) * window.stride_height + window.height;
      for (Index row = top; row < top + count; ++row, to += row_length_)
        copy_row(input, x, image, row, window.padding_width, to);
    });
    for (Index run = 0; run < tap_runs(window); ++run)
      run_offsets_.push_back(window.groups == 1
                                 ? run * row_length_
                                 : run / window.width * row_length_ + run % window.width * input.channels);
  }

  Index count() const { return static_cast<Index>(pixels_.size()); }

  /// Where each output pixel's window begins, and from there each run of taps.
  const std::vector<const T*, PooledAllocator<const T*>>& pixels() const { return pixels_; }
  const std::vector<Index, PooledAllocator<Index>>& run_offsets() const { return run_offsets_; }

  /// Where output pixel `i` of the band lies in the output.
  Index place(Index i) const { return places_[static_cast<std::size_t>(i)]; }

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

  /// A row of the image from column -padding on, zero wherever there is no image.
  void copy_row(const ImageGrid& input, const T* x, Index image, Index row, Index padding, T* to) const {
    const bool inside = row >= 0 && row < input.height();
    const Index first = inside ? std::clamp<Index>(padding, 0, columns_) : columns_;
    const Index last = std::clamp<Index>(input.width() + padding, first, columns_);
    to = std::fill_n(to, first * input.channels, T{0});
    if (input.has_adjacent_columns() && first < last) {
      to = std::copy_n(x + input.offset(image, row, first - padding), (last - first) * input.channels, to);
    } else {
      for (Index column = first; column < last; ++column)
        to = std::copy_n(x + input.offset(image, row, column - padding), input.channels, to);
    }
    std::fill_n(to, (columns_ - last) * input.channels, T{0});
  }

  Index columns_;
  Index row_length_;
  Tensor<T> rows_;
  std::vector<const T*, PooledAllocator<const T*>> pixels_;
  std::vector<Index, PooledAllocator<Index>> run_offsets_;
  std::vector<Index, PooledAllocator<Index>> places_;
};

/// Calls `visit(block, first channel, channels)` for all channels, with the widest block that they fill.
template <class T, class Visit>
void for_each_channel_block(Index channels, const Visit& visit) {
  const DirectKernels<T>& kernels = direct_kernels<T>();
  for (Index first = 0; first < channels;) {
    const Index left = chunk_count(channels - first, kernels.lanes) * kernels.lanes;
    const DirectBlock<T>& block = *std::find_if(kernels.blocks.begin(), kernels.blocks.end() - 1,
                                                [&](const DirectBlock<T>& one) { return one.width <= left; });
    const Index count = std::min(channels - first, block.width);
    visit(block, first, count);
    first += count;
  }
}

/// Weights [depth, outputs] of all groups, block by block as `for_each_channel_block` takes them, each block padded
/// with zeros to whole vectors: [block, depth, width].
template <class T>
Tensor<T> pack_weights(const T* weight, Index depth, Index group_outputs, Index groups) {
  const Index lanes = direct_kernels<T>().lanes;
  const Index padded = chunk_count(group_outputs, lanes) * lanes;
  Tensor<T> packed({groups, depth * padded});
  for (Index group = 0; group < groups; ++group)
    for_each_channel_block<T>(group_outputs, [&](const DirectBlock<T>& block, Index first, Index count) {
      T* to = packed.data() + (group * padded + first) * depth;
      const T* from = weight + group * group_outputs + first;
      parallel_for(0, depth, std::max<Index>(1, elementwise_grain / block.width), [&](Index begin, Index end) {
        for (Index k = begin; k < end; ++k) {
          T* row = std::copy_n(from + k * groups * group_outputs, count, to + k * block.width);
          std::fill(row, to + (k + 1) * block.width, T{0});
        }
      });
    });
  return packed;
}

/// Rows of output that a band has; the same for every number of threads.
inline Index band_rows(Index output_width) {
  return std::max<Index>(1, band_pixels / std::max<Index>(1, output_width));
}

/// y = epilogue(x * weight), weight [height, width, channels / groups, outputs], output by output.
template <class T>
void direct_convolution(const ImageGrid& input, const T* x, const T* weight, const ConvolutionWindow& window,
                        const ImageGrid& output, T* y, const ConvolutionEpilogue<T>& epilogue = {}) {
  const Index lanes = direct_kernels<T>().lanes;
  const Index inputs = input.channels / window.groups;
  const Index outputs = output.channels / window.groups;
  const Index depth = window.taps() * inputs;
  const Tensor<T> packed = pack_weights(weight, depth, outputs, window.groups);
  const Index padded = chunk_count(outputs, lanes) * lanes;
  const Index rows = output.images * output.height();
  if (output.pixels() == 0) return;
  parallel_for(0, rows, band_rows(output.width()), [&](Index first, Index last) {
    const InputBand<T> band(input, x, window, output, first, last);
    for (Index group = 0; group < window.groups; ++group)
      for_each_channel_block<T>(outputs, [&](const DirectBlock<T>& kernel, Index channel, Index count) {
        const Index together = kernel.sums;
        const T* block = packed.data() + (group * padded + channel) * depth;
        for (Index start = 0; start < band.count(); start += together) {
          std::array<const T*, most_direct_sums> pixels{};
          for (Index p = 0; p < together; ++p)
            pixels[static_cast<std::size_t>(p)] =
                band.pixels()[static_cast<std::size_t>(std::min(start + p, band.count() - 1))] + group * inputs;
          alignas(64) std::array<T, most_direct_bytes / sizeof(T)> sums;
          kernel.convolve(pixels.data(), band.run_offsets().data(), tap_runs(window), run_length(window, inputs), block,
                          sums.data());
          for (Index p = 0; p < std::min(together, band.count() - start); ++p) {
            const Index place = band.place(start + p) + group * outputs + channel;
            auto sum = array(sums.data() + p * kernel.width, count);
            if (epilogue.bias != nullptr) sum += array(epilogue.bias + group * outputs + channel, count);
            if (epilogue.residual != nullptr) sum += array(epilogue.residual + place, count);
            if (epilogue.relu) sum = (sum < T{0}).select(T{0}, sum);
            array(y + place, count) = sum;
          }
        }
      });
  });
}

/// Adds a band's part to gradient [taps, inputs, all outputs].
template <class T>
void add_weight_gradient(const InputBand<T>& band, const T* upstream, Index upstream_stride,
                         const ConvolutionWindow& window, Index inputs, Index outputs, T* gradient) {
  const Index lanes = direct_kernels<T>().lanes;
  const Index padded = chunk_count(outputs, lanes) * lanes;
  const Index all_outputs = outputs * window.groups;
  for (Index group = 0; group < window.groups; ++group)
    for_each_channel_block<T>(outputs, [&](const DirectBlock<T>& kernel, Index channel, Index count) {
      const Index together = kernel.sums;
      const Index length = run_length(window, inputs);
      for (Index run = 0; run < tap_runs(window); ++run)
        for (Index c = 0; c < length; c += together) {
          alignas(64) std::array<T, most_direct_bytes / sizeof(T)> sums;
          kernel.correlate(band.pixels().data(), band.run_offsets()[static_cast<std::size_t>(run)] + group * inputs + c,
                           band.count(), upstream + group * padded + channel, upstream_stride, sums.data());
          for (Index i = 0; i < std::min(together, length - c); ++i)
            array(gradient + (run * length + c + i) * all_outputs + group * outputs + channel, count) +=
                array(sums.data() + i * kernel.width, count);
        }
    });
}

/// gradient [height, width, channels / groups, outputs] = sum over pixels of window^T upstream, directly. Every part of
/// the bands has a sum of its own, and the parts are added in order, so that the bits do not depend on the threads.
template <class T>
void direct_weight_gradient(const ImageGrid& input, const T* x, const ImageGrid& output, const T* upstream,
                            const ConvolutionWindow& window, T* gradient) {
  const Index lanes = direct_kernels<T>().lanes;
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
      const InputBand<T> band(input, x, window, output, first, last);
      Tensor<T> block({band.count(), stride});
      for (Index p = 0; p < band.count(); ++p) {
        const T* from = upstream + band.place(p);
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
