#pragma once

#include "mien/backend/cpu/softmax.hpp"

namespace mien::backend {

/// `mean` and `inverse_deviation` have one entry for each run of channels; of runs without a channel they are zero.
template <class T>
void layer_norm(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& weight, const Tensor<T, Cpu>& bias, T epsilon,
                Tensor<T, Cpu>& out, Tensor<T, Cpu>& mean, Tensor<T, Cpu>& inverse_deviation) {
  if (out.empty()) {
    mean.fill(T{0});
    inverse_deviation.fill(T{0});
    return;
  }
  const auto kernel = row_kernels<T>().layer_norm;
  for_each_row(out.elements(), out.size(-1), [&](Index offset, Index count) {
    kernel(x.data() + offset, weight.data(), bias.data(), epsilon, count, out.data() + offset,
           mean.data() + offset / count, inverse_deviation.data() + offset / count);
  });
}

template <class T>
void layer_norm_input_gradient(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& weight, const Tensor<T, Cpu>& mean,
                               const Tensor<T, Cpu>& inverse_deviation, const Tensor<T, Cpu>& upstream,
                               Tensor<T, Cpu>& out) {
  const auto kernel = row_kernels<T>().layer_norm_gradient;
  for_each_row(out.elements(), out.size(-1), [&](Index offset, Index count) {
    kernel(x.data() + offset, weight.data(), mean.data()[offset / count], inverse_deviation.data()[offset / count],
           upstream.data() + offset, count, out.data() + offset);
  });
}

template <class T>
void layer_norm_weight_gradient(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& mean,
                                const Tensor<T, Cpu>& inverse_deviation, const Tensor<T, Cpu>& upstream,
                                Tensor<T, Cpu>& out) {
  const auto kernel = row_kernels<T>().layer_norm_weight_gradient;
  const Index rows = mean.elements();
  const Index channels = out.elements();
  const Index grain = row_grain(channels);
  // A sum for each chunk, so that the order of additions does not depend on the threads.
  auto partial = Tensor<T>::zeros({chunk_count(rows, grain), channels});
  parallel_for(0, rows, grain, [&](Index first, Index last) {
    for (Index row = first; row < last; ++row)
      kernel(x.data() + row * channels, mean.data()[row], inverse_deviation.data()[row],
             upstream.data() + row * channels, channels, partial.data() + first / grain * channels);
  });
  sum_rows(partial, out);
}

}  // namespace mien::backend
