#pragma once

#include "mien/autograd/layer_norm.hpp"
#include "mien/nn/initialisation.hpp"
#include "mien/nn/module.hpp"

namespace mien::nn {

struct LayerNormOptions {
  double epsilon = 1e-5;  ///< added to the variance
};

/// Normalises the last axis, x [..., features]. Parameters "weight" (starts at 1) and "bias" (starts at 0), [features].
template <class T, class Device = Cpu>
class LayerNorm : public Module<LayerNorm<T, Device>, T, Device> {
 public:
  explicit LayerNorm(Index features, const LayerNormOptions& options = {})
      : weight(constant_parameter<T, Device>({features}, 1)),
        bias(constant_parameter<T, Device>({features}, 0)),
        epsilon_(options.epsilon) {}

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) const {
    return layer_norm(x, weight, bias, epsilon_);
  }

  void visit(auto&& child) {
    child("weight", weight);
    child("bias", bias);
  }

  Variable<T, Device> weight;
  Variable<T, Device> bias;

 private:
  double epsilon_;
};

}  // namespace mien::nn
