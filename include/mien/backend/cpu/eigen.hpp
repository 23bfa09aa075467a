#pragma once

/// The one place where the CPU backend meets Eigen. Only interop/eigen.hpp shows any of it to users.

#include "mien/core/tensor.hpp"

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wpedantic"
#if !defined(__clang__)
// GCC 12 takes the undefined operands of its own AVX-512 intrinsics for mistakes.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#endif
#include <Eigen/Core>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace mien::backend {

template <class T>
using RowMajorMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using MatrixMap = Eigen::Map<RowMajorMatrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;
template <class T>
using ConstMatrixMap = Eigen::Map<const RowMajorMatrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;
template <class T>
using ArrayMap = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>;
template <class T>
using ConstArrayMap = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>;

template <class T>
ArrayMap<T> array(T* data, Index count) {
  return ArrayMap<T>(data, count);
}
template <class T>
ConstArrayMap<T> array(const T* data, Index count) {
  return ConstArrayMap<T>(data, count);
}
template <class T>
MatrixMap<T> matrix(T* data, Index rows, Index columns, Index stride) {
  return MatrixMap<T>(data, rows, columns, Eigen::OuterStride<>(stride));
}
template <class T>
ConstMatrixMap<T> matrix(const T* data, Index rows, Index columns, Index stride) {
  return ConstMatrixMap<T>(data, rows, columns, Eigen::OuterStride<>(stride));
}

/// Elements that a thread takes at a time in passes over whole tensors: enough to outweigh waking it.
inline constexpr Index elementwise_grain = 16384;

}  // namespace mien::backend
