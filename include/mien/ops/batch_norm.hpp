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
    throw ValueError(
        detail::text("batch_norm: training needs more than one value for each channel, input ", x.shape()));
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

/// What follows the normalisation in the same pass over the map: y = relu(batch_norm(x) + residual), each part where it
/// is asked for. `Map` is a tensor, or a variable of the differentiable function.
template <class Map>
struct BatchNormEpilogue {
  Map residual = {};  ///< of the shape of x
  bool relu = false;
};

/// y = x factors + shifts, [C] each: all of it, once the moments are known.
template <class T>
struct BatchNormFactors {
  Tensor<T> factors, shifts;
};

template <class T>
BatchNormFactors<T> batch_norm_factors(const Moments<T>& moments, const Tensor<T>& weight, const Tensor<T>& bias,
                                       T epsilon) {
  BatchNormFactors<T> out{Tensor<T>(weight.shape()), Tensor<T>(weight.shape())};
  backend::batch_norm_factors(moments.mean.contiguous(), moments.variance.contiguous(), weight.contiguous(),
                              bias.contiguous(), epsilon, out.factors, out.shifts);
  return out;
}

template <class T>
Tensor<T> batch_norm(const Tensor<T>& x, const Moments<T>& moments, const Tensor<T>& weight, const Tensor<T>& bias,
                     T epsilon, const BatchNormEpilogue<Tensor<T>>& epilogue = {}) {
  check_batch_norm(x.shape(), moments, weight);
  require_channels("batch_norm: bias", x.shape(), bias.shape());
  if (epilogue.residual.defined())
    require_equal_shapes("batch_norm: input and residual", x.shape(), epilogue.residual.shape());
  const auto [factors, shifts] = batch_norm_factors(moments, weight, bias, epsilon);
  Tensor<T> y(x.shape());
  backend::normalise(x.contiguous(), factors, shifts, epilogue.residual.contiguous(), epilogue.relu, y);
  return y;
}

template <class T>
struct BatchNormGradients {
  Tensor<T> x;
  Tensor<T> weight;
  Tensor<T> bias;
  Tensor<T> residual;  ///< after a ReLU whose y was given
};

/// How to tell which part of the upstream gradient passes the ReLU that followed: by y, or if there was no residual by
/// the bias, with which x tells what y was, so that one map less has to be read. Neither: there was no ReLU.
template <class T>
struct BatchNormReluInputs {
  Tensor<T> bias = {};
  Tensor<T> y = {};
};

/// With `batch_statistics` the moments are the batch's own and depend on x; else they are constants.
template <class T>
BatchNormGradients<T> batch_norm_gradients(const Tensor<T>& x, const Tensor<T>& upstream, const Moments<T>& moments,
                                           const Tensor<T>& weight, T epsilon, bool batch_statistics,
                                           const BatchNormReluInputs<T>& relu = {}) {
  require_equal_shapes("batch_norm_gradients", x.shape(), upstream.shape());
  check_batch_norm(x.shape(), moments, weight);
  using backend::BatchNormMask;
  const BatchNormMask mask = relu.y.defined()      ? BatchNormMask::output
                             : relu.bias.defined() ? BatchNormMask::input
                                                   : BatchNormMask::none;
  if (mask == BatchNormMask::output)
    require_equal_shapes("batch_norm_gradients: input and y", x.shape(), relu.y.shape());
  if (mask == BatchNormMask::input) require_channels("batch_norm: bias", x.shape(), relu.bias.shape());
  const Tensor<T> map = x.contiguous();
  const Tensor<T> y = relu.y.contiguous();
  const Tensor<T> mean = moments.mean.contiguous();
  const Tensor<T> variance = moments.variance.contiguous();
  const Tensor<T> bias = mask == BatchNormMask::input ? relu.bias : Tensor<T>::zeros(weight.shape());
  const auto [factors, shifts] = batch_norm_factors(moments, weight, bias, epsilon);
  Tensor<T> up = upstream.contiguous();
  BatchNormGradients<T> out{Tensor<T>(x.shape()), Tensor<T>(weight.shape()), Tensor<T>(weight.shape()), {}};
  if (mask == BatchNormMask::output) out.residual = Tensor<T>(x.shape());
  backend::batch_norm_gradient_sums({map, up, mean, variance, factors, shifts, epsilon, mask, y}, out.bias, out.weight,
                                    out.residual);
  if (mask == BatchNormMask::output) up = out.residual;
  backend::batch_norm_input_gradient({map, up, mean, variance, factors, shifts, epsilon, mask, y}, batch_statistics,
                                     out.bias, out.weight, out.x);
  return out;
}

}  // namespace mien::ops
