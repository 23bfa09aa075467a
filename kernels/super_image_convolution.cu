// The seams of stacked super images, where frames touch, and the mix of both views.
//
//     top:    row 0 of frame t > 0        adds  sum over b, c of x[t - 1, H - 1, w + b - 1, c] weight[0, b, c, o]
//     bottom: row H - 1 of frame t < T - 1 adds sum over b, c of x[t + 1, 0, w + b - 1, c] weight[2, b, c, o]
//     left, right: the same along columns, with weight[a, 0] and weight[a, 2]
//     y = frames S + alpha_h (tops and bottoms) + alpha_w (lefts and rights)
//
// Launch: lines are products of their pixels, 3 C deep (tiled_product.hpp), a launch a seam; means and gradients of
// alpha are sums by clip and channel (columns.hpp); the mix visits every number once. Flops: 4 lines of 6 C O a pixel,
// 2 / (3 W) + 2 / (3 H) of a per-frame convolution. Bytes: S is read for the means and read and written for the mix:
// two passes over the map, since alpha depends on all of a clip. Lines are small.
//
// Backwards the lines of all seams lead to pixels that corners have in common, so that each seam is a launch of its own
// that adds to the gradient: one order, no atomics.

#include "columns.hpp"
#include "mien/backend/cuda/kernels/super_image_convolution.hpp"
#include "tiled_product.hpp"

namespace mien::kernels {
namespace {

enum class Seam { top, bottom, left, right };
constexpr Seam all_seams[] = {Seam::top, Seam::bottom, Seam::left, Seam::right};

/// The sizes of a clip, as numbers that the device divides quickly.
struct Clip {
  int batch, frames, height, width, inputs, outputs;

  explicit Clip(const SuperImageSizes& sizes)
      : batch(static_cast<int>(sizes.batch)),
        frames(static_cast<int>(sizes.frames)),
        height(static_cast<int>(sizes.height)),
        width(static_cast<int>(sizes.width)),
        inputs(static_cast<int>(sizes.inputs)),
        outputs(static_cast<int>(sizes.outputs)) {}

  __host__ __device__ int line_length(Seam seam) const {
    return seam == Seam::top || seam == Seam::bottom ? width : height;
  }
  __host__ __device__ Index line_pixels(Seam seam) const {
    return static_cast<Index>(batch) * (frames - 1) * line_length(seam);
  }
  /// The first pixel of a seam's lines among those of all.
  __host__ __device__ Index first_line_pixel(Seam seam) const {
    Index first = 0;
    for (int before = 0; before < static_cast<int>(seam); ++before) first += line_pixels(static_cast<Seam>(before));
    return first;
  }
  __device__ Index pixel(int entry, int frame, int row, int column) const {
    return ((static_cast<Index>(entry) * frames + frame) * height + row) * width + column;
  }
};

/// A pixel of a seam's lines: of the border between `frame` and the next.
struct LinePixel {
  int entry, frame, position;
};
__device__ inline LinePixel line_pixel_of(const Clip& clip, Seam seam, int i) {
  const int length = clip.line_length(seam);
  const int line = i / length;
  return {line / (clip.frames - 1), line % (clip.frames - 1), i % length};
}

__device__ inline bool is_after(Seam seam) { return seam == Seam::top || seam == Seam::left; }

/// The pixel that a line's number is added to.
__device__ inline Index target_of(const Clip& clip, Seam seam, const LinePixel& line) {
  const int frame = line.frame + (is_after(seam) ? 1 : 0);
  if (seam == Seam::top) return clip.pixel(line.entry, frame, 0, line.position);
  if (seam == Seam::bottom) return clip.pixel(line.entry, frame, clip.height - 1, line.position);
  return clip.pixel(line.entry, frame, line.position, seam == Seam::left ? 0 : clip.width - 1);
}

/// The pixel across the border from it.
__device__ inline Index source_of(const Clip& clip, Seam seam, const LinePixel& line) {
  const int frame = line.frame + (is_after(seam) ? 0 : 1);
  if (seam == Seam::top) return clip.pixel(line.entry, frame, clip.height - 1, line.position);
  if (seam == Seam::bottom) return clip.pixel(line.entry, frame, 0, line.position);
  return clip.pixel(line.entry, frame, line.position, seam == Seam::left ? clip.width - 1 : 0);
}

/// The tap of the kernel that is the k-th of three along a seam.
__device__ inline int edge_tap(Seam seam, int k) {
  switch (seam) {
    case Seam::top:
      return k;
    case Seam::bottom:
      return 6 + k;
    case Seam::left:
      return 3 * k;
    default:
      return 3 * k + 2;
  }
}

/// One of three taps along a line, and a channel.
struct LineTap {
  int tap, channel;
};

/// What a tap of a line's pixel reads across the border; null beyond the line.
template <class T>
__device__ inline const T* across_border(const T* x, const Clip& clip, Seam seam, const LinePixel& line,
                                         const LineTap& tap) {
  const LinePixel read{line.entry, line.frame, line.position + tap.tap - 1};
  if (read.position < 0 || read.position >= clip.line_length(seam)) return nullptr;
  return x + source_of(clip, seam, read) * clip.inputs + tap.channel;
}

/// The row of an edge's tap and an input in the weight [9 inputs, outputs].
__device__ inline Index weight_row(const Clip& clip, Seam seam, int tap, int input) {
  return static_cast<Index>(edge_tap(seam, tap)) * clip.inputs + input;
}

/// Lines of a seam [pixels, outputs] from the pixels across the border.
template <class T>
struct SeamForward {
  using Left = T;
  using Right = T;
  using Row = LinePixel;
  using Depth = LineTap;
  using Column = int;
  static constexpr bool rows_adjacent = false;
  static constexpr bool columns_adjacent = true;

