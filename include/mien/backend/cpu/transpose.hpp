#pragma once

#include <utility>

#include "mien/backend/cpu/compiled.hpp"
#include "mien/backend/cpu/vector.hpp"

namespace mien::backend {

template <class T>
using TransposeKernel = void (*)(const T* from, Index rows, Index columns, Index from_stride, T* to, Index to_stride);

}  // namespace mien::backend

#define MIEN_KERNELS "mien/backend/cpu/kernels/transpose.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"

namespace mien::backend {

/// to [columns, rows] = from [rows, columns] with rows and columns exchanged; strides from row to row of each.
template <class T>
void transpose(const T* from, Index rows, Index columns, Index from_stride, T* to, Index to_stride) {
  for_instruction_set(portable::transpose_kernel<T>, avx2::transpose_kernel<T>, avx512::transpose_kernel<T>)(
      from, rows, columns, from_stride, to, to_stride);
}

}  // namespace mien::backend

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T) MIEN_COMPILED_TEMPLATE void transpose(const T*, Index, Index, Index, T*, Index);
#include "mien/backend/cpu/for_each_compiled_type.inc"
#endif
