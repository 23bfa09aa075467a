// Pooling of channels-last maps: maximum and mean under windows that slide or that divide the map, their gradients, and
// the mean of all positions.
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

/// Pixels [top, bottom) x [left, right) of a map.
struct Area {
  Index top, bottom, left, right;

  __device__ Index pixels() const { return (bottom - top) * (right - left); }
};

/// What the window of an output reads of the map.
__device__ inline Area inputs_of(const SlidingWindow& window, Index row, Index column) {
  const Index top = row * window.stride_height - window.padding_height;
  const Index left = column * window.stride_width - window.padding_width;
  const Index bottom = top + window.kernel_height;
  const Index right = left + window.kernel_width;
  return {top < 0 ? 0 : top, bottom > window.height ? window.height : bottom, left < 0 ? 0 : left,
          right > window.width ? window.width : right};
}

/// The first output of an axis whose window begins at or after `begin`, or the first of all.
__device__ inline Index first_output(Index begin, int stride) { return begin <= 0 ? 0 : (begin + stride - 1) / stride; }

/// The outputs whose windows an input is in.
__device__ inline Area outputs_of(const SlidingWindow& window, Index row, Index column) {
  const Index down = row + window.padding_height;
  const Index across = column + window.padding_width;
  const Index bottom = down / window.stride_height + 1;
  const Index right = across / window.stride_width + 1;
  return {first_output(down - window.kernel_height + 1, window.stride_height),
          bottom > window.output_height ? window.output_height : bottom,
          first_output(across - window.kernel_width + 1, window.stride_width),
          right > window.output_width ? window.output_width : right};
}

/// Of `outputs` windows that divide an axis of `extent` numbers, the first number that window i sees.
__device__ inline Index adaptive_begin(Index i, Index extent, Index outputs) { return i * extent / outputs; }
/// One past its last.
__device__ inline Index adaptive_end(Index i, Index extent, Index outputs) {
  return ((i + 1) * extent + outputs - 1) / outputs;
}

__device__ inline Area inputs_of(const AdaptiveWindow& window, Index row, Index column) {
  return {adaptive_begin(row, window.height, window.output_height),
          adaptive_end(row, window.height, window.output_height),
          adaptive_begin(column, window.width, window.output_width),
          adaptive_end(column, window.width, window.output_width)};
}

/// Inputs are seen by outputs as outputs see inputs: i is in window j where [i, i + 1) of the one axis and [j, j + 1)
/// of the other overlap, both drawn out to the same length.
__device__ inline Area outputs_of(const AdaptiveWindow& window, Index row, Index column) {
  return {adaptive_begin(row, window.output_height, window.height),
          adaptive_end(row, window.output_height, window.height),
          adaptive_begin(column, window.output_width, window.width),
          adaptive_end(column, window.output_width, window.width)};
}

/// What the mean under an output's window divides by.
__device__ inline float divisor_of(const SlidingWindow& window, bool count_padding, const Area& read) {
  return static_cast<float>(count_padding ? static_cast<Index>(window.kernel_height) * window.kernel_width
                                          : read.pixels());
}
__device__ inline float divisor_of(const AdaptiveWindow&, bool, const Area& read) {
  return static_cast<float>(read.pixels());
}

template <class T, class Window>
__global__ void __launch_bounds__(threads_per_block, 1)
    pool_maximum(const T* x, Window window, RowParts output, T* y, std::int32_t* source) {
  const RowPart part(output, window.channels);
  if (part.element >= output.row_elements) return;
  const Area read = inputs_of(window, part.row, part.column);
  const T* map = x + part.image * window.height * window.width * window.channels + part.channel;
  Index place = read.top * window.width + read.left;
  float best = to_float(map[place * window.channels]);
  for (Index row = read.top; row < read.bottom; ++row)
    for (Index column = read.left; column < read.right; ++column) {
      const Index pixel = row * window.width + column;
      const float value = to_float(map[pixel * window.channels]);
      if (value > best || value != value) {
        best = value;
        place = pixel;
      }
    }
  const Index i = place_of(output, part);
  y[i] = from_float<T>(best);
  source[i] = static_cast<std::int32_t>(place);
}

