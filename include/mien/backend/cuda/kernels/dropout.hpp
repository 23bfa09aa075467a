#pragma once

/// What kernels/dropout.cu offers to host code. T is float, __nv_bfloat16 or __half. Pointers are the device's. Throws
/// Error if the kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// out = 0 with that probability, which is in [0, 1), and else x / (1 - probability); out may be x. What is dropped is
/// what mien/backend/cpu/dropout.hpp drops for a generator's state of this seed, counter and stream.
template <class T>
void dropout(const T* x, double probability, std::uint64_t seed, std::uint64_t counter, std::uint64_t stream_number,
             std::int64_t count, T* out, cudaStream_t stream);

}  // namespace mien::kernels
