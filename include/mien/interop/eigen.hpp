#pragma once

/// Tensors as Eigen's maps, and Eigen's matrices as tensors; both look at the same elements.

#include <memory>

#include "mien/backend/cpu/eigen.hpp"
#include "mien/core/tensor.hpp"

namespace mien::interop {

template <class T>
using MatrixMap = backend::MatrixMap<T>;
template <class T>
using ConstMatrixMap = backend::ConstMatrixMap<T>;

namespace detail {

/// Throws ShapeError unless the tensor is a matrix whose rows have no gaps.
template <class T>
void require_matrix(const Tensor<T>& tensor) {
  if (tensor.rank() != 2 || (tensor.size(1) > 1 && tensor.stride(1) != 1))
    throw ShapeError(mien::detail::text("as_matrix: tensor ", tensor.shape(), " is no matrix of rows without gaps",
                                        tensor.rank() == 2 ? "; contiguous() makes one" : ""));
}

}  // namespace detail

/// A tensor [rows, columns] as a row-major matrix. The tensor must outlive the map.
template <class T>
MatrixMap<T> as_matrix(Tensor<T>& tensor) {
  detail::require_matrix(tensor);
  return backend::matrix(tensor.data(), tensor.size(0), tensor.size(1), tensor.stride(0));
}
template <class T>
ConstMatrixMap<T> as_matrix(const Tensor<T>& tensor) {
  detail::require_matrix(tensor);
  return backend::matrix(tensor.data(), tensor.size(0), tensor.size(1), tensor.stride(0));
}

/// Not of a tensor without a name, whose elements are gone before the map is.
template <class T>
void as_matrix(const Tensor<T>&& tensor) = delete;

/// A row-major or column-major matrix, or a block of one, as a tensor [rows, columns]; it has a name and is not const.
/// `owner` keeps the matrix alive; without one, the matrix must outlive the tensor.
template <class Matrix>
Tensor<typename Matrix::Scalar> as_tensor(Matrix& matrix, std::shared_ptr<void> owner = nullptr) {
  using T = typename Matrix::Scalar;
  typename Tensor<T>::Strides strides{};
  strides[0] = matrix.rowStride();
  strides[1] = matrix.colStride();
  return Tensor<T>::borrow(matrix.data(), {matrix.rows(), matrix.cols()}, strides, std::move(owner));
}

}  // namespace mien::interop