template <class T, class Window>
__global__ void __launch_bounds__(threads_per_block, 1)
    gather_maximum_gradient(const T* upstream, const std::int32_t* source, Window window, RowParts input, T* gradient) {
  const RowPart part(input, window.channels);
  if (part.element >= input.row_elements) return;
  const Area readers = outputs_of(window, part.row, part.column);
  const auto place = static_cast<std::int32_t>(part.row * window.width + part.column);
  float sum = 0;
  for (Index row = readers.top; row < readers.bottom; ++row)
    for (Index column = readers.left; column < readers.right; ++column) {
      const Index pixel = (part.image * window.output_height + row) * window.output_width + column;
      const Index i = pixel * window.channels + part.channel;
      if (source[i] == place) sum += to_float(upstream[i]);
    }
  gradient[place_of(input, part)] = from_float<T>(sum);
}

template <class T, class Window>
__global__ void __launch_bounds__(threads_per_block, 1)
    pool_average(const T* x, Window window, bool count_padding, RowParts output, T* y) {
  const RowPart part(output, window.channels);
  if (part.element >= output.row_elements) return;
  const Area read = inputs_of(window, part.row, part.column);
  const T* map = x + part.image * window.height * window.width * window.channels + part.channel;
  float sum = 0;
  for (Index row = read.top; row < read.bottom; ++row)
    for (Index column = read.left; column < read.right; ++column)
      sum += to_float(map[(row * window.width + column) * window.channels]);
  y[place_of(output, part)] = from_float<T>(sum / divisor_of(window, count_padding, read));
}

template <class T, class Window>
__global__ void __launch_bounds__(threads_per_block, 1)
    gather_average_gradient(const T* upstream, Window window, bool count_padding, RowParts input, T* gradient) {
  const RowPart part(input, window.channels);
  if (part.element >= input.row_elements) return;
  const Area readers = outputs_of(window, part.row, part.column);
  float sum = 0;
  for (Index row = readers.top; row < readers.bottom; ++row)
    for (Index column = readers.left; column < readers.right; ++column) {
      const Index pixel = (part.image * window.output_height + row) * window.output_width + column;
      sum += to_float(upstream[pixel * window.channels + part.channel]) /
             divisor_of(window, count_padding, inputs_of(window, row, column));
    }
  gradient[place_of(input, part)] = from_float<T>(sum);
}

struct PositionSum {
  float value;

  __device__ void merge(const PositionSum& other) { value += other.value; }
};

template <class T>
struct SumOfColumn {
  using Sum = PositionSum;
  const T* x;
  Index columns;

  __device__ Sum operator()(Index column, Index first, Index last, int step) const {
    float sum = 0;
    for (Index row = first; row < last; row += step) sum += to_float(x[row * columns + column]);
    return {sum};
  }
};

struct StoreMean {
  float share;
  Index channels;
  float* means;

  __device__ void operator()(Index image, Index channel, const PositionSum& sum) const {
    means[image * channels + channel] = sum.value * share;
  }
};

template <class Window>
RowParts outputs(const Window& window) {
  return {window.images, window.output_height, window.output_width * window.channels, 1};
}
template <class Window>
RowParts inputs(const Window& window) {
  return {window.images, window.height, window.width * window.channels, 1};
}

ColumnGrid positions_grid(Index images, Index positions, Index channels) {
  ColumnGrid grid = reduction_grid(positions, channels);
  grid.batch = images;
  return grid;
}

template <class T, class Window>
void launch_maximum(const char* name, const T* x, const Window& window, T* y, std::int32_t* source,
                    cudaStream_t stream) {
  launch(name, pool_maximum<T, Window>, outputs(window).blocks(), threads_per_block, stream, x, window, outputs(window),
         y, source);
}

template <class T, class Window>
void launch_maximum_gradient(const char* name, const T* upstream, const std::int32_t* source, const Window& window,
                             T* gradient, cudaStream_t stream) {
  launch(name, gather_maximum_gradient<T, Window>, inputs(window).blocks(), threads_per_block, stream, upstream, source,
         window, inputs(window), gradient);
}

