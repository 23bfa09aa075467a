#pragma once

/// What all operations on the GPU need.

#include <concepts>

#include "mien/backend/cuda/device.hpp"

namespace mien::cuda {

/// The types that kernels are compiled for.
template <class T>
concept Number = std::same_as<T, float>;

/// Memory for a kernel's intermediate results.
inline Tensor<float, Cuda> workspace(std::int64_t floats) { return Tensor<float, Cuda>({floats}); }

}  // namespace mien::cuda
