#pragma once

/// What kernels/matrix_product.cu offers to host code. T is float, __nv_bfloat16 or __half, and Out T or float; sums
/// are float. Pointers are the device's. Throws Error if a kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

#include "mien/backend/cuda/kernels/product_precision.hpp"

namespace mien::kernels {

/// One operand of a product: row-major, `stride` elements from row to row, optionally read transposed.
template <class T>
struct MatrixFactor {
  const T* data;
  std::int64_t stride;
  bool transposed = false;
};

/// out = start + product. Without a start sums begin with zero; a start_stride of 0 gives all rows the same one, as a
/// bias is. The start may be where results of float go.
template <class Out>
struct ProductResult {
  const float* start;
  std::int64_t start_stride;
  Out* out;
  std::int64_t stride;
};

/// Floats that `matrix_product` needs for itself: blocks share a long depth where there are few results.
std::int64_t matrix_product_workspace(std::int64_t rows, std::int64_t columns, std::int64_t depth);

/// start + left [rows, depth] right [depth, columns]. Factors whose data and stride are multiples of 16 bytes, along
/// an axis of a multiple of eight, are read fastest.
template <class T, class Out = T>
void matrix_product(std::int64_t rows, std::int64_t columns, std::int64_t depth, const MatrixFactor<T>& left,
                    const MatrixFactor<T>& right, const ProductResult<Out>& result, ProductPrecision precision,
                    float* workspace, cudaStream_t stream);

}  // namespace mien::kernels