  const T* x;
  const T* weight;
  Clip clip;
  Seam seam;
  float* lines;
  int left_run, right_run;

  __device__ Row row(int i) const { return line_pixel_of(clip, seam, i); }
  __device__ Depth depth(int k) const { return {k / clip.inputs, k % clip.inputs}; }
  __device__ Column column(int j) const { return j; }
  __device__ const T* left(const Row& line, const Depth& tap) const { return across_border(x, clip, seam, line, tap); }
  __device__ const T* right(const Depth& tap, const Column& output) const {
    return weight + weight_row(clip, seam, tap.tap, tap.channel) * clip.outputs + output;
  }
  __device__ Index place(int i) const { return static_cast<Index>(i) * clip.outputs; }
  __device__ StoreResult<float> result(int output) const { return {lines + output}; }
};

/// What a seam's lines send back to the pixels across the border.
template <class T>
struct SeamInputGradient {
  using Left = float;
  using Right = T;
  using Row = LinePixel;
  using Depth = LineTap;
  using Column = int;
  static constexpr bool rows_adjacent = false;
  static constexpr bool columns_adjacent = false;

  const float* lines;
  const T* weight;
  Clip clip;
  Seam seam;
  T* gradient;
  int left_run, right_run;

  __device__ Row row(int i) const { return line_pixel_of(clip, seam, i); }
  __device__ Depth depth(int k) const { return {k / clip.outputs, k % clip.outputs}; }
  __device__ Column column(int j) const { return j; }
  __device__ const float* left(const Row& source, const Depth& tap) const {
    const int position = source.position - tap.tap + 1;
    const int length = clip.line_length(seam);
    if (position < 0 || position >= length) return nullptr;
    const Index line = static_cast<Index>(source.entry) * (clip.frames - 1) + source.frame;
    return lines + (line * length + position) * clip.outputs + tap.channel;
  }
  __device__ const T* right(const Depth& tap, const Column& input) const {
    return weight + weight_row(clip, seam, tap.tap, input) * clip.outputs + tap.channel;
  }
  __device__ Index place(int i) const { return source_of(clip, seam, line_pixel_of(clip, seam, i)) * clip.inputs; }
  __device__ AddResult<T> result(int input) const { return {gradient + input}; }
};

/// What a seam's lines are as a gradient for the three taps of an edge.
template <class T>
struct SeamWeightGradient {
  using Left = T;
  using Right = float;
  using Row = LineTap;
  using Depth = LinePixel;
  using Column = int;
  static constexpr bool rows_adjacent = true;
  static constexpr bool columns_adjacent = true;

  const T* x;
  const float* lines;
  Clip clip;
  Seam seam;
  float* gradient;
  int left_run, right_run;

