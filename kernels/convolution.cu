// Convolution of maps [N, H, W, C] with weights [kernel height, kernel width, C, O], any window and stride.
//
//     y[n, i, j, o] = sum over a, b, c of x[n, i s - p + a, j s - p + b, c] weight[a, b, c, o]
//
// Implicit GEMM: rows are pixels, columns channels, the depth runs over taps and channels; see tiled_product.hpp for
// the launch. The weight is a matrix [taps C, O] as it lies in memory. Flops: 2 N H' W' O taps C. Bytes: x, weight and
// y once; a tile of 64 pixels reads its inputs again for every 64 outputs and every tap, from the second cache.
//
// The gradient for the weight has few results and a long sum over all pixels: blocks share it, and their parts are
// added in a fixed order by a second kernel.

#include "mien/backend/cuda/kernels/convolution.hpp"
#include "tiled_product.hpp"

namespace mien::kernels {
namespace {

/// A convolution's sizes, as numbers that the device divides quickly.
struct Sizes {
  int images, height, width, inputs;
  int output_height, output_width, outputs;
  int kernel_height, kernel_width;
  int stride_height, stride_width;
  int padding_height, padding_width;

  Sizes(const SlidingWindow& window, Index all_outputs)
      : images(static_cast<int>(window.images)),
        height(static_cast<int>(window.height)),
        width(static_cast<int>(window.width)),
        inputs(static_cast<int>(window.channels)),
        output_height(static_cast<int>(window.output_height)),
        output_width(static_cast<int>(window.output_width)),
        outputs(static_cast<int>(all_outputs)),
        kernel_height(window.kernel_height),
        kernel_width(window.kernel_width),
        stride_height(window.stride_height),
        stride_width(window.stride_width),
        padding_height(window.padding_height),
        padding_width(window.padding_width) {}
};

/// A pixel of a map.
struct Pixel {
  int image, row, column;
};
__device__ inline Pixel pixel_of(int i, int height, int width) {
  const int line = i / width;
  return {line / height, line % height, i % width};
}

/// A tap of the kernel, and a channel.
struct TapChannel {
  int row, column, channel;
};
__device__ inline TapChannel tap_of(int k, int channels, int kernel_width) {
  const int tap = k / channels;
  return {tap / kernel_width, tap % kernel_width, k % channels};
}

/// What a tap of an output's window reads; zero beyond the map.
template <class T>
__device__ inline float input_at(const T* x, const Sizes& sizes, const Pixel& output, const TapChannel& tap) {
  const int row = output.row * sizes.stride_height - sizes.padding_height + tap.row;
  const int column = output.column * sizes.stride_width - sizes.padding_width + tap.column;
  if (row < 0 || row >= sizes.height || column < 0 || column >= sizes.width) return 0;
  const Index pixel = (static_cast<Index>(output.image) * sizes.height + row) * sizes.width + column;
  return to_float(x[pixel * sizes.inputs + tap.channel]);
}

template <class T>
struct Forward {
  using Row = Pixel;
  using Depth = TapChannel;
  static constexpr bool rows_adjacent = false;
  static constexpr bool columns_adjacent = true;

  const T* x;
  const T* weight;
  Sizes sizes;
  T* y;

  __device__ Row row(int i) const { return pixel_of(i, sizes.output_height, sizes.output_width); }
  __device__ Depth depth(int k) const { return tap_of(k, sizes.inputs, sizes.kernel_width); }
  __device__ float left(const Row& output, const Depth& tap) const { return input_at(x, sizes, output, tap); }
  __device__ float right(int k, int output) const {
    return to_float(weight[static_cast<Index>(k) * sizes.outputs + output]);
  }
  __device__ void store(int, int pixel, int output, float value) const {
    y[static_cast<Index>(pixel) * sizes.outputs + output] = from_float<T>(value);
  }
};

/// Rows are the inputs' pixels, the depth runs over taps and outputs.
template <class T>
struct InputGradient {
  using Row = Pixel;
  using Depth = TapChannel;
  static constexpr bool rows_adjacent = false;
  static constexpr bool columns_adjacent = false;

  const T* upstream;
  const T* weight;
  Sizes sizes;
  T* gradient;

