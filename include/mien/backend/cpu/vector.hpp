#pragma once

/// The compiler's own vectors, as wide as each instruction set has them.

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "mien/backend/cpu/instruction_set.hpp"
#include "mien/core/shape.hpp"

namespace mien::backend {
namespace portable {
inline constexpr Index vector_bytes = 16;
#if defined(__aarch64__)
inline constexpr Index vector_registers = 32;
#else
inline constexpr Index vector_registers = 16;
#endif
/// 64-bit lanes of a vector of the set.
typedef std::uint64_t Lanes __attribute__((vector_size(16)));
#if defined(__x86_64__)
/// Square roots of all numbers of a vector, which the compilers' vectors have no operation for.
[[gnu::always_inline]] inline __m128 square_root(__m128 values) { return _mm_sqrt_ps(values); }
[[gnu::always_inline]] inline __m128d square_root(__m128d values) { return _mm_sqrt_pd(values); }
/// Products of the lower halves of lanes.
[[gnu::always_inline]] inline Lanes wide_products(Lanes a, Lanes b) {
  return reinterpret_cast<Lanes>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
}
#elif defined(__aarch64__)
[[gnu::always_inline]] inline float32x4_t square_root(float32x4_t values) { return vsqrtq_f32(values); }
[[gnu::always_inline]] inline float64x2_t square_root(float64x2_t values) { return vsqrtq_f64(values); }
#else
template <class Values>
[[gnu::always_inline]] inline Values square_root(Values values) {
  for (Index i = 0; i < static_cast<Index>(sizeof(Values) / sizeof(values[0])); ++i) {
    if constexpr (sizeof(values[0]) == sizeof(float)) {
      values[i] = __builtin_sqrtf(values[i]);
    } else {
      values[i] = __builtin_sqrt(values[i]);
    }
  }
  return values;
}
#endif
#if !defined(__x86_64__)
[[gnu::always_inline]] inline Lanes wide_products(Lanes a, Lanes b) { return (a & 0xffffffff) * (b & 0xffffffff); }
#endif
}  // namespace portable
#if defined(__x86_64__)
namespace avx2 {
inline constexpr Index vector_bytes = 32;
inline constexpr Index vector_registers = 16;
[[gnu::always_inline, gnu::target("avx")]] inline __m256 square_root(__m256 values) { return _mm256_sqrt_ps(values); }
[[gnu::always_inline, gnu::target("avx")]] inline __m256d square_root(__m256d values) { return _mm256_sqrt_pd(values); }
typedef std::uint64_t Lanes __attribute__((vector_size(32)));
[[gnu::always_inline, gnu::target("avx2")]] inline Lanes wide_products(Lanes a, Lanes b) {
  return reinterpret_cast<Lanes>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
}
}  // namespace avx2
namespace avx512 {
inline constexpr Index vector_bytes = 64;
inline constexpr Index vector_registers = 32;
[[gnu::always_inline, gnu::target("avx512f")]] inline __m512 square_root(__m512 values) {
  return _mm512_maskz_sqrt_ps(0xffff, values);  // all numbers; GCC 12 warns of the form without a mask
}
[[gnu::always_inline, gnu::target("avx512f")]] inline __m512d square_root(__m512d values) {
  return _mm512_maskz_sqrt_pd(0xff, values);
}
typedef std::uint64_t Lanes __attribute__((vector_size(64)));
[[gnu::always_inline, gnu::target("avx512f")]] inline Lanes wide_products(Lanes a, Lanes b) {
  return reinterpret_cast<Lanes>(
      _mm512_maskz_mul_epu32(0xff, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
}
}  // namespace avx512
#endif
}  // namespace mien::backend

#define MIEN_KERNELS "mien/backend/cpu/kernels/vector.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"
