#pragma once

#include "mien/autograd/linear.hpp"
#include "mien/nn/initialisation.hpp"
#include "mien/nn/module.hpp"

namespace mien::nn {

struct LinearOptions {
  Index in = 0;
  Index out = 0;
  bool bias = true;
};

/// y = x W^T + b, x [..., in], y [..., out]. Parameters "weight" [out, in] and "bias" [out], from
/// U[-1/sqrt(in), 1/sqrt(in)].
template <class T, class Device = Cpu>
class Linear : public Module<Linear<T, Device>, T, Device> {
 public:
  explicit Linear(const LinearOptions& options)
      : weight(uniform_parameter<T, Device>({options.out, options.in}, fan_in_bound(options.in))) {
    if (options.bias) bias = uniform_parameter<T, Device>({options.out}, fan_in_bound(options.in));
  }

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) const {
    return linear(x, weight, bias);
  }

  void visit(auto&& child) {
    child("weight", weight);
    if (bias.value().defined()) child("bias", bias);
  }

  Variable<T, Device> weight;
  Variable<T, Device> bias;
};

}  // namespace mien::nn
