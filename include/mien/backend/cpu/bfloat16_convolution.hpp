#pragma once

/// Convolution as products of tiles of bfloat16 numbers, on processors that multiply such tiles (AMX).
///
/// A map is rounded to bfloat16 once, into rows with a margin of zeros that neighbours share. Then the inputs of output
/// position q begin q steps of equal length behind those of position 0, over the ends of rows and of images, so that
/// any 16 positions in a row are a tile and every tap of the kernel is an offset: no patches are gathered. The few
/// positions that lie in the margin are computed too, and dropped. Rows of a stride's different phases lie in planes of
/// their own, its columns are neighbours in one step.
///
/// Split into a high and a low part, factors have 16 bits of mantissa instead of 8, for three products instead of one.
/// Sums are float in both cases. Numbers beyond 3.39e38 round to infinity, and denormal ones count as zero.

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "mien/backend/cpu/convolution_epilogue.hpp"
#include "mien/backend/cpu/image_grid.hpp"
#include "mien/backend/cpu/instruction_set.hpp"
#include "mien/core/tensor.hpp"

namespace mien::backend {

/// The two factors of a product; offsets in numbers.
struct Bfloat16Factors {
  const std::uint16_t* left;   ///< rows of 32 numbers
  Index left_stride;           ///< from row to row, in bytes
  Index left_second;           ///< from the first 16 rows to the next 16
  Index left_low;              ///< from the high parts to the low ones
  const std::uint16_t* right;  ///< two tiles of 16 columns for every step, and those of the low parts
};

/// 32 of the numbers that are multiplied and summed: where they begin in both factors.
struct Bfloat16Step {
  Index left, right;
};

/// What the processor wants to know of its eight tiles.
struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::array<std::uint8_t, 14> reserved{};
  std::array<std::uint16_t, 16> row_bytes{64, 64, 64, 64, 64, 64, 64, 64};
  std::array<std::uint8_t, 16> rows{16, 16, 16, 16, 16, 16, 16, 16};
};

/// The inner loops; see kernels/bfloat16.inc.
struct Bfloat16Kernels {
  void (*begin)();
  void (*end)();
  void (*row)(const float* from, Index count, std::uint16_t* high, std::uint16_t* low);
  void (*pairs)(const float* first, const float* second, Index count, std::uint16_t* high, std::uint16_t* low);
  void (*columns)(const std::uint16_t* from, Index from_stride, std::uint16_t* to, Index to_stride);
  void (*multiply)(const Bfloat16Factors& factors, const Bfloat16Step* steps, Index count, float* sums,
                   Index sums_stride, bool accumulate);
  void (*multiply_split)(const Bfloat16Factors& factors, const Bfloat16Step* steps, Index count, float* sums,
                         Index sums_stride, bool accumulate);
  void (*store_sums)(const float* sums, const Index* offsets, Index channel, Index count,
                     const ConvolutionEpilogue<float>& epilogue, float* y);
};

}  // namespace mien::backend

#if defined(__x86_64__)
#define MIEN_KERNELS "mien/backend/cpu/kernels/bfloat16.inc"
#include "mien/backend/cpu/for_tiles.inc"
#endif

namespace mien::backend {

/// Only where `instruction_set()` is `amx`. Throws Error elsewhere.
inline const Bfloat16Kernels& bfloat16_kernels() {
#if defined(__x86_64__)
  if (instruction_set() == InstructionSet::amx) return amx::bfloat16_kernels;
#endif
  throw Error("products of tiles: this processor has none, or MIEN_ISA forbids them");
}

/// Lets this thread use tiles while it lives.
class TileScope {
 public:
  TileScope() { bfloat16_kernels().begin(); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
  ~TileScope() { bfloat16_kernels().end(); }
};

/// Positions and outputs in a product, and numbers in a step.
inline constexpr Index tile_block = 32;
/// Numbers of a step in a right factor.
inline constexpr Index right_step = tile_block * tile_block;

/// Rows, columns and planes in which a map is kept for the outputs of a window.
struct Bfloat16Layout {
  Index images, channels;
  Index margin_height, margin_width;  ///< zeros above an image's first row, and before every row's first pixel
  Index first_row, first_column;      ///< where the windows of an image's first outputs begin
  Index planes;                       ///< one for each phase of the vertical stride
  Index step;                         ///< numbers from an output position to the next: a stride's pixels
  Index pitch;                        ///< positions in a row
  Index rows;                         ///< of an image in one plane

