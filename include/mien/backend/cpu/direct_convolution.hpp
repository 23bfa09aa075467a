#pragma once

/// Convolution without patch matrices, output by output, by the kernels of direct_kernels.hpp. Neighbouring pixels of an
/// output row read windows that are equally far apart: rows of the image, in place where there is no padding, else
/// copied once with the padding around them. Where maps are too narrow to fill the kernels, windows are copied one after
/// the other.

#include <algorithm>
#include <array>
#include <vector>

#include "mien/backend/cpu/arithmetic.hpp"
#include "mien/backend/cpu/convolution_epilogue.hpp"
#include "mien/backend/cpu/direct_kernels.hpp"
#include "mien/backend/cpu/image_grid.hpp"
#include "mien/core/tensor.hpp"

namespace mien::backend {

/// Calls `visit(start, size, first)` for groups of `count` items: the items [start + first, start + size), of which
/// those before `first` belong to another group too, or, with a start of -1, to none. Sizes are even, at most `most`,
/// and about equal, because kernels for few items are slow.
template <class Visit>
void for_each_even_group(Index count, Index most, const Visit& visit) {
  Index groups = count % 2 == 1 && count > 1 ? std::max<Index>(2, chunk_count(count, most)) : chunk_count(count, most);
  for (Index done = 0; done < count; --groups) {
    const Index size = chunk_count(chunk_count(count - done, groups), 2) * 2;
    const Index first = std::max<Index>(0, size - (count - done));
    visit(done - first, size, first);
    done += size - first;
  }
}

/// Calls `visit(first output, outputs, width)` for blocks of two vectors of outputs, and of one at the end.
template <class T, class Visit>
void for_each_output_block(Index outputs, const Visit& visit) {
  const Index lanes = direct_kernels<T>().lanes;
  for (Index first = 0; first < outputs; first += 2 * lanes) {
    const Index left = outputs - first;
    visit(first, std::min(left, 2 * lanes), left > lanes ? 2 * lanes : lanes);
  }
}

/// A convolution's sizes, group by group.
struct DirectShape {
  DirectShape(const ConvolutionWindow& window, Index all_inputs, Index all_outputs)
      : groups(window.groups),
        inputs(all_inputs / groups),
        outputs(all_outputs / groups),
        depth(window.taps() * inputs),
        // A kernel's taps lie in runs of inputs that are next to each other in a row: its whole rows, or, where groups
        // of channels stand between one tap and the next, single taps.
        runs(groups == 1 ? window.height : window.taps()),
        run_length(groups == 1 ? window.width * inputs : inputs) {}

  Index groups, inputs, outputs, depth, runs, run_length;
};

/// Weights as the kernels read them: for each group and each block of its outputs [depth, width], the last block filled
/// up with zeros. To be packed once where they serve many convolutions.
template <class T>
class PackedWeights {
 public:
  /// Of weight [height, width, inputs / groups, outputs].
  PackedWeights(const T* weight, const ConvolutionWindow& window, Index inputs, Index outputs)
      : shape_(window, inputs, outputs),
        group_size_(shape_.depth * chunk_count(shape_.outputs, direct_kernels<T>().lanes) * direct_kernels<T>().lanes),
        numbers_({shape_.groups, group_size_}) {
    parallel_for(0, shape_.depth, row_grain(outputs), [&](Index first, Index last) {
      for (Index k = first; k < last; ++k)
        for (Index group = 0; group < shape_.groups; ++group)
          direct_kernels<T>().pack(weight + k * outputs + group * shape_.outputs, shape_.outputs, shape_.depth,
                                   numbers_.data() + group * group_size_, k);
    });
  }

  const T* block(Index group, Index first) const { return numbers_.data() + group * group_size_ + first * shape_.depth; }

