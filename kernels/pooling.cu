// Pooling of channels-last maps: maximum and mean under sliding windows, their gradients, and the mean of all
// positions.
//
// Launch: a thread a number of the result (rows.hpp), windows through the nearest cache; the mean of all positions is a
// sum by image and channel (columns.hpp).
// Bytes: both maps once, and four more a maximum for its pixel. Flops: a window's size a number: bound by memory.
//
// Gradients are gathered: every input adds up what the windows that it is in send back, so that no two threads write to
// one number and the order of additions is always the same.

#include "columns.hpp"
#include "mien/backend/cuda/kernels/pooling.hpp"
#include "rows.hpp"

namespace mien::kernels {
namespace {

/// Of one axis, [first, last).
struct Range {
  Index first, last;
};

/// What the window of output i reads.
__device__ inline Range window_of(Index i, int kernel, int stride, int padding, Index extent) {
  const Index begin = i * stride - padding;
  const Index end = begin + kernel;
  return {begin < 0 ? 0 : begin, end > extent ? extent : end};
}

/// The outputs whose windows input i is in.
__device__ inline Range outputs_of(Index i, int kernel, int stride, int padding, Index outputs) {
  const Index from_last_tap = i + padding - kernel + 1;
  const Index end = (i + padding) / stride + 1;
  return {from_last_tap <= 0 ? 0 : (from_last_tap + stride - 1) / stride, end > outputs ? outputs : end};
}

template <class T>
__global__ void __launch_bounds__(threads_per_block, 1)
    pool_maximum(const T* x, PoolingWindow window, RowParts output, T* y, std::int32_t* source) {
  const RowPart part(output, window.channels);
  if (part.element >= output.row_elements) return;
  const Range rows =
      window_of(part.row, window.kernel_height, window.stride_height, window.padding_height, window.height);
  const Range columns =
      window_of(part.column, window.kernel_width, window.stride_width, window.padding_width, window.width);
  const T* map = x + part.image * window.height * window.width * window.channels + part.channel;
  Index place = rows.first * window.width + columns.first;
  float best = to_float(map[place * window.channels]);
  for (Index row = rows.first; row < rows.last; ++row)
    for (Index column = columns.first; column < columns.last; ++column) {
      const Index pixel = row * window.width + column;
      const float value = to_float(map[pixel * window.channels]);
      if (value > best || value != value) {
        best = value;
        place = pixel;
      }
    }
  const Index i = (part.image * output.rows + part.row) * output.row_elements + part.element;
  y[i] = from_float<T>(best);
  source[i] = static_cast<std::int32_t>(place);
}

template <class T>
__global__ void __launch_bounds__(threads_per_block, 1)
    gather_maximum_gradient(const T* upstream, const std::int32_t* source, PoolingWindow window, RowParts input,
                            T* gradient) {
  const RowPart part(input, window.channels);
  if (part.element >= input.row_elements) return;
  const Range rows =
      outputs_of(part.row, window.kernel_height, window.stride_height, window.padding_height, window.output_height);
  const Range columns =
      outputs_of(part.column, window.kernel_width, window.stride_width, window.padding_width, window.output_width);
  const auto place = static_cast<std::int32_t>(part.row * window.width + part.column);
  float sum = 0;
  for (Index row = rows.first; row < rows.last; ++row)
    for (Index column = columns.first; column < columns.last; ++column) {
      const Index pixel = (part.image * window.output_height + row) * window.output_width + column;
      const Index i = pixel * window.channels + part.channel;
      if (source[i] == place) sum += to_float(upstream[i]);
    }
  gradient[(part.image * input.rows + part.row) * input.row_elements + part.element] = from_float<T>(sum);
}

/// What a mean multiplies its sum by.
__device__ inline float share_of(const PoolingWindow& window, const Range& rows, const Range& columns) {
  const Index counted = window.count_padding ? static_cast<Index>(window.kernel_height) * window.kernel_width
                                             : (rows.last - rows.first) * (columns.last - columns.first);
  return 1 / static_cast<float>(counted);
}

template <class T>
__global__ void __launch_bounds__(threads_per_block, 1)
    pool_average(const T* x, PoolingWindow window, RowParts output, T* y) {
  const RowPart part(output, window.channels);
  if (part.element >= output.row_elements) return;
  const Range rows =
      window_of(part.row, window.kernel_height, window.stride_height, window.padding_height, window.height);
  const Range columns =
      window_of(part.column, window.kernel_width, window.stride_width, window.padding_width, window.width);
  const T* map = x + part.image * window.height * window.width * window.channels + part.channel;
  float sum = 0;
  for (Index row = rows.first; row < rows.last; ++row)
    for (Index column = columns.first; column < columns.last; ++column)
      sum += to_float(map[(row * window.width + column) * window.channels]);
  y[(part.image * output.rows + part.row) * output.row_elements + part.element] =
      from_float<T>(sum * share_of(window, rows, columns));
}

template <class T>
__global__ void __launch_bounds__(threads_per_block, 1)
    gather_average_gradient(const T* upstream, PoolingWindow window, RowParts input, T* gradient) {
  const RowPart part(input, window.channels);
  if (part.element >= input.row_elements) return;
  const Range rows =
      outputs_of(part.row, window.kernel_height, window.stride_height, window.padding_height, window.output_height);
  const Range columns =
      outputs_of(part.column, window.kernel_width, window.stride_width, window.padding_width, window.output_width);
  float sum = 0;
  for (Index row = rows.first; row < rows.last; ++row)
    for (Index column = columns.first; column < columns.last; ++column) {
      const Range over =
          window_of(row, window.kernel_height, window.stride_height, window.padding_height, window.height);
      const Range across =
          window_of(column, window.kernel_width, window.stride_width, window.padding_width, window.width);
      const Index pixel = (part.image * window.output_height + row) * window.output_width + column;
      sum += to_float(upstream[pixel * window.channels + part.channel]) * share_of(window, over, across);
    }
  gradient[(part.image * input.rows + part.row) * input.row_elements + part.element] = from_float<T>(sum);
}

struct PlainSum {
  float value;

