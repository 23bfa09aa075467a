#pragma once

#include "mien/backend/cpu/arithmetic.hpp"
#include "mien/backend/cpu/batch_norm.hpp"

namespace mien::backend {

/// out = x * scale + shift, by channel.
template <class T>
void scale_shift(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& scale, const Tensor<T, Cpu>& shift,
                 Tensor<T, Cpu>& out) {
  normalise(x, scale, shift, {}, false, out);
}

/// out = sum over all leading axes of upstream * x, by channel.
template <class T>
void scale_shift_scale_gradient(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  const Index channels = out.elements();
  sum_columns<T>(elementwise_kernels<T>().column_sums_of_products, row_count(x.elements(), channels), channels,
                 x.data(), upstream.data(), out.data());
}

}  // namespace mien::backend
