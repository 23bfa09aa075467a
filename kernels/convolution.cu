// Convolution of maps [N, H, W, C] with weights [kernel height, kernel width, C / groups, O], any window and stride,
// and its gradients. Maps may be PixelGrids over something else.
//
//     y[n, i, j, o] = relu(scale[o] sum over a, b, c of x[n, i s - p + a, j s - p + b, c] weight[a, b, c, o]
//                          + bias[o] + residual[n, i, j, o])
//
// Implicit GEMM: rows are pixels, columns channels, the depth runs over taps and channels; a group is a product of its
// own. The weight is a matrix [taps C, O] as it lies in memory. See tiled_product.hpp for the launch.
// Flops: 2 N H' W' O taps C / groups. Bytes: x, weight, y and the residual once; a tile of pixels reads its inputs
// again for every 64 outputs and every tap, from the second cache. A 3 x 3 kernel of 64 channels does 576
// multiplications for a number of x and one of y: bound by multiplications, from some 50 channels on even where tensor
// cores do them; 1 x 1 kernels are bound by bytes.
//
// The gradient for the input is such a product for each phase of the stride: the inputs that have the same remainder by
// it are read by the same taps, and by no others.
//
// The gradient for the weight has few results and a long sum over all pixels, which blocks share.

#include <cmath>
#include <initializer_list>

#include "divisor.hpp"
#include "mien/backend/cuda/kernels/convolution.hpp"
#include "tiled_product.hpp"

namespace mien::kernels {
namespace {

/// A PixelGrid, whose images are counted in 32 bits: a step for every row, and what is skipped after each period. That
/// may be backwards; sums of unsigned numbers come out right all the same.
struct Grid {
  Index image_stride;
  Divisor row_period, column_period;
  std::uint32_t row_step, row_skip, column_step, column_skip;

  explicit Grid(const PixelGrid& grid)
      : image_stride(grid.image_stride),
        row_period(grid.row_period),
        column_period(grid.column_period),
        row_step(static_cast<std::uint32_t>(grid.row_inner)),
        row_skip(static_cast<std::uint32_t>(grid.row_outer - grid.row_period * grid.row_inner)),
        column_step(static_cast<std::uint32_t>(grid.column_inner)),
        column_skip(static_cast<std::uint32_t>(grid.column_outer - grid.column_period * grid.column_inner)) {}

  /// Of a pixel in its image.
  __device__ int offset(int row, int column) const {
    const auto times = [](int number, std::uint32_t by) { return static_cast<std::uint32_t>(number) * by; };
    return static_cast<int>(times(row, row_step) + times(row_period.quotient(row), row_skip) +
                            times(column, column_step) + times(column_period.quotient(column), column_skip));
  }
};

/// The run of so many neighbouring channels of a map's pixels.
template <class T>
int run_of(const T* data, const PixelGrid& grid, Index channels) {
  bool keeps = true;
  for (const Index step : {grid.image_stride, grid.row_outer, grid.row_inner, grid.column_outer, grid.column_inner})
    keeps = keeps && keeps_runs<T>(step);
  return keeps ? kernels::run_of(data, channels) : 0;
}

/// A map: [images, height, width] pixels.
struct Map {
  int height, width;
  Divisor heights, widths;
  Grid grid;

  Map(Index map_height, Index map_width, const PixelGrid& pixels)
      : height(static_cast<int>(map_height)),
        width(static_cast<int>(map_width)),
        heights(map_height),
        widths(map_width),
        grid(pixels) {}

  __device__ bool has(int row, int column) const {
    return static_cast<unsigned>(row) < static_cast<unsigned>(height) &&
           static_cast<unsigned>(column) < static_cast<unsigned>(width);
  }
};

/// A pixel of a map.
struct Pixel {
  int image, row, column;
};
__device__ inline Pixel pixel_of(int i, const Divisor& heights, const Divisor& widths) {
  const Division line = widths.divide(i);
  const Division image = heights.divide(line.quotient);
  return {image.quotient, image.remainder, line.remainder};
}

/// A tap of the kernel, and a channel.
struct TapChannel {
  int row, column, channel;
};
__device__ inline TapChannel tap_of(int k, const Divisor& channels, const Divisor& kernel_widths) {
  const Division tap = channels.divide(k);
  const Division row = kernel_widths.divide(tap.quotient);
  return {row.quotient, row.remainder, tap.remainder};
}

/// Where a window begins: what its first tap reads, which may be outside the map.
struct Corner {
  Index image;  ///< where it begins
  int row, column;
};

/// What is common to products that read x through windows.
template <class T>
struct Windows {
  const T* x;
  Map input;
  Divisor output_heights, output_widths, channels, kernel_widths;
  int stride_height, stride_width, padding_height, padding_width;