 private:
  DirectShape shape_;
  Index group_size_;
  Tensor<T> numbers_;
};

/// Rows of output, counted over all images, with the padded input rows that they read.
template <class T>
class InputBand {
 public:
  /// For the output rows [first, last).
  InputBand(const ImageGrid& input, const T* x, const ConvolutionWindow& window, const ImageGrid& output, Index first,
            Index last)
      : window_(window),
        shape_(window, input.channels, output.channels),
        width_(output.width()),
        columns_((width_ - 1) * window.stride_width + window.width),
        step_(std::min(window.stride_height, window.height)) {
    // Kernels may read a number before a run, if it has but one.
    constexpr Index slack = 1;
    // The gradient of a stride's phase may have windows that reach beyond the right edge, and no padding on the left.
    const bool in_place = window.padding_width == 0 && columns_ <= input.width() && input.has_adjacent_columns() &&
                          shape_.run_length > 1;
    const auto shares_rows = [&](Index line) { return line > first && line % output.height() > 0; };
    Index copies = 0;
    for (Index line = first; line < last; ++line) copies += shares_rows(line) ? step_ : window.height;
    const Index row_length = columns_ * input.channels;
    copied_ = Tensor<T>({slack + (in_place ? 1 : copies) * row_length});
    T* to = copied_.data() + slack;
    copied_.data()[0] = T{0};
    if (in_place) std::fill_n(to, row_length, T{0});
    rows_.reserve(static_cast<std::size_t>((last - first) * window.height));
    places_.reserve(static_cast<std::size_t>((last - first) * width_));
    for (Index line = first; line < last; ++line) {
      const Index image = line / output.height();
      const Index i = line % output.height();
      for (Index column = 0; column < width_; ++column) places_.push_back(output.offset(image, i, column));
      for (Index a = 0; a < window.height; ++a) {
        const Index row = i * window.stride_height - window.padding_height + a;
        const bool inside = row >= 0 && row < input.height();
        if (in_place) {
          rows_.push_back(inside ? x + input.offset(image, row, 0) : to);
        } else if (shares_rows(line) && a + step_ < window.height) {
          rows_.push_back(rows_[rows_.size() - static_cast<std::size_t>(window.height - step_)]);
        } else {
          rows_.push_back(to);
          copy_row(input, x, image, row, to);
          to += row_length;
        }
      }
    }
  }

  Index rows() const { return static_cast<Index>(rows_.size()) / window_.height; }
  Index width() const { return width_; }
  Index pixels() const { return rows() * width_; }

  /// From one output pixel's window to the next.
  Index pixel_stride() const { return window_.stride_width * shape_.inputs * shape_.groups; }

  /// Where a run of a group's window begins for the first pixel of an output row.
  const T* run(Index row, Index group, Index run) const {
    const Index a = shape_.groups == 1 ? run : run / window_.width;
    const Index b = shape_.groups == 1 ? 0 : run % window_.width;
    return rows_[static_cast<std::size_t>(row * window_.height + a)] + (b * shape_.groups + group) * shape_.inputs;
  }

  /// Where the output pixels lie in the output.
  const Index* places() const { return places_.data(); }

