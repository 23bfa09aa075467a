#pragma once

#include <cmath>

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

/// out[i] = kernel(x[i]), chunk by chunk.
template <class T>
void map_elements(typename ElementwiseKernels<T>::OfTensor* kernel, const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  const T* source = x.data();
  T* result = out.data();
  parallel_for(0, out.elements(), elementwise_grain,
               [=](Index first, Index last) { kernel(last - first, source + first, result + first); });
}

template <class T>
void relu(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  combine_with_number(elementwise_kernels<T>().at_least, x, T{0}, out);
}

template <class T>
void relu_gradient(const Tensor<T, Cpu>& y, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  combine_elements(elementwise_kernels<T>().where_positive, y, upstream, out);
}

template <class T>
void sigmoid(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  apply_to_elements(x, out, [](const auto& v) { return T{1} / (T{1} + (-v).exp()); });
}

template <class T>
void sigmoid_gradient(const Tensor<T, Cpu>& y, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  combine_elements(elementwise_kernels<T>().sigmoid_gradient, y, upstream, out);
}

template <class T>
void tanh(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  apply_to_elements(x, out, [](const auto& v) { return v.tanh(); });
}

template <class T>
void tanh_gradient(const Tensor<T, Cpu>& y, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  combine_elements(elementwise_kernels<T>().tanh_gradient, y, upstream, out);
}

template <class T>
void gelu(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  map_elements(elementwise_kernels<T>().gelu, x, out);
}

template <class T>
void gelu_gradient(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  combine_elements(elementwise_kernels<T>().gelu_gradient, x, upstream, out);
}

template <class T>
void exp(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  map_elements(elementwise_kernels<T>().exp, x, out);
}

// Number by number: Eigen's vectors take subnormal numbers for larger ones, and the root of infinity for a NaN.
template <class T>
void log(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  apply_to_elements(x, out, [](const auto& v) { return v.unaryExpr([](T number) { return std::log(number); }); });
}

template <class T>
void sqrt(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  apply_to_elements(x, out, [](const auto& v) { return v.unaryExpr([](T number) { return std::sqrt(number); }); });
}

}  // namespace mien::backend
