#pragma once

/// Channel-wise convolution. The pixels of a row lie next to each other, so that a tap of stride one meets a row of the
/// output as one run of numbers; see kernels/channel_wise.inc. Rows are cut where a tap leaves the image, and, for
/// greater strides, at every pixel.

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "mien/backend/cpu/arithmetic.hpp"
#include "mien/backend/cpu/channel_wise_kernels.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/backend/cpu/image_grid.hpp"

namespace mien::backend {

/// Maps of `images` images and the output of a window that slides over them.
struct ChannelWiseShape {
  Index images, height, width, channels;
  Index output_height, output_width;

  ImageGrid input() const { return map_grid(images, height, width, channels); }
  ImageGrid output() const { return map_grid(images, output_height, output_width, channels); }
};

inline ChannelWiseShape channel_wise_shape(const Shape& x, const Shape& y) {
  return {image_count(x), x[-3], x[-2], x[-1], y[-3], y[-2]};
}

/// Output columns [first, last) that all meet the taps [first_tap, first_tap + taps) of a kernel's rows, the first of
/// them at input column `column`.
struct ColumnSpan {
  Index first, last;
  Index first_tap, taps;
  Index column;
};

/// The spans of a row, as long as they can be.
inline std::vector<ColumnSpan> column_spans(const ConvolutionWindow& window, Index input_width,
                                            const ImageGrid& output) {
  const bool may_grow = window.stride_width == 1 && output.has_adjacent_columns();
  std::vector<ColumnSpan> spans;
  for (Index j = 0; j < output.width(); ++j) {
    const Index left = j * window.stride_width - window.padding_width;
    const Index first = std::max<Index>(0, -left);
    const Index taps = std::max<Index>(0, std::min(window.width, input_width - left) - first);
    if (may_grow && !spans.empty() && spans.back().first_tap == first && spans.back().taps == taps)
      ++spans.back().last;
    else
      spans.push_back({j, j + 1, first, taps, taps == 0 ? 0 : left + first});
  }
  return spans;
}

/// Groups of output rows, channel_wise_rows each but for the last of an image, and the input rows that they read.
template <class T>
class ChannelWiseRows {
 public:
  ChannelWiseRows(const ImageGrid& input, const T* x, const ConvolutionWindow& window, const ImageGrid& output)
      : input_(input),
        x_(x),
        window_(window),
        output_(output),
        spans_(column_spans(window, input.width(), output)),
        // Rows that share no inputs need not keep their distance.
        step_(std::min(window.stride_height, window.height)),
        zeros_({input.width() * input.channels}, T{0}) {}

  Index groups() const { return output_.images * groups_in_image(); }
  Index image(Index group) const { return group / groups_in_image(); }
  Index first_row(Index group) const { return group % groups_in_image() * channel_wise_rows; }
  Index rows(Index group) const { return std::min(channel_wise_rows, output_.height() - first_row(group)); }
  const ImageGrid& output() const { return output_; }

  /// Calls `visit(columns, span)` for the spans of a group's rows.
  template <class Visit>
  void for_each_span(Index group, const Visit& visit) const {
    std::vector<const T*, PooledAllocator<const T*>> rows(size(), zeros_.data());
    for (Index r = 0; r < this->rows(group); ++r)
      for (Index a = 0; a < window_.height; ++a) {
        const Index row = (first_row(group) + r) * window_.stride_height - window_.padding_height + a;
        if (row >= 0 && row < input_.height())
          rows[static_cast<std::size_t>(r * step_ + a)] = x_ + input_.offset(image(group), row, 0);
      }
    auto from = rows;
    for (const ColumnSpan& columns : spans_) {
      for (std::size_t i = 0; i < rows.size(); ++i) from[i] = rows[i] + columns.column * input_.channels;
      visit(columns, ChannelWiseSpan<T>{from.data(), window_.height, columns.taps, window_.width, step_,
                                        input_.channels, (columns.last - columns.first) * input_.channels});
    }
  }

 private:
  Index groups_in_image() const { return chunk_count(output_.height(), channel_wise_rows); }
  std::size_t size() const { return static_cast<std::size_t>((channel_wise_rows - 1) * step_ + window_.height); }

