#pragma once

/// Layer normalisation over the last axis (Ba, Kiros and Hinton, Layer Normalization, 2016):
/// y = (x - mean) / sqrt(variance + epsilon) * weight + bias, with the mean and the population variance of each run of
/// C.

#include "mien/backend/cpu/layer_norm.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/layer_norm.hpp"
#endif
#include "mien/ops/arithmetic.hpp"

namespace mien::ops {

/// The result, and the statistics that its gradient needs: one entry for each run of channels.
template <class T, class Device>
struct LayerNormResult {
  Tensor<T, Device> out;
  Tensor<Accumulated<T>, Device> mean;
  Tensor<Accumulated<T>, Device> inverse_deviation;  ///< 1 / sqrt(variance + epsilon)
};

/// x [..., C], weight [C], bias [C].
template <class T, class Device>
LayerNormResult<T, Device> layer_norm(const Tensor<T, Device>& x, const Tensor<Accumulated<T>, Device>& weight,
                                      const Tensor<Accumulated<T>, Device>& bias, double epsilon) {
  require_channels("layer_norm: weight", x.shape(), weight.shape());
  require_channels("layer_norm: bias", x.shape(), bias.shape());
  const Shape rows{x.shape().without(-1).elements()};
  using Vector = Tensor<Accumulated<T>, Device>;
  LayerNormResult<T, Device> result{Tensor<T, Device>(x.shape()), Vector(rows), Vector(rows)};
  backend::layer_norm(x.contiguous(), weight.contiguous(), bias.contiguous(), static_cast<Accumulated<T>>(epsilon),
                      result.out, result.mean, result.inverse_deviation);
  return result;
}

/// Throws ShapeError unless upstream has the shape of x and there is a mean and a deviation for each run of channels.
template <class T, class Device>
void check_layer_norm_gradient(const char* operation, const Tensor<T, Device>& x,
                               const Tensor<Accumulated<T>, Device>& mean,
                               const Tensor<Accumulated<T>, Device>& inverse_deviation,
                               const Tensor<T, Device>& upstream) {
  require_equal_shapes(operation, x.shape(), upstream.shape());
  const Shape rows{x.shape().without(-1).elements()};
  if (mean.shape() != rows || inverse_deviation.shape() != rows)
    throw ShapeError(detail::text(operation, ": input ", x.shape(), ", mean ", mean.shape(), ", inverse deviation ",
                                  inverse_deviation.shape(), ", expected ", rows));
}

/// The gradient for x. With n the normalised x and u = upstream * weight: (u - mean(u) - n mean(u n)) / deviation.
template <class T, class Device>
Tensor<T, Device> layer_norm_input_gradient(const Tensor<T, Device>& x, const Tensor<Accumulated<T>, Device>& weight,
                                            const Tensor<Accumulated<T>, Device>& mean,
                                            const Tensor<Accumulated<T>, Device>& inverse_deviation,
                                            const Tensor<T, Device>& upstream) {
  check_layer_norm_gradient("layer_norm_input_gradient", x, mean, inverse_deviation, upstream);
  require_channels("layer_norm_input_gradient: weight", x.shape(), weight.shape());
  Tensor<T, Device> out(x.shape());
  backend::layer_norm_input_gradient(x.contiguous(), weight.contiguous(), mean.contiguous(),
                                     inverse_deviation.contiguous(), upstream.contiguous(), out);
  return out;
}

/// The gradient for the weight: the normalised x * upstream, summed over everything but the channels.
template <class T, class Device>
Tensor<Accumulated<T>, Device> layer_norm_weight_gradient(const Tensor<T, Device>& x,
                                                          const Tensor<Accumulated<T>, Device>& mean,
                                                          const Tensor<Accumulated<T>, Device>& inverse_deviation,
                                                          const Tensor<T, Device>& upstream) {
  check_layer_norm_gradient("layer_norm_weight_gradient", x, mean, inverse_deviation, upstream);
  Tensor<Accumulated<T>, Device> out(Shape{x.size(-1)});
  backend::layer_norm_weight_gradient(x.contiguous(), mean.contiguous(), inverse_deviation.contiguous(),
                                      upstream.contiguous(), out);
  return out;
}

}  // namespace mien::ops
