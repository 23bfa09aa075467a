#pragma once

/// Differentiable batch normalisation; see ops/batch_norm.hpp.

#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/ops/batch_norm.hpp"

namespace mien {

using ops::BatchNormEpilogue;

/// x [..., C]. `moments` are the batch's own (`ops::channel_moments(x)`), or constants.
///
///     batch_norm(x, moments, weight, bias, 1e-5F, true, {.residual = shortcut, .relu = true});
template <class T, class Device>
Variable<T, Device> batch_norm(const Variable<T, Device>& x, const ops::Moments<Accumulated<T>, Device>& moments,
                               const Variable<Accumulated<T>, Device>& weight,
                               const Variable<Accumulated<T>, Device>& bias, Accumulated<T> epsilon,
                               bool batch_statistics, const BatchNormEpilogue<Variable<T, Device>>& epilogue = {}) {
  const Variable<T, Device>& residual = epilogue.residual;
  const bool has_residual = residual.value().defined();
  const Tensor<T, Device> y = ops::batch_norm(x.value(), moments, weight.value(), bias.value(), epsilon,
                                              {.residual = residual.value(), .relu = epilogue.relu});
  // With the batch's own statistics it is no function of its inputs alone, and nothing that inference could repeat.
  if (!batch_statistics)
    trace::note("batch_norm", [&](auto& operation) {
      operation.reads(x.value()).reads(moments.mean).reads(moments.variance).reads(weight.value()).reads(bias.value());
      operation.reads(residual.value()).makes(y).with("epsilon", epsilon).with("relu", epilogue.relu);
    });
  ops::BatchNormReluInputs<T, Device> relu;
  if (epilogue.relu && has_residual) relu.y = y;
  if (epilogue.relu && !has_residual) relu.bias = bias.value();
  return record(y, {x, weight, bias, residual},
                [map = x.value(), moments, factor = weight.value(), epsilon, batch_statistics, relu, has_residual](
                    const Tensor<T, Device>& upstream, auto& inputs) {
                  auto gradients =
                      ops::batch_norm_gradients(map, upstream, moments, factor, epsilon, batch_statistics, relu);
                  inputs.add(0, std::move(gradients.x));
                  inputs.add(1, std::move(gradients.weight));
                  inputs.add(2, std::move(gradients.bias));
                  if (has_residual) inputs.add(3, relu.y.defined() ? std::move(gradients.residual) : upstream);
                });
}

}  // namespace mien

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                              \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> batch_norm(const Variable<T, Cpu>&, const ops::Moments<T, Cpu>&,      \
                                                     const Variable<T, Cpu>&, const Variable<T, Cpu>&, T, bool, \
                                                     const BatchNormEpilogue<Variable<T, Cpu>>&);               \
  MIEN_COMPILED_TEMPLATE ops::Moments<T, Cpu> ops::channel_moments(const Tensor<T, Cpu>&,                       \
                                                                   const ops::SumOverRanks<T, Cpu>&);
#include "mien/autograd/for_each_compiled_type.inc"
#endif
