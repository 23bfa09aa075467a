#pragma once

#include <concepts>

#include "mien/backend/cuda/kernels/matrix_product.hpp"
#include "mien/backend/cuda/libraries.hpp"
#include "mien/backend/cuda/number.hpp"
#include "mien/backend/cuda/precision.hpp"

namespace mien::backend {

/// result = start + left right. Floats in the precision in force, by the library in force; of 16 bits by kernels of our
/// own.
template <class T, class Out>
void multiply_matrices(Index rows, Index columns, Index depth, const kernels::MatrixFactor<T>& left,
                       const kernels::MatrixFactor<T>& right, const kernels::ProductResult<Out>& result) {
#if defined(MIEN_WITH_CUBLAS)
  if constexpr (std::same_as<T, float>) {
    if (cuda::product_library() == cuda::ProductLibrary::cublas &&
        cublas::supports(rows, columns, depth, left, right, result, product_precision()))
      return cublas::matrix_product(rows, columns, depth, left, right, result, product_precision());
  }
#endif
  auto workspace = cuda::workspace(kernels::matrix_product_workspace(rows, columns, depth));
  kernels::matrix_product(rows, columns, depth, left, right, result, product_precision(), workspace.data(),
                          cuda::current_stream().get());
}

template <cuda::MapNumber T>
void linear(const Tensor<T, Cuda>& x, const Tensor<Accumulated<T>, Cuda>& weight,
            const Tensor<Accumulated<T>, Cuda>& bias, Tensor<T, Cuda>& out) {
  using Number = cuda::KernelNumber<T>;
  const Index inputs = weight.size(1);
  const Index outputs = weight.size(0);
  const auto factors = cuda::parameter_for<T>(weight);
  multiply_matrices<Number, Number>(x.shape().without(-1).elements(), outputs, inputs, {cuda::data(x), inputs},
                                    {cuda::data(factors), inputs, true}, {bias.data(), 0, cuda::data(out), outputs});
}

template <cuda::MapNumber T>
void linear_input_gradient(const Tensor<T, Cuda>& upstream, const Tensor<Accumulated<T>, Cuda>& weight,
                           Tensor<T, Cuda>& out) {
  using Number = cuda::KernelNumber<T>;
  const Index inputs = weight.size(1);
  const Index outputs = weight.size(0);
  const auto factors = cuda::parameter_for<T>(weight);
  multiply_matrices<Number, Number>(upstream.shape().without(-1).elements(), inputs, outputs,
                                    {cuda::data(upstream), outputs}, {cuda::data(factors), inputs},
                                    {nullptr, 0, cuda::data(out), inputs});
}

template <cuda::MapNumber T>
void linear_weight_gradient(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& upstream,
                            Tensor<Accumulated<T>, Cuda>& out) {
  using Number = cuda::KernelNumber<T>;
  const Index inputs = x.size(-1);
  const Index outputs = upstream.size(-1);
  multiply_matrices<Number, float>(outputs, inputs, x.shape().without(-1).elements(),
                                   {cuda::data(upstream), outputs, true}, {cuda::data(x), inputs},
                                   {nullptr, 0, out.data(), inputs});
}

}  // namespace mien::backend
