#pragma once

/// Differentiable softmax over the last axis; see ops/softmax.hpp.

#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/ops/softmax.hpp"

namespace mien {

template <class T, class Device>
Variable<T, Device> softmax(const Variable<T, Device>& x) {
  const Tensor<T, Device> result = ops::softmax(x.value());
  trace::note("softmax", [&](auto& operation) { operation.reads(x.value()).makes(result); });
  return record(result, {x}, [result](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::softmax_gradient(result, upstream));
  });
}

template <class T, class Device>
Variable<T, Device> log_softmax(const Variable<T, Device>& x) {
  const Tensor<T, Device> result = ops::log_softmax(x.value());
  trace::note("log_softmax", [&](auto& operation) { operation.reads(x.value()).makes(result); });
  return record(result, {x}, [result](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::log_softmax_gradient(result, upstream));
  });
}

}  // namespace mien

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                          \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> softmax(const Variable<T, Cpu>&); \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> log_softmax(const Variable<T, Cpu>&);
#include "mien/autograd/for_each_compiled_type.inc"
#endif
