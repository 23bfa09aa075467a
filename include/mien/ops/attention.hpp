#pragma once

/// Multi-head attention (Vaswani et al., Attention Is All You Need, NIPS 2017) of the tokens of a sequence to each
/// other. Every head h has E / heads columns of each of queries Q, keys K and values V, which lie side by side as one
/// projection gives them:
///
///     out_h = softmax(Q_h K_h^T / sqrt(E / heads)) V_h
///
/// The T x T probabilities are never in memory: scores are made by blocks, whose exponentials and their sum are scaled
/// when a larger score comes (Milakov and Gimelshein, Online normalizer calculation for softmax, 2018). The gradient
/// makes them again from the logarithm of that sum, one number for each query and head (Dao et al., FlashAttention,
/// NeurIPS 2022).

#include "mien/backend/cpu/attention.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/attention.hpp"
#endif
#include "mien/ops/arithmetic.hpp"

namespace mien::ops {

/// The result, and what its gradient needs.
template <class T, class Device>
struct AttentionResult {
  Tensor<T, Device> out;                    ///< [N, T, E]
  Tensor<Accumulated<T>, Device> log_sums;  ///< of the exponentials of a query's scores, [N, heads, T]
};

/// Throws ValueError unless there is a head, ShapeError unless qkv is [N, T, 3 E] for a multiple E of `heads` that is
/// not 0.
inline void check_attention(const Shape& qkv, Index heads) {
  if (heads < 1) throw ValueError(detail::text("attention: ", heads, " heads"));
  if (qkv.rank() != 3 || qkv[2] == 0 || qkv[2] % (3 * heads) != 0)
    throw ShapeError(detail::text("attention: queries, keys and values ", qkv, " are not [N, T, 3 E] for ", heads,
                                  " heads of equal width"));
}

/// qkv [N, T, 3 E]: queries, keys and values, in this order, of a token.
template <class T, class Device>
AttentionResult<T, Device> attention(const Tensor<T, Device>& qkv, Index heads) {
  check_attention(qkv.shape(), heads);
  const Index batch = qkv.size(0);
  const Index tokens = qkv.size(1);
  AttentionResult<T, Device> result{Tensor<T, Device>({batch, tokens, qkv.size(2) / 3}),
                                    Tensor<Accumulated<T>, Device>({batch, heads, tokens})};
  backend::attention(qkv.contiguous(), heads, result.out, result.log_sums);
  return result;
}

/// The gradient for qkv. With P the probabilities, U the upstream and D = diag(rowsum(U out)), for each head:
/// S = P (U V^T - D), element by element; S K / sqrt(E / heads) for Q, S^T Q / sqrt(E / heads) for K and P^T U for V.
template <class T, class Device>
Tensor<T, Device> attention_gradient(const Tensor<T, Device>& qkv, Index heads,
                                     const AttentionResult<T, Device>& result, const Tensor<T, Device>& upstream) {
  check_attention(qkv.shape(), heads);
  const Shape out = qkv.shape().with(2, qkv.size(2) / 3);
  require_equal_shapes("attention_gradient: result", out, result.out.shape());
  require_equal_shapes("attention_gradient: upstream", out, upstream.shape());
  require_equal_shapes("attention_gradient: log sums", Shape{qkv.size(0), heads, qkv.size(1)}, result.log_sums.shape());
  Tensor<T, Device> gradient(qkv.shape());
  backend::attention_gradient(qkv.contiguous(), heads, result.out.contiguous(), result.log_sums.contiguous(),
                              upstream.contiguous(), gradient);
  return gradient;
}

}  // namespace mien::ops
