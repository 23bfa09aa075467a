#pragma once

/// What kernels/layer_norm.cu offers to host code. T is float, __nv_bfloat16 or __half; x, upstream and out are [rows,
/// channels]. Weight and bias [channels], and the statistics [rows], are float whatever T is. No output may be one of
/// the inputs. Pointers are the device's. Throws Error if a kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// out = (x - mean) inverse_deviation weight + bias, with mean and 1 / sqrt(variance + epsilon) of each row. Where
/// there are no channels, both are zero.
template <class T>
void layer_norm(const T* x, const float* weight, const float* bias, float epsilon, std::int64_t rows,
                std::int64_t channels, T* out, float* mean, float* inverse_deviation, cudaStream_t stream);

/// The gradient for x.
template <class T>
void layer_norm_input_gradient(const T* x, const float* weight, const float* mean, const float* inverse_deviation,
                               const T* upstream, std::int64_t rows, std::int64_t channels, T* out,
                               cudaStream_t stream);

/// Floats that `layer_norm_weight_gradient` needs for itself.
std::int64_t layer_norm_workspace(std::int64_t rows, std::int64_t channels);

/// The gradient for the weight, out [channels]; that for the bias is `sum_rows` of channels.hpp.
template <class T>
void layer_norm_weight_gradient(const T* x, const float* mean, const float* inverse_deviation, const T* upstream,
                                std::int64_t rows, std::int64_t channels, float* workspace, float* out,
                                cudaStream_t stream);

}  // namespace mien::kernels
