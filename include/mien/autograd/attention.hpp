#pragma once

/// Differentiable multi-head attention; see ops/attention.hpp.

#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/ops/attention.hpp"

namespace mien {

/// qkv [N, T, 3 E] -> [N, T, E].
template <class T, class Device>
Variable<T, Device> attention(const Variable<T, Device>& qkv, Index heads) {
  const auto result = ops::attention(qkv.value(), heads);
  trace::note("attention", [&](auto& operation) {
    operation.reads(qkv.value()).makes(result.out).with("heads", heads);
  });
  return record(result.out, {qkv},
                [input = qkv.value(), heads, result](const Tensor<T, Device>& upstream, auto& inputs) {
                  inputs.add(0, ops::attention_gradient(input, heads, result, upstream));
                });
}

}  // namespace mien

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T) MIEN_COMPILED_TEMPLATE Variable<T, Cpu> attention(const Variable<T, Cpu>&, Index);
#include "mien/autograd/for_each_compiled_type.inc"
#endif
