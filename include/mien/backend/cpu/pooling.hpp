#pragma once

#include <limits>

#include "mien/backend/cpu/arithmetic.hpp"
#include "mien/backend/cpu/image_grid.hpp"

namespace mien::backend {

/// Maxima of x [N, H, W, C] in `window(i, j)`, the area of output pixel (i, j), which has a pixel at least, and the pixel
/// (row W + column) each came from.
template <class T, class Window>
void max_pool(const T* x, Index images, Index height, Index width, Index channels, Index output_height,
              Index output_width, const Window& window, T* y, std::int32_t* source) {
  parallel_for(0, images * output_height, 1, [&](Index task, Index) {
    const T* image = x + task / output_height * height * width * channels;
    for (Index j = 0; j < output_width; ++j) {
      const auto area = window(task % output_height, j);
      const Index out = (task * output_width + j) * channels;
      std::fill_n(y + out, channels, -std::numeric_limits<T>::infinity());
      std::fill_n(source + out, channels, -1);
      for (Index row = area.top; row < area.bottom; ++row)
        for (Index column = area.left; column < area.right; ++column) {
          const T* pixel = image + (row * width + column) * channels;
          for (Index c = 0; c < channels; ++c) {
            // A NaN wins, so that it is seen; a padded position never does.
            const bool wins = pixel[c] > y[out + c] || source[out + c] < 0 || pixel[c] != pixel[c];
            y[out + c] = wins ? pixel[c] : y[out + c];
            source[out + c] = wins ? static_cast<std::int32_t>(row * width + column) : source[out + c];
          }
        }
    }
  });
}

/// Adds every output's gradient to the pixel its maximum came from; an image a thread.
template <class T>
void max_pool_gradient(const T* upstream, const std::int32_t* source, Index images, Index output_pixels,
                       Index input_pixels, Index channels, T* gradient) {
  parallel_for(0, images, 1, [&](Index image, Index) {
    T* to = gradient + image * input_pixels * channels;
    std::fill_n(to, input_pixels * channels, T{0});
    const Index start = image * output_pixels * channels;
    for (Index pixel = 0; pixel < output_pixels; ++pixel)
      for (Index c = 0; c < channels; ++c) {
        const Index i = start + pixel * channels + c;
        to[source[i] * channels + c] += upstream[i];
      }
  });
}

/// The part of an axis that output `i` of `outputs` sees: [floor(i n / outputs), ceil((i + 1) n / outputs)).
inline Index adaptive_begin(Index i, Index extent, Index outputs) { return i * extent / outputs; }
inline Index adaptive_end(Index i, Index extent, Index outputs) { return ((i + 1) * extent + outputs - 1) / outputs; }

/// Sums of x [N, H, W, C] over `window(i, j)`, the area of output pixel (i, j), times that area's weight.
template <class T, class Window>
void average_pool(const T* x, Index images, Index height, Index width, Index channels, Index output_height,
                  Index output_width, const Window& window, T* y) {
  parallel_for(0, images * output_height, 1, [&](Index task, Index) {
    const T* image = x + task / output_height * height * width * channels;
    for (Index j = 0; j < output_width; ++j) {
      const auto area = window(task % output_height, j);
      auto sum = array(y + (task * output_width + j) * channels, channels);
      sum.setZero();
      for (Index row = area.top; row < area.bottom; ++row)
        for (Index column = area.left; column < area.right; ++column)
          sum += array(image + (row * width + column) * channels, channels);
      sum *= static_cast<T>(area.weight);
    }
  });
}

template <class T, class Window>
void average_pool_gradient(const T* upstream, Index images, Index height, Index width, Index channels,
                           Index output_height, Index output_width, const Window& window, T* gradient) {
  parallel_for(0, images, 1, [&](Index image, Index) {
    T* to = gradient + image * height * width * channels;
    std::fill_n(to, height * width * channels, T{0});
    for (Index i = 0; i < output_height; ++i)
      for (Index j = 0; j < output_width; ++j) {
        const auto area = window(i, j);
        const auto up = array(upstream + ((image * output_height + i) * output_width + j) * channels, channels);
        for (Index row = area.top; row < area.bottom; ++row)
          for (Index column = area.left; column < area.right; ++column)
            array(to + (row * width + column) * channels, channels) += up * static_cast<T>(area.weight);
      }
  });
}

}  // namespace mien::backend