  Windows(const T* map, const Convolution& shape)
      : x(map),
        input(shape.window.height, shape.window.width, shape.input),
        output_heights(shape.window.output_height),
        output_widths(shape.window.output_width),
        channels(shape.window.channels / shape.groups),
        kernel_widths(shape.window.kernel_width),
        stride_height(shape.window.stride_height),
        stride_width(shape.window.stride_width),
        padding_height(shape.window.padding_height),
        padding_width(shape.window.padding_width) {}

  __device__ Corner corner(const Pixel& output) const {
    return {output.image * input.grid.image_stride, output.row * stride_height - padding_height,
            output.column * stride_width - padding_width};
  }
  __device__ TapChannel tap(int k) const { return tap_of(k, channels, kernel_widths); }
  __device__ Pixel output(int i) const { return pixel_of(i, output_heights, output_widths); }
  /// Null beyond the map.
  __device__ const T* at(const Corner& corner, const TapChannel& tap) const {
    const int row = corner.row + tap.row;
    const int column = corner.column + tap.column;
    return input.has(row, column) ? x + corner.image + input.grid.offset(row, column) + tap.channel : nullptr;
  }
};

template <class T>
struct Forward {
  using Left = T;
  using Right = T;
  using Row = Corner;
  struct Depth {
    TapChannel tap;
    Index weight;  ///< where its line of the weight begins
  };
  using Column = int;
  static constexpr bool rows_adjacent = false;
  static constexpr bool columns_adjacent = true;

  Windows<T> windows;
  const T* weight;
  int outputs, group_outputs;
  Grid output;
  ConvolutionFinish<T> parts;
  T* y;
  int left_run, right_run;
  int first_output = 0;

  __device__ void move_to(int group) {
    windows.x += group * windows.channels.value();
    first_output = group * group_outputs;
  }
  __device__ Row row(int i) const { return windows.corner(windows.output(i)); }
  __device__ Depth depth(int k) const { return {windows.tap(k), static_cast<Index>(k) * outputs + first_output}; }
  __device__ Column column(int j) const { return j; }
  __device__ const T* left(const Row& corner, const Depth& depth) const { return windows.at(corner, depth.tap); }
  __device__ const T* right(const Depth& depth, const Column& j) const { return weight + depth.weight + j; }

  struct Result {
    const T* residual;
    float scale, bias;
    bool relu;
    T* y;

    __device__ float finish(Index pixel, float sum) const {
      float value = sum * scale + bias;
      if (residual != nullptr) value += to_float(residual[pixel]);
      // A comparison with NaN fails and keeps it.
      return relu && value < 0 ? 0 : value;
    }
    __device__ void store(Index pixel, float value) const { y[pixel] = from_float<T>(value); }
  };
  __device__ Index place(int i) const {
    const Pixel pixel = windows.output(i);
    return pixel.image * output.image_stride + output.offset(pixel.row, pixel.column);
  }
  __device__ Result result(int j) const {
    const int channel = first_output + j;
    return {parts.residual == nullptr ? nullptr : parts.residual + channel,
            parts.scale == nullptr ? 1 : parts.scale[channel], parts.bias == nullptr ? 0 : parts.bias[channel],
            parts.relu, y + channel};
  }
};

/// The inputs of one remainder by the stride, along an axis: the i-th is read by the t-th of their taps for output
/// `output` + i - t.
struct Phase {
  int input, tap, output;  ///< the first ones
  int inputs, taps;        ///< how many

  Phase(Index remainder, Index extent, Index kernel, Index stride, Index padding)
      : input(static_cast<int>(remainder)),
        tap(static_cast<int>((remainder + padding) % stride)),
        output(static_cast<int>((remainder + padding) / stride)),
        inputs(static_cast<int>(groups(extent - remainder, stride))),
        taps(tap < kernel ? static_cast<int>(groups(kernel - tap, stride)) : 0) {}
};

/// Rows are the inputs' pixels of a phase, the depth runs over their taps and outputs.
template <class T>
struct InputGradient {
  using Left = T;
  using Right = T;
  using Row = Corner;
  struct Depth {
    TapChannel tap;
    Index weight;  ///< where its line of the weight begins
  };
  using Column = Index;
  static constexpr bool rows_adjacent = false;
  static constexpr bool columns_adjacent = false;

  const T* upstream;
  const T* weight;
  Map output;
  Grid input;
  Phase down, across;
  Divisor inputs_down, inputs_across, taps_across, group_outputs;
  int outputs, channels, kernel_width, stride_height, stride_width;
  T* gradient;
  int left_run, right_run;

