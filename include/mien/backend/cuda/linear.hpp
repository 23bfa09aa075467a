#pragma once

#include "mien/backend/cuda/kernels/matrix_product.hpp"
#include "mien/backend/cuda/libraries.hpp"
#include "mien/backend/cuda/number.hpp"
#include "mien/backend/cuda/precision.hpp"

namespace mien::backend {

/// result = start + left right, in the precision in force, by the library in force.
template <cuda::Number T>
void multiply_matrices(Index rows, Index columns, Index depth, const kernels::MatrixFactor<T>& left,
                       const kernels::MatrixFactor<T>& right, const kernels::ProductResult<T>& result) {
#if defined(MIEN_WITH_CUBLAS)
  if (cuda::product_library() == cuda::ProductLibrary::cublas &&
      cublas::supports(rows, columns, depth, left, right, result))
    return cublas::matrix_product(rows, columns, depth, left, right, result, product_precision());
#endif
  auto workspace = cuda::workspace(kernels::matrix_product_workspace(rows, columns, depth));
  kernels::matrix_product(rows, columns, depth, left, right, result, product_precision(), workspace.data(),
                          cuda::current_stream().get());
}

template <cuda::Number T>
void linear(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& weight, const Tensor<T, Cuda>& bias,
            Tensor<T, Cuda>& out) {
  const Index inputs = weight.size(1);
  const Index outputs = weight.size(0);
  multiply_matrices<T>(x.shape().without(-1).elements(), outputs, inputs, {x.data(), inputs},
                       {weight.data(), inputs, true}, {bias.data(), 0, out.data(), outputs});
}

template <cuda::Number T>
void linear_input_gradient(const Tensor<T, Cuda>& upstream, const Tensor<T, Cuda>& weight, Tensor<T, Cuda>& out) {
  const Index inputs = weight.size(1);
  const Index outputs = weight.size(0);
  multiply_matrices<T>(upstream.shape().without(-1).elements(), inputs, outputs, {upstream.data(), outputs},
                       {weight.data(), inputs}, {nullptr, 0, out.data(), inputs});
}

template <cuda::Number T>
void linear_weight_gradient(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  const Index inputs = x.size(-1);
  const Index outputs = upstream.size(-1);
  multiply_matrices<T>(outputs, inputs, x.shape().without(-1).elements(), {upstream.data(), outputs, true},
                       {x.data(), inputs}, {nullptr, 0, out.data(), inputs});
}

}  // namespace mien::backend