template <class T, class Window>
void launch_average(const char* name, const T* x, const Window& window, bool count_padding, T* y, cudaStream_t stream) {
  launch(name, pool_average<T, Window>, outputs(window).blocks(), threads_per_block, stream, x, window, count_padding,
         outputs(window), y);
}

template <class T, class Window>
void launch_average_gradient(const char* name, const T* upstream, const Window& window, bool count_padding, T* gradient,
                             cudaStream_t stream) {
  launch(name, gather_average_gradient<T, Window>, inputs(window).blocks(), threads_per_block, stream, upstream, window,
         count_padding, inputs(window), gradient);
}

}  // namespace

template <class T>
void max_pool(const T* x, const SlidingWindow& window, T* y, std::int32_t* source, cudaStream_t stream) {
  launch_maximum("max_pool", x, window, y, source, stream);
}
template <class T>
void adaptive_max_pool(const T* x, const AdaptiveWindow& window, T* y, std::int32_t* source, cudaStream_t stream) {
  launch_maximum("adaptive_max_pool", x, window, y, source, stream);
}

template <class T>
void max_pool_gradient(const T* upstream, const std::int32_t* source, const SlidingWindow& window, T* gradient,
                       cudaStream_t stream) {
  launch_maximum_gradient("max_pool_gradient", upstream, source, window, gradient, stream);
}
template <class T>
void adaptive_max_pool_gradient(const T* upstream, const std::int32_t* source, const AdaptiveWindow& window,
                                T* gradient, cudaStream_t stream) {
  launch_maximum_gradient("adaptive_max_pool_gradient", upstream, source, window, gradient, stream);
}

template <class T>
void average_pool(const T* x, const SlidingWindow& window, bool count_padding, T* y, cudaStream_t stream) {
  launch_average("average_pool", x, window, count_padding, y, stream);
}
template <class T>
void adaptive_average_pool(const T* x, const AdaptiveWindow& window, T* y, cudaStream_t stream) {
  launch_average("adaptive_average_pool", x, window, false, y, stream);
}

template <class T>
void average_pool_gradient(const T* upstream, const SlidingWindow& window, bool count_padding, T* gradient,
                           cudaStream_t stream) {
  launch_average_gradient("average_pool_gradient", upstream, window, count_padding, gradient, stream);
}
template <class T>
void adaptive_average_pool_gradient(const T* upstream, const AdaptiveWindow& window, T* gradient, cudaStream_t stream) {
  launch_average_gradient("adaptive_average_pool_gradient", upstream, window, false, gradient, stream);
}

Index mean_of_positions_workspace(Index images, Index positions, Index channels) {
  return images * positions_grid(images, positions, channels).chunks() * channels;
}

template <class T>
void mean_of_positions(const T* x, Index images, Index positions, Index channels, float* workspace, float* means,
                       cudaStream_t stream) {
  reduce_all_columns("mean_of_positions", SumOfColumn<T>{x, channels}, positions_grid(images, positions, channels),
                     reinterpret_cast<PositionSum*>(workspace),
                     StoreMean{1 / static_cast<float>(positions), channels, means}, stream);
}

#define MIEN_FOR(T)                                                                                                    \
  template void max_pool<T>(const T*, const SlidingWindow&, T*, std::int32_t*, cudaStream_t);                          \
  template void adaptive_max_pool<T>(const T*, const AdaptiveWindow&, T*, std::int32_t*, cudaStream_t);                \
  template void max_pool_gradient<T>(const T*, const std::int32_t*, const SlidingWindow&, T*, cudaStream_t);           \
  template void adaptive_max_pool_gradient<T>(const T*, const std::int32_t*, const AdaptiveWindow&, T*, cudaStream_t); \
  template void average_pool<T>(const T*, const SlidingWindow&, bool, T*, cudaStream_t);                               \
  template void adaptive_average_pool<T>(const T*, const AdaptiveWindow&, T*, cudaStream_t);                           \
  template void average_pool_gradient<T>(const T*, const SlidingWindow&, bool, T*, cudaStream_t);                      \
  template void adaptive_average_pool_gradient<T>(const T*, const AdaptiveWindow&, T*, cudaStream_t);                  \
  template void mean_of_positions<T>(const T*, Index, Index, Index, float*, float*, cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
