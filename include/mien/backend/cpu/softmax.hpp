#pragma once

#include "mien/backend/cpu/arithmetic.hpp"
#include "mien/backend/cpu/row_kernels.hpp"

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
  const auto kernel = row_kernels<T>().softmax;
  for_each_row(out.elements(), out.size(-1),
               [&](Index offset, Index count) { kernel(x.data() + offset, count, out.data() + offset); });
}

template <class T>
void softmax_gradient(const Tensor<T, Cpu>& result, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  const auto kernel = row_kernels<T>().softmax_gradient;
  for_each_row(out.elements(), out.size(-1), [&](Index offset, Index count) {
    kernel(result.data() + offset, upstream.data() + offset, count, out.data() + offset);
  });
}

template <class T>
void log_softmax(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  const auto kernel = row_kernels<T>().log_softmax;
  for_each_row(out.elements(), out.size(-1),
               [&](Index offset, Index count) { kernel(x.data() + offset, count, out.data() + offset); });
}

template <class T>
void log_softmax_gradient(const Tensor<T, Cpu>& result, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  const auto kernel = row_kernels<T>().log_softmax_gradient;
  for_each_row(out.elements(), out.size(-1), [&](Index offset, Index count) {
    kernel(result.data() + offset, upstream.data() + offset, count, out.data() + offset);
  });
}

}  // namespace mien::backend
