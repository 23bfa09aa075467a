#pragma once

/// Channel-wise (depthwise) convolution: every channel by a kernel of its own.
///
///     y[n, i, j, c] = sum over a, b of x[n, i s - p + a, j s - p + b, c] weight[a, b, 0, c]
///
/// x [..., H, W, C], weight [kernel height, kernel width, 1, C]: a convolution of C groups, without its matrix
/// products.

#include "mien/backend/cpu/channel_wise_convolution.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/channel_wise_convolution.hpp"
#endif
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

}  // namespace detail

/// What becomes of the results before they are stored: relu(y + bias), each part where it is given.
template <class T, class Device = Cpu>
struct ChannelWiseEpilogue {
  Tensor<Accumulated<T>, Device> bias = {};  ///< [C]
  bool relu = false;
};

template <class T, class Device>
Tensor<T, Device> channel_wise_convolution(const Tensor<T, Device>& x, const Tensor<Accumulated<T>, Device>& weight,
                                           const ChannelWiseConvolutionOptions& options = {},
                                           const ChannelWiseEpilogue<T, Device>& epilogue = {}) {
  Tensor<T, Device> y(detail::channel_wise_output(x.shape(), weight.shape(), options));
  if (epilogue.bias.defined())
    require_equal_shapes("channel_wise_convolution: bias", {weight.size(3)}, epilogue.bias.shape());
  backend::channel_wise_convolution(x.contiguous(), weight.contiguous(),
                                    detail::channel_wise_window(weight.shape(), options), epilogue.bias.contiguous(),
                                    epilogue.relu, y);
  return y;
}

/// The gradient for x, of the given shape.
template <class T, class Device>
Tensor<T, Device> channel_wise_convolution_input_gradient(const Tensor<T, Device>& upstream,
                                                          const Tensor<Accumulated<T>, Device>& weight, const Shape& x,
                                                          const ChannelWiseConvolutionOptions& options = {}) {
  require_equal_shapes("channel_wise_convolution_input_gradient", upstream.shape(),
                       detail::channel_wise_output(x, weight.shape(), options));
  Tensor<T, Device> gradient(x);
  backend::channel_wise_convolution_input_gradient(upstream.contiguous(), weight.contiguous(),
                                                   detail::channel_wise_window(weight.shape(), options), gradient);
  return gradient;
}

/// The gradient for a weight of the given shape.
template <class T, class Device>
Tensor<Accumulated<T>, Device> channel_wise_convolution_weight_gradient(
    const Tensor<T, Device>& x, const Tensor<T, Device>& upstream, const Shape& weight,
    const ChannelWiseConvolutionOptions& options = {}) {
  require_equal_shapes("channel_wise_convolution_weight_gradient", upstream.shape(),
                       detail::channel_wise_output(x.shape(), weight, options));
  Tensor<Accumulated<T>, Device> gradient(weight);
  backend::channel_wise_convolution_weight_gradient(x.contiguous(), upstream.contiguous(),
                                                    detail::channel_wise_window(weight, options), gradient);
  return gradient;
}

}  // namespace mien::ops
