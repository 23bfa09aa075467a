// The seams of stacked super images, where frames touch, and the mix of both views.
//
//     top:    row 0 of frame t > 0        adds  sum over b, c of x[t - 1, H - 1, w + b - 1, c] weight[0, b, c, o]
//     bottom: row H - 1 of frame t < T - 1 adds sum over b, c of x[t + 1, 0, w + b - 1, c] weight[2, b, c, o]
//     left, right: the same along columns, with weight[a, 0] and weight[a, 2]
//     y = frames S + alpha_h (tops and bottoms) + alpha_w (lefts and rights)
//
// Launch: lines are products of their pixels, 3 C deep (tiled_product.hpp), a launch a seam; means are sums by clip and
// channel over S, gradients of alpha over the lines alone; the mix visits every number once (column_packs.hpp: 16 bytes
// of channels in four rows a thread). Flops: 4 lines of 6 C O a pixel, 2 / (3 W) + 2 / (3 H) of a per-frame
// convolution. Bytes: S is read for the means and read and written for the mix: two passes over the map, bound by
// memory, since alpha depends on all of a clip. Lines are small.
//
// Backwards the lines of all seams lead to pixels that corners have in common, so that each seam is a launch of its own
// that adds to the gradient: one order, no atomics.
//
// Versions: means, mix and their gradients once took a channel a thread, two bytes a load with maps of 16 bits, and the
// gradients of alpha looked at every pixel for the lines that reach it.

#include "column_packs.hpp"
#include "mien/backend/cuda/kernels/super_image_convolution.hpp"
#include "tiled_product.hpp"

namespace mien::kernels {
namespace {

enum class Seam { top, bottom, left, right };
constexpr Seam all_seams[] = {Seam::top, Seam::bottom, Seam::left, Seam::right};

/// The sizes of a clip, as numbers that the device divides quickly.
struct Clip {
  int batch, frames, height, width, inputs, outputs;
  Divisor by_height, by_width;

  explicit Clip(const SuperImageSizes& sizes)
      : batch(static_cast<int>(sizes.batch)),
        frames(static_cast<int>(sizes.frames)),
        height(static_cast<int>(sizes.height)),
        width(static_cast<int>(sizes.width)),
        inputs(static_cast<int>(sizes.inputs)),
        outputs(static_cast<int>(sizes.outputs)),
        by_height(sizes.height),
        by_width(sizes.width) {}

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

/// Where a pixel of a clip is.
struct ClipPosition {
  int frame, row, column;

  __device__ ClipPosition(const Clip& clip, Index pixel) {
    const Division in_rows = clip.by_width.divide(static_cast<int>(pixel));
    const Division in_frames = clip.by_height.divide(in_rows.quotient);
    frame = in_frames.quotient;
    row = in_frames.remainder;
    column = in_rows.remainder;
  }
};

/// Which lines reach a pixel: calls `at(whether of a row seam, first number among the lines)` for each.
template <class AtLine>
__device__ inline void for_lines_at(const Clip& clip, Index entry, Index pixel, const AtLine& at_line) {
  const ClipPosition at(clip, pixel);
  const auto line = [&](Seam seam, int frame, int position) {
    const Index border = entry * (clip.frames - 1) + frame;
    at_line(seam == Seam::top || seam == Seam::bottom,
            (clip.first_line_pixel(seam) + border * clip.line_length(seam) + position) * clip.outputs);
  };
  if (at.row == 0 && at.frame > 0) line(Seam::top, at.frame - 1, at.column);
  if (at.row == clip.height - 1 && at.frame < clip.frames - 1) line(Seam::bottom, at.frame, at.column);
  if (at.column == 0 && at.frame > 0) line(Seam::left, at.frame - 1, at.row);
  if (at.column == clip.width - 1 && at.frame < clip.frames - 1) line(Seam::right, at.frame, at.row);
}

/// Adds what lines have at a pixel, from a column on, to sums of each view.
template <int width>
struct AddLines {
  const float* lines;
  Pack<float, width>& of_height;
  Pack<float, width>& of_width;

  __device__ void operator()(bool of_rows, Index place) const {
    const auto line = load_pack<width>(lines + place, width);
    Pack<float, width>& sums = of_rows ? of_height : of_width;
    MIEN_UNROLL(width)
    for (int i = 0; i < width; ++i) sums.numbers[i] += line.numbers[i];
  }
};

template <class T, int pack_width>
struct Mix {
  static constexpr int width = pack_width;
  static constexpr int rows = rows_under_way<width>;
  using Inputs = Pack<T, width>;
  const T* frames;
  const float* lines;
  SuperImageAlpha alpha;
  Clip clip;
  T* y;

  struct Columns {
    const Mix& mix;
    Index entry, output;
    Pack<float, width> height_alpha, width_alpha;

