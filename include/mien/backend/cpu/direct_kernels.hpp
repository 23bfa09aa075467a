#pragma once

/// The inner loops of direct convolution, for every instruction set; see kernels/direct.inc.

#include <array>

#include "mien/backend/cpu/vector.hpp"

namespace mien::backend {

/// Loops that keep `sums` x `width` sums in registers: `width` output channels, whole vectors of them, for each of so
/// many pixels (`convolve`) or input channels (`correlate`).
template <class T>
struct DirectBlock {
  Index width;
  Index sums;
  void (*convolve)(const T* const* pixels, const Index* run_offsets, Index runs, Index length, const T* weight, T* out);
  void (*correlate)(const T* const* pixels, Index offset, Index pixel_count, const T* upstream, Index stride, T* out);
};

template <class T>
struct DirectKernels {
  Index lanes;
  std::array<DirectBlock<T>, 3> blocks;  ///< the widest first
};

/// What the sums of any block take at most, and for how many pixels or channels they are.
inline constexpr std::size_t most_direct_bytes = 4 * 6 * 64;
inline constexpr Index most_direct_sums = 12;

}  // namespace mien::backend

#define MIEN_KERNELS "mien/backend/cpu/kernels/direct.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"

namespace mien::backend {

template <class T>
const DirectKernels<T>& direct_kernels() {
  return for_instruction_set(portable::direct_kernels<T>, avx2::direct_kernels<T>, avx512::direct_kernels<T>);
}

}  // namespace mien::backend
