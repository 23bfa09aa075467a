// Softmax over rows of [rows, columns], its logarithm, and the gradients of both.
//
//     y_i = exp(x_i - max x) / sum_j exp(x_j - max x)          log y_i = x_i - max x - log sum_j exp(x_j - max x)
//
// Launch: a warp takes a row, eight warps a block; reductions by shuffles, no shared memory.
// Bytes: x is read and y written once, 2 rows columns sizeof(T); the gradient reads one more. Flops: about 4 a number,
// one of them an exponential: bound by memory as soon as there are some thousand rows.
//
// A lane keeps its numbers of the row in registers, up to 8 (256 columns): one pass over memory. Longer rows are read
// again, from the cache nearest by, once for the maximum and sum together (a running sum is scaled when the maximum
// grows) and once for the result.

#include "mien/backend/cuda/kernels/softmax.hpp"
#include "portable.hpp"

namespace mien::kernels {
namespace {

constexpr int softmax_rows = 8;
constexpr int softmax_threads = softmax_rows * warp_threads;
constexpr int in_registers = 8;

/// The row of this warp, or one past the last.
__device__ inline Index softmax_row_of_warp() {
  return static_cast<Index>(blockIdx.x) * softmax_rows + static_cast<int>(threadIdx.x) / warp_threads;
}
__device__ inline int softmax_lane_of_thread() { return static_cast<int>(threadIdx.x) % warp_threads; }

template <class T, bool logarithm, int per_lane>
__global__ void __launch_bounds__(softmax_threads, 1)
    softmax_of_short_rows(const T* x, Index rows, Index columns, T* y) {
  const Index row = softmax_row_of_warp();
  if (row >= rows) return;
  const int lane = softmax_lane_of_thread();
  x += row * columns;
  y += row * columns;
  float values[per_lane];
  float greatest = -INFINITY;
  for (int i = 0; i < per_lane; ++i) {
    const int column = lane + i * warp_threads;
    values[i] = column < columns ? to_float(x[column]) : -INFINITY;
    greatest = fmaxf(greatest, values[i]);
  }
  greatest = warp_max(greatest);
  float sum = 0;
  for (int i = 0; i < per_lane; ++i)
    if (lane + i * warp_threads < columns) sum += expf(values[i] - greatest);
  sum = warp_sum(sum);
  const float shift = logarithm ? greatest + logf(sum) : greatest;
  const float factor = logarithm ? 1 : 1 / sum;
  for (int i = 0; i < per_lane; ++i) {
    const int column = lane + i * warp_threads;
    if (column < columns) y[column] = from_float<T>(logarithm ? values[i] - shift : expf(values[i] - shift) * factor);
  }
}

template <class T, bool logarithm>
__global__ void __launch_bounds__(softmax_threads, 1)
    softmax_of_long_rows(const T* x, Index rows, Index columns, T* y) {
  const Index row = softmax_row_of_warp();
  if (row >= rows) return;
  const int lane = softmax_lane_of_thread();
  x += row * columns;
  y += row * columns;
  float greatest = -INFINITY;
  float sum = 0;
  for (Index column = lane; column < columns; column += warp_threads) {
    const float value = to_float(x[column]);
    const float before = greatest;
    greatest = fmaxf(greatest, value);
    if (greatest > before) sum *= expf(before - greatest);
    if (value != -INFINITY) sum += expf(value - greatest);  // infinity minus itself is not a number
  }
  const float own = greatest;
  greatest = warp_max(greatest);
  sum = warp_sum(own == greatest ? sum : sum * expf(own - greatest));
  const float shift = logarithm ? greatest + logf(sum) : greatest;
  const float factor = logarithm ? 1 : 1 / sum;
  for (Index column = lane; column < columns; column += warp_threads) {
    const float value = to_float(x[column]);
    y[column] = from_float<T>(logarithm ? value - shift : expf(value - shift) * factor);
  }
}

template <class T, bool logarithm>
__global__ void __launch_bounds__(softmax_threads, 1)
    softmax_gradient_of_rows(const T* y, const T* upstream, Index rows, Index columns, T* gradient) {
  const Index row = softmax_row_of_warp();
  if (row >= rows) return;
  const int lane = softmax_lane_of_thread();
  y += row * columns;
  upstream += row * columns;
  gradient += row * columns;
  float sum = 0;
  for (Index column = lane; column < columns; column += warp_threads)
    sum += logarithm ? to_float(upstream[column]) : to_float(y[column]) * to_float(upstream[column]);
  sum = warp_sum(sum);
  for (Index column = lane; column < columns; column += warp_threads) {
    const float result = to_float(y[column]);
    const float arriving = to_float(upstream[column]);
    gradient[column] = from_float<T>(logarithm ? arriving - expf(result) * sum : result * (arriving - sum));
  }
}

template <class T, bool logarithm>
void launch_softmax(const T* x, Index rows, Index columns, T* y, cudaStream_t stream) {
  const Index blocks = groups(rows, softmax_rows);
  if (columns <= warp_threads)
    launch("softmax", softmax_of_short_rows<T, logarithm, 1>, blocks, softmax_threads, stream, x, rows, columns, y);
  else if (columns <= in_registers * warp_threads)
    launch("softmax", softmax_of_short_rows<T, logarithm, in_registers>, blocks, softmax_threads, stream, x, rows,
           columns, y);
  else
    launch("softmax", softmax_of_long_rows<T, logarithm>, blocks, softmax_threads, stream, x, rows, columns, y);
}

}  // namespace

template <class T>
void softmax(const T* x, Index rows, Index columns, bool logarithm, T* y, cudaStream_t stream) {
  if (columns == 0) return;
  if (logarithm) {
    launch_softmax<T, true>(x, rows, columns, y, stream);
  } else {
    launch_softmax<T, false>(x, rows, columns, y, stream);
  }
}

template <class T>
void softmax_gradient(const T* y, const T* upstream, Index rows, Index columns, bool logarithm, T* gradient,
                      cudaStream_t stream) {
  if (columns == 0) return;
  launch("softmax_gradient", logarithm ? softmax_gradient_of_rows<T, true> : softmax_gradient_of_rows<T, false>,
         groups(rows, softmax_rows), softmax_threads, stream, y, upstream, rows, columns, gradient);
}

#define MIEN_FOR(T)                                                         \
  template void softmax<T>(const T*, Index, Index, bool, T*, cudaStream_t); \
  template void softmax_gradient<T>(const T*, const T*, Index, Index, bool, T*, cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
