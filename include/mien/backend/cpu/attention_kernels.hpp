#pragma once

/// What attention does to a row of scores, for every instruction set; see kernels/attention.inc. Rows have room for
/// whole vectors; what is behind `count` numbers is changed and means nothing.

#include "mien/backend/cpu/row_kernels.hpp"

namespace mien::backend {

template <class T>
struct AttentionKernels {
  void (*attend)(T* scores, Index count, T* largest, T* sum, T* out, Index width);
  void (*gradient)(T* scores, T* upstreams, T log_sum, T slope, Index count);
};

}  // namespace mien::backend

#define MIEN_KERNELS "mien/backend/cpu/kernels/attention.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"

namespace mien::backend {

template <class T>
const AttentionKernels<T>& attention_kernels() {
  return for_instruction_set(portable::attention_kernels<T>, avx2::attention_kernels<T>, avx512::attention_kernels<T>);
}

}  // namespace mien::backend
