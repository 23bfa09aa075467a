#pragma once

/// Two-dimensional convolution (cross-correlation, as in all of deep learning) of channels-last maps.
///
///     y[n, i, j, o] = sum over a, b, c of x[n, i s - p + a, j s - p + b, c] weight[a, b, c, o]
///
/// x [..., H, W, C] with any number of leading axes, weight [kernel height, kernel width, C / groups, O],
/// y [..., (H + 2p - k) / s + 1, (W + 2p - k) / s + 1, O]. Positions outside the map count as zero.

#include "mien/backend/cpu/convolution.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/convolution.hpp"
#endif
#include "mien/core/extent.hpp"
#include "mien/ops/arithmetic.hpp"

namespace mien::ops {

struct ConvolutionOptions {
  Extent2d stride = 1;
  Extent2d padding = 0;
  Index groups = 1;
};

namespace detail {

using mien::detail::text;

inline Index output_extent(Index input, Index kernel, Index stride, Index padding) {
  return (input + 2 * padding - kernel) / stride + 1;
}

/// Output shape of a window that slides over the two axes before the channels; throws if it does not fit.
inline Shape slide_window(const char* operation, const Shape& x, Extent2d kernel, Extent2d stride, Extent2d padding,
                          Index channels) {
  if (x.rank() < 3) throw ShapeError(text(operation, ": input ", x, " is not [..., height, width, channels]"));
  const bool sensible = kernel.height > 0 && kernel.width > 0 && stride.height > 0 && stride.width > 0 &&
                        padding.height >= 0 && padding.width >= 0;
  if (!sensible)
    throw ValueError(text(operation, ": kernel ", kernel, ", stride ", stride, ", padding ", padding,
                          " must be positive, the padding at least 0"));
  if (x[-3] + 2 * padding.height < kernel.height || x[-2] + 2 * padding.width < kernel.width)
    throw ShapeError(
        text(operation, ": kernel ", kernel, " is larger than the padded input ", x, " (padding ", padding, ")"));
  return x.with(-3, output_extent(x[-3], kernel.height, stride.height, padding.height))
      .with(-2, output_extent(x[-2], kernel.width, stride.width, padding.width))
      .with(-1, channels);
}

inline Shape convolution_output(const Shape& x, const Shape& weight, const ConvolutionOptions& options) {
  const Index groups = options.groups;
  if (weight.rank() != 4 || x.rank() < 3 || groups < 1 || x[-1] % groups != 0 || x[-1] / groups != weight[2] ||
      weight[3] % groups != 0)
    throw ShapeError(
        text("convolution: input ", x, ", weight ", weight, " (height, width, in / groups, out), groups ", groups));
  return slide_window("convolution", x, {weight[0], weight[1]}, options.stride, options.padding, weight[3]);
}

inline backend::ConvolutionWindow convolution_window(const Shape& weight, const ConvolutionOptions& options) {
  return {weight[0],
          weight[1],
          options.stride.height,
          options.stride.width,
          options.padding.height,
          options.padding.width,
          options.groups};
}

}  // namespace detail

using backend::ConvolutionAlgorithm;

using backend::ConvolutionPass;

/// The way that a convolution of these shapes, or its weight's gradient, would go now, on this thread of the CPU: to
/// log, or to be sure of. `name_of` has its name. The gradient for the input is a convolution of the outputs' gradient
/// by the same rules.
template <class T>
ConvolutionAlgorithm convolution_algorithm(const Shape& x, const Shape& weight, const ConvolutionOptions& options = {},
                                           ConvolutionPass pass = ConvolutionPass::map) {
  const Shape y = detail::convolution_output(x, weight, options);
  return backend::convolution_algorithm<T>(detail::convolution_window(weight, options), backend::map_grid(x),
                                           backend::map_grid(y), pass);
}

/// What becomes of the results before they are stored, in the same pass: relu(y * scale + bias + residual), each part
/// where it is given.
template <class T, class Device = Cpu>
struct ConvolutionEpilogue {
  Tensor<Accumulated<T>, Device> scale = {};  ///< [O]
  Tensor<Accumulated<T>, Device> bias = {};   ///< [O]
  Tensor<T, Device> residual = {};            ///< of the shape of y
  bool relu = false;
};

/// A kernel that was prepared before may come with its weight.
template <class T, class Device>
Tensor<T, Device> convolution(const Tensor<T, Device>& x, const Tensor<Accumulated<T>, Device>& weight,
                              const ConvolutionOptions& options = {},
                              const ConvolutionEpilogue<T, Device>& epilogue = {},
                              const backend::PreparedKernel<Accumulated<T>, Device>* prepared = nullptr) {
  Tensor<T, Device> y(detail::convolution_output(x.shape(), weight.shape(), options));
  for (const Tensor<Accumulated<T>, Device>* vector : {&epilogue.scale, &epilogue.bias})
    if (vector->defined()) require_equal_shapes("convolution: scale or bias", {weight.size(3)}, vector->shape());
  if (epilogue.residual.defined()) require_equal_shapes("convolution: residual", y.shape(), epilogue.residual.shape());
  const Tensor<Accumulated<T>, Device> scale = epilogue.scale.contiguous();
  const Tensor<Accumulated<T>, Device> bias = epilogue.bias.contiguous();
  const Tensor<T, Device> residual = epilogue.residual.contiguous();
  backend::convolution(x.contiguous(), weight.contiguous(), prepared,
                       detail::convolution_window(weight.shape(), options),
                       {scale.data(), bias.data(), residual.data(), epilogue.relu}, y);
  return y;
}

/// The gradient for x, of the given shape.
template <class T, class Device>
Tensor<T, Device> convolution_input_gradient(const Tensor<T, Device>& upstream,
                                             const Tensor<Accumulated<T>, Device>& weight, const Shape& x,
                                             const ConvolutionOptions& options = {}) {
  require_equal_shapes("convolution_input_gradient", upstream.shape(),
                       detail::convolution_output(x, weight.shape(), options));
  Tensor<T, Device> gradient(x);
  backend::convolution_input_gradient(upstream.contiguous(), weight.contiguous(),
                                      detail::convolution_window(weight.shape(), options), gradient);
  return gradient;
}

/// The gradient for a weight of the given shape.
template <class T, class Device>
Tensor<Accumulated<T>, Device> convolution_weight_gradient(const Tensor<T, Device>& x,
                                                           const Tensor<T, Device>& upstream, const Shape& weight,
                                                           const ConvolutionOptions& options = {}) {
  require_equal_shapes("convolution_weight_gradient", upstream.shape(),
                       detail::convolution_output(x.shape(), weight, options));
  Tensor<Accumulated<T>, Device> gradient(weight);
  backend::convolution_weight_gradient(x.contiguous(), upstream.contiguous(),
                                       detail::convolution_window(weight, options), gradient);
  return gradient;
}

}  // namespace mien::ops