  __device__ Row row(int i) const { return pixel_of(i, sizes.height, sizes.width); }
  __device__ Depth depth(int k) const { return tap_of(k, sizes.outputs, sizes.kernel_width); }
  /// What arrives at the output that reads this input by that tap, if there is one.
  __device__ float left(const Row& input, const Depth& tap) const {
    const int down = input.row + sizes.padding_height - tap.row;
    const int across = input.column + sizes.padding_width - tap.column;
    if (down < 0 || across < 0 || down % sizes.stride_height != 0 || across % sizes.stride_width != 0) return 0;
    const int row = down / sizes.stride_height;
    const int column = across / sizes.stride_width;
    if (row >= sizes.output_height || column >= sizes.output_width) return 0;
    const Index pixel = (static_cast<Index>(input.image) * sizes.output_height + row) * sizes.output_width + column;
    return to_float(upstream[pixel * sizes.outputs + tap.channel]);
  }
  __device__ float right(int k, int input) const {
    const int tap = k / sizes.outputs;
    return to_float(weight[(static_cast<Index>(tap) * sizes.inputs + input) * sizes.outputs + k % sizes.outputs]);
  }
  __device__ void store(int, int pixel, int input, float value) const {
    gradient[static_cast<Index>(pixel) * sizes.inputs + input] = from_float<T>(value);
  }
};

/// Rows are taps and inputs, the depth runs over the output's pixels.
template <class T>
struct WeightGradient {
  using Row = TapChannel;
  using Depth = Pixel;
  static constexpr bool rows_adjacent = true;
  static constexpr bool columns_adjacent = true;

  const T* x;
  const T* upstream;
  Sizes sizes;
  Index elements;  ///< of the weight
  float* parts;

  __device__ Row row(int i) const { return tap_of(i, sizes.inputs, sizes.kernel_width); }
  __device__ Depth depth(int k) const { return pixel_of(k, sizes.output_height, sizes.output_width); }
  __device__ float left(const Row& tap, const Depth& output) const { return input_at(x, sizes, output, tap); }
  __device__ float right(int pixel, int output) const {
    return to_float(upstream[static_cast<Index>(pixel) * sizes.outputs + output]);
  }
  __device__ void store(int split, int tap_input, int output, float value) const {
    parts[split * elements + static_cast<Index>(tap_input) * sizes.outputs + output] = value;
  }
};

__global__ void __launch_bounds__(256, 1) add_parts(const float* parts, int count, Index elements, float* sums) {
  const Index i = static_cast<Index>(blockIdx.x) * 256 + threadIdx.x;
  if (i >= elements) return;
  float sum = 0;
  for (int part = 0; part < count; ++part) sum += parts[part * elements + i];
  sums[i] = sum;
}

Index depth_of_weight(const SlidingWindow& window) {
  return static_cast<Index>(window.kernel_height) * window.kernel_width * window.channels;
}

/// So many splits that the tiles of a small weight keep a device busy.
ProductGrid weight_gradient_grid(const SlidingWindow& window, Index outputs) {
  constexpr Index blocks = 512;
  constexpr Index shortest = 256;
  const Index pixels = window.images * window.output_height * window.output_width;
  const Index tiles = groups(depth_of_weight(window), ProductGrid::tile) * groups(outputs, ProductGrid::tile);
  const Index even = groups(pixels, groups(blocks, tiles > 0 ? tiles : 1));
  return product_grid("convolution_weight_gradient", depth_of_weight(window), outputs, pixels,
                      even > shortest ? even : shortest);
}

}  // namespace

template <class T>
void convolution(const T* x, const T* weight, const SlidingWindow& window, Index outputs, T* y, cudaStream_t stream) {
  const Index depth = depth_of_weight(window);
  const ProductGrid grid =
      product_grid("convolution", window.images * window.output_height * window.output_width, outputs, depth, depth);
  multiply("convolution", Forward<T>{x, weight, Sizes(window, outputs), y}, grid, stream);
}

template <class T>
void convolution_input_gradient(const T* upstream, const T* weight, const SlidingWindow& window, Index outputs,
                                T* gradient, cudaStream_t stream) {
  const Index depth = static_cast<Index>(window.kernel_height) * window.kernel_width * outputs;
  const ProductGrid grid = product_grid("convolution_input_gradient", window.images * window.height * window.width,
                                        window.channels, depth, depth);
  multiply("convolution_input_gradient", InputGradient<T>{upstream, weight, Sizes(window, outputs), gradient}, grid,
           stream);
}

Index convolution_workspace(const SlidingWindow& window, Index outputs) {
  return weight_gradient_grid(window, outputs).splits() * depth_of_weight(window) * outputs;
}

template <class T>
void convolution_weight_gradient(const T* x, const T* upstream, const SlidingWindow& window, Index outputs,
                                 float* workspace, float* gradient, cudaStream_t stream) {
  const ProductGrid grid = weight_gradient_grid(window, outputs);
  const Index elements = depth_of_weight(window) * outputs;
  multiply("convolution_weight_gradient", WeightGradient<T>{x, upstream, Sizes(window, outputs), elements, workspace},
           grid, stream);
  launch("convolution_weight_gradient", add_parts, groups(elements, 256), 256, stream, workspace, grid.splits(),
         elements, gradient);
}

#define MIEN_FOR(T)                                                                                               \
  template void convolution<T>(const T*, const T*, const SlidingWindow&, Index, T*, cudaStream_t);                \
  template void convolution_input_gradient<T>(const T*, const T*, const SlidingWindow&, Index, T*, cudaStream_t); \
  template void convolution_weight_gradient<T>(const T*, const T*, const SlidingWindow&, Index, float*, float*,   \
                                               cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
