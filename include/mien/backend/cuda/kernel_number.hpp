#pragma once

/// The library's numbers of 16 bits as kernels know them.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <type_traits>

#include "mien/core/number.hpp"

namespace mien::cuda {

namespace detail {
template <class T>
struct KernelNumber {
  using type = T;
};
template <>
struct KernelNumber<bfloat16> {
  using type = __nv_bfloat16;
};
template <>
struct KernelNumber<float16> {
  using type = __half;
};
}  // namespace detail

/// The type that kernels have for T: the same bits.
template <class T>
using KernelNumber = typename detail::KernelNumber<T>::type;

template <class T>
const KernelNumber<T>* kernel_numbers(const T* numbers) {
  return reinterpret_cast<const KernelNumber<T>*>(numbers);
}
template <class T>
KernelNumber<T>* kernel_numbers(T* numbers) {
  return reinterpret_cast<KernelNumber<T>*>(numbers);
}

}  // namespace mien::cuda
