#pragma once

/// Batch normalisation (Ioffe and Szegedy, ICML 2015): y = (x - mean) / sqrt(variance + epsilon) weight + bias, by
/// channel. x [..., C]: the statistics run over all leading axes, so one function serves vectors, maps and clips.

#include <functional>

#include "mien/backend/cpu/batch_norm.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/batch_norm.hpp"
#endif
#include "mien/ops/arithmetic.hpp"

namespace mien::ops {

/// Replaces numbers by their sums over all processes that share a batch.
template <class T, class Device = Cpu>
using SumOverRanks = std::function<void(Tensor<T, Device>& numbers)>;

template <class T, class Device = Cpu>
struct Moments {
  Tensor<T, Device> mean;      ///< [C]
  Tensor<T, Device> variance;  ///< [C], biased
  /// Of a batch that several processes share: what makes gradients through these moments those of the whole batch too.
  SumOverRanks<T, Device> sum = {};
  Index rows = 0;  ///< values of a channel in the whole batch, where there is a sum
};

/// The batch's own statistics. One value a channel has no variance: ValueError.
template <class T, class Device>
Moments<Accumulated<T>, Device> channel_moments(const Tensor<T, Device>& x) {
  const Index channels = x.rank() == 0 ? 0 : x.size(-1);
  if (channels == 0 || x.elements() / channels < 2)
    throw ValueError(
        detail::text("batch_norm: training needs more than one value for each channel, input ", x.shape()));
  using Vector = Tensor<Accumulated<T>, Device>;
  Moments<Accumulated<T>, Device> moments{Vector({channels}), Vector({channels})};
  backend::channel_moments(x.contiguous(), moments.mean, moments.variance);
  return moments;
}

/// The statistics of a batch of which x is this process's part. With n_r values of a channel on rank r, N of all, and
/// the ranks' own means m_r and variances v_r,
///
///     mean = sum_r n_r m_r / N,   variance = sum_r n_r (v_r + (m_r - mean)^2) / N
///
/// in two sums, so that no digits are lost where the mean is large. Throws ValueError if N is 1.
template <class T, class Device>
Moments<Accumulated<T>, Device> channel_moments(const Tensor<T, Device>& x,
                                                const SumOverRanks<Accumulated<T>, Device>& sum) {
  using Number = Accumulated<T>;
  using Vector = Tensor<Number, Device>;
  const Index channels = x.rank() == 0 ? 0 : x.size(-1);
  if (channels == 0 || x.elements() == 0)
    throw ValueError(detail::text("batch_norm: training needs values for each channel, input ", x.shape()));
  const auto rows = static_cast<Number>(x.elements() / channels);
  Vector own_mean({channels});
  Vector own_variance({channels});
  backend::channel_moments(x.contiguous(), own_mean, own_variance);

  Vector sums({channels + 1}, rows);
  sums.slice(0, 0, channels).copy_from(scale(own_mean, rows));
  sum(sums);
  const Number all = sums.slice(0, channels, channels + 1).item();
  if (all < 2)
    throw ValueError(detail::text("batch_norm: training needs more than one value for each channel, input ", x.shape(),
                                  " of one rank alone"));
  Moments<Number, Device> moments{scale(sums.slice(0, 0, channels), 1 / all), Vector(), sum, static_cast<Index>(all)};
  const Vector apart = subtract(own_mean, moments.mean);
  moments.variance = scale(add(own_variance, multiply(apart, apart)), rows / all);
  sum(moments.variance);
  return moments;
}

/// Throws ShapeError unless moments and weight have a value for each channel of x.
template <class T, class Device>
void check_batch_norm(const Shape& x, const Moments<T, Device>& moments, const Tensor<T, Device>& weight) {
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
template <class T, class Device = Cpu>
struct BatchNormFactors {
  Tensor<T, Device> factors, shifts;
};

template <class T, class Device>
BatchNormFactors<T, Device> batch_norm_factors(const Moments<T, Device>& moments, const Tensor<T, Device>& weight,
                                               const Tensor<T, Device>& bias, T epsilon) {
  BatchNormFactors<T, Device> out{Tensor<T, Device>(weight.shape()), Tensor<T, Device>(weight.shape())};
  backend::batch_norm_factors(moments.mean.contiguous(), moments.variance.contiguous(), weight.contiguous(),
                              bias.contiguous(), epsilon, out.factors, out.shifts);
  return out;
}

template <class T, class Device>
Tensor<T, Device> batch_norm(const Tensor<T, Device>& x, const Moments<Accumulated<T>, Device>& moments,
                             const Tensor<Accumulated<T>, Device>& weight, const Tensor<Accumulated<T>, Device>& bias,
                             Accumulated<T> epsilon, const BatchNormEpilogue<Tensor<T, Device>>& epilogue = {}) {
  check_batch_norm(x.shape(), moments, weight);
  require_channels("batch_norm: bias", x.shape(), bias.shape());
  if (epilogue.residual.defined())
    require_equal_shapes("batch_norm: input and residual", x.shape(), epilogue.residual.shape());
  const auto [factors, shifts] = batch_norm_factors(moments, weight, bias, epsilon);
  Tensor<T, Device> y(x.shape());
  backend::normalise(x.contiguous(), factors, shifts, epilogue.residual.contiguous(), epilogue.relu, y);
  return y;
}

template <class T, class Device = Cpu>
struct BatchNormGradients {
  Tensor<T, Device> x;
  Tensor<Accumulated<T>, Device> weight;
  Tensor<Accumulated<T>, Device> bias;
  Tensor<T, Device> residual;  ///< after a ReLU whose y was given
};

/// How to tell which part of the upstream gradient passes the ReLU that followed: by y, or if there was no residual by
/// the bias, with which x tells what y was, so that one map less has to be read. Neither: there was no ReLU.
template <class T, class Device = Cpu>
struct BatchNormReluInputs {
  Tensor<Accumulated<T>, Device> bias = {};
  Tensor<T, Device> y = {};
};

/// Adds to gradients of x through constant moments what goes through the batch's own, of which `mine.weight` and
/// `mine.bias` are this process's sums: -weight / (s N) (sum of upstream + xhat sum of upstream xhat).
template <class T, class Device>
void add_gradient_through_moments(const Tensor<T, Device>& x, const Moments<Accumulated<T>, Device>& moments,
                                  const Tensor<Accumulated<T>, Device>& factors, Accumulated<T> epsilon,
                                  BatchNormGradients<T, Device>& mine) {
  using Vector = Tensor<Accumulated<T>, Device>;
  Vector sum_upstream = mine.bias.clone();
  Vector sum_product = mine.weight.clone();
  moments.sum(sum_upstream);
  moments.sum(sum_product);
  const Shape& channels = factors.shape();
  const Vector inverse_deviation = batch_norm_factors<Accumulated<T>, Device>(
                                       moments, Vector(channels, Accumulated<T>{1}), Vector::zeros(channels), epsilon)
                                       .factors;
  const Vector scaled = scale(factors, -1 / static_cast<Accumulated<T>>(moments.rows));
  const Vector slopes = multiply(scaled, multiply(inverse_deviation, sum_product));
  const Vector shifts = subtract(multiply(scaled, sum_upstream), multiply(slopes, moments.mean));
  Tensor<T, Device> gradient(x.shape());
  backend::normalise(x, slopes, shifts, mine.x, false, gradient);
  mine.x = gradient;
}

/// With `batch_statistics` the moments are the batch's own and depend on x; else they are constants. Where processes
/// share the batch, the gradients of weight and bias are of this one's part, and that of x is of all parts' losses.
template <class T, class Device>
BatchNormGradients<T, Device> batch_norm_gradients(const Tensor<T, Device>& x, const Tensor<T, Device>& upstream,
                                                   const Moments<Accumulated<T>, Device>& moments,
                                                   const Tensor<Accumulated<T>, Device>& weight, Accumulated<T> epsilon,
                                                   bool batch_statistics,
                                                   const BatchNormReluInputs<T, Device>& relu = {}) {
  require_equal_shapes("batch_norm_gradients", x.shape(), upstream.shape());
  check_batch_norm(x.shape(), moments, weight);
  using backend::BatchNormMask;
  const BatchNormMask mask = relu.y.defined()      ? BatchNormMask::output
                             : relu.bias.defined() ? BatchNormMask::input
                                                   : BatchNormMask::none;
  if (mask == BatchNormMask::output)
    require_equal_shapes("batch_norm_gradients: input and y", x.shape(), relu.y.shape());
  if (mask == BatchNormMask::input) require_channels("batch_norm: bias", x.shape(), relu.bias.shape());
  const Tensor<T, Device> map = x.contiguous();
  const Tensor<T, Device> y = relu.y.contiguous();
  using Vector = Tensor<Accumulated<T>, Device>;
  const Vector mean = moments.mean.contiguous();
  const Vector variance = moments.variance.contiguous();
  const Vector bias = mask == BatchNormMask::input ? relu.bias : Vector::zeros(weight.shape());
  const auto [factors, shifts] = batch_norm_factors(moments, weight, bias, epsilon);
  const Tensor<T, Device> up = upstream.contiguous();
  BatchNormGradients<T, Device> out{Tensor<T, Device>(x.shape()), Vector(weight.shape()), Vector(weight.shape()), {}};
  if (mask == BatchNormMask::output) out.residual = Tensor<T, Device>(x.shape());
  const bool is_shared = batch_statistics && moments.sum;
  backend::batch_norm_gradients<T>({map, up, mean, variance, factors, shifts, epsilon, mask, y},
                                   batch_statistics && !is_shared, {out.bias, out.weight, out.residual, out.x});
  if (is_shared) add_gradient_through_moments(map, moments, factors, epsilon, out);
  return out;
}

}  // namespace mien::ops
