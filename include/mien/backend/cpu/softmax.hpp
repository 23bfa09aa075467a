#pragma once

#include <cmath>

#include "mien/backend/cpu/arithmetic.hpp"

namespace mien::backend {

/// Calls `row(offset, count)` for every run of `channels` elements of a tensor, on all threads.
template <class Row>
void for_each_row(Index elements, Index channels, const Row& row) {
  if (elements == 0) return;
  parallel_for(0, elements / channels, row_grain(channels), [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) row(i * channels, channels);
  });
}

template <class T>
void softmax(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  for_each_row(out.elements(), out.size(-1), [&](Index offset, Index count) {
    const auto in = array(x.data() + offset, count);
    auto result = array(out.data() + offset, count);
    result = (in - in.maxCoeff()).exp();
    result /= result.sum();
  });
}

template <class T>
void softmax_gradient(const Tensor<T, Cpu>& result, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  for_each_row(out.elements(), out.size(-1), [&](Index offset, Index count) {
    const auto y = array(result.data() + offset, count);
    const auto up = array(upstream.data() + offset, count);
    array(out.data() + offset, count) = y * (up - (y * up).sum());
  });
}

template <class T>
void log_softmax(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  for_each_row(out.elements(), out.size(-1), [&](Index offset, Index count) {
    const auto in = array(x.data() + offset, count);
    auto result = array(out.data() + offset, count);
    result = in - in.maxCoeff();
    result -= std::log(result.exp().sum());
  });
}

template <class T>
void log_softmax_gradient(const Tensor<T, Cpu>& result, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  for_each_row(out.elements(), out.size(-1), [&](Index offset, Index count) {
    const auto y = array(result.data() + offset, count);
    const auto up = array(upstream.data() + offset, count);
    array(out.data() + offset, count) = up - y.exp() * up.sum();
  });
}

}  // namespace mien::backend
