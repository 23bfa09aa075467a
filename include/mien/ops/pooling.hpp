#pragma once

/// Pooling of channels-last maps [..., H, W, C]. Output sizes as for convolutions: (H + 2 padding - kernel) / stride +
/// 1, rounded down.

#include <cstdint>
#include <limits>

#include "mien/backend/cpu/pooling.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/pooling.hpp"
#endif
#include "mien/ops/convolution.hpp"

namespace mien::ops {

struct PoolingOptions {
  Extent2d kernel = 2;
  Extent2d stride = 2;
  Extent2d padding = 0;
  /// Average pooling: whether padded zeros count in the mean (PyTorch's default).
  bool count_padding = true;
};

template <class T, class Device = Cpu>
struct MaxPoolResult {
  Tensor<T, Device> y;
  Tensor<std::int32_t, Device> source;  ///< the pixel of the map that each maximum came from, row * W + column
};

namespace detail {

inline Shape pooled_shape(const char* operation, const Shape& x, const PoolingOptions& options) {
  if (options.padding.height * 2 > options.kernel.height || options.padding.width * 2 > options.kernel.width)
    throw ValueError(text(operation, ": padding ", options.padding, " is more than half of kernel ", options.kernel));
  if (x.rank() >= 3 && (x[-3] == 0 || x[-2] == 0))
    throw ShapeError(text(operation, ": input ", x, " has maps without pixels"));
  return slide_window(operation, x, options.kernel, options.stride, options.padding, x.rank() > 0 ? x[-1] : 0);
}

/// Of a shape that `pooled_shape` has accepted.
inline backend::SlidingWindows sliding_windows(const Shape& x, const PoolingOptions& options) {
  return {.map = {x[-3], x[-2]},
          .kernel = options.kernel,
          .stride = options.stride,
          .padding = options.padding,
          .count_padding = options.count_padding};
}

inline backend::AdaptiveWindows adaptive_windows(const Shape& x, Extent2d output) { return {{x[-3], x[-2]}, output}; }

template <class T, class Device, class Windows>
MaxPoolResult<T, Device> maximum(const Tensor<T, Device>& x, const Shape& shape, const Windows& windows) {
  if (x.size(-3) > std::numeric_limits<std::int32_t>::max() / x.size(-2))
    throw ShapeError(text("max_pool: input ", x.shape(), " has more pixels than 32 bits can number"));
  MaxPoolResult<T, Device> result{Tensor<T, Device>(shape), Tensor<std::int32_t, Device>(shape)};
  if (!result.y.empty()) backend::max_pool(x.contiguous(), windows, result.y, result.source);
  return result;
}

template <class T, class Device, class Windows>
Tensor<T, Device> maximum_gradient(const Tensor<T, Device>& upstream, const Tensor<std::int32_t, Device>& source,
                                   const Shape& x, const Windows& windows) {
  require_equal_shapes("max_pool_gradient", upstream.shape(), source.shape());
  Tensor<T, Device> gradient(x);
  if (!gradient.empty()) backend::max_pool_gradient(upstream.contiguous(), source.contiguous(), windows, gradient);
  return gradient;
}

template <class T, class Device, class Windows>
Tensor<T, Device> average(const Tensor<T, Device>& x, const Shape& shape, const Windows& windows) {
  Tensor<T, Device> y(shape);
  if (!y.empty()) backend::average_pool(x.contiguous(), windows, y);
  return y;
}

template <class T, class Device, class Windows>
Tensor<T, Device> average_gradient(const Tensor<T, Device>& upstream, const Shape& x, const Windows& windows) {
  Tensor<T, Device> gradient(x);
  if (!gradient.empty()) backend::average_pool_gradient(upstream.contiguous(), windows, gradient);
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
template <class T, class Device>
MaxPoolResult<T, Device> max_pool(const Tensor<T, Device>& x, const PoolingOptions& options) {
  const Shape shape = detail::pooled_shape("max_pool", x.shape(), options);
  return detail::maximum(x, shape, detail::sliding_windows(x.shape(), options));
}

/// The largest value of each of `output` windows that divide the map as evenly as whole pixels allow.
template <class T, class Device>
MaxPoolResult<T, Device> adaptive_max_pool(const Tensor<T, Device>& x, Extent2d output) {
  const Shape shape = detail::adaptive_shape("adaptive_max_pool", x.shape(), output);
  return detail::maximum(x, shape, detail::adaptive_windows(x.shape(), output));
}

/// The gradients for their inputs, of shape x. `source` is what the pooling of such an input gave.
template <class T, class Device>
Tensor<T, Device> max_pool_gradient(const Tensor<T, Device>& upstream, const Tensor<std::int32_t, Device>& source,
                                    const Shape& x, const PoolingOptions& options) {
  require_equal_shapes("max_pool_gradient", upstream.shape(), detail::pooled_shape("max_pool", x, options));
  return detail::maximum_gradient(upstream, source, x, detail::sliding_windows(x, options));
}
template <class T, class Device>
Tensor<T, Device> adaptive_max_pool_gradient(const Tensor<T, Device>& upstream,
                                             const Tensor<std::int32_t, Device>& source, const Shape& x) {
  detail::require_pooled("adaptive_max_pool_gradient", upstream.shape(), x);
  return detail::maximum_gradient(upstream, source, x,
                                  detail::adaptive_windows(x, {upstream.size(-3), upstream.size(-2)}));
}

/// The mean under each window; `count_padding` says of how many numbers.
template <class T, class Device>
Tensor<T, Device> average_pool(const Tensor<T, Device>& x, const PoolingOptions& options) {
  const Shape shape = detail::pooled_shape("average_pool", x.shape(), options);
  return detail::average(x, shape, detail::sliding_windows(x.shape(), options));
}
template <class T, class Device>
Tensor<T, Device> average_pool_gradient(const Tensor<T, Device>& upstream, const Shape& x,
                                        const PoolingOptions& options) {
  require_equal_shapes("average_pool_gradient", upstream.shape(), detail::pooled_shape("average_pool", x, options));
  return detail::average_gradient(upstream, x, detail::sliding_windows(x, options));
}

/// The mean of each of `output` windows that divide the map as evenly as whole pixels allow.
template <class T, class Device>
Tensor<T, Device> adaptive_average_pool(const Tensor<T, Device>& x, Extent2d output) {
  const Shape shape = detail::adaptive_shape("adaptive_average_pool", x.shape(), output);
  return detail::average(x, shape, detail::adaptive_windows(x.shape(), output));
}
template <class T, class Device>
Tensor<T, Device> adaptive_average_pool_gradient(const Tensor<T, Device>& upstream, const Shape& x) {
  detail::require_pooled("adaptive_average_pool_gradient", upstream.shape(), x);
  return detail::average_gradient(upstream, x, detail::adaptive_windows(x, {upstream.size(-3), upstream.size(-2)}));
}

}  // namespace mien::ops
