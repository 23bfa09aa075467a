#pragma once

/// Differentiable channel-wise convolution; see ops/channel_wise_convolution.hpp.

#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/ops/channel_wise_convolution.hpp"

namespace mien {

using ops::ChannelWiseConvolutionOptions;

template <class T, class Device>
Variable<T, Device> channel_wise_convolution(const Variable<T, Device>& x,
                                             const Variable<Accumulated<T>, Device>& weight,
                                             const ChannelWiseConvolutionOptions& options = {}) {
  const Tensor<T, Device> y = ops::channel_wise_convolution(x.value(), weight.value(), options);
  trace::note("channel_wise_convolution", [&](auto& operation) {
    operation.reads(x.value()).reads(weight.value()).makes(y);
    operation.with("stride", options.stride.height, options.stride.width);
    operation.with("padding", options.padding.height, options.padding.width);
  });
  return record(y, {x, weight},
                [map = x.value(), kernel = weight.value(), options](const Tensor<T, Device>& upstream, auto& inputs) {
                  if (inputs.needed(0))
                    inputs.add(0, ops::channel_wise_convolution_input_gradient(upstream, kernel, map.shape(), options));
                  if (inputs.needed(1))
                    inputs.add(1,
                               ops::channel_wise_convolution_weight_gradient(map, upstream, kernel.shape(), options));
                });
}

}  // namespace mien

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                                   \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> channel_wise_convolution(const Variable<T, Cpu>&, const Variable<T, Cpu>&, \
                                                                   const ChannelWiseConvolutionOptions&);
#include "mien/autograd/for_each_compiled_type.inc"
#endif
