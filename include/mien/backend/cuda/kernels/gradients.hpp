#pragma once

/// What kernels/gradients.cu offers to host code: work on all gradients of a network, one launch whatever their number.
/// Numbers are float. Pointers are the device's. Throws Error if a kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>
#include <span>
#include <vector>

namespace mien::kernels {

/// A gradient, or a part of one: numbers without gaps.
struct GradientPiece {
  float* numbers;
  std::int64_t count;
};

/// The gradients in pieces of the size that a block takes: what `GradientPieces` has to point to. Empty ones are left
/// out.
std::vector<GradientPiece> gradient_pieces(std::span<const GradientPiece> gradients);

/// All pieces, in device memory.
struct GradientPieces {
  const GradientPiece* pieces;
  std::int64_t count;
};

/// Floats that `sum_of_squares` needs for itself, at a multiple of 8 bytes.
std::int64_t sum_of_squares_workspace(std::int64_t pieces);

/// sum [1] = the sum of all squares, in double: no square of a float overflows there, so that the sum is finite if, and
/// only if, all numbers are.
void sum_of_squares(const GradientPieces& gradients, float* workspace, double* sum, cudaStream_t stream);

/// Multiplies all numbers by factor [1]; by 1 nothing is read or written. Gradients of a loss that was scaled are
/// divided by the scale so.
void scale_all(const GradientPieces& gradients, const float* factor, cudaStream_t stream);

/// norm [1] = sqrt(sum [1]), and factor [1] for `scale_all`: max_norm / (norm + 1e-6) where that is below 1 and the
/// norm finite, else 1.
void norm_and_factor(const double* sum, double max_norm, double* norm, float* factor, cudaStream_t stream);

/// Limits all numbers to [-limit, limit]; NaN stays.
void clamp_all(const GradientPieces& gradients, float limit, cudaStream_t stream);

/// flag [1] = 1 if every number is finite, else 0.
void all_finite(const GradientPieces& gradients, std::int32_t* flag, cudaStream_t stream);

}  // namespace mien::kernels