  Bfloat16Layout(const ImageGrid& input, const ConvolutionWindow& window, const ImageGrid& output)
      : images(input.images),
        channels(input.channels),
        margin_height(
            margin(window.padding_height, window.height, window.stride_height, input.height(), output.height())),
        margin_width(margin(window.padding_width, window.width, window.stride_width, input.width(), output.width())),
        first_row(margin_height - window.padding_height),
        first_column(margin_width - window.padding_width),
        planes(window.stride_height),
        step(window.stride_width * input.channels),
        pitch(std::max(chunk_count(input.width() + margin_width, window.stride_width), output.width())),
        rows(std::max(chunk_count(input.height() + margin_height, window.stride_height), output.height())) {}

  Index positions() const { return images * rows * pitch; }

  /// Numbers in a plane; behind the last position what the last windows and the last product read beyond it.
  Index plane_size(const ConvolutionWindow& window) const {
    const Index beyond = ((first_row + window.height) / planes + 1) * pitch + 2 * tile_block;
    return (positions() + beyond) * step + (first_column + window.width) * channels + tile_block;
  }

  /// Where tap row `a` of position 0 begins, from the beginning of the first plane.
  Index run_offset(Index a, Index plane) const {
    const Index row = first_row + a;
    return row % planes * plane + row / planes * pitch * step + first_column * channels;
  }

 private:
  /// As much as windows reach beyond an edge, whichever it is.
  static Index margin(Index padding, Index kernel, Index stride, Index input, Index output) {
    return std::max({Index{0}, padding, (output - 1) * stride + kernel - padding - input});
  }
};

/// A map in bfloat16 under such a layout.
class Bfloat16Map {
 public:
  Bfloat16Map(const ImageGrid& input, const float* x, const ConvolutionWindow& window, const ImageGrid& output,
              bool split)
      : layout_(input, window, output),
        plane_(layout_.plane_size(window)),
        is_split_(split),
        numbers_({(split ? 2 : 1) * layout_.planes * plane_}) {
    const Index row_length = layout_.pitch * layout_.step;
    const Index rows = chunk_count(plane_, row_length);  // the last one may be cut off
    parallel_for(0, layout_.planes * rows, std::max<Index>(1, 8192 / row_length), [&](Index first, Index last) {
      for (Index i = first; i < last; ++i) {
        const Index plane = i / rows;
        const Index row = i % rows;
        fill_row(input, x, row * layout_.planes + plane, plane * plane_ + row * row_length,
                 std::min(row_length, plane_ - row * row_length));
      }
    });
  }

  const Bfloat16Layout& layout() const { return layout_; }
  Index plane_size() const { return plane_; }
  bool is_split() const { return is_split_; }
  /// The high parts of all planes; the low ones follow.
  const std::uint16_t* data() const { return numbers_.data(); }
  Index low_offset() const { return layout_.planes * plane_; }

 private:
  /// Row `row` of all images with their margins, `length` numbers from `offset` on.
  void fill_row(const ImageGrid& input, const float* x, Index row, Index offset, Index length) {
    const Index image_rows = layout_.rows * layout_.planes;
    const Index image = row / image_rows;
    const Index y = row % image_rows - layout_.margin_height;
    const Index begin = layout_.margin_width * layout_.channels;
    const bool inside = image < input.images && y >= 0 && y < input.height();
    const Index end = inside ? begin + input.width() * input.channels : 0;
    std::uint16_t* high = numbers_.data() + offset;
    std::uint16_t* low = is_split_ ? high + low_offset() : nullptr;
    for (std::uint16_t* part : {high, low}) {
      if (part == nullptr) continue;
      std::fill_n(part, inside ? begin : length, std::uint16_t{0});
      if (inside) std::fill(part + end, part + length, std::uint16_t{0});
    }
    if (!inside) return;
    const auto copy = [&](Index column, Index count) {
      const Index to = begin + column * input.channels;
      bfloat16_kernels().row(x + input.offset(image, y, column), count, high + to, is_split_ ? low + to : nullptr);
    };
    if (input.has_adjacent_columns()) return copy(0, input.width() * input.channels);
    for (Index column = 0; column < input.width(); ++column) copy(column, input.channels);
  }

