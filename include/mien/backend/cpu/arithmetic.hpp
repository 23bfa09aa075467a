#pragma once

#include "mien/backend/cpu/wide_rows.hpp"

namespace mien::backend {

/// out[i] = combine(a[i], b[i]) on Eigen arrays, chunk by chunk.
template <class T, class Combine>
void combine_elements(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, Tensor<T, Cpu>& out, const Combine& combine) {
  const T* left = a.data();
  const T* right = b.data();
  T* result = out.data();
  parallel_for(0, out.elements(), elementwise_grain, [&](Index first, Index last) {
    array(result + first, last - first) = combine(array(left + first, last - first), array(right + first, last - first));
  });
}

template <class T>
void add(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, Tensor<T, Cpu>& out) {
  combine_elements(a, b, out, [](const auto& x, const auto& y) { return x + y; });
}

template <class T>
void subtract(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, Tensor<T, Cpu>& out) {
  combine_elements(a, b, out, [](const auto& x, const auto& y) { return x - y; });
}

template <class T>
void multiply(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, Tensor<T, Cpu>& out) {
  combine_elements(a, b, out, [](const auto& x, const auto& y) { return x * y; });
}

template <class T>
void scale(const Tensor<T, Cpu>& x, T factor, Tensor<T, Cpu>& out) {
  const T* source = x.data();
  T* result = out.data();
  parallel_for(0, out.elements(), elementwise_grain, [&](Index first, Index last) {
    array(result + first, last - first) = array(source + first, last - first) * factor;
  });
}

template <class T>
void add_bias(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& bias, Tensor<T, Cpu>& out) {
  const Index channels = bias.elements();
  if (out.empty()) return;
  parallel_for(0, out.elements() / channels, row_grain(channels), [&](Index first, Index last) {
    for (Index row = first; row < last; ++row)
      array(out.data() + row * channels, channels) =
          array(x.data() + row * channels, channels) + array(bias.data(), channels);
  });
}

/// out[c] = sum over rows of term(row)[c], with one partial sum a chunk so that the order of additions is fixed.
template <class T, class Term>
void sum_terms(Index rows, Index channels, T* out, const Term& term) {
  const Index grain = row_grain(channels);
  const Index chunks = chunk_count(rows, grain);
  Tensor<T> partial({std::max<Index>(1, chunks), channels}, T{0});
  parallel_for(0, chunks, 1, [&](Index first, Index last) {
    for (Index chunk = first; chunk < last; ++chunk) {
      auto sum = array(partial.data() + chunk * channels, channels);
      for (Index row = chunk * grain; row < std::min(rows, (chunk + 1) * grain); ++row) sum += term(row);
    }
  });
  auto total = array(out, channels);
  total.setZero();
  for (Index chunk = 0; chunk < chunks; ++chunk) total += array(partial.data() + chunk * channels, channels);
}

template <class T>
void sum_rows(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  const Index channels = out.elements();
  const Index rows = row_count(x.elements(), channels);
  const T* data = x.data();
  sum_terms(rows, channels, out.data(), [=](Index row) { return array(data + row * channels, channels); });
}

template <class T>
void mean_of_positions(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  const Index batch = out.size(0);
  const Index channels = out.size(1);
  if (out.empty()) return;
  const Index positions = x.elements() / (batch * channels);
  parallel_for(0, batch, 1, [&](Index first, Index last) {
    for (Index b = first; b < last; ++b) {
      const T* data = x.data() + b * positions * channels;
      sum_terms(positions, channels, out.data() + b * channels,
                [=](Index row) { return array(data + row * channels, channels); });
      array(out.data() + b * channels, channels) /= static_cast<T>(positions);
    }
  });
}

template <class T>
void spread_over_positions(const Tensor<T, Cpu>& values, T factor, Tensor<T, Cpu>& out) {
  const Index batch = values.size(0);
  const Index channels = values.size(1);
  if (out.empty()) return;
  const Index positions = out.elements() / (batch * channels);
  parallel_for(0, batch * positions, row_grain(channels), [&](Index first, Index last) {
    for (Index row = first; row < last; ++row)
      array(out.data() + row * channels, channels) = array(values.data() + row / positions * channels, channels) * factor;
  });
}

template <class T>
void scale_channels(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& weights, Tensor<T, Cpu>& out) {
  const Index batch = weights.size(0);
  const Index channels = weights.size(1);
  if (out.empty()) return;
  const Index positions = out.elements() / (batch * channels);
  parallel_for(0, batch * positions, row_grain(channels), [&](Index first, Index last) {
    for (Index row = first; row < last; ++row)
      array(out.data() + row * channels, channels) =
          array(x.data() + row * channels, channels) * array(weights.data() + row / positions * channels, channels);
  });
}

template <class T>
void scale_channels_weight_gradient(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  const Index batch = out.size(0);
  const Index channels = out.size(1);
  if (out.empty()) return;
  const Index positions = x.elements() / (batch * channels);
  parallel_for(0, batch, 1, [&](Index first, Index last) {
    for (Index b = first; b < last; ++b) {
      const Index start = b * positions * channels;
      sum_terms(positions, channels, out.data() + b * channels, [&](Index row) {
        return array(x.data() + start + row * channels, channels) *
               array(upstream.data() + start + row * channels, channels);
      });
    }
  });
}

}  // namespace mien::backend