  __device__ Row row(int i) const { return {i / clip.inputs, i % clip.inputs}; }
  __device__ Depth depth(int k) const { return line_pixel_of(clip, seam, k); }
  __device__ Column column(int j) const { return j; }
  __device__ const T* left(const Row& tap, const Depth& line) const { return across_border(x, clip, seam, line, tap); }
  __device__ const float* right(const Depth& line, const Column& output) const {
    const Index border = static_cast<Index>(line.entry) * (clip.frames - 1) + line.frame;
    return lines + (border * clip.line_length(seam) + line.position) * clip.outputs + output;
  }
  __device__ Index place(int i) const {
    return weight_row(clip, seam, i / clip.inputs, i % clip.inputs) * clip.outputs;
  }
  __device__ AddResult<float> result(int output) const { return {gradient + output}; }
};

/// Where a number of a map is.
struct MapPosition {
  int entry, frame, row, column;

  __device__ MapPosition(const Clip& clip, Index pixel) {
    column = static_cast<int>(pixel % clip.width);
    row = static_cast<int>(pixel / clip.width % clip.height);
    const int all_frames = static_cast<int>(pixel / clip.width / clip.height);
    frame = all_frames % clip.frames;
    entry = all_frames / clip.frames;
  }
};

/// Which lines reach a pixel: calls `at(whether of a row seam, number among the lines)` for each.
template <class AtLine>
__device__ inline void for_lines_at(const Clip& clip, const MapPosition& at, int channel, const AtLine& at_line) {
  const auto line = [&](Seam seam, int frame, int position) {
    const Index first = clip.first_line_pixel(seam);
    const Index border = static_cast<Index>(at.entry) * (clip.frames - 1) + frame;
    at_line(seam == Seam::top || seam == Seam::bottom,
            (first + border * clip.line_length(seam) + position) * clip.outputs + channel);
  };
  if (at.row == 0 && at.frame > 0) line(Seam::top, at.frame - 1, at.column);
  if (at.row == clip.height - 1 && at.frame < clip.frames - 1) line(Seam::bottom, at.frame, at.column);
  if (at.column == 0 && at.frame > 0) line(Seam::left, at.frame - 1, at.row);
  if (at.column == clip.width - 1 && at.frame < clip.frames - 1) line(Seam::right, at.frame, at.row);
}

/// Adds what lines have at a pixel to sums of each view.
struct AddLines {
  const float* lines;
  float& height;
  float& width;

  __device__ void operator()(bool of_rows, Index i) const { (of_rows ? height : width) += lines[i]; }
};

template <class T>
struct Mix {
  const T* frames;
  const float* lines;
  SuperImageAlpha alpha;
  Clip clip;
  T* y;

  struct AtColumn {
    const Mix& mix;
    int output;

    __device__ void operator()(Index i) const {
      const MapPosition at(mix.clip, i / mix.clip.outputs);
      float height = 0;
      float width = 0;
      for_lines_at(mix.clip, at, output, AddLines{mix.lines, height, width});
      const Index channel = static_cast<Index>(at.entry) * mix.clip.outputs + output;
      mix.y[i] = from_float<T>(mix.alpha.frames * to_float(mix.frames[i]) + mix.alpha.height[channel] * height +
                               mix.alpha.width[channel] * width);
    }
  };
  __device__ AtColumn at(Index column) const { return {*this, static_cast<int>(column)}; }
};

/// Stores the gradient of each line that reaches a pixel.
struct StoreLineGradients {
  float upstream, height_alpha, width_alpha, height_shift, width_shift;
  float* lines;

  __device__ void operator()(bool of_rows, Index i) const {
    lines[i] = of_rows ? upstream * height_alpha + height_shift : upstream * width_alpha + width_shift;
  }
};

template <class T>
struct MixGradient {
  const T* upstream;
  SuperImageAlpha alpha;
  const float* shifts;
  Clip clip;
  T* frames;
  float* lines;

  struct AtColumn {
    const MixGradient& mix;
    int output;

    __device__ void operator()(Index i) const {
      const MapPosition at(mix.clip, i / mix.clip.outputs);
      const float arriving = to_float(mix.upstream[i]);
      const Index channel = static_cast<Index>(at.entry) * mix.clip.outputs + output;
      const Index shift = static_cast<Index>(at.entry) * 2 * mix.clip.outputs + output;
      const float height_shift = mix.shifts == nullptr ? 0 : mix.shifts[shift];
      const float width_shift = mix.shifts == nullptr ? 0 : mix.shifts[shift + mix.clip.outputs];
      mix.frames[i] = from_float<T>(mix.alpha.frames * arriving + height_shift + width_shift);
      for_lines_at(mix.clip, at, output,
                   StoreLineGradients{arriving, mix.alpha.height[channel], mix.alpha.width[channel], height_shift,
                                      width_shift, mix.lines});
    }
  };
  __device__ AtColumn at(Index column) const { return {*this, static_cast<int>(column)}; }
};

struct ViewSums {
  float height, width;