  const ImageGrid& input_;
  const T* x_;
  const ConvolutionWindow& window_;
  const ImageGrid& output_;
  std::vector<ColumnSpan> spans_;
  Index step_;
  Tensor<T> zeros_;
};

/// The output of weights [taps, C] and a bias [C].
template <class T>
void convolve_channel_wise(const ImageGrid& input, const T* x, const T* weight, const ConvolutionWindow& window,
                           const ImageGrid& output, T* y, const ChannelWiseEpilogue<T>& epilogue = {}) {
  if (output.pixels() * output.channels == 0) return;
  const ChannelWiseKernels<T>& kernels = channel_wise_kernels<T>();
  const Index channels = input.channels;
  const Index padded = channels + kernels.lanes;
  // The taps, and the bias after them.
  Tensor<T> weights({window.taps() + 1, padded});
  for (Index tap = 0; tap < window.taps(); ++tap)
    for (Index c = 0; c < padded; ++c) weights.data()[tap * padded + c] = weight[tap * channels + c % channels];
  T* const bias = weights.data() + window.taps() * padded;
  for (Index c = 0; c < padded; ++c) bias[c] = epilogue.bias == nullptr ? T{0} : epilogue.bias[c % channels];
  const ChannelWiseRows<T> rows(input, x, window, output);
  const Index row_elements = output.width() * channels;
  parallel_for(0, rows.groups(), row_grain(channel_wise_rows * row_elements), [&](Index first, Index last) {
    // Where rows go that are not there.
    Tensor<T> outside({output.height() % channel_wise_rows == 0 ? 0 : row_elements});
    for (Index group = first; group < last; ++group)
      rows.for_each_span(group, [&](const ColumnSpan& columns, const ChannelWiseSpan<T>& span) {
        std::array<T*, channel_wise_rows> to{};
        for (Index r = 0; r < channel_wise_rows; ++r)
          to[static_cast<std::size_t>(r)] =
              r < rows.rows(group) ? y + output.offset(rows.image(group), rows.first_row(group) + r, columns.first)
                                   : outside.data();
        kernels.convolve(span, weights.data() + columns.first_tap * padded, {bias, epilogue.relu}, to.data());
      });
  });
}

/// y [N, H', W', C], weight [taps, C]: every channel by a kernel of its own.
template <class T>
void channel_wise_convolution(const T* x, const T* weight, const ConvolutionWindow& window,
                              const ChannelWiseShape& shape, T* y, const ChannelWiseEpilogue<T>& epilogue = {}) {
  convolve_channel_wise(shape.input(), x, weight, window, shape.output(), y, epilogue);
}

/// For each phase of the strides a convolution of the upstream gradient by the taps that lead there, in reverse.
template <class T>
void channel_wise_convolution_input_gradient(const T* upstream, const T* weight, const ConvolutionWindow& window,
                                             const ChannelWiseShape& shape, T* gradient) {
  const ImageGrid input = shape.input();
  for (Index i = 0; i < std::min(window.stride_height, shape.height); ++i)
    for (Index j = 0; j < std::min(window.stride_width, shape.width); ++j) {
      const PhaseTaps rows = phase_taps(i, window.height, window.stride_height, window.padding_height);
      const PhaseTaps columns = phase_taps(j, window.width, window.stride_width, window.padding_width);
      Tensor<T> taps({rows.count * columns.count, shape.channels});
      for (Index a = 0; a < rows.count; ++a)
        for (Index b = 0; b < columns.count; ++b)
          std::copy_n(weight + ((rows.first + (rows.count - 1 - a) * window.stride_height) * window.width +
                                columns.first + (columns.count - 1 - b) * window.stride_width) *
                                   shape.channels,
                      shape.channels, taps.data() + (a * columns.count + b) * shape.channels);
      const ConvolutionWindow backwards{rows.count, columns.count, 1, 1, rows.padding, columns.padding};
      convolve_channel_wise(shape.output(), upstream, taps.data(), backwards,
                            grid_phase(input, i, window.stride_height, j, window.stride_width), gradient);
    }
}

/// Sums of products for all taps, for as many vectors of a row as pass until the same channels are in the same lanes.
template <class T>
class ChannelWiseSums {
 public:
  ChannelWiseSums(Index channels, Index taps)
      : channels_(channels),
        taps_(taps),
        period_(channels / std::gcd(channels, lanes_)),
        sums_({period_, taps, lanes_}, T{0}) {}

  void add(const ChannelWiseSpan<T>& span, Index first_tap, Index rows, const T* const* upstream) {
    channel_wise_kernels<T>().correlate(span, rows, upstream, period_, taps_, sums_.data() + first_tap * lanes_);
  }

