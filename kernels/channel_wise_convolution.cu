// Channel-wise (depthwise) convolution: every channel by a kernel of its own, with any window.
//
//     y[n, i, j, c] = sum over a, b of x[n, i s - p + a, j s - p + b, c] weight[a, b, c]
//
// Launch: neighbouring threads take neighbouring numbers of a row of pixels, [width, channels] without gaps, so that
// loads take whole lines whatever the number of channels; 256 threads a block.
// Bytes: x and y once, as long as the rows around a block stay in the second cache. Flops: 18 a number for 3x3: bound
// by memory.
//
// 3x3 with stride 1, forward and for the input: a thread makes four outputs one below the other, and reads each of the
// 18 inputs once instead of 36 in all. Any other window: a thread an output, all its taps. For the weight: all nine
// sums of a channel in one pass over both maps (see columns.hpp), or one pass a tap for other windows.

#include "columns.hpp"
#include "mien/backend/cuda/kernels/channel_wise_convolution.hpp"
#include "rows.hpp"

namespace mien::kernels {
namespace {

constexpr int strip_rows = 4;

/// A map [images, height, width, channels] and a padding around it.
struct PaddedMap {
  Index height, width, channels;
  int padding_height, padding_width;
};

/// Stride 1; `reversed` takes the weights from the last to the first.
template <class T>
__global__ void __launch_bounds__(threads_per_block, 1)
    convolve_three_by_three(const T* x, const T* weight, PaddedMap map, RowParts output, bool reversed, T* y) {
  const RowPart part(output, map.channels);
  if (part.element >= output.row_elements) return;
  float weights[9];
  for (int tap = 0; tap < 9; ++tap)
    weights[tap] = to_float(weight[(reversed ? 8 - tap : tap) * map.channels + part.channel]);
  float sums[strip_rows] = {};
  for (int r = 0; r < strip_rows + 2; ++r) {
    const Index row = part.row - map.padding_height + r;
    if (row < 0 || row >= map.height) continue;
    const T* from = x + ((part.image * map.height + row) * map.width) * map.channels + part.channel;
    for (int b = 0; b < 3; ++b) {
      const Index column = part.column - map.padding_width + b;
      if (column < 0 || column >= map.width) continue;
      const float value = to_float(from[column * map.channels]);
      for (int a = 0; a < 3; ++a)
        if (r >= a && r - a < strip_rows) sums[r - a] += value * weights[a * 3 + b];
    }
  }
  y += place_of(output, part);
  for (int o = 0; o < strip_rows; ++o)
    if (part.row + o < output.rows) y[o * output.row_elements] = from_float<T>(sums[o]);
}

template <class T>
__global__ void __launch_bounds__(threads_per_block, 1)
    convolve_any(const T* x, const T* weight, SlidingWindow window, RowParts output, T* y) {
  const RowPart part(output, window.channels);
  if (part.element >= output.row_elements) return;
  float sum = 0;
  for (int a = 0; a < window.kernel_height; ++a) {
    const Index row = part.row * window.stride_height - window.padding_height + a;
    if (row < 0 || row >= window.height) continue;
    for (int b = 0; b < window.kernel_width; ++b) {
      const Index column = part.column * window.stride_width - window.padding_width + b;
      if (column < 0 || column >= window.width) continue;
      sum +=
          to_float(x[((part.image * window.height + row) * window.width + column) * window.channels + part.channel]) *
          to_float(weight[(a * window.kernel_width + b) * window.channels + part.channel]);
    }
  }
  y[place_of(output, part)] = from_float<T>(sum);
}

/// Each input from the outputs whose window it is in.
template <class T>
__global__ void __launch_bounds__(threads_per_block, 1)
    gather_input_gradient(const T* upstream, const T* weight, SlidingWindow window, RowParts input, T* gradient) {
  const RowPart part(input, window.channels);
  if (part.element >= input.row_elements) return;
  float sum = 0;
  for (int a = 0; a < window.kernel_height; ++a) {
    const Index down = part.row + window.padding_height - a;
    const Index row = down / window.stride_height;
    if (down < 0 || row * window.stride_height != down || row >= window.output_height) continue;
    for (int b = 0; b < window.kernel_width; ++b) {
      const Index across = part.column + window.padding_width - b;
      const Index column = across / window.stride_width;
      if (across < 0 || column * window.stride_width != across || column >= window.output_width) continue;
      const Index pixel = (part.image * window.output_height + row) * window.output_width + column;
      sum += to_float(upstream[pixel * window.channels + part.channel]) *
             to_float(weight[(a * window.kernel_width + b) * window.channels + part.channel]);
    }
  }
  gradient[place_of(input, part)] = from_float<T>(sum);
}

template <int taps>
struct TapSums {
  float values[taps];

  __device__ void merge(const TapSums& other) {
    for (int tap = 0; tap < taps; ++tap) values[tap] += other.values[tap];
  }
};

/// Sums of x upstream for taps [first_row, first_row + height) x [first_column, first_column + width) of the window; a
/// row is one of the output's, [images, output_height].
template <class T, int height, int width>
struct WeightGradientOfChannel {
  using Sum = TapSums<height * width>;
  const T* x;
  const T* upstream;
  SlidingWindow window;
  int first_row, first_column;

