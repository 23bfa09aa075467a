#pragma once

/// Pooling of channels-last maps [..., H, W, C]. Output sizes as for convolutions: (H + 2 padding - kernel) / stride +
/// 1, rounded down.

#include <cstdint>
#include <limits>

#include "mien/backend/cpu/pooling.hpp"
#include "mien/ops/convolution.hpp"

namespace mien::ops {

struct PoolingOptions {
  Extent2d kernel = 2;
  Extent2d stride = 2;
  Extent2d padding = 0;
  /// Average pooling: whether padded zeros count in the mean (PyTorch's default).
  bool count_padding = true;
};

template <class T>
struct MaxPoolResult {
  Tensor<T> y;
  Tensor<std::int32_t> source;  ///< the pixel of the map that each maximum came from, row * W + column
};

namespace detail {

inline Shape pooled_shape(const char* operation, const Shape& x, const PoolingOptions& options) {
  if (options.padding.height * 2 > options.kernel.height || options.padding.width * 2 > options.kernel.width)
    throw ValueError(text(operation, ": padding ", options.padding, " is more than half of kernel ", options.kernel));
  if (x.rank() >= 3 && (x[-3] == 0 || x[-2] == 0))
    throw ShapeError(text(operation, ": input ", x, " has maps without pixels"));
  return slide_window(operation, x, options.kernel, options.stride, options.padding, x.rank() > 0 ? x[-1] : 0);
}

/// Borders of one output's window within the map, and what averages multiply its sum by.
struct PoolingArea {
  Index top, bottom, left, right;
  double weight;
};

/// Of a shape that `pooled_shape` has accepted.
inline auto sliding_windows(const Shape& x, const PoolingOptions& options) {
  return [options, height = x[-3], width = x[-2]](Index i, Index j) {
    const Index top = i * options.stride.height - options.padding.height;
    const Index left = j * options.stride.width - options.padding.width;
    PoolingArea area{std::max<Index>(0, top), std::min(height, top + options.kernel.height), std::max<Index>(0, left),
                     std::min(width, left + options.kernel.width), 0};
    const Index inside = (area.bottom - area.top) * (area.right - area.left);
    const Index whole = options.kernel.height * options.kernel.width;
    area.weight = 1.0 / static_cast<double>(options.count_padding ? whole : inside);
    return area;
  };
}

inline auto adaptive_windows(const Shape& x, Extent2d output) {
  return [output, height = x[-3], width = x[-2]](Index i, Index j) {
    PoolingArea area{backend::adaptive_begin(i, height, output.height), backend::adaptive_end(i, height, output.height),
                     backend::adaptive_begin(j, width, output.width), backend::adaptive_end(j, width, output.width), 0};
    area.weight = 1.0 / static_cast<double>((area.bottom - area.top) * (area.right - area.left));
    return area;
  };
}

template <class T, class Windows>
MaxPoolResult<T> maximum(const Tensor<T>& x, const Shape& shape, const Windows& windows) {
  if (x.size(-3) > std::numeric_limits<std::int32_t>::max() / x.size(-2))
    throw ShapeError(text("max_pool: input ", x.shape(), " has more pixels than 32 bits can number"));
  MaxPoolResult<T> result{Tensor<T>(shape), Tensor<std::int32_t>(shape)};
  if (!result.y.empty())
    backend::max_pool(x.contiguous().data(), image_count(x.shape()), x.size(-3), x.size(-2), x.size(-1), shape[-3],
                      shape[-2], windows, result.y.data(), result.source.data());
  return result;
}

template <class T, class Windows>
Tensor<T> maximum_gradient(const Tensor<T>& upstream, const Tensor<std::int32_t>& source, const Shape& x,
                           const Windows& windows) {
  require_equal_shapes("max_pool_gradient", upstream.shape(), source.shape());
  Tensor<T> gradient(x);
  if (!gradient.empty())
    backend::max_pool_gradient(upstream.contiguous().data(), source.contiguous().data(), image_count(x), x[-3], x[-2],
                               x[-1], upstream.size(-3), upstream.size(-2), windows, gradient.data());
  return gradient;
}

template <class T, class Windows>
Tensor<T> average(const Tensor<T>& x, const Shape& shape, const Windows& windows) {
  Tensor<T> y(shape);
  if (!y.empty())
    backend::average_pool(x.contiguous().data(), image_count(x.shape()), x.size(-3), x.size(-2), x.size(-1), y.size(-3),
                          y.size(-2), windows, y.data());
  return y;
}

template <class T, class Windows>
Tensor<T> average_gradient(const Tensor<T>& upstream, const Shape& x, const Windows& windows) {
  Tensor<T> gradient(x);
  if (!gradient.empty())
    backend::average_pool_gradient(upstream.contiguous().data(), image_count(x), x[-3], x[-2], x[-1], upstream.size(-3),
                                   upstream.size(-2), windows, gradient.data());
  return gradient;
}

/// Throws ShapeError unless `upstream` has images and channels of x, in whatever other size.
inline void require_pooled(const char* operation, const Shape& upstream, const Shape& x) {
  if (x.rank() < 3 || upstream.rank() != x.rank() || upstream != x.with(-3, upstream[-3]).with(-2, upstream[-2]))
    throw ShapeError(text(operation, ": upstream ", upstream, " of input ", x));
}

inline Shape adaptive_shape(const char* operation, const Shape& x, Extent2d output) {
  if (x.rank() < 3 || output.height < 1 || output.width < 1 || x[-3] < 1 || x[-2] < 1)
    throw ShapeError(text(operation, ": input ", x, " to ", output));
  return x.with(-3, output.height).with(-2, output.width);
}

}  // namespace detail

/// The largest value under each window; positions outside the map never win.
template <class T>
MaxPoolResult<T> max_pool(const Tensor<T>& x, const PoolingOptions& options) {
  const Shape shape = detail::pooled_shape("max_pool", x.shape(), options);
  return detail::maximum(x, shape, detail::sliding_windows(x.shape(), options));
}

/// The largest value of each of `output` windows that divide the map as evenly as whole pixels allow.
template <class T>
MaxPoolResult<T> adaptive_max_pool(const Tensor<T>& x, Extent2d output) {
  const Shape shape = detail::adaptive_shape("adaptive_max_pool", x.shape(), output);
  return detail::maximum(x, shape, detail::adaptive_windows(x.shape(), output));
}

/// The gradients for their inputs, of shape x. `source` is what the pooling of such an input gave.
template <class T>
Tensor<T> max_pool_gradient(const Tensor<T>& upstream, const Tensor<std::int32_t>& source, const Shape& x,
                            const PoolingOptions& options) {
  require_equal_shapes("max_pool_gradient", upstream.shape(), detail::pooled_shape("max_pool", x, options));
  return detail::maximum_gradient(upstream, source, x, detail::sliding_windows(x, options));
}
template <class T>
Tensor<T> adaptive_max_pool_gradient(const Tensor<T>& upstream, const Tensor<std::int32_t>& source, const Shape& x) {
  detail::require_pooled("adaptive_max_pool_gradient", upstream.shape(), x);
  return detail::maximum_gradient(upstream, source, x,
                                  detail::adaptive_windows(x, {upstream.size(-3), upstream.size(-2)}));
}

/// The mean under each window; `count_padding` says of how many numbers.
template <class T>
Tensor<T> average_pool(const Tensor<T>& x, const PoolingOptions& options) {
  const Shape shape = detail::pooled_shape("average_pool", x.shape(), options);
  return detail::average(x, shape, detail::sliding_windows(x.shape(), options));
}
template <class T>
Tensor<T> average_pool_gradient(const Tensor<T>& upstream, const Shape& x, const PoolingOptions& options) {
  require_equal_shapes("average_pool_gradient", upstream.shape(), detail::pooled_shape("average_pool", x, options));
  return detail::average_gradient(upstream, x, detail::sliding_windows(x, options));
}

/// The mean of each of `output` windows that divide the map as evenly as whole pixels allow.
template <class T>
Tensor<T> adaptive_average_pool(const Tensor<T>& x, Extent2d output) {
  const Shape shape = detail::adaptive_shape("adaptive_average_pool", x.shape(), output);
  return detail::average(x, shape, detail::adaptive_windows(x.shape(), output));
}
template <class T>
Tensor<T> adaptive_average_pool_gradient(const Tensor<T>& upstream, const Shape& x) {
  detail::require_pooled("adaptive_average_pool_gradient", upstream.shape(), x);
  return detail::average_gradient(upstream, x, detail::adaptive_windows(x, {upstream.size(-3), upstream.size(-2)}));
}

}  // namespace mien::ops