 private:
  /// A row of the image from column -padding on, zero wherever there is no image.
  void copy_row(const ImageGrid& input, const T* x, Index image, Index row, T* to) const {
    const Index padding = window_.padding_width;
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

  const ConvolutionWindow& window_;
  DirectShape shape_;
  Index width_;
  Index columns_;
  Index step_;
  Tensor<T> copied_;
  std::vector<const T*, PooledAllocator<const T*>> rows_;  ///< [rows, height of the kernel]
  std::vector<Index, PooledAllocator<Index>> places_;
};

/// Rows of output that a band of about so many pixels has; the same for every number of threads.
inline Index band_rows(Index output_width, Index pixels) {
  return std::max<Index>(1, pixels / std::max<Index>(1, output_width));
}

/// Output pixels that a thread takes at a time, about: enough to use a block of weights many times, few enough that
/// their inputs stay in the cache and that small maps keep several threads busy.
template <class T>
Index band_pixels(const ImageGrid& input, const ConvolutionWindow& window, const ImageGrid& output) {
  constexpr Index cached_bytes = Index{1} << 18;
  constexpr Index least = 192;
  constexpr Index most = 1024;
  constexpr Index bands = 16;
  const Index inputs = std::min(window.stride_height, window.height) * std::min(window.stride_width, window.width);
  const Index affordable = cached_bytes / (inputs * std::max<Index>(1, input.channels) * static_cast<Index>(sizeof(T)));
  return std::clamp(std::min(affordable, output.pixels() / bands), least, most);
}

/// The outputs of a block's pixels; `places` are those of the pixels in the map.
template <class T>
DirectOutput<T> block_outputs(T* y, const ConvolutionEpilogue<T>& epilogue, Index channel, Index channels,
                              const Index* places, Index first) {
  return {y + channel,
          epilogue.residual == nullptr ? nullptr : epilogue.residual + channel,
          epilogue.scale == nullptr ? nullptr : epilogue.scale + channel,
          epilogue.bias == nullptr ? nullptr : epilogue.bias + channel,
          epilogue.relu,
          places,
          first,
          channels};
}

/// Output rows of a band, from windows in the rows of the image.
template <class T>
void convolve_rows(const InputBand<T>& band, const DirectShape& shape, const PackedWeights<T>& weights, T* y,
                   const ConvolutionEpilogue<T>& epilogue) {
  const DirectKernels<T>& kernels = direct_kernels<T>();
  std::vector<const T*, PooledAllocator<const T*>> runs(static_cast<std::size_t>(band.rows() * shape.runs));
  for (Index group = 0; group < shape.groups; ++group) {
    for (Index row = 0; row < band.rows(); ++row)
      for (Index run = 0; run < shape.runs; ++run)
        runs[static_cast<std::size_t>(row * shape.runs + run)] = band.run(row, group, run);
    for_each_output_block<T>(shape.outputs, [&](Index channel, Index channels, Index width) {
      for (Index row = 0; row < band.rows(); ++row)
        for_each_even_group(band.width(), kernels.rows, [&](Index start, Index size, Index first) {
          // A pixel without neighbours is taken twice.
          const Index stride = start < 0 ? 0 : band.pixel_stride();
          kernels.convolve(size, width)(
              {runs.data() + row * shape.runs, shape.runs, shape.run_length, start * stride, stride},
              weights.block(group, channel),
              block_outputs(y, epilogue, group * shape.outputs + channel, channels,
                            band.places() + row * band.width() + start + first, first));
        });
    });
  }
}

/// Copies the window of an output pixel: [taps, inputs] of one group.
template <class T>
void copy_window(const ImageGrid& input, const T* x, const ConvolutionWindow& window, Index image, Index top, Index left,
                 Index group, T* to) {
  const Index inputs = input.channels / window.groups;
  const bool rows_adjacent = window.groups == 1 && input.has_adjacent_columns();
  const Index first = std::clamp<Index>(-left, 0, window.width);
  const Index last = std::clamp<Index>(input.width() - left, first, window.width);
  for (Index row = top; row < top + window.height; ++row) {
    if (row < 0 || row >= input.height()) {
      to = std::fill_n(to, window.width * inputs, T{0});
      continue;
    }
    to = std::fill_n(to, first * inputs, T{0});
    if (rows_adjacent && first < last) {
      to = std::copy_n(x + input.offset(image, row, left + first), (last - first) * inputs, to);
    } else {
      for (Index b = first; b < last; ++b)
        to = std::copy_n(x + input.offset(image, row, left + b) + group * inputs, inputs, to);
    }
    to = std::fill_n(to, (window.width - last) * inputs, T{0});
  }
}

/// The windows of output pixels, all pixels of all images counted, one after the other, with gaps that keep them from
/// falling into the same sets of the cache.
template <class T>
class CopiedWindows {
 public:
  CopiedWindows(const ImageGrid& input, const T* x, const ConvolutionWindow& window, const ImageGrid& output,
                Index group, Index first, Index last)
      : count_(last - first), stride_(window.taps() * (input.channels / window.groups) + gap) {
    windows_ = Tensor<T>({count_ * stride_});
    places_.resize(static_cast<std::size_t>(count_));
    parallel_for(0, count_, row_grain(stride_), [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const Index column = (first + i) % output.width();
        const Index row = (first + i) / output.width() % output.height();
        const Index image = (first + i) / output.width() / output.height();
        places_[static_cast<std::size_t>(i)] = output.offset(image, row, column);
        copy_window(input, x, window, image, row * window.stride_height - window.padding_height,
                    column * window.stride_width - window.padding_width, group, windows_.data() + i * stride_);
      }
    });
  }

  Index count() const { return count_; }
  Index stride() const { return stride_; }
  const T* data() const { return windows_.data(); }
  const Index* places() const { return places_.data(); }

