#pragma once

/// Softmax and layer normalisation of a row, for every instruction set; see kernels/row.inc.

#include <utility>

#include "mien/backend/cpu/compiled.hpp"
#include "mien/backend/cpu/vector_functions.hpp"
#include "mien/backend/cpu/vector_parts.hpp"

namespace mien::backend {

template <class T>
struct RowKernels {
  void (*softmax)(const T* x, Index count, T* y);
  void (*softmax_gradient)(const T* y, const T* upstream, Index count, T* out);
  void (*log_softmax)(const T* x, Index count, T* y);
  void (*log_softmax_gradient)(const T* y, const T* upstream, Index count, T* out);
  void (*layer_norm)(const T* x, const T* weight, const T* bias, T epsilon, Index count, T* y, T* mean, T* inverse);
  void (*layer_norm_gradient)(const T* x, const T* weight, T mean, T inverse, const T* upstream, Index count, T* out);
  void (*layer_norm_weight_gradient)(const T* x, T mean, T inverse, const T* upstream, Index count, T* sums);
};

}  // namespace mien::backend

#define MIEN_KERNELS "mien/backend/cpu/kernels/row.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"

namespace mien::backend {

template <class T>
const RowKernels<T>& row_kernels() {
  return for_instruction_set(portable::row_kernels<T>, avx2::row_kernels<T>, avx512::row_kernels<T>);
}

}  // namespace mien::backend

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T) MIEN_COMPILED_TEMPLATE const RowKernels<T>& row_kernels<T>();
#include "mien/backend/cpu/for_each_compiled_type.inc"
#endif
