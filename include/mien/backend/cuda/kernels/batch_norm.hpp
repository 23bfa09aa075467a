#pragma once

/// What kernels/batch_norm.cu offers to host code. T is float, __nv_bfloat16 or __half; maps are [rows, columns] with a
/// column for each channel, values by channel are float. Pointers are the device's. Throws Error if a kernel cannot be
/// started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// Floats that the reductions of such a map need for themselves.
std::int64_t batch_norm_workspace(std::int64_t rows, std::int64_t columns);

/// Mean and biased variance of every channel; at least one row.
template <class T>
void channel_moments(const T* x, std::int64_t rows, std::int64_t columns, float* workspace, float* mean,
                     float* variance, cudaStream_t stream);

/// factors = weight / sqrt(variance + epsilon), shifts = bias - mean factors, [columns] each.
void batch_norm_factors(const float* mean, const float* variance, const float* weight, const float* bias, float epsilon,
                        std::int64_t columns, float* factors, float* shifts, cudaStream_t stream);

/// running += momentum (batch - running), the variance with Bessel's correction for so many rows.
void update_running_moments(const float* mean, const float* variance, std::int64_t rows, float momentum,
                            std::int64_t columns, float* running_mean, float* running_variance, cudaStream_t stream);

/// y = x factors + shifts, plus the residual unless it is null; with `relu`, no less than 0. y may be x or the
/// residual.
template <class T>
void normalise(const T* x, std::int64_t rows, std::int64_t columns, const float* factors, const float* shifts,
               const T* residual, bool relu, T* y, cudaStream_t stream);

/// Where a ReLU followed, its gradient counts only where y > 0. That can be told from the input again; not so where
/// something was added in between.
enum class ReluMask { none, input, output };

template <class T>
struct BatchNormGradientMap {
  std::int64_t rows, columns;
  const T* x;
  const T* upstream;
  const T* y;  ///< of the output, where the mask is from it
  const float* mean;
  const float* variance;
  float epsilon;
  const float* factors;
  const float* shifts;  ///< where the mask is from the input
  ReluMask mask;
};

/// What the columns' gradients add up to, [columns] each: upstream, and upstream (x - mean) / sqrt(variance + epsilon),
/// of the upstream that passes the ReLU. The other two are for `batch_norm_input_gradient`.
struct BatchNormGradientSums {
  float* upstream;
  float* product;
  float* input_factors;
  float* input_shifts;
};

/// With a mask from the output the upstream that passes is also written to `masked`.
template <class T>
void batch_norm_gradient_sums(const BatchNormGradientMap<T>& map, float* workspace, T* masked,
                              const BatchNormGradientSums& sums, cudaStream_t stream);

/// upstream factors + x input_factors + input_shifts, without the latter two if they are null: where the statistics
/// were constants. A mask from the output must have been applied to upstream before.
template <class T>
void batch_norm_input_gradient(const BatchNormGradientMap<T>& map, const float* input_factors,
                               const float* input_shifts, T* gradient, cudaStream_t stream);

}  // namespace mien::kernels
