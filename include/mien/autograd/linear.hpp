#pragma once

/// Differentiable y = x W^T + b; see ops/linear.hpp.

#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/ops/linear.hpp"

namespace mien {

/// `bias` may be a variable without a value.
template <class T, class Device>
Variable<T, Device> linear(const Variable<T, Device>& x, const Variable<Accumulated<T>, Device>& weight,
                           const Variable<Accumulated<T>, Device>& bias = {}) {
  const Tensor<T, Device> y = ops::linear(x.value(), weight.value(), bias.value());
  trace::note("linear",
              [&](auto& operation) { operation.reads(x.value()).reads(weight.value()).reads(bias.value()).makes(y); });
  return record(y, {x, weight, bias},
                [input = x.value(), w = weight.value()](const Tensor<T, Device>& upstream, auto& inputs) {
                  if (inputs.needed(0)) inputs.add(0, ops::linear_input_gradient(upstream, w));
                  if (inputs.needed(1)) inputs.add(1, ops::linear_weight_gradient(input, upstream));
                  if (inputs.needed(2)) inputs.add(2, ops::sum_rows(upstream));
                });
}

}  // namespace mien

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                 \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> linear(const Variable<T, Cpu>&, const Variable<T, Cpu>&, \
                                                 const Variable<T, Cpu>&);
#include "mien/autograd/for_each_compiled_type.inc"
#endif
