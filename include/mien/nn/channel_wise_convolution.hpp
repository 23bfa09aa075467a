#pragma once

#include "mien/autograd/activation.hpp"
#include "mien/autograd/arithmetic.hpp"
#include "mien/autograd/channel_wise_convolution.hpp"
#include "mien/nn/initialisation.hpp"
#include "mien/nn/module.hpp"

namespace mien::nn {

struct ChannelWiseConvolutionLayerOptions {
  Index channels = 0;
  Extent2d kernel = 3;
  Extent2d stride = 1;
  Extent2d padding = 1;
  bool bias = false;
  bool relu = false;  ///< after the bias; where no gradient is recorded, in the convolution's own pass
};

/// Every channel of a map [..., H, W, C] convolved with a kernel of its own. Parameters "weight" [kernel height,
/// kernel width, 1, C] and, if asked for, "bias" [C], both from U[-1/sqrt(kernel area), 1/sqrt(kernel area)].
template <class T, class Device = Cpu>
class ChannelWiseConvolution : public Module<ChannelWiseConvolution<T, Device>, T, Device> {
 public:
  explicit ChannelWiseConvolution(const ChannelWiseConvolutionLayerOptions& options)
      : weight(uniform_parameter<T, Device>({options.kernel.height, options.kernel.width, 1, options.channels},
                                            fan_in_bound(options.kernel.height * options.kernel.width))),
        options_{options.stride, options.padding},
        relu_(options.relu) {
    if (options.bias)
      bias =
          uniform_parameter<T, Device>({options.channels}, fan_in_bound(options.kernel.height * options.kernel.width));
  }

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) const {
    if (!wants_gradient(x, weight, bias))
      return Variable<Map, Device>(
          ops::channel_wise_convolution<Map, Device>(x.value(), weight.value(), options_, {bias.value(), relu_}));
    Variable<Map, Device> y = channel_wise_convolution(x, weight, options_);
    if (bias.value().defined()) y = add_bias(y, bias);
    return relu_ ? relu(y) : y;
  }

  void visit(auto&& child) {
    child("weight", weight, ParameterLayout::convolution);
    if (bias.value().defined()) child("bias", bias);
  }

  Variable<T, Device> weight;
  Variable<T, Device> bias;

 private:
  ChannelWiseConvolutionOptions options_;
  bool relu_;
};

}  // namespace mien::nn
