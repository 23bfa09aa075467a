#pragma once

/// What kernels/dropout.cu offers to host code. T is float, __nv_bfloat16 or __half. Pointers are the device's. Throws
/// Error if the kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// A generator's state; see Generator::State.
struct RandomPlace {
  std::uint64_t seed, counter, stream;
  /// Null, or a state on the device, as seed, stream and counter, for a kernel that runs more than once: it takes the
  /// place of this one, whose counter goes on from there.
  const std::uint64_t* origin = nullptr;
};

/// out = 0 with that probability, which is in [0, 1), and else x / (1 - probability); out may be x. What is dropped is
/// what mien/backend/cpu/dropout.hpp drops for a generator in this place.
template <class T>
void dropout(const T* x, double probability, const RandomPlace& place, std::int64_t count, T* out, cudaStream_t stream);

}  // namespace mien::kernels