  Bfloat16Layout layout_;
  Index plane_;
  bool is_split_;
  Tensor<std::uint16_t> numbers_;
};

/// A kernel [height, width, C, O] in bfloat16: for each 32 outputs, for each of its rows, the steps of that row's taps.
class Bfloat16Kernel {
 public:
  Bfloat16Kernel(const float* weight, const ConvolutionWindow& window, Index inputs, Index outputs, bool split)
      : rows_(window.height),
        row_length_(window.width * inputs),
        outputs_(outputs),
        step_size_(split ? 2 * right_step : right_step),
        packed_({blocks() * rows_ * row_steps() * step_size_}) {
    parallel_for(0, rows_ * row_steps(), 1,
                 [&](Index i, Index) { pack_step(weight, i / row_steps(), i % row_steps(), split); });
  }

  Index rows() const { return rows_; }
  Index row_steps() const { return chunk_count(row_length_, tile_block); }
  Index outputs() const { return outputs_; }
  Index blocks() const { return chunk_count(outputs_, tile_block); }
  bool is_split() const { return step_size_ != right_step; }
  const std::uint16_t* block(Index i) const { return packed_.data() + i * rows_ * row_steps() * step_size_; }
  /// Where step `k` of a row begins in a block.
  Index step(Index row, Index k) const { return (row * row_steps() + k) * step_size_; }
  /// Where it begins among the inputs of the row's taps. The last step begins early rather than reach beyond them, so
  /// that an infinite neighbour is not multiplied by zero.
  Index input_offset(Index k) const { return std::max<Index>(0, std::min(k * tile_block, row_length_ - tile_block)); }

 private:
  /// All outputs of a step, so that rows of weights are read from end to end.
  void pack_step(const float* weight, Index row, Index k, bool split) {
    static constexpr std::array<float, 16> zeros{};
    const Index block_size = rows_ * row_steps() * step_size_;
    const Index first = k * tile_block - input_offset(k);  // those before belong to the step before
    const Index last = std::min(tile_block, row_length_ - input_offset(k));
    const float* from = weight + (row * row_length_ + input_offset(k)) * outputs_;
    for (Index i = 0; i < tile_block; i += 2, from += 2 * outputs_) {
      std::uint16_t* to = packed_.data() + step(row, k) + i / 2 * tile_block;
      for (Index channel = 0; channel < blocks() * tile_block; channel += 16) {
        const Index count = std::clamp<Index>(outputs_ - channel, 0, 16);
        std::uint16_t* high = to + channel / tile_block * block_size + channel % tile_block * 32;
        const auto row_of = [&](Index j) {
          return j >= first && j < last && count > 0 ? from + (j - i) * outputs_ + channel : zeros.data();
        };
        bfloat16_kernels().pairs(row_of(i), row_of(i + 1), count, high, split ? high + right_step : nullptr);
      }
    }
  }

