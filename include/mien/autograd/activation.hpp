#pragma once

/// Differentiable functions of single elements; see ops/activation.hpp.

#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/ops/activation.hpp"

namespace mien {

template <class T, class Device>
Variable<T, Device> relu(const Variable<T, Device>& x) {
  const Tensor<T, Device> y = ops::relu(x.value());
  trace::note("relu", [&](auto& operation) { operation.reads(x.value()).makes(y); });
  return record(y, {x}, [y](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::relu_gradient(y, upstream));
  });
}

template <class T, class Device>
Variable<T, Device> sigmoid(const Variable<T, Device>& x) {
  const Tensor<T, Device> y = ops::sigmoid(x.value());
  trace::note("sigmoid", [&](auto& operation) { operation.reads(x.value()).makes(y); });
  return record(y, {x}, [y](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::sigmoid_gradient(y, upstream));
  });
}

template <class T, class Device>
Variable<T, Device> tanh(const Variable<T, Device>& x) {
  const Tensor<T, Device> y = ops::tanh(x.value());
  trace::note("tanh", [&](auto& operation) { operation.reads(x.value()).makes(y); });
  return record(y, {x}, [y](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::tanh_gradient(y, upstream));
  });
}

template <class T, class Device>
Variable<T, Device> gelu(const Variable<T, Device>& x) {
  const Tensor<T, Device> y = ops::gelu(x.value());
  trace::note("gelu", [&](auto& operation) { operation.reads(x.value()).makes(y); });
  return record(y, {x}, [input = x.value()](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::gelu_gradient(input, upstream));
  });
}

template <class T, class Device>
Variable<T, Device> exp(const Variable<T, Device>& x) {
  const Tensor<T, Device> y = ops::exp(x.value());
  trace::note("exp", [&](auto& operation) { operation.reads(x.value()).makes(y); });
  return record(y, {x}, [y](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::multiply(upstream, y));
  });
}

/// Of what may be 0, `log(x + 1e-6F)` or `log_softmax` is what losses want: the slope is 1 / x.
template <class T, class Device>
Variable<T, Device> log(const Variable<T, Device>& x) {
  const Tensor<T, Device> y = ops::log(x.value());
  trace::note("log", [&](auto& operation) { operation.reads(x.value()).makes(y); });
  return record(y, {x}, [input = x.value()](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::divide(upstream, input));
  });
}

/// The slope, 1 / (2 sqrt(x)), is infinite at 0.
template <class T, class Device>
Variable<T, Device> sqrt(const Variable<T, Device>& x) {
  const Tensor<T, Device> y = ops::sqrt(x.value());
  trace::note("sqrt", [&](auto& operation) { operation.reads(x.value()).makes(y); });
  return record(y, {x}, [y](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::divide(ops::scale(upstream, Accumulated<T>{1} / 2), y));
  });
}

}  // namespace mien

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                          \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> relu(const Variable<T, Cpu>&);    \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> sigmoid(const Variable<T, Cpu>&); \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> tanh(const Variable<T, Cpu>&);    \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> gelu(const Variable<T, Cpu>&);    \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> exp(const Variable<T, Cpu>&);     \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> log(const Variable<T, Cpu>&);     \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> sqrt(const Variable<T, Cpu>&);
#include "mien/autograd/for_each_compiled_type.inc"
#endif
