#pragma once

/// What is done to every element of a tensor, for every instruction set; see kernels/elementwise.inc.

#include "mien/backend/cpu/compiled.hpp"
#include "mien/backend/cpu/vector_functions.hpp"

namespace mien::backend {

template <class T>
struct ElementwiseKernels {
  using OfTensor = void(Index count, const T* x, T* out);
  using WithTensor = void(Index count, const T* a, const T* b, T* out);
  using WithNumber = void(Index count, const T* a, T number, T* out);
  using WithColumns = void(Index elements, Index columns, const T* a, const T* b, T* out);
  using Sums = void(Index rows, Index columns, const T* a, const T* b, T* sums);

  Index lanes;
  WithTensor* add;
  WithTensor* subtract;
  WithTensor* multiply;
  WithTensor* divide;          ///< none of whole numbers, like all functions whose results have fractions
  WithTensor* where_positive;  ///< b where a > 0, else 0
  WithTensor* sigmoid_gradient;
  WithTensor* tanh_gradient;
  WithTensor* gelu_gradient;  ///< of the input, and upstream
  OfTensor* gelu;
  OfTensor* exp;
  WithNumber* scale;
  WithNumber* at_least;  ///< no less than the number; a NaN stays
  WithNumber* at_most;
  WithColumns* add_to_columns;
  WithColumns* scale_columns;
  Sums* column_sums;  ///< of a; b is not looked at
  Sums* column_sums_of_products;
};

}  // namespace mien::backend

#define MIEN_KERNELS "mien/backend/cpu/kernels/elementwise.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"

namespace mien::backend {

template <class T>
const ElementwiseKernels<T>& elementwise_kernels() {
  return for_instruction_set(portable::elementwise_kernels<T>, avx2::elementwise_kernels<T>,
                             avx512::elementwise_kernels<T>);
}

}  // namespace mien::backend

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T) MIEN_COMPILED_TEMPLATE const ElementwiseKernels<T>& elementwise_kernels<T>();
#include "mien/backend/cpu/for_each_compiled_type.inc"
#endif
