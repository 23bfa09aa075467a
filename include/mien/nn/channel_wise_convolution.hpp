#pragma once

#include "mien/autograd/channel_wise_convolution.hpp"
#include "mien/nn/initialisation.hpp"
#include "mien/nn/module.hpp"

namespace mien::nn {

struct ChannelWiseConvolutionLayerOptions {
  Index channels = 0;
  Extent2d kernel = 3;
  Extent2d stride = 1;
  Extent2d padding = 1;
};

/// Every channel of a map [..., H, W, C] convolved with a kernel of its own. Parameter "weight" [kernel height,
/// kernel width, 1, C], from U[-1/sqrt(kernel area), 1/sqrt(kernel area)].
template <class T, class Device = Cpu>
class ChannelWiseConvolution : public Module<ChannelWiseConvolution<T, Device>, T, Device> {
 public:
  explicit ChannelWiseConvolution(const ChannelWiseConvolutionLayerOptions& options)
      : weight(uniform_parameter<T, Device>({options.kernel.height, options.kernel.width, 1, options.channels},
                                            fan_in_bound(options.kernel.height * options.kernel.width))),
        options_{options.stride, options.padding} {}

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) const {
    return channel_wise_convolution(x, weight, options_);
  }

  void visit(auto&& child) { child("weight", weight, ParameterLayout::convolution); }

  Variable<T, Device> weight;

 private:
  ChannelWiseConvolutionOptions options_;
};

}  // namespace mien::nn
