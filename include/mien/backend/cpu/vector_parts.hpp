#pragma once

/// Parts of vectors, which the compilers' vectors have no operation for: `load_lanes` gives the first `count` numbers
/// and zeros, `store_lanes` stores as many, and neither touches what is behind them. 0 <= count <= lanes.

#include "mien/backend/cpu/vector.hpp"

namespace mien::backend {
#if defined(__x86_64__)
namespace avx2 {
/// `count` lanes of all bits, then others of none, for either type.
inline constexpr int float_lanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
inline constexpr long long double_lanes[8] = {-1, -1, -1, -1};
[[gnu::always_inline, gnu::target("avx2")]] inline __m256i lanes_of(const float*, Index count) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(float_lanes + 8 - count));
}
[[gnu::always_inline, gnu::target("avx2")]] inline __m256i lanes_of(const double*, Index count) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(double_lanes + 4 - count));
}
[[gnu::always_inline, gnu::target("avx2")]] inline __m256 load_lanes(const float* from, Index count) {
  return _mm256_maskload_ps(from, lanes_of(from, count));
}
[[gnu::always_inline, gnu::target("avx2")]] inline __m256d load_lanes(const double* from, Index count) {
  return _mm256_maskload_pd(from, lanes_of(from, count));
}
[[gnu::always_inline, gnu::target("avx2")]] inline void store_lanes(__m256 value, float* to, Index count) {
  _mm256_maskstore_ps(to, lanes_of(to, count), value);
}
[[gnu::always_inline, gnu::target("avx2")]] inline void store_lanes(__m256d value, double* to, Index count) {
  _mm256_maskstore_pd(to, lanes_of(to, count), value);
}
}  // namespace avx2
namespace avx512 {
[[gnu::always_inline, gnu::target("avx512f")]] inline __m512 load_lanes(const float* from, Index count) {
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << count) - 1), from);
}
[[gnu::always_inline, gnu::target("avx512f")]] inline __m512d load_lanes(const double* from, Index count) {
  return _mm512_maskz_loadu_pd(static_cast<__mmask8>((1U << count) - 1), from);
}
[[gnu::always_inline, gnu::target("avx512f")]] inline void store_lanes(__m512 value, float* to, Index count) {
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1U << count) - 1), value);
}
[[gnu::always_inline, gnu::target("avx512f")]] inline void store_lanes(__m512d value, double* to, Index count) {
  _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1U << count) - 1), value);
}
}  // namespace avx512
#endif
namespace portable {
template <class T>
[[gnu::always_inline]] inline typename Vector<T>::Aligned load_lanes(const T* from, Index count) {
  typename Vector<T>::Aligned out{};
  for (Index i = 0; i < count; ++i) out[i] = from[i];
  return out;
}
template <class T>
[[gnu::always_inline]] inline void store_lanes(typename Vector<T>::Aligned value, T* to, Index count) {
  for (Index i = 0; i < count; ++i) to[i] = value[i];
}
}  // namespace portable
}  // namespace mien::backend
