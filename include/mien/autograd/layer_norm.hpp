#pragma once

/// Differentiable layer normalisation; see ops/layer_norm.hpp.

#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/ops/layer_norm.hpp"

namespace mien {

/// x [..., C], weight [C], bias [C].
template <class T, class Device>
Variable<T, Device> layer_norm(const Variable<T, Device>& x, const Variable<Accumulated<T>, Device>& weight,
                               const Variable<Accumulated<T>, Device>& bias, double epsilon = 1e-5) {
  const auto result = ops::layer_norm(x.value(), weight.value(), bias.value(), epsilon);
  trace::note("layer_norm", [&](auto& operation) {
    operation.reads(x.value()).reads(weight.value()).reads(bias.value()).makes(result.out).with("epsilon", epsilon);
  });
  return record(result.out, {x, weight, bias},
                [input = x.value(), w = weight.value(), mean = result.mean, inverse = result.inverse_deviation](
                    const Tensor<T, Device>& upstream, auto& inputs) {
                  if (inputs.needed(0))
                    inputs.add(0, ops::layer_norm_input_gradient(input, w, mean, inverse, upstream));
                  if (inputs.needed(1)) inputs.add(1, ops::layer_norm_weight_gradient(input, mean, inverse, upstream));
                  if (inputs.needed(2)) inputs.add(2, ops::sum_rows(upstream));
                });
}

}  // namespace mien

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                     \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> layer_norm(const Variable<T, Cpu>&, const Variable<T, Cpu>&, \
                                                     const Variable<T, Cpu>&, double);
#include "mien/autograd/for_each_compiled_type.inc"
#endif
