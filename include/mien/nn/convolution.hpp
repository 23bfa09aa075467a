#pragma once

#include <algorithm>

#include "mien/autograd/arithmetic.hpp"
#include "mien/autograd/convolution.hpp"
#include "mien/nn/initialisation.hpp"
#include "mien/nn/module.hpp"

namespace mien::nn {

struct ConvolutionLayerOptions {
  Index in = 0;
  Index out = 0;
  Extent2d kernel = 3;
  Extent2d stride = 1;
  Extent2d padding = 0;
  Index groups = 1;
  bool bias = false;  ///< batch norm, which usually follows, has one of its own
};

/// Convolution of maps [..., H, W, in]. Parameters "weight" and, if asked for, "bias" [out].
/// The weight starts as N(0, 2 / (out * kernel area / groups)): Kaiming normal by outputs, as in ResNet.
template <class T>
class Convolution : public Module<Convolution<T>, T> {
 public:
  explicit Convolution(const ConvolutionLayerOptions& options)
      : weight(kaiming_parameter<T>(
            {options.kernel.height, options.kernel.width, options.in / std::max<Index>(1, options.groups), options.out},
            options.out / std::max<Index>(1, options.groups) * options.kernel.height * options.kernel.width)),
        options_{options.stride, options.padding, options.groups} {
    if (options.bias) bias = constant_parameter<T>({options.out}, 0);
  }

  Variable<T> operator()(const Variable<T>& x) const {
    const Variable<T> y = convolution(x, weight, options_);
    return bias.value().defined() ? add_bias(y, bias) : y;
  }

  void visit(auto&& child) {
    child("weight", weight, ParameterLayout::convolution);
    if (bias.value().defined()) child("bias", bias);
  }

  Variable<T> weight;
  Variable<T> bias;

 private:
  ConvolutionOptions options_;
};

}  // namespace mien::nn
