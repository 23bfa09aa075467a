#pragma once

/// Attention that weighs the channels of a map [B, ..., C].

#include <algorithm>

#include "mien/autograd/activation.hpp"
#include "mien/autograd/arithmetic.hpp"
#include "mien/nn/linear.hpp"

namespace mien::nn {

/// Joint attention of ACCM: channel means -> linear -> sigmoid -> every joint's channel times its weight.
///
/// Parameters "weight" [C, C] and "bias" [C], both from U[-a, a] with a = sqrt(6 / (2 C)), the bias included.
template <class T, class Device = Cpu>
class JointAttention : public Module<JointAttention<T, Device>, T, Device> {
 public:
  explicit JointAttention(Index joints)
      : weight(uniform_parameter<T, Device>({joints, joints}, glorot_bound(joints, joints))),
        bias(uniform_parameter<T, Device>({joints}, glorot_bound(joints, joints))) {}

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) {
    const Variable<T, Device> weights = sigmoid(linear(mean_of_positions(x), weight, bias));
    weights_ = weights.value();
    return scale_channels(x, weights);
  }

  /// The weights of the last call, [B, C]: which joints mattered.
  const Tensor<T, Device>& joint_weights() const { return weights_; }

  void visit(auto&& child) {
    child("weight", weight);
    child("bias", bias);
  }

  Variable<T, Device> weight;
  Variable<T, Device> bias;

 private:
  Tensor<T, Device> weights_;
};

struct SqueezeExcitationOptions {
  Index channels = 0;
  Index reduction = 16;
};

/// Squeeze-and-excitation (Hu et al., CVPR 2018): channel means -> linear C to C / reduction -> ReLU -> linear back ->
/// sigmoid -> every channel times its weight. Layers "fc1" and "fc2".
template <class T, class Device = Cpu>
class SqueezeExcitation : public Module<SqueezeExcitation<T, Device>, T, Device> {
 public:
  explicit SqueezeExcitation(const SqueezeExcitationOptions& options)
      : fc1({.in = options.channels, .out = hidden(options)}), fc2({.in = hidden(options), .out = options.channels}) {}

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) {
    return scale_channels(x, sigmoid(fc2(relu(fc1(mean_of_positions(x))))));
  }

  void visit(auto&& child) {
    child("fc1", fc1);
    child("fc2", fc2);
  }

  Linear<T, Device> fc1;
  Linear<T, Device> fc2;

 private:
  static Index hidden(const SqueezeExcitationOptions& options) {
    if (options.reduction < 1) throw ValueError(detail::text("SqueezeExcitation: reduction ", options.reduction));
    return std::max<Index>(1, options.channels / options.reduction);
  }
};

}  // namespace mien::nn