    __device__ Inputs load(Index place) const { return load_pack<width>(mix.frames + place, width); }
    __device__ void store(Index pixel, Index place, const Inputs& inputs) const {
      Pack<float, width> of_height = {};
      Pack<float, width> of_width = {};
      for_lines_at(mix.clip, entry, pixel, AddLines<width>{mix.lines + output, of_height, of_width});
      Pack<T, width> results;
      MIEN_UNROLL(width)
      for (int i = 0; i < width; ++i)
        results.numbers[i] = from_float<T>(mix.alpha.frames * to_float(inputs.numbers[i]) +
                                           height_alpha.numbers[i] * of_height.numbers[i] +
                                           width_alpha.numbers[i] * of_width.numbers[i]);
      store_pack<width>(results, mix.y + place, width);
    }
  };
  __device__ Columns at(Index entry, Index output) const {
    const Index channel = entry * clip.outputs + output;
    return {*this, entry, output, load_pack<width>(alpha.height + channel, width),
            load_pack<width>(alpha.width + channel, width)};
  }
};

/// A view's weights and shifts for neighbouring outputs of a clip.
template <int width>
struct ViewGradient {
  Pack<float, width> alpha, shifts;
};

/// Stores the gradient of each line that reaches a pixel.
template <class T, int width>
struct StoreLineGradients {
  const Pack<T, width>& upstream;
  const ViewGradient<width>& of_height;
  const ViewGradient<width>& of_width;
  float* lines;

  __device__ void operator()(bool of_rows, Index place) const {
    const ViewGradient<width>& view = of_rows ? of_height : of_width;
    Pack<float, width> gradients;
    MIEN_UNROLL(width)
    for (int i = 0; i < width; ++i)
      gradients.numbers[i] = to_float(upstream.numbers[i]) * view.alpha.numbers[i] + view.shifts.numbers[i];
    store_pack<width>(gradients, lines + place, width);
  }
};

template <class T, int pack_width>
struct MixGradient {
  static constexpr int width = pack_width;
  static constexpr int rows = rows_under_way<width>;
  using Inputs = Pack<T, width>;
  const T* upstream;
  SuperImageAlpha alpha;
  const float* shifts;
  Clip clip;
  T* frames;
  float* lines;

  struct Columns {
    const MixGradient& mix;
    Index entry, output;
    ViewGradient<width> of_height, of_width;

    __device__ Inputs load(Index place) const { return load_pack<width>(mix.upstream + place, width); }
    __device__ void store(Index pixel, Index place, const Inputs& arriving) const {
      Pack<T, width> results;
      MIEN_UNROLL(width)
      for (int i = 0; i < width; ++i)
        results.numbers[i] = from_float<T>(mix.alpha.frames * to_float(arriving.numbers[i]) +
                                           of_height.shifts.numbers[i] + of_width.shifts.numbers[i]);
      store_pack<width>(results, mix.frames + place, width);
      for_lines_at(mix.clip, entry, pixel,
                   StoreLineGradients<T, width>{arriving, of_height, of_width, mix.lines + output});
    }
  };
  __device__ Columns at(Index entry, Index output) const {
    const Index channel = entry * clip.outputs + output;
    const Index shift = channel + entry * clip.outputs;
    return {*this,
            entry,
            output,
            {load_pack<width>(alpha.height + channel, width), pack_or_zeros<width>(shifts, shift)},
            {load_pack<width>(alpha.width + channel, width), pack_or_zeros<width>(shifts, shift + clip.outputs)}};
  }
};

struct ViewSums {
  float height, width;

  __device__ void merge(const ViewSums& other) {
    height += other.height;
    width += other.width;
  }
};

/// Sums of both views over a clip; a row is a pixel.
template <class T, int pack_width>
struct SumOfViews {
  static constexpr int width = pack_width;
  static constexpr int rows = rows_under_way<width>;
  using Sum = ViewSums;
  using Inputs = Pack<T, width>;
  const T* frames;
  const float* lines;
  Clip clip;

  struct Columns {
    const SumOfViews& views;
    Index entry, output;
    const T* frames;
    Pack<float, width> of_frames, of_height, of_width;

