#pragma once

#include <span>

#include "mien/backend/cuda/kernels/lstm.hpp"
#include "mien/backend/cuda/number.hpp"

namespace mien::backend {

/// On the device, or undefined where all steps are valid.
inline Tensor<std::int64_t, Cuda> upload_lengths(std::span<const Index> lengths) {
  if (lengths.empty()) return {};
  return Tensor<std::int64_t, Cuda>::from({static_cast<Index>(lengths.size())}, lengths);
}

template <cuda::Number T>
void mask_steps(const Tensor<T, Cuda>& x, std::span<const Index> lengths, Tensor<T, Cuda>& out) {
  if (out.empty()) return;
  const auto on_device = upload_lengths(lengths);
  kernels::mask_steps(x.data(), out.size(0), out.size(1), out.elements() / (out.size(0) * out.size(1)),
                      on_device.data(), out.data(), cuda::current_stream().get());
}

}  // namespace mien::backend