  Index rows_, row_length_, outputs_, step_size_;
  Tensor<std::uint16_t> packed_;
};

/// The offsets in y of some positions; -1 for those in the margin.
inline void output_offsets(const Bfloat16Layout& layout, const ImageGrid& output, Index first, Index count,
                           Index* offsets) {
  Index column = first % layout.pitch;
  Index row = first / layout.pitch % layout.rows;
  Index image = first / layout.pitch / layout.rows;
  for (Index i = 0; i < count; ++i) {
    const bool inside = image < output.images && row < output.height() && column < output.width();
    offsets[i] = inside ? output.offset(image, row, column) : -1;
    if (++column < layout.pitch) continue;
    column = 0;
    if (++row < layout.rows) continue;
    row = 0;
    ++image;
  }
}

/// y of the sums over some steps.
inline void bfloat16_products(const Bfloat16Map& map, const Bfloat16Kernel& kernel,
                              const std::vector<Bfloat16Step>& steps, const ImageGrid& output,
                              const ConvolutionEpilogue<float>& epilogue, float* y) {
  const Bfloat16Layout& layout = map.layout();
  constexpr Index together = 8 * tile_block;  // a thread's positions, whose inputs stay in its cache for all outputs
  const Index chunks = chunk_count(layout.positions(), together);
  // Few positions mostly have many outputs.
  const Index groups = std::clamp<Index>(16 / std::max<Index>(1, chunks), 1, kernel.blocks());
  const Bfloat16Kernels& kernels = bfloat16_kernels();
  const auto multiply = kernel.is_split() ? kernels.multiply_split : kernels.multiply;
  parallel_for(0, chunks * groups, 1, [&](Index task, Index) {
    const TileScope tiles;
    const Index begin = task % chunks * together;
    std::array<Index, together> offsets;
    output_offsets(layout, output, begin, together, offsets.data());
    alignas(64) std::array<float, tile_block * tile_block> sums;
    for (Index block = kernel.blocks() * (task / chunks) / groups;
         block < kernel.blocks() * (task / chunks + 1) / groups; ++block) {
      const Index channel = block * tile_block;
      const Index count = std::min(tile_block, kernel.outputs() - channel);
      for (Index first = begin; first < std::min(begin + together, layout.positions()); first += tile_block) {
        const Bfloat16Factors factors{map.data() + first * layout.step, layout.step * 2, 16 * layout.step,
                                      map.low_offset(), kernel.block(block)};
        multiply(factors, steps.data(), static_cast<Index>(steps.size()), sums.data(), tile_block * 4, false);
        kernels.store_sums(sums.data(), offsets.data() + first - begin, channel, count, epilogue, y);
      }
    }
  });
}

/// The steps of a whole kernel.
inline std::vector<Bfloat16Step> kernel_steps(const Bfloat16Map& map, const Bfloat16Kernel& kernel) {
  std::vector<Bfloat16Step> steps;
  for (Index row = 0; row < kernel.rows(); ++row)
    for (Index k = 0; k < kernel.row_steps(); ++k)
      steps.push_back({map.layout().run_offset(row, map.plane_size()) + kernel.input_offset(k), kernel.step(row, k)});
  return steps;
}

/// A grid and the windows on it.
struct WindowedGrid {
  ImageGrid grid;
  ConvolutionWindow window;
};

/// Without the pixels that no window reads, which are most of them where a kernel of one tap has strides.
inline WindowedGrid without_gaps(const ImageGrid& grid, const ConvolutionWindow& window) {
  // Padding may be negative: a gradient of a padded map.
  if (window.taps() > 1 || window.padding_height != 0 || window.padding_width != 0) return {grid, window};
  return {grid_phase(grid, 0, window.stride_height, 0, window.stride_width), {}};
}

/// y = x * kernel.
inline void bfloat16_convolution(const ImageGrid& input, const float* x, const Bfloat16Kernel& kernel,
                                 const ConvolutionWindow& window, const ImageGrid& output, float* y,
                                 const ConvolutionEpilogue<float>& epilogue = {}) {
  if (output.pixels() == 0) return;
  const WindowedGrid read = without_gaps(input, window);
  const Bfloat16Map map(read.grid, x, read.window, output, kernel.is_split());
  bfloat16_products(map, kernel, kernel_steps(map, kernel), output, epilogue, y);
}

/// The planes [Q, D] of a map with rows and columns exchanged: for each plane, and then for its low parts, D rows of
/// `positions` numbers; whole blocks of rows, of which the last may not mean anything.
inline Tensor<std::uint16_t> exchanged(const Bfloat16Map& map, Index positions) {
  const Bfloat16Layout& layout = map.layout();
  const Index parts = (map.is_split() ? 2 : 1) * layout.planes;
  const Index rows = chunk_count(layout.step, tile_block) * tile_block;
  const Index blocks = positions / tile_block;
  Tensor<std::uint16_t> out({parts, rows, positions});
  parallel_for(0, parts * blocks, 4, [&](Index first, Index last) {
    std::array<std::uint16_t, tile_block * 16> end;
    for (Index i = first; i < last; ++i) {
      const std::uint16_t* plane = map.data() + i / blocks * map.plane_size();
      std::uint16_t* to = out.data() + i / blocks * rows * positions + i % blocks * tile_block;
      for (Index c = 0; c < layout.step; c += 16) {
        const Index begin = i % blocks * tile_block * layout.step + c;
        if (begin + (tile_block - 1) * layout.step + 16 <= map.plane_size()) {
          bfloat16_kernels().columns(plane + begin, layout.step, to + c * positions, positions);
          continue;
        }
        // Beyond the end of the plane there are zeros.
        for (Index k = 0; k < tile_block * 16; ++k) {
          const Index at = begin + k / 16 * layout.step + k % 16;
          end[static_cast<std::size_t>(k)] = at < map.plane_size() ? plane[at] : std::uint16_t{0};
        }
        bfloat16_kernels().columns(end.data(), 16, to + c * positions, positions);
      }
    }
  });
  return out;
}

/// A gradient of outputs at the positions of a layout, as a right factor: for each 32 channels, for each 32 positions,
/// a step.
inline Tensor<std::uint16_t> upstream_factor(const Bfloat16Layout& layout, const ImageGrid& output,
                                             const float* upstream, Index positions, bool split) {
  const Index blocks = chunk_count(output.channels, tile_block);
  const Index step_size = split ? 2 * right_step : right_step;
  const Index steps = positions / tile_block;
  Tensor<std::uint16_t> out({blocks * steps * step_size});
  parallel_for(0, steps, 4, [&](Index first, Index last) {
    static constexpr std::array<float, 16> zeros{};
    std::array<Index, tile_block> offsets;
    for (Index k = first; k < last; ++k) {
      output_offsets(layout, output, k * tile_block, tile_block, offsets.data());
      for (Index block = 0; block < blocks; ++block)
        for (Index half = 0; half < 2; ++half) {
          const Index channel = block * tile_block + half * 16;
          const Index count = std::clamp<Index>(output.channels - channel, 0, 16);
          std::uint16_t* to = out.data() + (block * steps + k) * step_size + half * right_step / 2;
          for (std::size_t pair = 0; pair < 16; ++pair, to += tile_block) {
            const Index one = offsets[2 * pair];
            const Index other = offsets[2 * pair + 1];
            bfloat16_kernels().pairs(one >= 0 && count > 0 ? upstream + one + channel : zeros.data(),
                                     other >= 0 && count > 0 ? upstream + other + channel : zeros.data(), count, to,
                                     split ? to + right_step : nullptr);
          }
        }
    }
  });
  return out;
}

/// Inputs of one of the kernel's rows, at most 32 of one step: where they begin among those of the row.
struct TapBlock {
  Index row, first, count;
  bool is_first = false;  ///< of those that read the same numbers of a step
};

/// All taps of a kernel, ordered by the numbers of a step that they read, then by row. Those of a row begin at `begin`
/// of the first step that it reads.
inline std::vector<TapBlock> tap_blocks(Index rows, Index begin, Index row_length, Index step) {
  std::vector<TapBlock> taps;
  for (Index row = 0; row < rows; ++row)
    for (Index e = begin; e < begin + row_length;) {
      const Index count = std::min({tile_block, step - e % step, begin + row_length - e});
      taps.push_back({row, e - begin, count});
      e += count;
    }
  const auto place = [&](const TapBlock& tap) { return (begin + tap.first) % step; };
  std::stable_sort(taps.begin(), taps.end(), [&](const auto& a, const auto& b) { return place(a) < place(b); });
  for (std::size_t i = 0; i < taps.size(); ++i) taps[i].is_first = i == 0 || place(taps[i]) != place(taps[i - 1]);
  return taps;
}

/// gradient [height, width, C, O] = sum over positions of window^T upstream.
inline void bfloat16_weight_gradient(const ImageGrid& whole_input, const float* x, const ImageGrid& output,
                                     const float* upstream, const ConvolutionWindow& whole_window, bool split,
                                     float* gradient) {
  const WindowedGrid read = without_gaps(whole_input, whole_window);
  const ImageGrid& input = read.grid;
  const ConvolutionWindow& window = read.window;
  const Index row_length = window.width * input.channels;
  const Index outputs = output.channels;
  if (output.pixels() == 0) {
    std::fill_n(gradient, window.height * row_length * outputs, 0.0F);
    return;
  }
  const Bfloat16Map map(input, x, window, output, split);
  const Bfloat16Layout& layout = map.layout();
  // As many positions as windows reach beyond the last one, and an odd number of cache lines, so that rows of the
  // exchanged map do not all fall into the same few sets of the cache.
  const Index used = chunk_count(layout.positions(), tile_block) * tile_block;
  const Index reach = (layout.first_row + window.height) / layout.planes * layout.pitch +
                      (layout.first_column + window.width) * layout.channels / layout.step + 1;
  const Index lines = chunk_count(used + reach + tile_block, tile_block);
  const Index positions = (lines + 1 - lines % 2) * tile_block;
  const Tensor<std::uint16_t> columns = exchanged(map, positions);
  const Index plane_size = columns.size(1) * positions;
  const Tensor<std::uint16_t> up = upstream_factor(layout, output, upstream, used, split);
  const Index step_size = split ? 2 * right_step : right_step;

  const Index begin = layout.first_column * layout.channels;
  std::vector<TapBlock> taps = tap_blocks(window.height, begin, row_length, layout.step);
  const Index output_blocks = chunk_count(outputs, tile_block);
  // Taps of the same channels read the same inputs, a few positions further: a task takes all of them, or if that made
  // too few tasks, those of one of the kernel's rows, through some steps at a time, so that inputs and gradients of
  // these steps are read from the nearest cache by all but the first tap.
  const auto channel_groups = std::count_if(taps.begin(), taps.end(), [](const TapBlock& tap) { return tap.is_first; });
  const bool by_row = channel_groups * output_blocks < 16;
  std::vector<std::size_t> groups;
  for (std::size_t i = 0; i < taps.size(); ++i)
    if (taps[i].is_first || (by_row && taps[i].row != taps[i - 1].row)) groups.push_back(i);
  groups.push_back(taps.size());

  constexpr Index together = 8;
  std::array<Bfloat16Step, together> steps;
  for (Index k = 0; k < together; ++k) steps[static_cast<std::size_t>(k)] = {k * tile_block, k * step_size};
  const auto multiply = split ? bfloat16_kernels().multiply_split : bfloat16_kernels().multiply;
  const Index all = used / tile_block;
  // All tasks go through a stretch of steps, which the larger cache holds, before the next.
  const Index bytes = 2 * (split ? 2 : 1) * (layout.step * layout.planes + outputs);
  const Index stretch = std::max<Index>(2 * together, (Index{1} << 20) / bytes / tile_block);
  Tensor<float> sums({static_cast<Index>(taps.size()) * output_blocks * right_step});
  for (Index begin_step = 0; begin_step < all; begin_step += stretch)
    parallel_for(0, static_cast<Index>(groups.size() - 1) * output_blocks, 1, [&](Index task, Index) {
      const TileScope tiles;
      const auto group = static_cast<std::size_t>(task / output_blocks);
      const Index output_block = task % output_blocks;
      const Index end_step = std::min(all, begin_step + stretch);
      for (Index first = begin_step; first < end_step; first += together)
        for (std::size_t i = groups[group]; i < groups[group + 1]; ++i) {
          const Index row = layout.first_row + taps[i].row;
          const Index element = begin + taps[i].first;
          const Index shift = row / layout.planes * layout.pitch + element / layout.step + first * tile_block;
          const Index left = row % layout.planes * plane_size + element % layout.step * positions + shift;
          const Bfloat16Factors factors{columns.data() + left, positions * 2, 16 * positions,
                                        layout.planes * plane_size,
                                        up.data() + (output_block * all + first) * step_size};
          multiply(factors, steps.data(), std::min(together, end_step - first),
                   sums.data() + (static_cast<Index>(i) * output_blocks + output_block) * right_step, tile_block * 4,
                   first > 0);
        }
    });
  parallel_for(0, static_cast<Index>(taps.size()), 1, [&](Index i, Index) {
    const TapBlock& tap = taps[static_cast<std::size_t>(i)];
    for (Index k = 0; k < tap.count; ++k)
      for (Index block = 0; block < output_blocks; ++block)
        std::copy_n(sums.data() + ((i * output_blocks + block) * tile_block + k) * tile_block,
                    std::min(tile_block, outputs - block * tile_block),
                    gradient + (tap.row * row_length + tap.first + k) * outputs + block * tile_block);
  });
}

}  // namespace mien::backend
