// What is done to all gradients of a network before a step: the sum of their squares, a factor, a limit, and whether
// all are finite.
//
// Launch: a block of 256 threads takes a piece of 16384 neighbouring numbers of one gradient, neighbouring threads
// neighbouring numbers. Pieces are a list that the host writes, so that no block looks for its gradient, and a list of
// 700 is a ResNet-18. The sum takes a second kernel of one block, which adds up the pieces' sums.
// Bytes a number: 4 for the sum and the check, 8 for factor and limit. Flops: 2, for the sum in double, which a
// consumer's GPU does at a 64th of its float rate, in about the time that the bytes take: bound by memory.

#include "mien/backend/cuda/kernels/gradients.hpp"
#include "portable.hpp"

namespace mien::kernels {
namespace {

constexpr int gradient_threads = 256;
constexpr int threads_of_sum = 1024;
constexpr Index piece_elements = 64 * gradient_threads;

/// The sum of all threads' numbers, in the first of them.
template <int threads>
__device__ double sum_of_block(double own) {
  MIEN_SHARED(double, sums, threads);
  const int thread = static_cast<int>(threadIdx.x);
  sums[thread] = own;
  for (int half = threads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half) sums[thread] += sums[thread + half];
  }
  return sums[thread];
}

__global__ void __launch_bounds__(gradient_threads, 1) sum_squares(GradientPieces all, double* partial) {
  const GradientPiece piece = all.pieces[blockIdx.x];
  double sum = 0;
  for (Index i = threadIdx.x; i < piece.count; i += gradient_threads) {
    const double value = piece.numbers[i];
    sum += value * value;
  }
  sum = sum_of_block<gradient_threads>(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(threads_of_sum, 1) add_up(const double* partial, Index count, double* total) {
  double sum = 0;
  for (Index i = threadIdx.x; i < count; i += threads_of_sum) sum += partial[i];
  sum = sum_of_block<threads_of_sum>(sum);
  if (threadIdx.x == 0) *total = sum;
}

__global__ void __launch_bounds__(1, 1) limit_norm(const double* sum, double max_norm, double* norm, float* factor) {
  const double length = sqrt(*sum);
  const double part = max_norm / (length + 1e-6);
  *norm = length;
  *factor = length < INFINITY && part < 1 ? static_cast<float>(part) : 1;
}

__global__ void __launch_bounds__(gradient_threads, 1) scale_pieces(GradientPieces all, const float* factor) {
  const float by = *factor;
  if (by == 1) return;
  const GradientPiece piece = all.pieces[blockIdx.x];
  for (Index i = threadIdx.x; i < piece.count; i += gradient_threads) piece.numbers[i] *= by;
}

__global__ void __launch_bounds__(gradient_threads, 1) clamp_pieces(GradientPieces all, float limit) {
  const GradientPiece piece = all.pieces[blockIdx.x];
  for (Index i = threadIdx.x; i < piece.count; i += gradient_threads) {
    const float value = piece.numbers[i];
    // Comparisons with NaN fail and keep it.
    piece.numbers[i] = value < -limit ? -limit : value > limit ? limit : value;
  }
}

__global__ void __launch_bounds__(1, 1) raise(std::int32_t* flag) { *flag = 1; }

/// Many threads may write the flag, all of them the same.
__global__ void __launch_bounds__(gradient_threads, 1) lower_unless_finite(GradientPieces all, std::int32_t* flag) {
  const GradientPiece piece = all.pieces[blockIdx.x];
  bool finite = true;
  for (Index i = threadIdx.x; i < piece.count; i += gradient_threads)
    finite = finite && fabsf(piece.numbers[i]) < INFINITY;
  if (!finite) *flag = 0;
}

}  // namespace

std::vector<GradientPiece> gradient_pieces(std::span<const GradientPiece> gradients) {
  std::vector<GradientPiece> pieces;
  for (const GradientPiece& gradient : gradients)
    for (Index first = 0; first < gradient.count; first += piece_elements) {
      const Index left = gradient.count - first;
      pieces.push_back({gradient.numbers + first, left < piece_elements ? left : piece_elements});
    }
  return pieces;
}

Index sum_of_squares_workspace(Index pieces) { return pieces * static_cast<Index>(sizeof(double) / sizeof(float)); }

void sum_of_squares(const GradientPieces& gradients, float* workspace, double* sum, cudaStream_t stream) {
  auto* const partial = reinterpret_cast<double*>(workspace);
  launch("sum_of_squares", sum_squares, gradients.count, gradient_threads, stream, gradients, partial);
  launch("sum_of_squares", add_up, 1, threads_of_sum, stream, partial, gradients.count, sum);
}

void norm_and_factor(const double* sum, double max_norm, double* norm, float* factor, cudaStream_t stream) {
  launch("norm_and_factor", limit_norm, 1, 1, stream, sum, max_norm, norm, factor);
}

void scale_all(const GradientPieces& gradients, const float* factor, cudaStream_t stream) {
  launch("scale_all", scale_pieces, gradients.count, gradient_threads, stream, gradients, factor);
}

void clamp_all(const GradientPieces& gradients, float limit, cudaStream_t stream) {
  launch("clamp_all", clamp_pieces, gradients.count, gradient_threads, stream, gradients, limit);
}

void all_finite(const GradientPieces& gradients, std::int32_t* flag, cudaStream_t stream) {
  launch("all_finite", raise, 1, 1, stream, flag);
  launch("all_finite", lower_unless_finite, gradients.count, gradient_threads, stream, gradients, flag);
}

}  // namespace mien::kernels
