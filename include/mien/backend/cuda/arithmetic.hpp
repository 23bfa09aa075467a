#pragma once

#include "mien/backend/cuda/kernels/channels.hpp"
#include "mien/backend/cuda/kernels/elementwise.hpp"
#include "mien/backend/cuda/kernels/pooling.hpp"
#include "mien/backend/cuda/number.hpp"

namespace mien::backend {

template <cuda::MapNumber T>
void add(const Tensor<T, Cuda>& a, const Tensor<T, Cuda>& b, Tensor<T, Cuda>& out) {
  kernels::add(cuda::data(a), cuda::data(b), out.elements(), cuda::data(out), cuda::current_stream().get());
}
template <cuda::MapNumber T>
void subtract(const Tensor<T, Cuda>& a, const Tensor<T, Cuda>& b, Tensor<T, Cuda>& out) {
  kernels::subtract(cuda::data(a), cuda::data(b), out.elements(), cuda::data(out), cuda::current_stream().get());
}
template <cuda::MapNumber T>
void multiply(const Tensor<T, Cuda>& a, const Tensor<T, Cuda>& b, Tensor<T, Cuda>& out) {
  kernels::multiply(cuda::data(a), cuda::data(b), out.elements(), cuda::data(out), cuda::current_stream().get());
}
template <cuda::MapNumber T>
void divide(const Tensor<T, Cuda>& a, const Tensor<T, Cuda>& b, Tensor<T, Cuda>& out) {
  kernels::divide(cuda::data(a), cuda::data(b), out.elements(), cuda::data(out), cuda::current_stream().get());
}

template <cuda::MapNumber T>
void scale(const Tensor<T, Cuda>& x, Accumulated<T> factor, Tensor<T, Cuda>& out) {
  kernels::scale(cuda::data(x), factor, out.elements(), cuda::data(out), cuda::current_stream().get());
}

/// Of [..., C]: the channels are `channels`.
inline Index rows_of_channels(Index elements, Index channels) { return channels == 0 ? 0 : elements / channels; }

template <cuda::MapNumber T>
void add_bias(const Tensor<T, Cuda>& x, const Tensor<Accumulated<T>, Cuda>& bias, Tensor<T, Cuda>& out) {
  const Index channels = bias.elements();
  kernels::add_bias(cuda::data(x), bias.data(), rows_of_channels(x.elements(), channels), channels, cuda::data(out),
                    cuda::current_stream().get());
}

template <cuda::MapNumber T>
void sum_rows(const Tensor<T, Cuda>& x, Tensor<Accumulated<T>, Cuda>& out) {
  const Index channels = out.elements();
  const Index rows = rows_of_channels(x.elements(), channels);
  auto workspace = cuda::workspace(kernels::sum_rows_workspace(rows, channels));
  kernels::sum_rows(cuda::data(x), rows, channels, workspace.data(), out.data(), cuda::current_stream().get());
}

/// Positions of a map [B, ..., C].
inline Index positions_of(const Shape& map) {
  Index positions = 1;
  for (Index axis = 1; axis + 1 < map.rank(); ++axis) positions *= map[axis];
  return positions;
}

template <cuda::MapNumber T>
void sum_of_positions(const Tensor<T, Cuda>& x, Tensor<Accumulated<T>, Cuda>& out) {
  const Index positions = positions_of(x.shape());
  auto workspace = cuda::workspace(kernels::scale_channels_workspace(out.size(0), positions, out.size(1)));
  kernels::sum_of_positions(cuda::data(x), out.size(0), positions, out.size(1), workspace.data(), out.data(),
                            cuda::current_stream().get());
}

template <cuda::MapNumber T>
void mean_of_positions(const Tensor<T, Cuda>& x, Tensor<Accumulated<T>, Cuda>& out) {
  const Index positions = positions_of(x.shape());
  auto workspace = cuda::workspace(kernels::mean_of_positions_workspace(out.size(0), positions, out.size(1)));
  kernels::mean_of_positions(cuda::data(x), out.size(0), positions, out.size(1), workspace.data(), out.data(),
                             cuda::current_stream().get());
}

template <cuda::MapNumber T>
void spread_over_positions(const Tensor<Accumulated<T>, Cuda>& values, Accumulated<T> factor, Tensor<T, Cuda>& out) {
  kernels::spread_over_positions(values.data(), factor, out.size(0), positions_of(out.shape()), out.size(-1),
                                 cuda::data(out), cuda::current_stream().get());
}

template <cuda::MapNumber T>
void scale_channels(const Tensor<T, Cuda>& x, const Tensor<Accumulated<T>, Cuda>& weights, Tensor<T, Cuda>& out) {
  kernels::scale_channels(cuda::data(x), weights.data(), x.size(0), positions_of(x.shape()), x.size(-1),
                          cuda::data(out), cuda::current_stream().get());
}

template <cuda::MapNumber T>
void scale_channels_weight_gradient(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& upstream,
                                    Tensor<Accumulated<T>, Cuda>& out) {
  const Index positions = positions_of(x.shape());
  auto workspace = cuda::workspace(kernels::scale_channels_workspace(x.size(0), positions, x.size(-1)));
  kernels::scale_channels_weight_gradient(cuda::data(x), cuda::data(upstream), x.size(0), positions, x.size(-1),
                                          workspace.data(), out.data(), cuda::current_stream().get());
}

}  // namespace mien::backend
