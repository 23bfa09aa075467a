#pragma once

/// What kernels are written in: CUDA C++ where nvcc compiles them, and the same words for tests/emulator, where a C++
/// compiler does. Nothing here includes Eigen or the standard streams.
///
/// Sums are taken in float, whatever the type of the numbers in memory, and in an order that does not depend on timing.
/// Launch bounds name one block a processor at least: without it ptxas saves registers for more blocks than pay, and
/// spills some of what it needs.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "mien/core/error.hpp"

#if defined(__CUDACC__)
/// An array in shared memory.
#define MIEN_SHARED(type, name, count) __shared__ type name[count]
/// How often the loop that follows is unrolled.
#define MIEN_PRAGMA(words) _Pragma(#words)
#define MIEN_UNROLL(times) MIEN_PRAGMA(unroll times)
#elif !defined(MIEN_SHARED)
#error "kernels/ is compiled by nvcc, or by a C++ compiler that finds tests/emulator before the CUDA toolkit"
#endif

namespace mien::kernels {

using Index = std::int64_t;

inline constexpr int warp_threads = 32;
inline constexpr unsigned whole_warp = 0xffffffffU;

__host__ __device__ inline float to_float(float value) { return value; }
__host__ __device__ inline float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }
__host__ __device__ inline float to_float(__half value) { return __half2float(value); }

template <class T>
__host__ __device__ inline T from_float(float value);
template <>
__host__ __device__ inline float from_float<float>(float value) {
  return value;
}
template <>
__host__ __device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float value) {
  return __float2bfloat16(value);
}
template <>
__host__ __device__ inline __half from_float<__half>(float value) {
  return __float2half(value);
}

/// The sum of a value of each lane, in all lanes.
__device__ inline float warp_sum(float value) {
  for (int by = warp_threads / 2; by > 0; by /= 2) value += __shfl_xor_sync(whole_warp, value, by);
  return value;
}

/// The greatest of them; a NaN is passed over.
__device__ inline float warp_max(float value) {
  for (int by = warp_threads / 2; by > 0; by /= 2) value = fmaxf(value, __shfl_xor_sync(whole_warp, value, by));
  return value;
}

/// Groups of `size` that hold `count` items.
__host__ __device__ constexpr Index groups(Index count, Index size) { return (count + size - 1) / size; }

/// The error of a launch, with what the device says about it. Launches fail for what they ask for; what goes wrong
/// while a kernel runs shows at the next call that waits for it.
inline void require_launched(const char* kernel, cudaError_t error) {
  if (error != cudaSuccess)
    throw Error(detail::text("CUDA kernel ", kernel, ": ", cudaGetErrorName(error), ", ", cudaGetErrorString(error)));
}

/// Starts `kernel` with blocks in one dimension and no dynamic shared memory. `name` is for the error.
template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), Index blocks, int threads, cudaStream_t stream,
            const Arguments&... arguments) {
  constexpr Index most = 0x7fffffff;
  if (blocks > most) throw Error(detail::text("CUDA kernel ", name, ": ", blocks, " blocks, at most ", most));
  if (blocks == 0) return;
  const dim3 grid(static_cast<unsigned>(blocks));
  const dim3 block(static_cast<unsigned>(threads));
#if defined(__CUDACC__)
  kernel<<<grid, block, 0, stream>>>(static_cast<Parameters>(arguments)...);
  require_launched(name, cudaGetLastError());
#else
  static_cast<void>(stream);
  emulator::launched_names().insert(name);
  emulator::launch(kernel, grid, block, 0, arguments...);
#endif
}

}  // namespace mien::kernels