  __device__ Sum operator()(Index channel, Index first, Index last, int step) const {
    Sum sums = {};
    for (Index line = first; line < last; line += step) {
      const Index image = line / window.output_height;
      const Index top =
          (line - image * window.output_height) * window.stride_height - window.padding_height + first_row;
      const T* up = upstream + line * window.output_width * window.channels + channel;
      MIEN_UNROLL(3)
      for (int a = 0; a < height; ++a)
        if (top + a >= 0 && top + a < window.height)
          add_row(up, x + (image * window.height + top + a) * window.width * window.channels + channel,
                  sums.values + a * width);
    }
    return sums;
  }

 private:
  /// A row of the output with one of the rows that it was made of.
  __device__ void add_row(const T* up, const T* from, float* sums) const {
    const int channels = static_cast<int>(window.channels);
    const int columns = static_cast<int>(window.width);
    int left = first_column - window.padding_width;
    MIEN_UNROLL(1)
    for (int j = 0; j < static_cast<int>(window.output_width); ++j, left += window.stride_width) {
      const float arriving = to_float(up[j * channels]);
      for (int b = 0; b < width; ++b)
        if (left + b >= 0 && left + b < columns) sums[b] += to_float(from[(left + b) * channels]) * arriving;
    }
  }
};

template <int taps>
struct StoreWeightGradient {
  float* gradient;
  Index channels;

  __device__ void operator()(Index, Index channel, const TapSums<taps>& sums) const {
    for (int tap = 0; tap < taps; ++tap) gradient[tap * channels + channel] = sums.values[tap];
  }
};

constexpr Index fewest_lines = 8;

bool is_three_by_three(const SlidingWindow& window) { return window.kernel_height == 3 && window.kernel_width == 3; }
bool takes_strips(const SlidingWindow& window) {
  return is_three_by_three(window) && window.stride_height == 1 && window.stride_width == 1;
}

}  // namespace

template <class T>
void channel_wise_convolution(const T* x, const T* weight, const SlidingWindow& window, T* y, cudaStream_t stream) {
  RowParts output{window.images, window.output_height, window.output_width * window.channels, 1};
  if (takes_strips(window)) {
    output.strip = strip_rows;
    const PaddedMap map{window.height, window.width, window.channels, window.padding_height, window.padding_width};
    launch("channel_wise_convolution", convolve_three_by_three<T>, output.blocks(), threads_per_block, stream, x,
           weight, map, output, false, y);
  } else {
    launch("channel_wise_convolution", convolve_any<T>, output.blocks(), threads_per_block, stream, x, weight, window,
           output, y);
  }
}

template <class T>
void channel_wise_convolution_input_gradient(const T* upstream, const T* weight, const SlidingWindow& window,
                                             T* gradient, cudaStream_t stream) {
  RowParts input{window.images, window.height, window.width * window.channels, 1};
  if (takes_strips(window)) {
    // The outputs that an input is in lie around it as its own inputs lie around an output.
    input.strip = strip_rows;
    const PaddedMap map{window.output_height, window.output_width, window.channels, 2 - window.padding_height,
                        2 - window.padding_width};
    launch("channel_wise_convolution_input_gradient", convolve_three_by_three<T>, input.blocks(), threads_per_block,
           stream, upstream, weight, map, input, true, gradient);
  } else {
    launch("channel_wise_convolution_input_gradient", gather_input_gradient<T>, input.blocks(), threads_per_block,
           stream, upstream, weight, window, input, gradient);
  }
}

Index channel_wise_convolution_workspace(const SlidingWindow& window) {
  const Index taps = is_three_by_three(window) ? 9 : 1;
  const Index lines = window.images * window.output_height;
  return reduction_grid(lines, window.channels, fewest_lines).chunks() * window.channels * taps;
}

template <class T>
void channel_wise_convolution_weight_gradient(const T* x, const T* upstream, const SlidingWindow& window,
                                              float* workspace, float* gradient, cudaStream_t stream) {
  const Index lines = window.images * window.output_height;
  const ColumnGrid grid = reduction_grid(lines, window.channels, fewest_lines);
  if (is_three_by_three(window)) {
    reduce_all_columns(
        "channel_wise_convolution_weight_gradient", WeightGradientOfChannel<T, 3, 3>{x, upstream, window, 0, 0}, grid,
        reinterpret_cast<TapSums<9>*>(workspace), StoreWeightGradient<9>{gradient, window.channels}, stream);
    return;
  }
  for (int a = 0; a < window.kernel_height; ++a)
    for (int b = 0; b < window.kernel_width; ++b)
      reduce_all_columns(
          "channel_wise_convolution_weight_gradient", WeightGradientOfChannel<T, 1, 1>{x, upstream, window, a, b}, grid,
          reinterpret_cast<TapSums<1>*>(workspace),
          StoreWeightGradient<1>{gradient + (a * window.kernel_width + b) * window.channels, window.channels}, stream);
}

#define MIEN_FOR(T)                                                                                                   \
  template void channel_wise_convolution<T>(const T*, const T*, const SlidingWindow&, T*, cudaStream_t);              \
  template void channel_wise_convolution_input_gradient<T>(const T*, const T*, const SlidingWindow&, T*,              \
                                                           cudaStream_t);                                             \
  template void channel_wise_convolution_weight_gradient<T>(const T*, const T*, const SlidingWindow&, float*, float*, \
                                                            cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
