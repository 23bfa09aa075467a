#pragma once

/// Channel-wise convolution as products of whole rows: where the stride is one, a kernel tap's weights, repeated for
/// every pixel of a row, meet a row of the input element by element.

#include "mien/backend/cpu/arithmetic.hpp"
#include "mien/backend/cpu/image_grid.hpp"

namespace mien::backend {

/// Maps of `images` images and the output of a window that slides over them.
struct ChannelWiseShape {
  Index images, height, width, channels;
  Index output_height, output_width;

  Index input_elements() const { return height * width * channels; }
  Index output_row() const { return output_width * channels; }
};

/// Calls `visit(tap, input, output, length)` for output row `i`: `length` elements of the image from `input` on meet as
/// many of the output row from `output` on, through one tap.
template <class Visit>
void for_each_tap_span(const ChannelWiseShape& shape, const ConvolutionWindow& window, Index i, const Visit& visit) {
  for (Index tap = 0; tap < window.taps(); ++tap) {
    const Index row = i * window.stride_height - window.padding_height + tap / window.width;
    const Index shift = tap % window.width - window.padding_width;
    if (row < 0 || row >= shape.height) continue;
    if (window.stride_width == 1) {
      const Index first = std::max<Index>(0, -shift);
      const Index last = std::min(shape.output_width, shape.width - shift);
      if (first < last)
        visit(tap, (row * shape.width + first + shift) * shape.channels, first * shape.channels,
              (last - first) * shape.channels);
      continue;
    }
    for (Index j = 0; j < shape.output_width; ++j) {
      const Index column = j * window.stride_width + shift;
      if (column >= 0 && column < shape.width)
        visit(tap, (row * shape.width + column) * shape.channels, j * shape.channels, shape.channels);
    }
  }
}

/// Weights [taps, C], repeated for every pixel of an output row: [taps, W' C].
template <class T>
Tensor<T> repeat_weights(const T* weight, const ConvolutionWindow& window, const ChannelWiseShape& shape) {
  Tensor<T> repeated({window.taps(), shape.output_row()});
  for (Index tap = 0; tap < window.taps(); ++tap)
    for (Index j = 0; j < shape.output_width; ++j)
      std::copy_n(weight + tap * shape.channels, shape.channels,
                  repeated.data() + tap * shape.output_row() + j * shape.channels);
  return repeated;
}

/// y [N, H', W', C], weight [taps, C]: every channel by a kernel of its own.
template <class T>
void channel_wise_convolution(const T* x, const T* weight, const ConvolutionWindow& window,
                              const ChannelWiseShape& shape, T* y) {
  const Tensor<T> weights = repeat_weights(weight, window, shape);
  parallel_for(0, shape.images * shape.output_height, row_grain(shape.output_row()), [&](Index first, Index last) {
    for (Index line = first; line < last; ++line) {
      const T* image = x + line / shape.output_height * shape.input_elements();
      T* to = y + line * shape.output_row();
      array(to, shape.output_row()).setZero();
      for_each_tap_span(shape, window, line % shape.output_height, [&](Index tap, Index in, Index out, Index length) {
        array(to + out, length) +=
            array(image + in, length) * array(weights.data() + tap * shape.output_row() + out, length);
      });
    }
  });
}

/// Adds what each output passes back to the pixels under its window; an image a thread.
template <class T>
void channel_wise_convolution_input_gradient(const T* upstream, const T* weight, const ConvolutionWindow& window,
                                             const ChannelWiseShape& shape, T* gradient) {
  const Tensor<T> weights = repeat_weights(weight, window, shape);
  parallel_for(0, shape.images, 1, [&](Index image, Index) {
    T* to = gradient + image * shape.input_elements();
    array(to, shape.input_elements()).setZero();
    for (Index i = 0; i < shape.output_height; ++i) {
      const T* up = upstream + (image * shape.output_height + i) * shape.output_row();
      for_each_tap_span(shape, window, i, [&](Index tap, Index in, Index out, Index length) {
        array(to + in, length) +=
            array(up + out, length) * array(weights.data() + tap * shape.output_row() + out, length);
      });
    }
  });
}

/// gradient [taps, C]: sums along rows for every image, then over rows and, in order, over images.
template <class T>
void channel_wise_convolution_weight_gradient(const T* x, const T* upstream, const ConvolutionWindow& window,
                                              const ChannelWiseShape& shape, T* gradient) {
  const Index size = window.taps() * shape.channels;
  Tensor<T> partial({shape.images, size}, T{0});
  parallel_for(0, shape.images, 1, [&](Index image, Index) {
    Tensor<T> sums({window.taps(), shape.output_row()}, T{0});
    for (Index i = 0; i < shape.output_height; ++i) {
      const T* up = upstream + (image * shape.output_height + i) * shape.output_row();
      for_each_tap_span(shape, window, i, [&](Index tap, Index in, Index out, Index length) {
        array(sums.data() + tap * shape.output_row() + out, length) +=
            array(x + image * shape.input_elements() + in, length) * array(up + out, length);
      });
    }
    for (Index tap = 0; tap < window.taps(); ++tap)
      for (Index j = 0; j < shape.output_width; ++j)
        array(partial.data() + image * size + tap * shape.channels, shape.channels) +=
            array(sums.data() + (tap * shape.output_width + j) * shape.channels, shape.channels);
  });
  auto total = array(gradient, size);
  total.setZero();
  for (Index image = 0; image < shape.images; ++image) total += array(partial.data() + image * size, size);
}

}  // namespace mien::backend