  /// out [taps, C] += the sums of each channel.
  void add_to(T* out) const {
    for (Index k = 0; k < period_; ++k)
      for (Index tap = 0; tap < taps_; ++tap)
        for (Index lane = 0; lane < lanes_; ++lane)
          out[tap * channels_ + (k * lanes_ + lane) % channels_] += sums_.data()[(k * taps_ + tap) * lanes_ + lane];
  }

 private:
  Index channels_;
  Index taps_;
  Index lanes_ = channel_wise_kernels<T>().lanes;
  Index period_;
  Tensor<T> sums_;
};

/// gradient [taps, C]: parts of the rows, whose number depends on the shape alone, have sums of their own, which are
/// added in order.
template <class T>
void channel_wise_convolution_weight_gradient(const T* x, const T* upstream, const ConvolutionWindow& window,
                                              const ChannelWiseShape& shape, T* gradient) {
  const Index size = window.taps() * shape.channels;
  auto total = array(gradient, size);
  total.setZero();
  const ImageGrid input = shape.input();
  const ImageGrid output = shape.output();
  if (output.pixels() * output.channels == 0) return;
  const ChannelWiseRows<T> rows(input, x, window, output);
  constexpr Index most_parts = 32;
  const Index parts = std::min(rows.groups(), most_parts);
  Tensor<T> partial({parts, size}, T{0});
  parallel_for(0, parts, 1, [&](Index part, Index) {
    ChannelWiseSums<T> sums(shape.channels, window.taps());
    for (Index group = rows.groups() * part / parts; group < rows.groups() * (part + 1) / parts; ++group)
      rows.for_each_span(group, [&](const ColumnSpan& columns, ChannelWiseSpan<T> span) {
        std::array<const T*, channel_wise_rows> up{};
        for (Index r = 0; r < rows.rows(group); ++r)
          up[static_cast<std::size_t>(r)] =
              upstream + output.offset(rows.image(group), rows.first_row(group) + r, columns.first);
        if (rows.rows(group) == channel_wise_rows)
          return sums.add(span, columns.first_tap, channel_wise_rows, up.data());
        for (Index r = 0; r < rows.rows(group); ++r, span.x += span.stride_height)
          sums.add(span, columns.first_tap, 1, up.data() + r);
      });
    sums.add_to(partial.data() + part * size);
  });
  for (Index part = 0; part < parts; ++part) total += array(partial.data() + part * size, size);
}

/// The same of tensors; the bias may be undefined.
template <class T>
void channel_wise_convolution(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& weight, const ConvolutionWindow& window,
                              const Tensor<T, Cpu>& bias, bool relu, Tensor<T, Cpu>& y) {
  channel_wise_convolution(x.data(), weight.data(), window, channel_wise_shape(x.shape(), y.shape()), y.data(),
                           {bias.data(), relu});
}
template <class T>
void channel_wise_convolution_input_gradient(const Tensor<T, Cpu>& upstream, const Tensor<T, Cpu>& weight,
                                             const ConvolutionWindow& window, Tensor<T, Cpu>& gradient) {
  channel_wise_convolution_input_gradient(upstream.data(), weight.data(), window,
                                          channel_wise_shape(gradient.shape(), upstream.shape()), gradient.data());
}
template <class T>
void channel_wise_convolution_weight_gradient(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& upstream,
                                              const ConvolutionWindow& window, Tensor<T, Cpu>& gradient) {
  channel_wise_convolution_weight_gradient(x.data(), upstream.data(), window,
                                           channel_wise_shape(x.shape(), upstream.shape()), gradient.data());
}

}  // namespace mien::backend

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                                   \
  MIEN_COMPILED_TEMPLATE void channel_wise_convolution(const Tensor<T, Cpu>&, const Tensor<T, Cpu>&,                 \
                                                       const ConvolutionWindow&, const Tensor<T, Cpu>&, bool,        \
                                                       Tensor<T, Cpu>&);                                             \
  MIEN_COMPILED_TEMPLATE void channel_wise_convolution_input_gradient(const Tensor<T, Cpu>&, const Tensor<T, Cpu>&,  \
                                                                      const ConvolutionWindow&, Tensor<T, Cpu>&);    \
  MIEN_COMPILED_TEMPLATE void channel_wise_convolution_weight_gradient(const Tensor<T, Cpu>&, const Tensor<T, Cpu>&, \
                                                                       const ConvolutionWindow&, Tensor<T, Cpu>&);
#include "mien/backend/cpu/for_each_compiled_type.inc"
#endif