 private:
  static constexpr Index gap = 16;
  Index count_;
  Index stride_;
  Tensor<T> windows_;
  std::vector<Index, PooledAllocator<Index>> places_;
};

/// All output from copied windows: bands of pixels, whose windows stay in the cache, by blocks of outputs.
template <class T>
void convolve_windows(const ImageGrid& input, const T* x, const DirectShape& shape, const PackedWeights<T>& weights,
                      const ConvolutionWindow& window, const ImageGrid& output, T* y,
                      const ConvolutionEpilogue<T>& epilogue) {
  const DirectKernels<T>& kernels = direct_kernels<T>();
  constexpr Index cached_bytes = Index{1} << 20;
  constexpr Index bands_together = 8;
  const Index affordable = cached_bytes / (std::max<Index>(1, shape.depth) * static_cast<Index>(sizeof(T)));
  const Index band = std::clamp(affordable / kernels.rows * kernels.rows, kernels.rows, 16 * kernels.rows);
  const Index width = 2 * kernels.lanes;
  const Index blocks = chunk_count(shape.outputs, width);
  for (Index group = 0; group < shape.groups; ++group)
    for (Index begin = 0; begin < output.pixels(); begin += bands_together * band) {
      const Index end = std::min(output.pixels(), begin + bands_together * band);
      const CopiedWindows<T> windows(input, x, window, output, group, begin, end);
      parallel_for(0, chunk_count(windows.count(), band) * blocks, 1, [&](Index task, Index) {
        const Index first_pixel = task / blocks * band;
        const Index channel = task % blocks * width;
        const Index left = shape.outputs - channel;
        const T* from = windows.data() + first_pixel * windows.stride();
        const auto convolve = [&](Index start, Index size, Index first) {
          // A pixel without neighbours is taken twice.
          const Index stride = start < 0 ? 0 : windows.stride();
          kernels.convolve(size, left > kernels.lanes ? width : kernels.lanes)(
              {&from, 1, shape.depth, start * stride, stride}, weights.block(group, channel),
              block_outputs(y, epilogue, group * shape.outputs + channel, std::min(left, width),
                            windows.places() + first_pixel + start + first, first));
        };
        for_each_even_group(std::min(band, windows.count() - first_pixel), kernels.rows, convolve);
      });
    }
}

/// y = epilogue(x * weight), output by output.
template <class T>
void direct_convolution(const ImageGrid& input, const T* x, const PackedWeights<T>& weights,
                        const ConvolutionWindow& window, const ImageGrid& output, T* y,
                        const ConvolutionEpilogue<T>& epilogue = {}) {
  const DirectShape shape(window, input.channels, output.channels);
  if (output.pixels() == 0) return;
  if (shape.depth == 0 || output.width() < direct_kernels<T>().rows - 2)
    return convolve_windows(input, x, shape, weights, window, output, y, epilogue);
  const Index rows = band_rows(output.width(), band_pixels<T>(input, window, output));
  parallel_for(0, output.images * output.height(), rows, [&](Index first, Index last) {
    convolve_rows(InputBand<T>(input, x, window, output, first, last), shape, weights, y, epilogue);
  });
}

/// The same of weight [height, width, channels / groups, outputs].
template <class T>
void direct_convolution(const ImageGrid& input, const T* x, const T* weight, const ConvolutionWindow& window,
                        const ImageGrid& output, T* y, const ConvolutionEpilogue<T>& epilogue = {}) {
  if (output.pixels() == 0) return;
  direct_convolution(input, x, PackedWeights<T>(weight, window, input.channels, output.channels), window, output, y,
                     epilogue);
}

/// What a band of pixels adds to a weight's gradient: products of its windows' runs with its upstream gradients.
template <class T>
class WeightGradientBand {
 public:
  /// For the output rows [first, last).
  WeightGradientBand(const ImageGrid& input, const T* x, const ImageGrid& output, const T* upstream,
                     const ConvolutionWindow& window, Index first, Index last)
      : shape_(window, input.channels, output.channels),
        band_(input, x, window, output, first, last),
        group_size_(chunk_count(shape_.outputs, kernels_.lanes) * kernels_.lanes * band_.pixels()),
        upstream_({shape_.groups * group_size_}) {
    parallel_for(0, band_.pixels(), row_grain(output.channels), [&](Index begin, Index end) {
      for (Index p = begin; p < end; ++p)
        for (Index group = 0; group < shape_.groups; ++group)
          kernels_.pack(upstream + band_.places()[p] + group * shape_.outputs, shape_.outputs, band_.pixels(),
                        upstream_.data() + group * group_size_, p);
    });
  }

