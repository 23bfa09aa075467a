#pragma once

#include <cmath>
#include <numbers>

#include "mien/backend/cpu/arithmetic.hpp"

namespace mien::backend {

/// out[i] = apply(x[i]) on Eigen arrays, chunk by chunk.
template <class T, class Apply>
void apply_to_elements(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out, const Apply& apply) {
  const T* source = x.data();
  T* result = out.data();
  parallel_for(0, out.elements(), elementwise_grain, [&](Index first, Index last) {
    array(result + first, last - first) = apply(array(source + first, last - first));
  });
}

template <class T>
void relu(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  // A NaN stays a NaN: a comparison that fails keeps x.
  apply_to_elements(x, out, [](const auto& v) { return (v < T{0}).select(T{0}, v); });
}

template <class T>
void relu_gradient(const Tensor<T, Cpu>& y, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  combine_elements(y, upstream, out, [](const auto& v, const auto& up) { return (v > T{0}).select(up, T{0}); });
}

template <class T>
void sigmoid(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  apply_to_elements(x, out, [](const auto& v) { return T{1} / (T{1} + (-v).exp()); });
}

template <class T>
void sigmoid_gradient(const Tensor<T, Cpu>& y, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  combine_elements(y, upstream, out, [](const auto& v, const auto& up) { return up * v * (T{1} - v); });
}

template <class T>
void tanh(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  apply_to_elements(x, out, [](const auto& v) { return v.tanh(); });
}

template <class T>
void tanh_gradient(const Tensor<T, Cpu>& y, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  combine_elements(y, upstream, out, [](const auto& v, const auto& up) { return up * (T{1} - v * v); });
}

template <class T>
void gelu(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  apply_to_elements(x, out, [](const auto& v) {
    return v.unaryExpr([](T e) { return e * (std::erf(e / std::numbers::sqrt2_v<T>) + 1) / 2; });
  });
}

template <class T>
void gelu_gradient(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  combine_elements(x, upstream, out, [](const auto& v, const auto& up) {
    return up * v.unaryExpr([](T e) {
             const T cumulative = (std::erf(e / std::numbers::sqrt2_v<T>) + 1) / 2;
             const T density = std::exp(-e * e / 2) * std::numbers::inv_sqrtpi_v<T> / std::numbers::sqrt2_v<T>;
             return cumulative + e * density;
           });
  });
}

}  // namespace mien::backend
