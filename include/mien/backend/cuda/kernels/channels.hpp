#pragma once

/// What kernels/channels.cu offers to host code: values by channel, and by channel of each batch entry, put over maps,
/// and maps summed to such. T is float, __nv_bfloat16 or __half; maps are [rows, channels] or [batch, positions,
/// channels]. Sums are float until the last rounding. Pointers are the device's; `out` may be the map that it is made
/// of where it is a map. Throws Error if a kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// x + bias.
template <class T>
void add_bias(const T* x, const float* bias, std::int64_t rows, std::int64_t channels, T* out, cudaStream_t stream);

/// x scale + shift.
template <class T>
void scale_shift(const T* x, const float* scale, const float* shift, std::int64_t rows, std::int64_t channels, T* out,
                 cudaStream_t stream);

/// Floats that the two sums over rows need for themselves.
std::int64_t sum_rows_workspace(std::int64_t rows, std::int64_t channels);

/// out [channels] = the sum of x over all rows.
template <class T>
void sum_rows(const T* x, std::int64_t rows, std::int64_t channels, float* workspace, float* out, cudaStream_t stream);

/// out [batch, channels] = the sum of x over all positions; the workspace is `scale_channels_workspace`.
template <class T>
void sum_of_positions(const T* x, std::int64_t batch, std::int64_t positions, std::int64_t channels, float* workspace,
                      float* out, cudaStream_t stream);

/// The sum over all rows of a b: the gradient of `scale_shift` for its scale.
template <class T>
void sum_row_products(const T* a, const T* b, std::int64_t rows, std::int64_t channels, float* workspace, float* out,
                      cudaStream_t stream);

/// out [batch, positions, channels] = values [batch, channels] times factor.
template <class T>
void spread_over_positions(const float* values, float factor, std::int64_t batch, std::int64_t positions,
                           std::int64_t channels, T* out, cudaStream_t stream);

/// x [batch, positions, channels] times weights [batch, channels].
template <class T>
void scale_channels(const T* x, const float* weights, std::int64_t batch, std::int64_t positions, std::int64_t channels,
                    T* out, cudaStream_t stream);

/// Floats that `scale_channels_weight_gradient` needs for itself.
std::int64_t scale_channels_workspace(std::int64_t batch, std::int64_t positions, std::int64_t channels);

/// out [batch, channels] = the sum of x upstream over all positions.
template <class T>
void scale_channels_weight_gradient(const T* x, const T* upstream, std::int64_t batch, std::int64_t positions,
                                    std::int64_t channels, float* workspace, float* out, cudaStream_t stream);

}  // namespace mien::kernels
