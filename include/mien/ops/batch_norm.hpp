#pragma once

/// Batch normalisation (Ioffe and Szegedy, ICML 2015): y = (x - mean) / sqrt(variance + epsilon) weight + bias, by
/// channel. x [..., C]: the statistics run over all leading axes, so one function serves vectors, maps and clips.

#include "mien/backend/cpu/batch_norm.hpp"
#include "mien/ops/arithmetic.hpp"

namespace mien::ops {

template <class T>
struct Moments {
  Tensor<T> mean;      ///< [C]
  Tensor<T> variance;  ///< [C], biased
};

/// The batch's own statistics. One value a channel has no variance: ValueError.
template <class T>
Moments<T> channel_moments(const Tensor<T>& x) {
  const Index channels = x.rank() == 0 ? 0 : x.size(-1);
  if (channels == 0 || x.elements() / channels < 2)
    throw ValueError(detail::text("batch_norm: training needs more than one value for each channel, input ", x.shape()));
  Moments<T> moments{Tensor<T>({channels}), Tensor<T>({channels})};
  backend::channel_moments(x.contiguous(), moments.mean, moments.variance);
  return moments;
}

/// Throws ShapeError unless moments and weight have a value for each channel of x.
template <class T>
void check_batch_norm(const Shape& x, const Moments<T>& moments, const Tensor<T>& weight) {
  require_channels("batch_norm: mean", x, moments.mean.shape());
  require_channels("batch_norm: variance", x, moments.variance.shape());
  require_channels("batch_norm: weight", x, weight.shape());
}

template <class T>
Tensor<T> batch_norm(const Tensor<T>& x, const Moments<T>& moments, const Tensor<T>& weight, const Tensor<T>& bias,
                     T epsilon) {
  check_batch_norm(x.shape(), moments, weight);
  require_channels("batch_norm: bias", x.shape(), bias.shape());
  Tensor<T> factors(weight.shape());
  Tensor<T> shifts(weight.shape());
  backend::batch_norm_factors(moments.mean.contiguous(), moments.variance.contiguous(), weight.contiguous(),
                              bias.contiguous(), epsilon, factors, shifts);
  Tensor<T> y(x.shape());
  backend::scale_shift(x.contiguous(), factors, shifts, y);
  return y;
}

template <class T>
struct BatchNormGradients {
  Tensor<T> x;
  Tensor<T> weight;
  Tensor<T> bias;
};

/// With `batch_statistics` the moments are the batch's own and depend on x; else they are constants.
template <class T>
BatchNormGradients<T> batch_norm_gradients(const Tensor<T>& x, const Tensor<T>& upstream, const Moments<T>& moments,
                                           const Tensor<T>& weight, T epsilon, bool batch_statistics) {
  require_equal_shapes("batch_norm_gradients", x.shape(), upstream.shape());
  check_batch_norm(x.shape(), moments, weight);
  const Tensor<T> up = upstream.contiguous();
  const Tensor<T> map = x.contiguous();
  const Tensor<T> mean = moments.mean.contiguous();
  const Tensor<T> variance = moments.variance.contiguous();
  const Tensor<T> scales = weight.contiguous();
  BatchNormGradients<T> out{Tensor<T>(x.shape()), Tensor<T>(weight.shape()), Tensor<T>(weight.shape())};
  backend::batch_norm_sums(map, up, mean, variance, epsilon, out.bias, out.weight);
  if (batch_statistics) {
    backend::batch_norm_input_gradient(map, up, mean, variance, scales, epsilon, out.bias, out.weight, out.x);
  } else {
    const auto zeros = Tensor<T>::zeros(weight.shape());
    Tensor<T> factors(weight.shape());
    Tensor<T> shifts(weight.shape());
    backend::batch_norm_factors(zeros, variance, scales, zeros, epsilon, factors, shifts);
    backend::scale_shift(up, factors, shifts, out.x);
  }
  return out;
}

}  // namespace mien::ops