  /// Parts that may be worked on at once: runs, by blocks of outputs, group by group.
  Index tasks() const { return shape_.groups * shape_.runs * blocks(); }

  /// gradient [taps, inputs, all outputs]: one part of it is stored, or added to what is there.
  void work_on(Index task, bool accumulate, T* gradient) const {
    const Index run = task / blocks() % shape_.runs;
    const Index group = task / blocks() / shape_.runs;
    const Index channel = task % blocks() * 2 * kernels_.lanes;
    const Index left = shape_.outputs - channel;
    const Index width = left > kernels_.lanes ? 2 * kernels_.lanes : kernels_.lanes;
    const Index all_outputs = shape_.groups * shape_.outputs;
    std::vector<const T*, PooledAllocator<const T*>> pixels(static_cast<std::size_t>(band_.pixels()));
    for (Index row = 0; row < band_.rows(); ++row) {
      const T** to = pixels.data() + row * band_.width();
      const T* from = band_.run(row, group, run);
      const Index stride = band_.pixel_stride();
      for (Index column = 0; column < band_.width(); ++column) to[column] = from + column * stride;
    }
    const T* up = upstream_.data() + group * group_size_ + channel * band_.pixels();
    T* to = gradient + run * shape_.run_length * all_outputs + group * shape_.outputs + channel;
    for_each_even_group(shape_.run_length, kernels_.rows, [&](Index start, Index size, Index first) {
      kernels_.correlate(size, width)({pixels.data(), band_.pixels(), start}, up,
                                      {to + (start + first) * all_outputs, all_outputs, first, std::min(left, width),
                                       accumulate});
    });
  }

 private:
  Index blocks() const { return chunk_count(shape_.outputs, 2 * kernels_.lanes); }

  const DirectKernels<T>& kernels_ = direct_kernels<T>();
  DirectShape shape_;
  InputBand<T> band_;
  Index group_size_;
  Tensor<T> upstream_;  ///< [groups, blocks, pixels, width]
};

/// gradient [height, width, channels / groups, outputs] = sum over pixels of window^T upstream, directly. Many bands of
/// pixels are dealt out in parts with a sum of their own, and the parts are added in order, so that the bits do not
/// depend on the threads; the sums of few are dealt out instead.
template <class T>
void direct_weight_gradient(const ImageGrid& input, const T* x, const ImageGrid& output, const T* upstream,
                            const ConvolutionWindow& window, T* gradient) {
  // So many that the sums are seldom fetched, and so few that a block's numbers stay in the nearest cache.
  const Index pixels = output.pixels() < 4 * 512 ? 512 : 256;
  const Index size = window.taps() * input.channels / window.groups * output.channels;
  if (output.pixels() * size == 0) {
    std::fill_n(gradient, size, T{0});
    return;
  }
  const Index rows = output.images * output.height();
  const Index rows_in_band = band_rows(output.width(), pixels);
  const Index bands = chunk_count(rows, rows_in_band);
  const auto band = [&](Index i) {
    return WeightGradientBand<T>(input, x, output, upstream, window, i * rows_in_band,
                                 std::min(rows, (i + 1) * rows_in_band));
  };
  if (bands < 4) {
    for (Index i = 0; i < bands; ++i) {
      const WeightGradientBand<T> one = band(i);
      parallel_for(0, one.tasks(), 1, [&](Index task, Index) { one.work_on(task, i > 0, gradient); });
    }
    return;
  }
  // As many parts as keep eight threads busy, unless their sums would take more than 64 MiB.
  const Index affordable = (Index{1} << 26) / (size * static_cast<Index>(sizeof(T)));
  const Index parts = std::min({bands, Index{8}, std::max<Index>(2, affordable)});
  Tensor<T> partial({parts, size});
  parallel_for(0, parts, 1, [&](Index part, Index) {
    const Index first = bands * part / parts;
    for (Index i = first; i < bands * (part + 1) / parts; ++i) {
      const WeightGradientBand<T> one = band(i);
      for (Index task = 0; task < one.tasks(); ++task) one.work_on(task, i > first, partial.data() + part * size);
    }
  });
  parallel_for(0, size, elementwise_grain, [&](Index first, Index last) {
    auto total = array(gradient + first, last - first);
    total = array(partial.data() + first, last - first);
    for (Index part = 1; part < parts; ++part) total += array(partial.data() + part * size + first, last - first);
  });
}

}  // namespace mien::backend
