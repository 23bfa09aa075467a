#pragma once

/// What kernels/regression_loss.cu offers to host code; see ops/regression_loss.hpp for the formulas. Predictions and
/// targets are [rows, outputs], T is float, __nv_bfloat16 or __half. A mask [rows] leaves out rows that are 0 in it,
/// whatever they hold; null leaves out none. Sums are double. Pointers are the device's. Throws Error if a kernel
/// cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// Floats that `mse_loss` and `concordance` need for themselves, at a multiple of 8 bytes.
std::int64_t regression_workspace(std::int64_t rows, std::int64_t outputs);

/// loss = the mean of (prediction - target)^2, 0 of none; count = of how many numbers.
template <class T>
void mse_loss(const T* prediction, const T* target, const std::uint8_t* mask, std::int64_t rows, std::int64_t outputs,
              float* workspace, float* count, T* loss, cudaStream_t stream);

/// 2 upstream (prediction - target) / count, or 0 in rows that are left out.
template <class T>
void mse_loss_gradient(const T* prediction, const T* target, const std::uint8_t* mask, std::int64_t rows,
                       std::int64_t outputs, const float* count, const T* upstream, T* gradient, cudaStream_t stream);

/// What the gradient needs of each output: the target's mean, what rounding has cut off from it, the coefficient, and
/// 2 / (count denominator), or 0 where the denominator is.
inline constexpr std::int64_t concordance_moments = 4;

/// The concordance of each output, [outputs]; moments [outputs, concordance_moments]. Two equal constants have 1, and
/// so has an output of no rows; a constant against anything else has 0.
template <class T>
void concordance(const T* prediction, const T* target, const std::uint8_t* mask, std::int64_t rows,
                 std::int64_t outputs, float* workspace, float* moments, T* coefficients, cudaStream_t stream);

/// The gradient for the prediction from those for the coefficients, upstream [outputs]; 0 in rows that are left out.
template <class T>
void concordance_gradient(const T* prediction, const T* target, const std::uint8_t* mask, std::int64_t rows,
                          std::int64_t outputs, const float* moments, const T* upstream, T* gradient,
                          cudaStream_t stream);

}  // namespace mien::kernels
