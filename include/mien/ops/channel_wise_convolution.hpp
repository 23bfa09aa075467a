#pragma once

/// Channel-wise (depthwise) convolution: every channel by a kernel of its own.
///
///     y[n, i, j, c] = sum over a, b of x[n, i s - p + a, j s - p + b, c] weight[a, b, 0, c]
///
/// x [..., H, W, C], weight [kernel height, kernel width, 1, C]: a convolution of C groups, without its matrix products.

#include "mien/backend/cpu/channel_wise_convolution.hpp"
#include "mien/ops/convolution.hpp"

namespace mien::ops {

struct ChannelWiseConvolutionOptions {
  Extent2d stride = 1;
  Extent2d padding = 1;
};

namespace detail {

inline Shape channel_wise_output(const Shape& x, const Shape& weight, const ChannelWiseConvolutionOptions& options) {
  if (x.rank() < 3 || weight.rank() != 4 || weight[2] != 1 || weight[3] != x[-1])
    throw ShapeError(text("channel_wise_convolution: input ", x, ", weight ", weight, " (height, width, 1, channels)"));
  return slide_window("channel_wise_convolution", x, {weight[0], weight[1]}, options.stride, options.padding, x[-1]);
}

inline backend::ConvolutionWindow channel_wise_window(const Shape& weight,
                                                      const ChannelWiseConvolutionOptions& options) {
  return convolution_window(weight, {options.stride, options.padding, 1});
}

inline backend::ChannelWiseShape channel_wise_shape(const Shape& x, const Shape& y) {
  return {image_count(x), x[-3], x[-2], x[-1], y[-3], y[-2]};
}

}  // namespace detail

template <class T>
Tensor<T> channel_wise_convolution(const Tensor<T>& x, const Tensor<T>& weight,
                                   const ChannelWiseConvolutionOptions& options = {}) {
  Tensor<T> y(detail::channel_wise_output(x.shape(), weight.shape(), options));
  backend::channel_wise_convolution(x.contiguous().data(), weight.contiguous().data(),
                                    detail::channel_wise_window(weight.shape(), options),
                                    detail::channel_wise_shape(x.shape(), y.shape()), y.data());
  return y;
}

/// The gradient for x, of the given shape.
template <class T>
Tensor<T> channel_wise_convolution_input_gradient(const Tensor<T>& upstream, const Tensor<T>& weight, const Shape& x,
                                                  const ChannelWiseConvolutionOptions& options = {}) {
  require_equal_shapes("channel_wise_convolution_input_gradient", upstream.shape(),
                       detail::channel_wise_output(x, weight.shape(), options));
  Tensor<T> gradient(x);
  backend::channel_wise_convolution_input_gradient(
      upstream.contiguous().data(), weight.contiguous().data(), detail::channel_wise_window(weight.shape(), options),
      detail::channel_wise_shape(x, upstream.shape()), gradient.data());
  return gradient;
}

/// The gradient for a weight of the given shape.
template <class T>
Tensor<T> channel_wise_convolution_weight_gradient(const Tensor<T>& x, const Tensor<T>& upstream, const Shape& weight,
                                                   const ChannelWiseConvolutionOptions& options = {}) {
  require_equal_shapes("channel_wise_convolution_weight_gradient", upstream.shape(),
                       detail::channel_wise_output(x.shape(), weight, options));
  Tensor<T> gradient(weight);
  backend::channel_wise_convolution_weight_gradient(
      x.contiguous().data(), upstream.contiguous().data(), detail::channel_wise_window(weight, options),
      detail::channel_wise_shape(x.shape(), upstream.shape()), gradient.data());
  return gradient;
}

}  // namespace mien::ops