  InputGradient(const T* arriving, const T* all_weights, const Convolution& shape, const Phase& phase_down,
                const Phase& phase_across, T* result)
      : upstream(arriving),
        weight(all_weights),
        output(shape.window.output_height, shape.window.output_width, shape.output),
        input(shape.input),
        down(phase_down),
        across(phase_across),
        inputs_down(down.inputs),
        inputs_across(across.inputs),
        taps_across(across.taps),
        group_outputs(shape.outputs / shape.groups),
        outputs(static_cast<int>(shape.outputs)),
        channels(static_cast<int>(shape.window.channels / shape.groups)),
        kernel_width(shape.window.kernel_width),
        stride_height(shape.window.stride_height),
        stride_width(shape.window.stride_width),
        gradient(result),
        left_run(run_of(arriving, shape.output, group_outputs.value())),
        right_run(kernels::run_of(all_weights, group_outputs.value())) {}

  __device__ void move_to(int group) {
    upstream += group * group_outputs.value();
    weight += group * group_outputs.value();
    gradient += group * channels;
  }
  /// The output that reads this input by the first tap.
  __device__ Row row(int i) const {
    const Pixel pixel = pixel_of(i, inputs_down, inputs_across);
    return {pixel.image * output.grid.image_stride, down.output + pixel.row, across.output + pixel.column};
  }
  __device__ Depth depth(int k) const {
    const TapChannel tap = tap_of(k, group_outputs, taps_across);
    const int row = down.tap + tap.row * stride_height;
    const int column = across.tap + tap.column * stride_width;
    const Index first = static_cast<Index>(row * kernel_width + column) * channels * outputs;
    return {tap, first + tap.channel};
  }
  __device__ Column column(int j) const { return static_cast<Index>(j) * outputs; }
  __device__ const T* left(const Row& first, const Depth& depth) const {
    const int row = first.row - depth.tap.row;
    const int column = first.column - depth.tap.column;
    return output.has(row, column) ? upstream + first.image + output.grid.offset(row, column) + depth.tap.channel
                                   : nullptr;
  }
  __device__ const T* right(const Depth& depth, const Column& column) const { return weight + depth.weight + column; }

  __device__ Index place(int i) const {
    const Pixel pixel = pixel_of(i, inputs_down, inputs_across);
    return pixel.image * input.image_stride +
           input.offset(down.input + pixel.row * stride_height, across.input + pixel.column * stride_width);
  }
  __device__ StoreResult<T> result(int j) const { return {gradient + j}; }
};

/// Rows are taps and inputs, the depth runs over the output's pixels.
template <class T>
struct WeightGradient {
  using Left = T;
  using Right = T;
  using Row = TapChannel;
  struct Depth {
    Corner corner;
    Index output;  ///< where its pixel is
  };
  using Column = int;
  static constexpr bool rows_adjacent = true;
  static constexpr bool columns_adjacent = true;

  Windows<T> windows;
  const T* upstream;
  Grid output;
  int outputs, group_outputs;
  float* gradient;
  int left_run, right_run;

  __device__ void move_to(int group) {
    windows.x += group * windows.channels.value();
    upstream += group * group_outputs;
    gradient += group * group_outputs;
  }
  __device__ Row row(int i) const { return windows.tap(i); }
  __device__ Depth depth(int k) const {
    const Pixel pixel = windows.output(k);
    return {windows.corner(pixel), pixel.image * output.image_stride + output.offset(pixel.row, pixel.column)};
  }
  __device__ Column column(int j) const { return j; }
  __device__ const T* left(const Row& tap, const Depth& depth) const { return windows.at(depth.corner, tap); }
  __device__ const T* right(const Depth& depth, const Column& j) const { return upstream + depth.output + j; }

