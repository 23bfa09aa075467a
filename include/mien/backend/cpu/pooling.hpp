#pragma once

#include <cstdint>

#include "mien/backend/cpu/arithmetic.hpp"
#include "mien/backend/cpu/image_grid.hpp"

namespace mien::backend {

/// Where a window lies in a map of so many columns.
struct PoolingWindow {
  Index top, bottom, left, right, width;
};

/// The inner loops for one instruction set; see kernels/pooling.inc.
template <class T>
struct PoolingKernels {
  void (*max_pool)(const T* map, const PoolingWindow& window, Index channels, T* y, std::int32_t* source);
  void (*max_pool_gradient)(const T* upstream, const std::int32_t* source, const PoolingWindow& window, Index channels,
                            T* gradient);
};

}  // namespace mien::backend

#define MIEN_KERNELS "mien/backend/cpu/kernels/pooling.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"

namespace mien::backend {

template <class T>
const PoolingKernels<T>& pooling_kernels() {
  return for_instruction_set(portable::pooling_kernels<T>, avx2::pooling_kernels<T>, avx512::pooling_kernels<T>);
}

/// Maxima of x [N, H, W, C] in `window(i, j)`, the area of output pixel (i, j), which has a pixel at least, and the
/// pixel (row W + column) each came from. A NaN wins; a padded position never does.
template <class T, class Window>
void max_pool(const T* x, Index images, Index height, Index width, Index channels, Index output_height,
              Index output_width, const Window& window, T* y, std::int32_t* source) {
  const auto kernel = pooling_kernels<T>().max_pool;
  parallel_for(0, images * output_height, row_grain(output_width * channels), [&](Index first, Index last) {
    for (Index task = first; task < last; ++task)
      for (Index j = 0; j < output_width; ++j) {
        const auto area = window(task % output_height, j);
        const Index out = (task * output_width + j) * channels;
        kernel(x + task / output_height * height * width * channels,
               {area.top, area.bottom, area.left, area.right, width}, channels, y + out, source + out);
      }
  });
}

/// Adds every output's gradient to the pixel of its window that its maximum came from; an image a thread.
template <class T, class Window>
void max_pool_gradient(const T* upstream, const std::int32_t* source, Index images, Index height, Index width,
                       Index channels, Index output_height, Index output_width, const Window& window, T* gradient) {
  const auto kernel = pooling_kernels<T>().max_pool_gradient;
  parallel_for(0, images, 1, [&](Index image, Index) {
    T* to = gradient + image * height * width * channels;
    std::fill_n(to, height * width * channels, T{0});
    for (Index i = 0; i < output_height; ++i)
      for (Index j = 0; j < output_width; ++j) {
        const auto area = window(i, j);
        const Index out = ((image * output_height + i) * output_width + j) * channels;
        kernel(upstream + out, source + out, {area.top, area.bottom, area.left, area.right, width}, channels, to);
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
  const ElementwiseKernels<T>& kernels = elementwise_kernels<T>();
  parallel_for(0, images * output_height, 1, [&](Index task, Index) {
    const T* image = x + task / output_height * height * width * channels;
    for (Index j = 0; j < output_width; ++j) {
      const auto area = window(task % output_height, j);
      T* sum = y + (task * output_width + j) * channels;
      std::fill_n(sum, channels, T{0});
      for (Index row = area.top; row < area.bottom; ++row)
        kernels.column_sums(area.right - area.left, channels, image + (row * width + area.left) * channels, nullptr,
                            sum);
      kernels.scale(channels, sum, static_cast<T>(area.weight), sum);
    }
  });
}

template <class T, class Window>
void average_pool_gradient(const T* upstream, Index images, Index height, Index width, Index channels,
                           Index output_height, Index output_width, const Window& window, T* gradient) {
  const ElementwiseKernels<T>& kernels = elementwise_kernels<T>();
  parallel_for(0, images, 1, [&](Index image, Index) {
    T* to = gradient + image * height * width * channels;
    std::fill_n(to, height * width * channels, T{0});
    Tensor<T> share({channels});
    for (Index i = 0; i < output_height; ++i)
      for (Index j = 0; j < output_width; ++j) {
        const auto area = window(i, j);
        kernels.scale(channels, upstream + ((image * output_height + i) * output_width + j) * channels,
                      static_cast<T>(area.weight), share.data());
        for (Index row = area.top; row < area.bottom; ++row) {
          T* first = to + (row * width + area.left) * channels;
          kernels.add_to_columns((area.right - area.left) * channels, channels, first, share.data(), first);
        }
      }
  });
}

}  // namespace mien::backend
