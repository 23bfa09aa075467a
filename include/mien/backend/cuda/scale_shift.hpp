#pragma once

#include "mien/backend/cuda/arithmetic.hpp"
#include "mien/backend/cuda/kernels/channels.hpp"
#include "mien/backend/cuda/number.hpp"

namespace mien::backend {

template <cuda::MapNumber T>
void scale_shift(const Tensor<T, Cuda>& x, const Tensor<Accumulated<T>, Cuda>& scale,
                 const Tensor<Accumulated<T>, Cuda>& shift, Tensor<T, Cuda>& out) {
  const Index channels = scale.elements();
  kernels::scale_shift(cuda::data(x), scale.data(), shift.data(), rows_of_channels(x.elements(), channels), channels,
                       cuda::data(out), cuda::current_stream().get());
}

template <cuda::MapNumber T>
void scale_shift_scale_gradient(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& upstream,
                                Tensor<Accumulated<T>, Cuda>& out) {
  const Index channels = out.elements();
  const Index rows = rows_of_channels(x.elements(), channels);
  auto workspace = cuda::workspace(kernels::sum_rows_workspace(rows, channels));
  kernels::sum_row_products(cuda::data(x), cuda::data(upstream), rows, channels, workspace.data(), out.data(),
                            cuda::current_stream().get());
}

}  // namespace mien::backend
