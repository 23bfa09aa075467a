#pragma once

#include "mien/backend/cpu/eigen.hpp"

namespace mien::backend {

/// One operand of a product: row-major, `stride` elements from row to row, optionally read transposed.
template <class T>
struct MatrixView {
  const T* data;
  Index stride;
  bool transposed = false;
};

/// c [m, n] = a [m, k] b [k, n], or += if `accumulate`; on the calling thread.
template <class T>
void matrix_product_serial(Index m, Index n, Index k, MatrixView<T> a, MatrixView<T> b, T* c, Index c_stride,
                           bool accumulate) {
  auto result = matrix(c, m, n, c_stride);
  const auto store = [&](const auto& product) {
    if (accumulate) {
      result.noalias() += product;
    } else {
      result.noalias() = product;
    }
  };
  const auto left = a.transposed ? matrix(a.data, k, m, a.stride) : matrix(a.data, m, k, a.stride);
  const auto right = b.transposed ? matrix(b.data, n, k, b.stride) : matrix(b.data, k, n, b.stride);
  if (a.transposed && b.transposed) {
    store(left.transpose() * right.transpose());
  } else if (a.transposed) {
    store(left.transpose() * right);
  } else if (b.transposed) {
    store(left * right.transpose());
  } else {
    store(left * right);
  }
}

/// The same on all threads. The cut depends on the sizes alone, so that the bits do not depend on the threads.
template <class T>
void matrix_product(Index m, Index n, Index k, MatrixView<T> a, MatrixView<T> b, T* c, Index c_stride,
                    bool accumulate = false) {
  constexpr Index rows = 128;
  constexpr Index columns = 128;
  if (m == 0 || n == 0) return;
  if (m >= n) {
    parallel_for(0, m, rows, [&](Index first, Index last) {
      const T* from = a.data + first * (a.transposed ? 1 : a.stride);
      matrix_product_serial(last - first, n, k, {from, a.stride, a.transposed}, b, c + first * c_stride, c_stride,
                            accumulate);
    });
  } else {
    parallel_for(0, n, columns, [&](Index first, Index last) {
      const T* from = b.data + first * (b.transposed ? b.stride : 1);
      matrix_product_serial(m, last - first, k, a, {from, b.stride, b.transposed}, c + first, c_stride, accumulate);
    });
  }
}

}  // namespace mien::backend
