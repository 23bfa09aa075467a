#pragma once

#include "mien/autograd/layer_norm.hpp"
#include "mien/nn/initialisation.hpp"
#include "mien/nn/module.hpp"

namespace mien::nn {

struct LayerNormOptions {
  double epsilon = 1e-5;  ///< added to the variance
};

/// Normalises the last axis, x [..., features]. Parameters "weight" (starts at 1) and "bias" (starts at 0), [features].
template <class T>
class LayerNorm : public Module<LayerNorm<T>, T> {
 public:
  explicit LayerNorm(Index features, const LayerNormOptions& options = {})
      : weight(constant_parameter<T>({features}, 1)),
        bias(constant_parameter<T>({features}, 0)),
        epsilon_(options.epsilon) {}

  Variable<T> operator()(const Variable<T>& x) const { return layer_norm(x, weight, bias, epsilon_); }

  void visit(auto&& child) {
    child("weight", weight);
    child("bias", bias);
  }

  Variable<T> weight;
  Variable<T> bias;

 private:
  double epsilon_;
};

}  // namespace mien::nn
