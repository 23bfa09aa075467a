#pragma once

#include <span>

#include "mien/backend/cuda/kernels/lstm.hpp"
#include "mien/backend/cuda/precision.hpp"
#include "mien/backend/cuda/steps.hpp"

namespace mien::backend {

template <cuda::Number T>
void lstm(const Tensor<T, Cuda>& weight_hh, std::span<const Index> lengths, bool reverse, Tensor<T, Cuda>& gates,
          Tensor<T, Cuda>& outputs, Tensor<T, Cuda>& cells, Tensor<T, Cuda>& h, Tensor<T, Cuda>& c) {
  const auto on_device = upload_lengths(lengths);
  auto workspace = cuda::workspace(kernels::lstm_workspace(outputs.size(0), outputs.size(2)));
  kernels::lstm_sequence({.samples = outputs.size(0),
                          .steps = outputs.size(1),
                          .units = outputs.size(2),
                          .weight_hh = weight_hh.data(),
                          .lengths = on_device.data(),
                          .reverse = reverse,
                          .gates = gates.data(),
                          .outputs = outputs.data(),
                          .cells = cells.data(),
                          .h = h.data(),
                          .c = c.data(),
                          .precision = product_precision(),
                          .workspace = workspace.data()},
                         cuda::current_stream().get());
}

template <cuda::Number T>
void lstm_gradient(const Tensor<T, Cuda>& weight_hh, const Tensor<T, Cuda>& c_0, std::span<const Index> lengths,
                   bool reverse, const Tensor<T, Cuda>& gates, const Tensor<T, Cuda>& cells,
                   const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& gate_gradients, Tensor<T, Cuda>& h_gradient,
                   Tensor<T, Cuda>& c_gradient) {
  const auto on_device = upload_lengths(lengths);
  auto workspace = cuda::workspace(kernels::lstm_workspace(cells.size(0), cells.size(2)));
  kernels::lstm_sequence_gradient({.samples = cells.size(0),
                                   .steps = cells.size(1),
                                   .units = cells.size(2),
                                   .weight_hh = weight_hh.data(),
                                   .c_0 = c_0.data(),
                                   .lengths = on_device.data(),
                                   .reverse = reverse,
                                   .gates = gates.data(),
                                   .cells = cells.data(),
                                   .upstream = upstream.data(),
                                   .gate_gradients = gate_gradients.data(),
                                   .h = h_gradient.data(),
                                   .c = c_gradient.data(),
                                   .precision = product_precision(),
                                   .workspace = workspace.data()},
                                  cuda::current_stream().get());
}

template <cuda::Number T>
void lstm_previous_outputs(const Tensor<T, Cuda>& outputs, const Tensor<T, Cuda>& h_0, std::span<const Index> lengths,
                           bool reverse, Tensor<T, Cuda>& out) {
  const auto on_device = upload_lengths(lengths);
  kernels::lstm_previous_outputs(outputs.data(), h_0.data(), outputs.size(0), outputs.size(1), outputs.size(2),
                                 on_device.data(), reverse, out.data(), cuda::current_stream().get());
}

}  // namespace mien::backend