  __device__ Index place(int i) const { return static_cast<Index>(i) * outputs; }
  __device__ StoreResult<float> result(int j) const { return {gradient + j}; }
};

/// The furthest that a pixel is from the first of its image, along an axis.
double reach(Index extent, Index period, Index outer, Index inner) {
  const Index last = extent > 0 ? extent - 1 : 0;
  const Index last_inner = last < period ? last : period - 1;
  return static_cast<double>(last / period) * std::fabs(static_cast<double>(outer)) +
         static_cast<double>(last_inner) * std::fabs(static_cast<double>(inner));
}
double reach(const PixelGrid& grid, Index height, Index width) {
  return reach(height, grid.row_period, grid.row_outer, grid.row_inner) +
         reach(width, grid.column_period, grid.column_outer, grid.column_inner);
}

/// Throws Error where a size is beyond what the kernels count with.
void require_countable(const char* name, const Convolution& shape) {
  constexpr Index most = Index{1} << 30;
  const SlidingWindow& window = shape.window;
  const Index sizes[] = {window.images,
                         window.channels,
                         shape.outputs,
                         window.height + 2 * Index{window.padding_height} + window.kernel_height,
                         window.width + 2 * Index{window.padding_width} + window.kernel_width,
                         window.output_height,
                         window.output_width};
  bool fits = true;
  for (const Index size : sizes) fits = fits && size <= most;
  const auto furthest = static_cast<double>(most);
  fits = fits && reach(shape.input, window.height, window.width) <= furthest &&
         reach(shape.output, window.output_height, window.output_width) <= furthest;
  if (!fits)
    throw Error(detail::text("CUDA kernel ", name, ": maps of ", window.images, " x ", window.height, " x ",
                             window.width, " x ", window.channels, ", kernel ", window.kernel_height, " x ",
                             window.kernel_width, ", padding ", window.padding_height, " and ", window.padding_width,
                             ", ", shape.outputs, " outputs: at most ", most, " each, and in an image"));
}

Index group_channels(const Convolution& shape) { return shape.window.channels / shape.groups; }
Index group_outputs(const Convolution& shape) { return shape.outputs / shape.groups; }

/// Rows of a group's weight.
Index weight_rows(const Convolution& shape) {
  return static_cast<Index>(shape.window.kernel_height) * shape.window.kernel_width * group_channels(shape);
}
Index output_pixels(const Convolution& shape) {
  return shape.window.images * shape.window.output_height * shape.window.output_width;
}

ProductGrid weight_gradient_grid(const Convolution& shape) {
  require_countable("convolution_weight_gradient", shape);
  return split_product_grid("convolution_weight_gradient", weight_rows(shape), group_outputs(shape),
                            output_pixels(shape), shape.groups);
}

}  // namespace

template <class T>
void convolution(const T* x, const T* weight, const Convolution& shape, const ConvolutionFinish<T>& finish, T* y,
                 cudaStream_t stream) {
  require_countable("convolution", shape);
  const Index outputs = group_outputs(shape);
  const Forward<T> problem{Windows<T>(x, shape),
                           weight,
                           static_cast<int>(shape.outputs),
                           static_cast<int>(outputs),
                           Grid(shape.output),
                           finish,
                           y,
                           run_of(x, shape.input, group_channels(shape)),
                           kernels::run_of(weight, outputs)};
  multiply<T>("convolution", problem,
              product_grid("convolution", output_pixels(shape), outputs, weight_rows(shape), shape.groups),
              shape.precision, nullptr, stream);
}

template <class T>
void convolution_input_gradient(const T* upstream, const T* weight, const Convolution& shape, T* gradient,
                                cudaStream_t stream) {
  constexpr const char* name = "convolution_input_gradient";
  require_countable(name, shape);
  const SlidingWindow& window = shape.window;
  for (Index down = 0; down < window.stride_height && down < window.height; ++down)
    for (Index across = 0; across < window.stride_width && across < window.width; ++across) {
      const Phase rows(down, window.height, window.kernel_height, window.stride_height, window.padding_height);
      const Phase columns(across, window.width, window.kernel_width, window.stride_width, window.padding_width);
      const Index pixels = window.images * rows.inputs * columns.inputs;
      const Index depth = static_cast<Index>(rows.taps) * columns.taps * group_outputs(shape);
      multiply<T>(name, InputGradient<T>(upstream, weight, shape, rows, columns, gradient),
                  product_grid(name, pixels, group_channels(shape), depth, shape.groups), shape.precision, nullptr,
                  stream);
    }
}

Index convolution_workspace(const Convolution& shape) { return weight_gradient_grid(shape).workspace(); }

template <class T>
void convolution_weight_gradient(const T* x, const T* upstream, const Convolution& shape, float* workspace,
                                 float* gradient, cudaStream_t stream) {
  const ProductGrid grid = weight_gradient_grid(shape);
  const Index outputs = group_outputs(shape);
  const WeightGradient<T> problem{Windows<T>(x, shape),
                                  upstream,
                                  Grid(shape.output),
                                  static_cast<int>(shape.outputs),
                                  static_cast<int>(outputs),
                                  gradient,
                                  run_of(x, shape.input, group_channels(shape)),
                                  run_of(upstream, shape.output, outputs)};
  multiply<T>("convolution_weight_gradient", problem, grid, shape.precision, workspace, stream);
}

#define MIEN_FOR(T)                                                                                                    \
  template void convolution<T>(const T*, const T*, const Convolution&, const ConvolutionFinish<T>&, T*, cudaStream_t); \
  template void convolution_input_gradient<T>(const T*, const T*, const Convolution&, T*, cudaStream_t);               \
  template void convolution_weight_gradient<T>(const T*, const T*, const Convolution&, float*, float*, cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
