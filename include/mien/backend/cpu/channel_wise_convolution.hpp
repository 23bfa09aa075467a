#pragma once

#include "mien/backend/cpu/pooling.hpp"

namespace mien::backend {

/// y [N, H', W', C], weight [taps, C]: every channel by a kernel of its own.
template <class T>
void channel_wise_convolution(const T* x, Index images, Index height, Index width, Index channels, const T* weight,
                              const ConvolutionWindow& window, Index output_height, Index output_width, T* y) {
  parallel_for(0, images * output_height, 1, [&](Index task, Index) {
    const T* image = x + task / output_height * height * width * channels;
    const Index i = task % output_height;
    for (Index j = 0; j < output_width; ++j) {
      auto sum = array(y + (task * output_width + j) * channels, channels);
      sum.setZero();
      for_each_in_window(window, height, width, i, j, [&](Index row, Index column) {
        const Index tap = (row - i * window.stride_height + window.padding_height) * window.width + column -
                          j * window.stride_width + window.padding_width;
        sum += array(image + (row * width + column) * channels, channels) * array(weight + tap * channels, channels);
      });
    }
  });
}

/// Adds what each output passes back to the pixels under its window; an image a thread.
template <class T>
void channel_wise_convolution_input_gradient(const T* upstream, Index images, Index height, Index width, Index channels,
                                             const T* weight, const ConvolutionWindow& window, Index output_height,
                                             Index output_width, T* gradient) {
  parallel_for(0, images, 1, [&](Index image, Index) {
    T* to = gradient + image * height * width * channels;
    std::fill_n(to, height * width * channels, T{0});
    for (Index i = 0; i < output_height; ++i)
      for (Index j = 0; j < output_width; ++j) {
        const auto up = array(upstream + ((image * output_height + i) * output_width + j) * channels, channels);
        for_each_in_window(window, height, width, i, j, [&](Index row, Index column) {
          const Index tap = (row - i * window.stride_height + window.padding_height) * window.width + column -
                            j * window.stride_width + window.padding_width;
          array(to + (row * width + column) * channels, channels) += up * array(weight + tap * channels, channels);
        });
      }
  });
}

/// gradient [taps, C]: partial sums of an image each, added in the images' order.
template <class T>
void channel_wise_convolution_weight_gradient(const T* x, const T* upstream, Index images, Index height, Index width,
                                              Index channels, const ConvolutionWindow& window, Index output_height,
                                              Index output_width, T* gradient) {
  const Index size = window.taps() * channels;
  Tensor<T> partial({images, size}, T{0});
  parallel_for(0, images, 1, [&](Index image, Index) {
    const T* map = x + image * height * width * channels;
    T* sums = partial.data() + image * size;
    for (Index i = 0; i < output_height; ++i)
      for (Index j = 0; j < output_width; ++j) {
        const auto up = array(upstream + ((image * output_height + i) * output_width + j) * channels, channels);
        for_each_in_window(window, height, width, i, j, [&](Index row, Index column) {
          const Index tap = (row - i * window.stride_height + window.padding_height) * window.width + column -
                            j * window.stride_width + window.padding_width;
          array(sums + tap * channels, channels) += up * array(map + (row * width + column) * channels, channels);
        });
      }
  });
  auto total = array(gradient, size);
  total.setZero();
  for (Index image = 0; image < images; ++image) total += array(partial.data() + image * size, size);
}

}  // namespace mien::backend