  __device__ void merge(const ViewSums& other) {
    height += other.height;
    width += other.width;
  }
};

/// Sums of both views over a clip; a row is a pixel.
template <class T>
struct SumOfViews {
  using Sum = ViewSums;
  const T* frames;
  const float* lines;
  Clip clip;

  __device__ Sum operator()(Index column, Index first, Index last, int step) const {
    Sum sums = {};
    const int output = static_cast<int>(column);
    for (Index pixel = first; pixel < last; pixel += step) {
      const float value = to_float(frames[pixel * clip.outputs + column]);
      sums.height += value;
      sums.width += value;
      for_lines_at(clip, MapPosition(clip, pixel), output, AddLines{lines, sums.height, sums.width});
    }
    return sums;
  }
};

struct StoreMeans {
  float share;
  Index outputs;
  float* means;

  __device__ void operator()(Index entry, Index column, const ViewSums& sums) const {
    means[entry * 2 * outputs + column] = sums.height * share;
    means[(entry * 2 + 1) * outputs + column] = sums.width * share;
  }
};

/// Adds products of lines with what arrives at their pixel.
struct AddLineProducts {
  float upstream;
  const float* lines;
  ViewSums& sums;

  __device__ void operator()(bool of_rows, Index i) const {
    (of_rows ? sums.height : sums.width) += upstream * lines[i];
  }
};

/// Of the lines alone.
template <class T>
struct SumOfLineProducts {
  using Sum = ViewSums;
  const T* upstream;
  const float* lines;
  Clip clip;

  __device__ Sum operator()(Index column, Index first, Index last, int step) const {
    Sum sums = {};
    const int output = static_cast<int>(column);
    for (Index pixel = first; pixel < last; pixel += step) {
      const MapPosition at(clip, pixel);
      const bool on_edge = at.row == 0 || at.row == clip.height - 1 || at.column == 0 || at.column == clip.width - 1;
      if (on_edge)
        for_lines_at(clip, at, output, AddLineProducts{to_float(upstream[pixel * clip.outputs + column]), lines, sums});
    }
    return sums;
  }
};

struct StoreAlphaGradient {
  Index outputs;
  float* height;
  float* width;