    __device__ Inputs load(Index pixel) const { return load_pack<width>(frames + pixel * views.clip.outputs, width); }
    __device__ void add(Index pixel, const Inputs& inputs) {
      MIEN_UNROLL(width)
      for (int i = 0; i < width; ++i) of_frames.numbers[i] += to_float(inputs.numbers[i]);
      for_lines_at(views.clip, entry, pixel, AddLines<width>{views.lines + output, of_height, of_width});
    }
    __device__ Sum sum(int i) const {
      return {of_frames.numbers[i] + of_height.numbers[i], of_frames.numbers[i] + of_width.numbers[i]};
    }
  };
  __device__ Columns at(Index entry, Index output) const {
    const Index first = entry * clip.frames * clip.height * clip.width * clip.outputs;
    return {*this, entry, output, frames + first + output, {}, {}, {}};
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

/// Of the lines with what arrives at their pixels; a row is a line's pixel, those of tops first.
template <class T, int pack_width>
struct SumOfLineProducts {
  static constexpr int width = pack_width;
  static constexpr int rows = rows_under_way<width> / 2;
  using Sum = ViewSums;
  struct Inputs {
    Pack<T, width> upstream;
    Pack<float, width> line;
  };
  const T* upstream;
  const float* lines;
  Clip clip;

  struct Columns {
    const SumOfLineProducts& products;
    Index entry, output;
    Pack<float, width> of_height, of_width;

    __device__ Inputs load(Index row) const {
      const Clip& clip = products.clip;
      int seam = 0;
      Index i = row;
      for (; i >= pixels_of(seam); ++seam) i -= pixels_of(seam);
      i += entry * pixels_of(seam);
      const auto of = static_cast<Seam>(seam);
      const Index target = target_of(clip, of, line_pixel_of(clip, of, static_cast<int>(i)));
      const Index line = clip.first_line_pixel(of) + i;
      return {load_pack<width>(products.upstream + target * clip.outputs + output, width),
              load_pack<width>(products.lines + line * clip.outputs + output, width)};
    }
    /// Of a seam's lines in a clip.
    __device__ int pixels_of(int seam) const {
      return (products.clip.frames - 1) * products.clip.line_length(static_cast<Seam>(seam));
    }
    __device__ void add(Index row, const Inputs& inputs) {
      const bool of_rows = row < 2 * pixels_of(static_cast<int>(Seam::top));
      MIEN_UNROLL(width)
      for (int i = 0; i < width; ++i) {
        const float product = to_float(inputs.upstream.numbers[i]) * inputs.line.numbers[i];
        of_height.numbers[i] += of_rows ? product : 0;
        of_width.numbers[i] += of_rows ? 0 : product;
      }
    }
    __device__ Sum sum(int i) const { return {of_height.numbers[i], of_width.numbers[i]}; }
  };
  __device__ Columns at(Index entry, Index output) const { return {*this, entry, output, {}, {}}; }
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

Index line_pixels_of_clip(const SuperImageSizes& sizes) {
  return sizes.frames < 2 ? 0 : 2 * (sizes.frames - 1) * (sizes.width + sizes.height);
}

}  // namespace

Index super_image_line_elements(const SuperImageSizes& sizes, Index channels) {
  return sizes.batch * line_pixels_of_clip(sizes) * channels;
}

Index super_image_workspace(const SuperImageSizes& sizes) {
  const Index of_pixels = partial_sums(sizes.batch, pixels_of_clip(sizes), sizes.outputs);
  const Index of_lines = partial_sums(sizes.batch, line_pixels_of_clip(sizes), sizes.outputs);
  return (of_pixels > of_lines ? of_pixels : of_lines) * static_cast<Index>(sizeof(ViewSums) / sizeof(float));
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
  const Index pixels = pixels_of_clip(sizes);
  const PackReductionGrid grid(sizes.batch, pixels, sizes.outputs, widest_pack<T>);
  const StoreMeans finish{1 / static_cast<float>(pixels), sizes.outputs, means};
  with_pack_width<T>(fits_packs<T>(sizes.outputs, frames, lines), [&](auto width) {
    reduce_all_packs("super_image_means", SumOfViews<T, width>{frames, lines, Clip(sizes)}, grid,
                     reinterpret_cast<ViewSums*>(workspace), finish, stream);
  });
}

template <class T>
void super_image_mix(const T* frames, const float* lines, const SuperImageAlpha& alpha, const SuperImageSizes& sizes,
                     T* y, cudaStream_t stream) {
  const bool packs = fits_packs<T>(sizes.outputs, frames, lines, alpha.height, alpha.width, y);
  with_pack_width<T>(packs, [&](auto width) {
    visit_all_columns("super_image_mix", sizes.batch, pixels_of_clip(sizes), sizes.outputs,
                      Mix<T, width>{frames, lines, alpha, Clip(sizes), y}, stream);
  });
}

template <class T>
void super_image_alpha_gradient(const T* upstream, const float* lines, const SuperImageSizes& sizes, float* workspace,
                                float* height, float* width, cudaStream_t stream) {
  const PackReductionGrid grid(sizes.batch, line_pixels_of_clip(sizes), sizes.outputs, widest_pack<T>);
  const StoreAlphaGradient finish{sizes.outputs, height, width};
  with_pack_width<T>(fits_packs<T>(sizes.outputs, upstream, lines), [&](auto pack_width) {
    reduce_all_packs("super_image_alpha_gradient", SumOfLineProducts<T, pack_width>{upstream, lines, Clip(sizes)}, grid,
                     reinterpret_cast<ViewSums*>(workspace), finish, stream);
  });
}

template <class T>
void super_image_mix_gradient(const T* upstream, const SuperImageAlpha& alpha, const float* shifts,
                              const SuperImageSizes& sizes, T* frames, float* lines, cudaStream_t stream) {
  const bool packs = fits_packs<T>(sizes.outputs, upstream, alpha.height, alpha.width, shifts, frames, lines);
  with_pack_width<T>(packs, [&](auto width) {
    visit_all_columns("super_image_mix_gradient", sizes.batch, pixels_of_clip(sizes), sizes.outputs,
                      MixGradient<T, width>{upstream, alpha, shifts, Clip(sizes), frames, lines}, stream);
  });
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
