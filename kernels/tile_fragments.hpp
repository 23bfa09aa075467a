#pragma once

/// Products of 16 x 16 tiles by a warp: on tensor cores where nvcc compiles, else the same tiles by the warp's lanes.
/// Factors lie in shared memory, with neighbours along the depth (`depth_adjacent`) or along rows and columns, from a
/// multiple of 32 bytes on, and lines `pitch` numbers after each other, a multiple of 16 bytes. All lanes call.

#include <cstring>
#include <type_traits>

#include "portable.hpp"

#if defined(__CUDACC__)
#include <mma.h>
#endif

namespace mien::kernels {

/// A type of factors beside __nv_bfloat16 and __half: floats that are rounded to 10 bits after the first.
struct TensorFloat32 {};

/// How a factor lies in shared memory.
template <class Factor>
struct StoredFactor {
  using Type = Factor;
  static constexpr int fragment_depth = 16;
};
template <>
struct StoredFactor<TensorFloat32> {
  using Type = float;
  static constexpr int fragment_depth = 8;
};

/// To the nearest number of 10 bits after the first, and away from zero between two of them, as cvt.rna.tf32 does.
__device__ inline float round_to_tensor_float32(float value) {
#if defined(__CUDACC__)
  return nvcuda::wmma::__float_to_tf32(value);
#else
  auto bits = std::bit_cast<std::uint32_t>(value);
  constexpr std::uint32_t special = 0x7f800000;  // infinite, or not a number
  if ((bits & special) != special) bits = (bits + 0x1000) & ~0x1fffU;
  return std::bit_cast<float>(bits);
#endif
}

/// A number from memory as it is multiplied.
template <class Factor, class Number>
__device__ inline typename StoredFactor<Factor>::Type rounded_factor(Number number) {
  if constexpr (std::is_same_v<Factor, Number>) {
    return number;
  } else if constexpr (std::is_same_v<Factor, TensorFloat32>) {
    return round_to_tensor_float32(to_float(number));
  } else {
    return from_float<Factor>(to_float(number));
  }
}

#if defined(__CUDACC__)

/// Fragments of four words from shared memory. wmma has functions for them that do not say which memory it is, and so
/// become a load for every word.
template <class Matrix, class Order, class Number>
__device__ void load_words(unsigned (&words)[4], unsigned from, int pitch);

#define MIEN_FOR(Matrix, matrix, Order, order, Number, number)                                                     \
  template <>                                                                                                      \
  __device__ inline void load_words<nvcuda::wmma::Matrix, nvcuda::wmma::Order, Number>(unsigned(&words)[4],        \
                                                                                       unsigned from, int pitch) { \
    asm volatile("wmma.load." #matrix ".sync.aligned." #order "." number " {%0, %1, %2, %3}, [%4], %5;"            \
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])                                  \
                 : "r"(from), "r"(pitch)                                                                           \
                 : "memory");                                                                                      \
  }
MIEN_FOR(matrix_a, a, row_major, row, __nv_bfloat16, "m16n16k16.shared.bf16")
MIEN_FOR(matrix_a, a, col_major, col, __nv_bfloat16, "m16n16k16.shared.bf16")
MIEN_FOR(matrix_b, b, row_major, row, __nv_bfloat16, "m16n16k16.shared.bf16")
MIEN_FOR(matrix_b, b, col_major, col, __nv_bfloat16, "m16n16k16.shared.bf16")
MIEN_FOR(matrix_a, a, row_major, row, nvcuda::wmma::precision::tf32, "m16n16k8.shared.tf32")
MIEN_FOR(matrix_a, a, col_major, col, nvcuda::wmma::precision::tf32, "m16n16k8.shared.tf32")
MIEN_FOR(matrix_b, b, row_major, row, nvcuda::wmma::precision::tf32, "m16n16k8.shared.tf32")
MIEN_FOR(matrix_b, b, col_major, col, nvcuda::wmma::precision::tf32, "m16n16k8.shared.tf32")
#undef MIEN_FOR

