#pragma once

/// What all operations on the GPU need.

#include <concepts>

#include "mien/backend/cuda/device.hpp"

namespace mien::cuda {

/// What features, losses and parameters are made of on the GPU.
template <class T>
concept Number = std::same_as<T, float>;

/// What maps are made of. Where they have 16 bits, everything else stays float.
template <class T>
concept MapNumber = Number<T> || std::same_as<T, bfloat16> || std::same_as<T, float16>;

/// Memory for a kernel's intermediate results.
inline Tensor<float, Cuda> workspace(std::int64_t floats) { return Tensor<float, Cuda>({floats}); }

/// A tensor's elements for kernels.
template <class T>
const KernelNumber<T>* data(const Tensor<T, Cuda>& tensor) {
  return kernel_numbers(tensor.data());
}
template <class T>
KernelNumber<T>* data(Tensor<T, Cuda>& tensor) {
  return kernel_numbers(tensor.data());
}

/// A float parameter as the type of the maps that it is for.
template <MapNumber T>
Tensor<T, Cuda> parameter_for(const Tensor<float, Cuda>& parameter) {
  if constexpr (std::same_as<T, float>) {
    return parameter;
  } else {
    return parameter.template cast<T>();
  }
}

}  // namespace mien::cuda
