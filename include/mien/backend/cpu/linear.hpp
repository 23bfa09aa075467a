#pragma once

/// Products with a layer's matrix. In the precision `medium`, on processors that multiply tiles of bfloat16 numbers,
/// the rows are the pixels of one image, and the matrix is a convolution's kernel of one tap.

#include <type_traits>

#include "mien/backend/cpu/bfloat16_convolution.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/backend/cpu/convolution_algorithm.hpp"
#include "mien/backend/cpu/matrix_product.hpp"
#include "mien/backend/cpu/transpose.hpp"

namespace mien::backend {

/// Whether tiles pay for a product of `rows` of `inputs` numbers with a matrix of as many by `outputs`: only without
/// splitting numbers in two, and for enough rows to be worth bringing the matrix into the form of tiles.
template <class T>
bool linear_on_tiles(Index rows, Index inputs, Index outputs) {
  constexpr Index enough = 128;
  return rows >= enough && convolution_algorithm<T>({}, map_grid(1, 1, 1, inputs), map_grid(1, 1, 1, outputs)) ==
                               ConvolutionAlgorithm::bfloat16;
}

/// out [..., O] = x [..., I] W^T + bias, W [O, I]; the bias may be undefined.
template <class T>
void linear(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& weight, const Tensor<T, Cpu>& bias, Tensor<T, Cpu>& out) {
  const Index inputs = weight.size(1);
  const Index outputs = weight.size(0);
  const Index rows = x.shape().without(-1).elements();
  if constexpr (std::is_same_v<T, float>) {
    if (linear_on_tiles<T>(rows, inputs, outputs)) {
      Tensor<T> turned({inputs, outputs});
      transpose(weight.data(), outputs, inputs, inputs, turned.data(), outputs);
      const Bfloat16Kernel kernel(turned.data(), {}, inputs, outputs, /*split=*/false);
      return bfloat16_convolution(map_grid(1, 1, rows, inputs), x.data(), kernel, {}, map_grid(1, 1, rows, outputs),
                                  out.data(), {.bias = bias.data()});
    }
  }
  matrix_product<T>(rows, outputs, inputs, {x.data(), inputs}, {weight.data(), inputs, true},
                    {bias.data(), 0, out.data(), outputs});
}

/// out [..., I] = upstream [..., O] W.
template <class T>
void linear_input_gradient(const Tensor<T, Cpu>& upstream, const Tensor<T, Cpu>& weight, Tensor<T, Cpu>& out) {
  const Index inputs = weight.size(1);
  const Index outputs = weight.size(0);
  const Index rows = upstream.shape().without(-1).elements();
  if constexpr (std::is_same_v<T, float>) {
    if (linear_on_tiles<T>(rows, outputs, inputs)) {
      const Bfloat16Kernel kernel(weight.data(), {}, outputs, inputs, /*split=*/false);
      return bfloat16_convolution(map_grid(1, 1, rows, outputs), upstream.data(), kernel, {},
                                  map_grid(1, 1, rows, inputs), out.data());
    }
  }
  matrix_product<T>(rows, inputs, outputs, {upstream.data(), outputs}, {weight.data(), inputs}, out.data(), inputs);
}

/// out [O, I] = upstream^T x.
template <class T>
void linear_weight_gradient(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  const Index inputs = x.size(-1);
  const Index outputs = upstream.size(-1);
  const Index rows = x.shape().without(-1).elements();
  if constexpr (std::is_same_v<T, float>) {
    if (linear_on_tiles<T>(rows, outputs, inputs))
      return bfloat16_weight_gradient(map_grid(1, 1, rows, outputs), upstream.data(), map_grid(1, 1, rows, inputs),
                                      x.data(), {}, /*split=*/false, out.data());
  }
  matrix_product<T>(outputs, inputs, rows, {upstream.data(), outputs, true}, {x.data(), inputs}, out.data(), inputs);
}

}  // namespace mien::backend

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                                  \
  MIEN_COMPILED_TEMPLATE void linear(const Tensor<T, Cpu>&, const Tensor<T, Cpu>&, const Tensor<T, Cpu>&,           \
                                     Tensor<T, Cpu>&);                                                              \
  MIEN_COMPILED_TEMPLATE void linear_input_gradient(const Tensor<T, Cpu>&, const Tensor<T, Cpu>&, Tensor<T, Cpu>&); \
  MIEN_COMPILED_TEMPLATE void linear_weight_gradient(const Tensor<T, Cpu>&, const Tensor<T, Cpu>&, Tensor<T, Cpu>&);
#include "mien/backend/cpu/for_each_compiled_type.inc"
#endif
