#pragma once

/// Differentiable convolution of maps that are normalised before it and put together from several, in little memory.
///
///     y = convolution(relu(batch_norm(x)), kernel), x = the parts side by side along the channels
///
/// Nothing is kept for the gradient but the parts, which their makers have anyway: x and its normalised form are made
/// anew there, at the price of a pass over each and no convolution (Pleiss et al., Memory-Efficient Implementation of
/// DenseNets, arXiv:1707.06990, 2017). In a dense block, whose layers read all maps before them, the memory of training
/// therefore grows with the number of layers, and not with its square.

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/ops/batch_norm.hpp"
#include "mien/ops/concatenate.hpp"
#include "mien/ops/convolution.hpp"

namespace mien {

/// How x is normalised: see `batch_norm`.
template <class T, class Device = Cpu>
struct Normalisation {
  ops::Moments<T, Device> moments;  ///< the batch's own, of all parts side by side, or constants
  Variable<T, Device> weight;
  Variable<T, Device> bias;
  T epsilon;
  bool batch_statistics;
};

namespace detail {

/// Maps side by side along their channels.
template <class T, class Device>
Tensor<T, Device> side_by_side(const std::vector<Tensor<T, Device>>& parts) {
  return parts.size() == 1 ? parts[0] : ops::concatenate(std::span<const Tensor<T, Device>>(parts), -1);
}

template <class T, class Device>
std::vector<Tensor<T, Device>> values_of(const std::vector<Variable<T, Device>>& variables) {
  std::vector<Tensor<T, Device>> values;
  for (const auto& variable : variables) values.push_back(variable.value());
  return values;
}

/// relu(batch_norm(x)).
template <class T, class Device>
Tensor<T, Device> activate(const Tensor<T, Device>& x, const Normalisation<Accumulated<T>, Device>& norm) {
  return ops::batch_norm(x, norm.moments, norm.weight.value(), norm.bias.value(), norm.epsilon, {.relu = true});
}

}  // namespace detail

/// Parts [..., H, W, C_i] whose concatenation is `x` [..., H, W, sum C_i], kernel [height, width, sum C_i, O].
template <class T, class Device>
Variable<T, Device> preactivated_convolution(const std::vector<Variable<T, Device>>& parts, const Tensor<T, Device>& x,
                                             const Normalisation<Accumulated<T>, Device>& norm,
                                             const Variable<Accumulated<T>, Device>& kernel,
                                             const ops::ConvolutionOptions& options = {}) {
  std::vector<detail::GraphInput> sources{kernel, norm.weight, norm.bias};
  sources.insert(sources.end(), parts.begin(), parts.end());
  auto pass_on = [maps = detail::values_of(parts), norm, weight = kernel.value(), options](
                     const Tensor<T, Device>& upstream, auto& inputs) {
    const Tensor<T, Device> together = detail::side_by_side(maps);
    if (inputs.needed(0))
      inputs.add(0,
                 ops::convolution_weight_gradient(detail::activate(together, norm), upstream, weight.shape(), options));
    bool others_needed = false;
    for (std::size_t i = 1; i < 3 + maps.size(); ++i) others_needed = others_needed || inputs.needed(i);
    if (!others_needed) return;
    auto gradients = ops::batch_norm_gradients(
        together, ops::convolution_input_gradient(upstream, weight, together.shape(), options), norm.moments,
        norm.weight.value(), norm.epsilon, norm.batch_statistics, {.bias = norm.bias.value()});
    inputs.add(1, std::move(gradients.weight));
    inputs.add(2, std::move(gradients.bias));
    Index begin = 0;
    for (std::size_t i = 0; i < maps.size(); ++i) {
      const Index end = begin + maps[i].size(-1);
      inputs.add(3 + i, gradients.x.slice(-1, begin, end));
      begin = end;
    }
  };
  const Tensor<T, Device> y = ops::convolution(detail::activate(x, norm), kernel.value(), options);
  if (!norm.batch_statistics)
    trace::note("preactivated_convolution", [&](auto& operation) {
      operation.reads(kernel.value()).reads(norm.moments.mean).reads(norm.moments.variance);
      operation.reads(norm.weight.value()).reads(norm.bias.value());
      for (const auto& part : parts) operation.reads(part.value());
      operation.makes(y).with("epsilon", norm.epsilon).with("groups", options.groups);
      operation.with("stride", options.stride.height, options.stride.width);
      operation.with("padding", options.padding.height, options.padding.width);
    });
  return record(y, sources, std::move(pass_on));
}

}  // namespace mien

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                               \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> preactivated_convolution(                              \
      const std::vector<Variable<T, Cpu>>&, const Tensor<T, Cpu>&, const Normalisation<T, Cpu>&, \
      const Variable<T, Cpu>&, const ops::ConvolutionOptions&);
#include "mien/autograd/for_each_compiled_type.inc"
#endif
