#pragma once

#include "mien/backend/cpu/scale_shift.hpp"

namespace mien::backend {

/// Mean and biased variance of every channel of x [rows, C]; the variance from differences to the mean, in a second
/// pass, which keeps its digits where the mean is large.
template <class T>
void channel_moments(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& mean, Tensor<T, Cpu>& variance) {
  const Index channels = mean.elements();
  const Index rows = row_count(x.elements(), channels);
  const T* data = x.data();
  sum_terms(rows, channels, mean.data(), [=](Index row) { return array(data + row * channels, channels); });
  auto center = array(mean.data(), channels);
  center /= static_cast<T>(rows);
  sum_terms(rows, channels, variance.data(),
            [&](Index row) { return (array(data + row * channels, channels) - center).square(); });
  array(variance.data(), channels) /= static_cast<T>(rows);
}

/// factors = weight / sqrt(variance + epsilon), shifts = bias - mean factors.
template <class T>
void batch_norm_factors(const Tensor<T, Cpu>& mean, const Tensor<T, Cpu>& variance, const Tensor<T, Cpu>& weight,
                        const Tensor<T, Cpu>& bias, T epsilon, Tensor<T, Cpu>& factors, Tensor<T, Cpu>& shifts) {
  const Index channels = mean.elements();
  array(factors.data(), channels) =
      array(weight.data(), channels) / (array(variance.data(), channels) + epsilon).sqrt();
  array(shifts.data(), channels) =
      array(bias.data(), channels) - array(mean.data(), channels) * array(factors.data(), channels);
}

/// running += momentum (batch - running), the variance with Bessel's correction.
template <class T>
void update_running_moments(const Tensor<T, Cpu>& mean, const Tensor<T, Cpu>& variance, Index rows, T momentum,
                            Tensor<T, Cpu>& running_mean, Tensor<T, Cpu>& running_variance) {
  const Index channels = mean.elements();
  const T unbiased = static_cast<T>(rows) / static_cast<T>(rows - 1);
  auto center = array(running_mean.data(), channels);
  auto spread = array(running_variance.data(), channels);
  center += momentum * (array(mean.data(), channels) - center);
  spread += momentum * (unbiased * array(variance.data(), channels) - spread);
}

/// sums_upstream = sum of upstream, sums_product = sum of upstream * (x - mean) / sqrt(variance + epsilon).
template <class T>
void batch_norm_sums(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& upstream, const Tensor<T, Cpu>& mean,
                     const Tensor<T, Cpu>& variance, T epsilon, Tensor<T, Cpu>& sum_upstream,
                     Tensor<T, Cpu>& sum_product) {
  const Index channels = mean.elements();
  const Index rows = row_count(x.elements(), channels);
  const auto center = array(mean.data(), channels);
  sum_rows(upstream, sum_upstream);
  sum_terms(rows, channels, sum_product.data(), [&](Index row) {
    return array(upstream.data() + row * channels, channels) * (array(x.data() + row * channels, channels) - center);
  });
  array(sum_product.data(), channels) /= (array(variance.data(), channels) + epsilon).sqrt();
}

/// out = weight / s (upstream - mean(upstream) - xhat mean(upstream xhat)), s = sqrt(variance + epsilon): the gradient
/// through the batch's own statistics.
template <class T>
void batch_norm_input_gradient(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& upstream, const Tensor<T, Cpu>& mean,
                               const Tensor<T, Cpu>& variance, const Tensor<T, Cpu>& weight, T epsilon,
                               const Tensor<T, Cpu>& sum_upstream, const Tensor<T, Cpu>& sum_product,
                               Tensor<T, Cpu>& out) {
  const Index channels = mean.elements();
  const Index rows = row_count(x.elements(), channels);
  using Values = Eigen::Array<T, Eigen::Dynamic, 1>;
  const Values inverse = (array(variance.data(), channels) + epsilon).rsqrt();
  const Values up_factor = array(weight.data(), channels) * inverse;
  const Values x_factor = -up_factor * inverse * array(sum_product.data(), channels) / static_cast<T>(rows);
  const Values shift = -up_factor * array(sum_upstream.data(), channels) / static_cast<T>(rows) -
                       x_factor * array(mean.data(), channels);
  parallel_for(0, rows, row_grain(channels), [&](Index first, Index last) {
    for (Index row = first; row < last; ++row)
      array(out.data() + row * channels, channels) =
          array(upstream.data() + row * channels, channels) * up_factor +
          array(x.data() + row * channels, channels) * x_factor + shift;
  });
}

}  // namespace mien::backend