template <class Factor, class Matrix, class Order>
struct FactorFragment {
  static constexpr int depth = StoredFactor<Factor>::fragment_depth;
  using Number = std::conditional_t<std::is_same_v<Factor, TensorFloat32>, nvcuda::wmma::precision::tf32, Factor>;

  nvcuda::wmma::fragment<Matrix, 16, 16, depth, Number, Order> numbers;

  __device__ void load(const typename StoredFactor<Factor>::Type* from, int pitch) {
    if constexpr (std::is_same_v<Factor, __half>) {
      nvcuda::wmma::load_matrix_sync(numbers, from, static_cast<unsigned>(pitch));
    } else {
      unsigned words[4];
      load_words<Matrix, Order, Number>(words, static_cast<unsigned>(__cvta_generic_to_shared(from)), pitch);
      static_assert(sizeof(words) == sizeof(numbers.x));
      std::memcpy(numbers.x, words, sizeof(words));
    }
  }
};

/// 16 rows.
template <class Factor, bool depth_adjacent>
using LeftFragment =
    FactorFragment<Factor, nvcuda::wmma::matrix_a,
                   std::conditional_t<depth_adjacent, nvcuda::wmma::row_major, nvcuda::wmma::col_major>>;

/// 16 columns.
template <class Factor, bool depth_adjacent>
using RightFragment =
    FactorFragment<Factor, nvcuda::wmma::matrix_b,
                   std::conditional_t<depth_adjacent, nvcuda::wmma::col_major, nvcuda::wmma::row_major>>;

template <class Factor>
struct SumFragment {
  nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, StoredFactor<Factor>::fragment_depth, float> sums;

  __device__ void clear() { nvcuda::wmma::fill_fragment(sums, 0.0F); }
  template <class Left, class Right>
  __device__ void add_product(const Left& left, const Right& right) {
    nvcuda::wmma::mma_sync(sums, left.numbers, right.numbers, sums);
  }
  __device__ void store(float* to, int pitch) const {
    nvcuda::wmma::store_matrix_sync(to, sums, static_cast<unsigned>(pitch), nvcuda::wmma::mem_row_major);
  }
};

#else

/// A lane has eight neighbouring sums of one row, and what these need of the factors.
__device__ inline int fragment_row() { return static_cast<int>(threadIdx.x) % warp_threads / 2; }
__device__ inline int first_fragment_column() { return static_cast<int>(threadIdx.x) % 2 * 8; }

template <class Factor, bool depth_adjacent>
struct LeftFragment {
  static constexpr int depth = StoredFactor<Factor>::fragment_depth;
  float numbers[depth];

  __device__ void load(const typename StoredFactor<Factor>::Type* from, int pitch) {
    const int row = fragment_row();
    for (int k = 0; k < depth; ++k) numbers[k] = to_float(from[depth_adjacent ? row * pitch + k : k * pitch + row]);
  }
};

template <class Factor, bool depth_adjacent>
struct RightFragment {
  static constexpr int depth = StoredFactor<Factor>::fragment_depth;
  float numbers[depth][8];

  __device__ void load(const typename StoredFactor<Factor>::Type* from, int pitch) {
    for (int k = 0; k < depth; ++k)
      for (int j = 0; j < 8; ++j) {
        const int column = first_fragment_column() + j;
        numbers[k][j] = to_float(from[depth_adjacent ? column * pitch + k : k * pitch + column]);
      }
  }
};

template <class Factor>
struct SumFragment {
  float sums[8];

  __device__ void clear() {
    for (float& sum : sums) sum = 0;
  }
  template <class Left, class Right>
  __device__ void add_product(const Left& left, const Right& right) {
    for (int k = 0; k < Left::depth; ++k)
      for (int j = 0; j < 8; ++j) sums[j] += left.numbers[k] * right.numbers[k][j];
  }
  __device__ void store(float* to, int pitch) const {
    for (int j = 0; j < 8; ++j) to[fragment_row() * pitch + first_fragment_column() + j] = sums[j];
  }
};

#endif

}  // namespace mien::kernels
