#pragma once

/// The two inner loops of convolution, on the compiler's own vectors. Each keeps a block of sums in registers and needs
/// a broadcast and some vector loads for every multiplication; neither copies patches.

#include <algorithm>
#include <cstddef>

#include "mien/core/shape.hpp"

namespace mien::backend {

#if defined(__AVX512F__)
inline constexpr Index vector_bytes = 64;
#elif defined(__AVX__)
inline constexpr Index vector_bytes = 32;
#else
inline constexpr Index vector_bytes = 16;
#endif

template <class T>
inline constexpr Index vector_lanes = vector_bytes / static_cast<Index>(sizeof(T));

/// Vectors of T, and the same without alignment, for loads and stores.
template <class T>
struct Vector {
  typedef T Aligned __attribute__((vector_size(vector_bytes)));
  typedef T Unaligned __attribute__((vector_size(vector_bytes), aligned(alignof(T)), may_alias));

  static Aligned load(const T* from) { return *reinterpret_cast<const Unaligned*>(from); }
  static void store(Aligned value, T* to) { *reinterpret_cast<Unaligned*>(to) = value; }
};

/// Sums that a kernel keeps at a time: `vectors` of output channels for each of `broadcasts` pixels or input channels.
/// The products fill the multiply units of any current processor, and the sums its vector registers, not more.
template <Index vectors>
inline constexpr Index broadcasts_for = vectors == 4 ? 6 : vectors == 2 ? 8 : 12;

/// The largest of the block sizes 4, 2 and 1 that fits so many vectors.
inline Index vectors_at_a_time(Index left) { return left >= 4 ? 4 : left >= 2 ? 2 : 1; }

/// out[p][lane] = sum over runs r and inputs c of pixels[p][run_offsets[r] + c] * weight[r, c][lane], for
/// broadcasts_for<vectors> pixels; weight [runs, length, vectors * lanes], out [pixels, vectors * lanes].
template <class T, Index vectors>
void convolve_pixels(const T* const* pixels, const Index* run_offsets, Index runs, Index length, const T* weight,
                     T* out) {
  using V = Vector<T>;
  constexpr Index count = broadcasts_for<vectors>;
  constexpr Index lanes = vector_lanes<T>;
  typename V::Aligned sums[count][vectors] = {};
  for (Index run = 0; run < runs; ++run) {
    const T* from[count];
#pragma GCC unroll 12
    for (Index p = 0; p < count; ++p) from[p] = pixels[p] + run_offsets[run];
    for (Index c = 0; c < length; ++c) {
      typename V::Aligned factors[vectors];
#pragma GCC unroll 4
      for (Index v = 0; v < vectors; ++v) factors[v] = V::load(weight + v * lanes);
#pragma GCC unroll 12
      for (Index p = 0; p < count; ++p) {
        const T value = from[p][c];
#pragma GCC unroll 4
        for (Index v = 0; v < vectors; ++v) sums[p][v] += factors[v] * value;
      }
      weight += vectors * lanes;
    }
  }
#pragma GCC unroll 12
  for (Index p = 0; p < count; ++p)
#pragma GCC unroll 4
    for (Index v = 0; v < vectors; ++v) V::store(sums[p][v], out + (p * vectors + v) * lanes);
}

/// out[c][lane] = sum over pixels p of pixels[p][c] * upstream[p][lane], for broadcasts_for<vectors> channels;
/// `upstream` has `stride` elements from pixel to pixel.
template <class T, Index vectors>
void correlate_pixels(const T* const* pixels, Index offset, Index count, const T* upstream, Index stride, T* out) {
  using V = Vector<T>;
  constexpr Index channels = broadcasts_for<vectors>;
  constexpr Index lanes = vector_lanes<T>;
  typename V::Aligned sums[channels][vectors] = {};
  for (Index p = 0; p < count; ++p) {
    const T* from = pixels[p] + offset;
    typename V::Aligned factors[vectors];
#pragma GCC unroll 4
    for (Index v = 0; v < vectors; ++v) factors[v] = V::load(upstream + p * stride + v * lanes);
#pragma GCC unroll 12
    for (Index c = 0; c < channels; ++c) {
      const T value = from[c];
#pragma GCC unroll 4
      for (Index v = 0; v < vectors; ++v) sums[c][v] += factors[v] * value;
    }
  }
#pragma GCC unroll 12
  for (Index c = 0; c < channels; ++c)
#pragma GCC unroll 4
    for (Index v = 0; v < vectors; ++v) V::store(sums[c][v], out + (c * vectors + v) * lanes);
}

}  // namespace mien::backend
