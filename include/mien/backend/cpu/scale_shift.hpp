#pragma once

#include "mien/backend/cpu/arithmetic.hpp"

namespace mien::backend {

/// out = x * scale + shift, by channel.
template <class T>
void scale_shift(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& scale, const Tensor<T, Cpu>& shift,
                 Tensor<T, Cpu>& out) {
  const Index channels = scale.elements();
  if (out.empty()) return;
  parallel_for(0, out.elements() / channels, row_grain(channels), [&](Index first, Index last) {
    for (Index row = first; row < last; ++row)
      array(out.data() + row * channels, channels) =
          array(x.data() + row * channels, channels) * array(scale.data(), channels) + array(shift.data(), channels);
  });
}

/// out = sum over all leading axes of upstream * x, by channel.
template <class T>
void scale_shift_scale_gradient(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  const Index channels = out.elements();
  const Index rows = row_count(x.elements(), channels);
  sum_terms(rows, channels, out.data(), [&](Index row) {
    return array(x.data() + row * channels, channels) * array(upstream.data() + row * channels, channels);
  });
}

}  // namespace mien::backend
