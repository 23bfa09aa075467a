#pragma once

/// Where blocks of memory for a GPU come from.

#include <cuda_runtime.h>

#include "mien/core/memory.hpp"

namespace mien::cuda {

/// Memory of the GPU.
struct DeviceMemorySource {
  static constexpr std::size_t alignment = 256;
  static constexpr bool is_seen_by_sanitizers = false;

  static void* allocate(std::size_t bytes) noexcept {
    void* block = nullptr;
    if (cudaMalloc(&block, bytes) == cudaSuccess) return block;
    cudaGetLastError();
    return nullptr;
  }
  /// Waits for whatever is queued and may still work in the block.
  static void deallocate(void* block) noexcept { cudaFree(block); }
  static std::string description() {
    std::size_t free = 0;
    std::size_t total = 0;
    if (cudaMemGetInfo(&free, &total) != cudaSuccess) {
      cudaGetLastError();
      return "out of GPU memory";
    }
    return mien::detail::text("out of GPU memory: ", free, " of ", total, " bytes are free");
  }
};

/// Memory of the host that the GPU can reach by itself, so that copies need not wait for the processor.
struct PinnedMemorySource {
  static constexpr std::size_t alignment = 64;
  static constexpr bool is_seen_by_sanitizers = false;  // the driver writes it, too, of whom they know nothing

  static void* allocate(std::size_t bytes) noexcept {
    void* block = nullptr;
    if (cudaMallocHost(&block, bytes) == cudaSuccess) return block;
    cudaGetLastError();
    return nullptr;
  }
  static void deallocate(void* block) noexcept { cudaFreeHost(block); }
  static std::string description() { return "out of pinned memory"; }
};

/// The allocator of all pinned memory. It is never destroyed, as `cpu_memory` is not.
inline BlockCache<PinnedMemorySource>& pinned_memory() {
  static auto* const memory = new BlockCache<PinnedMemorySource>;
  return *memory;
}

}  // namespace mien::cuda
