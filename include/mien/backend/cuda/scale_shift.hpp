#pragma once

#include "mien/backend/cuda/arithmetic.hpp"
#include "mien/backend/cuda/kernels/channels.hpp"
#include "mien/backend/cuda/number.hpp"

namespace mien::backend {

template <cuda::Number T>
void scale_shift(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& scale, const Tensor<T, Cuda>& shift,
                 Tensor<T, Cuda>& out) {
  const Index channels = scale.elements();
  kernels::scale_shift(x.data(), scale.data(), shift.data(), rows_of_channels(x.elements(), channels), channels,
                       out.data(), cuda::current_stream().get());
}

template <cuda::Number T>
void scale_shift_scale_gradient(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  const Index channels = out.elements();
  const Index rows = rows_of_channels(x.elements(), channels);
  auto workspace = cuda::workspace(kernels::sum_rows_workspace(rows, channels));
  kernels::sum_row_products(x.data(), upstream.data(), rows, channels, workspace.data(), out.data(),
                            cuda::current_stream().get());
}

}  // namespace mien::backend
