#pragma once

/// What kernels/attention.cu offers to host code. T is float, __nv_bfloat16 or __half; sums are float. Pointers are the
/// device's. Throws Error if a kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// Queries, keys and values side by side, qkv [batch, tokens, 3 heads width]; results [batch, tokens, heads width].
struct AttentionShape {
  std::int64_t batch, tokens, heads, width;  ///< width of a head
};

/// softmax(Q K^T / sqrt(width)) V of every head, and the logarithms of the sums of its exponentials, log_sums [batch,
/// heads, tokens].
template <class T>
void attention(const T* qkv, const AttentionShape& shape, T* out, float* log_sums, cudaStream_t stream);

/// Floats that `attention_gradient` needs for itself.
std::int64_t attention_workspace(const AttentionShape& shape);

/// The gradient for qkv, of the same shape.
template <class T>
void attention_gradient(const T* qkv, const T* out, const float* log_sums, const T* upstream,
                        const AttentionShape& shape, float* workspace, T* gradient, cudaStream_t stream);

}  // namespace mien::kernels
