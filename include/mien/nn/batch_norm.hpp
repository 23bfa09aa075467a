#pragma once

#include <utility>

#include "mien/autograd/batch_norm.hpp"
#include "mien/nn/initialisation.hpp"
#include "mien/nn/module.hpp"

namespace mien::nn {

struct BatchNormOptions {
  double epsilon = 1e-5;
  double momentum = 0.1;  ///< share of a batch in the running statistics
};

/// Batch normalisation of [..., C], over all leading axes: of vectors, images and clips alike. While training it uses
/// the batch's statistics and follows them with its running ones, which it uses in evaluation.
///
///     Variable<float> y = norm(x, {.residual = shortcut, .relu = true});  // relu(norm(x) + shortcut), in one pass
///
/// Parameters "weight" and "bias", buffers "running_mean" and "running_var", all [C].
template <class T, class Device = Cpu>
class BatchNorm : public Module<BatchNorm<T, Device>, T, Device> {
 public:
  explicit BatchNorm(Index channels, const BatchNormOptions& options = {})
      : weight(constant_parameter<T, Device>({channels}, 1)),
        bias(constant_parameter<T, Device>({channels}, 0)),
        running_mean({channels}, T{0}),
        running_var({channels}, T{1}),
        options_(options) {}

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x,
                                   const BatchNormEpilogue<Variable<Map, Device>>& epilogue = {}) {
    ops::require_channels("BatchNorm", x.shape(), weight.shape());
    // Before the running statistics follow.
    if (epilogue.residual.value().defined())
      ops::require_equal_shapes("batch_norm: input and residual", x.shape(), epilogue.residual.shape());
    return batch_norm(x, moments(x.value()), weight, bias, epsilon(), this->is_training(), epilogue);
  }

  /// What the next map is normalised by, to be asked once for each map: while training the map's own moments, which the
  /// running ones follow with this call, else the running ones.
  template <MapOf<T> Map>
  ops::Moments<T, Device> moments(const Tensor<Map, Device>& x) {
    if (!this->is_training()) return {running_mean, running_var};
    const ops::Moments<T, Device> own = sum_ ? ops::channel_moments(x, sum_) : ops::channel_moments(x);
    const Index rows = sum_ ? own.rows : x.elements() / weight.value().elements();
    backend::update_running_moments(own.mean, own.variance, rows, static_cast<T>(options_.momentum), running_mean,
                                    running_var);
    return own;
  }

  /// From now on a batch's statistics are those of all processes that share it, which `sum` adds numbers up over:
  /// synchronised batch normalisation. Without one, each goes by its own part again.
  void share_statistics(ops::SumOverRanks<T, Device> sum) { sum_ = std::move(sum); }

  T epsilon() const { return static_cast<T>(options_.epsilon); }

  /// What it multiplies channels by and adds to them in evaluation, [C] each.
  ops::BatchNormFactors<T, Device> factors() const {
    return ops::batch_norm_factors<T, Device>({running_mean, running_var}, weight.value(), bias.value(), epsilon());
  }

  void visit(auto&& child) {
    child("weight", weight);
    child("bias", bias);
    child("running_mean", running_mean);
    child("running_var", running_var);
  }

  Variable<T, Device> weight;
  Variable<T, Device> bias;
  Tensor<T, Device> running_mean;
  Tensor<T, Device> running_var;

 private:
  BatchNormOptions options_;
  ops::SumOverRanks<T, Device> sum_;
};

}  // namespace mien::nn
