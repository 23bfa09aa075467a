#pragma once

#include <cstdint>

#include "mien/backend/cpu/arithmetic.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/backend/cpu/image_grid.hpp"
#include "mien/backend/pooling_windows.hpp"

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

/// Maxima of x [..., H, W, C] in `window(i, j)`, the area of output pixel (i, j), which has a pixel at least, and the
/// pixel (row W + column) each came from. A NaN wins; a padded position never does.
template <class T, class Windows>
void max_pool(const Tensor<T, Cpu>& x, const Windows& windows, Tensor<T, Cpu>& y, Tensor<std::int32_t, Cpu>& source) {
  const auto kernel = pooling_kernels<T>().max_pool;
  const Index width = x.size(-2);
  const Index channels = x.size(-1);
  const Index rows = y.size(-3);
  const Index columns = y.size(-2);
  parallel_for(0, image_count(x.shape()) * rows, row_grain(columns * channels), [&](Index first, Index last) {
    for (Index task = first; task < last; ++task)
      for (Index j = 0; j < columns; ++j) {
        const auto area = windows(task % rows, j);
        const Index out = (task * columns + j) * channels;
        kernel(x.data() + task / rows * x.size(-3) * width * channels,
               {area.top, area.bottom, area.left, area.right, width}, channels, y.data() + out, source.data() + out);
      }
  });
}

/// Adds every output's gradient to the pixel of its window that its maximum came from; an image a thread.
template <class T, class Windows>
void max_pool_gradient(const Tensor<T, Cpu>& upstream, const Tensor<std::int32_t, Cpu>& source, const Windows& windows,
                       Tensor<T, Cpu>& gradient) {
  const auto kernel = pooling_kernels<T>().max_pool_gradient;
  const Index width = gradient.size(-2);
  const Index channels = gradient.size(-1);
  const Index map = gradient.size(-3) * width * channels;
  parallel_for(0, image_count(gradient.shape()), 1, [&](Index image, Index) {
    T* to = gradient.data() + image * map;
    std::fill_n(to, map, T{0});
    for (Index i = 0; i < upstream.size(-3); ++i)
      for (Index j = 0; j < upstream.size(-2); ++j) {
        const auto area = windows(i, j);
        const Index out = ((image * upstream.size(-3) + i) * upstream.size(-2) + j) * channels;
        kernel(upstream.data() + out, source.data() + out, {area.top, area.bottom, area.left, area.right, width},
               channels, to);
      }
  });
}

/// Sums of x [..., H, W, C] over `windows(i, j)`, the area of output pixel (i, j), times that area's weight.
template <class T, class Windows>
void average_pool(const Tensor<T, Cpu>& x, const Windows& windows, Tensor<T, Cpu>& y) {
  const ElementwiseKernels<T>& kernels = elementwise_kernels<T>();
  const Index width = x.size(-2);
  const Index channels = x.size(-1);
  const Index rows = y.size(-3);
  const Index columns = y.size(-2);
  parallel_for(0, image_count(x.shape()) * rows, 1, [&](Index task, Index) {
    const T* image = x.data() + task / rows * x.size(-3) * width * channels;
    for (Index j = 0; j < columns; ++j) {
      const auto area = windows(task % rows, j);
      T* sum = y.data() + (task * columns + j) * channels;
      std::fill_n(sum, channels, T{0});
      for (Index row = area.top; row < area.bottom; ++row)
        kernels.column_sums(area.right - area.left, channels, image + (row * width + area.left) * channels, nullptr,
                            sum);
      kernels.scale(channels, sum, static_cast<T>(area.weight), sum);
    }
  });
}

template <class T, class Windows>
void average_pool_gradient(const Tensor<T, Cpu>& upstream, const Windows& windows, Tensor<T, Cpu>& gradient) {
  const ElementwiseKernels<T>& kernels = elementwise_kernels<T>();
  const Index width = gradient.size(-2);
  const Index channels = gradient.size(-1);
  const Index map = gradient.size(-3) * width * channels;
  parallel_for(0, image_count(gradient.shape()), 1, [&](Index image, Index) {
    T* to = gradient.data() + image * map;
    std::fill_n(to, map, T{0});
    Tensor<T> share({channels});
    for (Index i = 0; i < upstream.size(-3); ++i)
      for (Index j = 0; j < upstream.size(-2); ++j) {
        const auto area = windows(i, j);
        kernels.scale(channels, upstream.data() + ((image * upstream.size(-3) + i) * upstream.size(-2) + j) * channels,
                      static_cast<T>(area.weight), share.data());
        for (Index row = area.top; row < area.bottom; ++row) {
          T* first = to + (row * width + area.left) * channels;
          kernels.add_to_columns((area.right - area.left) * channels, channels, first, share.data(), first);
        }
      }
  });
}

}  // namespace mien::backend

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T) MIEN_COMPILED_TEMPLATE const PoolingKernels<T>& pooling_kernels<T>();
#include "mien/backend/cpu/for_each_compiled_type.inc"
#endif