  __device__ void operator()(Index entry, Index column, const ViewSums& sums) const {
    height[entry * outputs + column] = sums.height;
    width[entry * outputs + column] = sums.width;
  }
};

Index pixels_of_clip(const SuperImageSizes& sizes) { return sizes.frames * sizes.height * sizes.width; }

/// Sums by clip and output.
ColumnGrid clip_grid(const SuperImageSizes& sizes) {
  ColumnGrid grid = reduction_grid(pixels_of_clip(sizes), sizes.outputs);
  grid.batch = sizes.batch;
  return grid;
}

}  // namespace

Index super_image_line_elements(const SuperImageSizes& sizes, Index channels) {
  return sizes.frames < 2 ? 0 : 2 * sizes.batch * (sizes.frames - 1) * (sizes.width + sizes.height) * channels;
}

Index super_image_workspace(const SuperImageSizes& sizes) {
  const ColumnGrid grid = clip_grid(sizes);
  return grid.batch * grid.chunks() * sizes.outputs * static_cast<Index>(sizeof(ViewSums) / sizeof(float));
}

template <class T>
void super_image_seams(const T* x, const T* weight, const SuperImageSizes& sizes, float* lines, cudaStream_t stream) {
  const Clip clip(sizes);
  for (const Seam seam : all_seams) {
    const Index offset = clip.first_line_pixel(seam) * sizes.outputs;
    const Index depth = 3 * sizes.inputs;
    const SeamForward<T> problem{
        x, weight, clip, seam, lines + offset, run_of(x, sizes.inputs), run_of(weight, sizes.outputs)};
    multiply<T>("super_image_seams", problem,
                product_grid("super_image_seams", clip.line_pixels(seam), sizes.outputs, depth), nullptr, stream);
  }
}

template <class T>
void super_image_means(const T* frames, const float* lines, const SuperImageSizes& sizes, float* workspace,
                       float* means, cudaStream_t stream) {
  const float share = 1 / static_cast<float>(pixels_of_clip(sizes));
  reduce_all_columns("super_image_means", SumOfViews<T>{frames, lines, Clip(sizes)}, clip_grid(sizes),
                     reinterpret_cast<ViewSums*>(workspace), StoreMeans{share, sizes.outputs, means}, stream);
}

template <class T>
void super_image_mix(const T* frames, const float* lines, const SuperImageAlpha& alpha, const SuperImageSizes& sizes,
                     T* y, cudaStream_t stream) {
  visit_all_columns("super_image_mix", sizes.batch * pixels_of_clip(sizes), sizes.outputs,
                    Mix<T>{frames, lines, alpha, Clip(sizes), y}, stream);
}

template <class T>
void super_image_alpha_gradient(const T* upstream, const float* lines, const SuperImageSizes& sizes, float* workspace,
                                float* height, float* width, cudaStream_t stream) {
  reduce_all_columns("super_image_alpha_gradient", SumOfLineProducts<T>{upstream, lines, Clip(sizes)}, clip_grid(sizes),
                     reinterpret_cast<ViewSums*>(workspace), StoreAlphaGradient{sizes.outputs, height, width}, stream);
}

template <class T>
void super_image_mix_gradient(const T* upstream, const SuperImageAlpha& alpha, const float* shifts,
                              const SuperImageSizes& sizes, T* frames, float* lines, cudaStream_t stream) {
  visit_all_columns("super_image_mix_gradient", sizes.batch * pixels_of_clip(sizes), sizes.outputs,
                    MixGradient<T>{upstream, alpha, shifts, Clip(sizes), frames, lines}, stream);
}

template <class T>
void add_seam_input_gradient(const float* lines, const T* weight, const SuperImageSizes& sizes, T* gradient,
                             cudaStream_t stream) {
  const Clip clip(sizes);
  for (const Seam seam : all_seams) {
    const Index offset = clip.first_line_pixel(seam) * sizes.outputs;
    const Index depth = 3 * sizes.outputs;
    const SeamInputGradient<T> problem{lines + offset,
                                       weight,
                                       clip,
                                       seam,
                                       gradient,
                                       run_of(lines + offset, sizes.outputs),
                                       run_of(weight, sizes.outputs)};
    multiply<T>("add_seam_input_gradient", problem,
                product_grid("add_seam_input_gradient", clip.line_pixels(seam), sizes.inputs, depth), nullptr, stream);
  }
}

template <class T>
void add_seam_weight_gradient(const T* x, const float* lines, const SuperImageSizes& sizes, float* gradient,
                              cudaStream_t stream) {
  const Clip clip(sizes);
  for (const Seam seam : all_seams) {
    const Index offset = clip.first_line_pixel(seam) * sizes.outputs;
    const Index depth = clip.line_pixels(seam);
    const SeamWeightGradient<T> problem{
        x, lines + offset, clip, seam, gradient, run_of(x, sizes.inputs), run_of(lines + offset, sizes.outputs)};
    multiply<T>("add_seam_weight_gradient", problem,
                product_grid("add_seam_weight_gradient", 3 * sizes.inputs, sizes.outputs, depth), nullptr, stream);
  }
}

#define MIEN_FOR(T)                                                                                                   \
  template void super_image_seams<T>(const T*, const T*, const SuperImageSizes&, float*, cudaStream_t);               \
  template void super_image_means<T>(const T*, const float*, const SuperImageSizes&, float*, float*, cudaStream_t);   \
  template void super_image_mix<T>(const T*, const float*, const SuperImageAlpha&, const SuperImageSizes&, T*,        \
                                   cudaStream_t);                                                                     \
  template void super_image_alpha_gradient<T>(const T*, const float*, const SuperImageSizes&, float*, float*, float*, \
                                              cudaStream_t);                                                          \
  template void super_image_mix_gradient<T>(const T*, const SuperImageAlpha&, const float*, const SuperImageSizes&,   \
                                            T*, float*, cudaStream_t);                                                \
  template void add_seam_input_gradient<T>(const float*, const T*, const SuperImageSizes&, T*, cudaStream_t);         \
  template void add_seam_weight_gradient<T>(const T*, const float*, const SuperImageSizes&, float*, cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