  __device__ void merge(const PlainSum& other) { value += other.value; }
};

template <class T>
struct SumOfColumn {
  using Sum = PlainSum;
  const T* x;
  Index columns;

  __device__ Sum operator()(Index column, Index first, Index last, int step) const {
    float sum = 0;
    for (Index row = first; row < last; row += step) sum += to_float(x[row * columns + column]);
    return {sum};
  }
};

template <class T>
struct StoreMean {
  float share;
  Index channels;
  T* means;

  __device__ void operator()(Index image, Index channel, const PlainSum& sum) const {
    means[image * channels + channel] = from_float<T>(sum.value * share);
  }
};

RowParts outputs(const PoolingWindow& window) {
  return {window.images, window.output_height, window.output_width * window.channels, 1};
}
RowParts inputs(const PoolingWindow& window) {
  return {window.images, window.height, window.width * window.channels, 1};
}

ColumnGrid positions_grid(Index images, Index positions, Index channels) {
  ColumnGrid grid = reduction_grid(positions, channels);
  grid.batch = images;
  return grid;
}

}  // namespace

template <class T>
void max_pool(const T* x, const PoolingWindow& window, T* y, std::int32_t* source, cudaStream_t stream) {
  launch("max_pool", pool_maximum<T>, outputs(window).blocks(), threads_per_block, stream, x, window, outputs(window),
         y, source);
}

template <class T>
void max_pool_gradient(const T* upstream, const std::int32_t* source, const PoolingWindow& window, T* gradient,
                       cudaStream_t stream) {
  launch("max_pool_gradient", gather_maximum_gradient<T>, inputs(window).blocks(), threads_per_block, stream, upstream,
         source, window, inputs(window), gradient);
}

template <class T>
void average_pool(const T* x, const PoolingWindow& window, T* y, cudaStream_t stream) {
  launch("average_pool", pool_average<T>, outputs(window).blocks(), threads_per_block, stream, x, window,
         outputs(window), y);
}

template <class T>
void average_pool_gradient(const T* upstream, const PoolingWindow& window, T* gradient, cudaStream_t stream) {
  launch("average_pool_gradient", gather_average_gradient<T>, inputs(window).blocks(), threads_per_block, stream,
         upstream, window, inputs(window), gradient);
}

Index mean_of_positions_workspace(Index images, Index positions, Index channels) {
  return images * positions_grid(images, positions, channels).chunks() * channels;
}

template <class T>
void mean_of_positions(const T* x, Index images, Index positions, Index channels, float* workspace, T* means,
                       cudaStream_t stream) {
  reduce_all_columns("mean_of_positions", SumOfColumn<T>{x, channels}, positions_grid(images, positions, channels),
                     reinterpret_cast<PlainSum*>(workspace),
                     StoreMean<T>{1 / static_cast<float>(positions), channels, means}, stream);
}

#define MIEN_FOR(T)                                                                                          \
  template void max_pool<T>(const T*, const PoolingWindow&, T*, std::int32_t*, cudaStream_t);                \
  template void max_pool_gradient<T>(const T*, const std::int32_t*, const PoolingWindow&, T*, cudaStream_t); \
  template void average_pool<T>(const T*, const PoolingWindow&, T*, cudaStream_t);                           \
  template void average_pool_gradient<T>(const T*, const PoolingWindow&, T*, cudaStream_t);                  \
  template void mean_of_positions<T>(const T*, Index, Index, Index, float*, T*, cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
