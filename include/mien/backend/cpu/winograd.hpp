#pragma once

/// 3x3 convolution of stride 1 by Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, CVPR 2016): tiles of 4x4
/// outputs, of which each reads 6x6 inputs, cost 36 products for each pair of channels instead of 144.
///
///     V = B^T d B of every tile,  U = G g G^T of the kernel,  M[x] = V[x] U[x] for the 36 elements x,  y = A^T M A
///
/// In float its error is ten to twenty times that of the direct sum, relative to the greatest inputs near by: about
/// 3e-6.
///
/// Lines that neighbouring frames of super images add to a frame (see ops/super_image_convolution.hpp) fit in at little
/// cost. A line's tile is one of 6x6 pixels with a single row that is not zero, its V is zero but for six of 36
/// elements, and so the lines are some more rows in the products of those elements: the kernel's edges are already in
/// U.

#include <algorithm>
#include <array>
#include <vector>

#include "mien/backend/cpu/convolution_epilogue.hpp"
#include "mien/backend/cpu/image_grid.hpp"
#include "mien/backend/cpu/vector.hpp"
#include "mien/core/tensor.hpp"

namespace mien::backend {

/// What happens to outputs before they are stored in y.
struct WinogradEpilogue : ConvolutionEpilogue<float> {
  const float* y = nullptr;
};

/// The inner loops for one instruction set; see kernels/winograd.inc.
struct WinogradKernels {
  Index lanes;  ///< outputs go in blocks of two vectors
  void (*input_tile)(const float* const* pixels, Index first, Index last, float* v, Index stride);
  void (*input_line)(const float* const* pixels, Index first, Index last, float factor, float* const* v);
  void (*output_tile)(const float* m, Index stride, Index first, Index channels, const WinogradEpilogue& epilogue,
                      float* const* pixels);
  void (*finished_output_tile)(const float* m, Index stride, Index first, Index channels,
                               const WinogradEpilogue& epilogue, float* const* pixels);
  void (*output_line)(const float* const* m, Index channels, float* const* pixels);
  void (*upstream_tile)(const float* const* pixels, Index channels, Index padded, float* d, Index stride);
  void (*upstream_line)(const float* const* pixels, Index channels, Index padded, float* const* d);
  void (*kernel)(const float* weight, Index tap_stride, Index count, float* u, Index stride);
  void (*kernel_gradient)(const float* s, Index stride, Index count, float* gradient, Index tap_stride);
  void (*multiply)(Index rows, const float* a, Index a_stride, const float* b, Index depth, float* c, Index c_stride,
                   bool accumulate);
  void (*correlate)(Index rows, const float* a, Index a_stride, const float* b, Index b_stride, Index depth, float* c,
                    Index c_stride, bool accumulate);
};

}  // namespace mien::backend

#define MIEN_KERNELS "mien/backend/cpu/kernels/winograd.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"

namespace mien::backend {

inline const WinogradKernels& winograd_kernels() {
  return for_instruction_set(portable::winograd_kernels, avx2::winograd_kernels, avx512::winograd_kernels);
}

/// The element of the 36 that belongs to element `k` of a line at that seam.
inline Index seam_element(Seam seam, Index k) {
  switch (seam) {
    case Seam::top:
      return k;
    case Seam::bottom:
      return 30 + k;
    case Seam::left:
      return 6 * k;
    default:
      return 6 * k + 5;
  }
}

/// A map and the lines at its seams, of whose pixels tiles are made.
template <class T>
struct WinogradMap {
  const ImageGrid& grid;
  T* data;
  SeamLines<T> lines = {};
};

/// Tiles of a map and of each seam's lines, which are worked on together.
struct WinogradBlock {
  struct Range {
    Index first = 0, last = 0;
    Index size() const { return last - first; }
  };
  Range tiles = {};
  std::array<Range, 4> lines = {};

  /// Tiles of both kinds.
  Index size() const {
    Index size = tiles.size();
    for (const Range& range : lines) size += range.size();
    return size;
  }

  /// Rows of the product of element x: the map's tiles, then the lines' of the seams that x is at.
  Index rows(Index x) const {
    Index rows = tiles.size();
    for (const Seam seam : seams) rows += is_at(x, seam) ? lines[static_cast<std::size_t>(seam)].size() : 0;
    return rows;
  }
  Index first_row(Index x, Seam seam) const {
    Index row = tiles.size();
    for (const Seam before : seams) {
      if (before == seam) break;
      row += is_at(x, before) ? lines[static_cast<std::size_t>(before)].size() : 0;
    }
    return row;
  }
  static bool is_at(Index x, Seam seam) {
    for (Index k = 0; k < 6; ++k)
      if (seam_element(seam, k) == x) return true;
    return false;
  }
};

/// Numbers between the ends and beginnings of elements, so that those of a tile do not all fall into one set of the
/// cache.
inline constexpr Index winograd_skew = 16;

/// Numbers for each row of each of the 36 elements of a block.
class WinogradRows {
 public:
  /// Of `row_width` numbers each.
  WinogradRows(const WinogradBlock& block, Index row_width) : width(row_width), stride(element_size(block, row_width)) {
    numbers_ = Tensor<float>({36 * stride});
  }

  float* row(Index x, Index row) { return numbers_.data() + x * stride + row * width; }

  const Index width;
  const Index stride;  ///< from an element to the next

 private:
  static Index element_size(const WinogradBlock& block, Index width) {
    Index rows = 0;
    for (Index x = 0; x < 36; ++x) rows = std::max(rows, block.rows(x));
    return (rows + 1) * width + winograd_skew;  // products take an even number of rows
  }

  Tensor<float> numbers_;
};

/// Where the tiles of a map of outputs lie, and the inputs that they read.
class WinogradTiling {
 public:
  WinogradTiling(const ImageGrid& outputs, Index padding_height, Index padding_width)
      : high_(chunk_count(outputs.height(), 4)),
        wide_(chunk_count(outputs.width(), 4)),
        count_(outputs.images * high_ * wide_),
        padding_height_(padding_height),
        padding_width_(padding_width) {}

  Index count() const { return count_; }

  /// Pointers to a tile's outputs, and `outside` for what lies beyond the map.
  template <class T>
  void outputs(const ImageGrid& grid, T* data, Index tile, T* outside, std::array<T*, 16>& pixels) const {
    collect<4>(grid, data, tile / (high_ * wide_), tile / wide_ % high_ * 4, tile % wide_ * 4, outside, pixels.data());
  }
  /// The same for its inputs.
  void inputs(const ImageGrid& grid, const float* data, Index tile, const float* outside,
              std::array<const float*, 36>& pixels) const {
    collect<6>(grid, data, tile / (high_ * wide_), tile / wide_ % high_ * 4 - padding_height_,
               tile % wide_ * 4 - padding_width_, outside, pixels.data());
  }

 private:
  template <Index side, class T>
  static void collect(const ImageGrid& grid, T* data, Index image, Index top, Index left, T* outside, T** pixels) {
    for (Index i = top; i < top + side; ++i)
      for (Index j = left; j < left + side; ++j, ++pixels) {
        const bool inside = i >= 0 && i < grid.height() && j >= 0 && j < grid.width();
        *pixels = inside ? data + grid.offset(image, i, j) : outside;
      }
  }

  Index high_, wide_, count_;
  Index padding_height_, padding_width_;
};

/// Calls `tile(i, row)` for the map's tiles among items [first, last) of a block, with the row that each has in all
/// elements, and `line(seam, i, row)` for its lines' tiles; their rows are counted from the seam's first row on.
template <class Tile, class Line>
void for_each_item(const WinogradBlock& block, Index first, Index last, const Tile& tile, const Line& line) {
  Index before = 0;
  const auto visit = [&](const WinogradBlock::Range& range, const auto& call) {
    const Index begin = std::clamp<Index>(first - before, 0, range.size());
    const Index end = std::clamp<Index>(last - before, 0, range.size());
    for (Index i = begin; i < end; ++i) call(range.first + i, i);
    before += range.size();
  };
  visit(block.tiles, tile);
  for (const Seam seam : seams)
    visit(block.lines[static_cast<std::size_t>(seam)], [&](Index i, Index row) { line(seam, i, row); });
}

/// The six rows, one in each of its elements, that belong to a line's tile.
inline std::array<float*, 6> line_rows(WinogradRows& rows, const WinogradBlock& block, Seam seam, Index row) {
  std::array<float*, 6> out{};
  for (Index k = 0; k < 6; ++k) {
    const Index x = seam_element(seam, k);
    out[static_cast<std::size_t>(k)] = rows.row(x, block.first_row(x, seam) + row);
  }
  return out;
}

template <class T>
Index line_tiles(const Lines<T>& lines) {
  return lines.batch * lines.frames * chunk_count(lines.length, 4);
}

/// `count` pixels of a line for one of its tiles, and `outside` beyond its ends.
template <std::size_t count, class T>
std::array<T*, count> line_pixels(const Lines<T>& lines, Index tile, Index padding, T* outside) {
  const Index tiles_in_line = chunk_count(lines.length, 4);
  const Index line = tile / tiles_in_line;
  const Index first = tile % tiles_in_line * 4 - padding;
  std::array<T*, count> pixels{};
  for (Index i = 0; i < static_cast<Index>(count); ++i) {
    const bool inside = first + i >= 0 && first + i < lines.length;
    pixels[static_cast<std::size_t>(i)] = inside ? lines.pixel(line, first + i) : outside;
  }
  return pixels;
}

/// V of all channels, in parts of about equal size: a part of the kernel's depth is worked on at a time.
class WinogradInputs {
 public:
  WinogradInputs(const WinogradBlock& block, Index channels) : channels_(channels) {
    constexpr Index most = 64;
    const Index lanes = winograd_kernels().lanes;
    const Index parts = chunk_count(channels, most);
    depth_ = chunk_count(chunk_count(channels, parts), lanes) * lanes;
    for (Index first = 0; first < channels; first += depth_) rows_.emplace_back(block, depth_);
  }

  Index parts() const { return static_cast<Index>(rows_.size()); }
  Index first(Index part) const { return part * depth_; }
  Index last(Index part) const { return std::min(channels_, (part + 1) * depth_); }
  /// Channels of every part but the last, which may have less.
  Index depth() const { return depth_; }
  WinogradRows& rows(Index part) { return rows_[static_cast<std::size_t>(part)]; }

 private:
  Index channels_;
  Index depth_ = 0;
  std::vector<WinogradRows> rows_;
};

/// V of a map of inputs.
inline void winograd_transform_inputs(const WinogradTiling& tiling, const WinogradMap<const float>& map,
                                      const float* zeros, const WinogradBlock& block, Index first, Index last,
                                      WinogradInputs& v) {
  const WinogradKernels& kernels = winograd_kernels();
  for_each_item(
      block, first, last,
      [&](Index tile, Index row) {
        std::array<const float*, 36> pixels{};
        tiling.inputs(map.grid, map.data, tile, zeros, pixels);
        for (Index part = 0; part < v.parts(); ++part) {
          WinogradRows& rows = v.rows(part);
          kernels.input_tile(pixels.data(), v.first(part), v.last(part), rows.row(0, row), rows.stride);
        }
      },
      [&](Seam seam, Index tile, Index row) {
        // The first row of G has a fourth of the kernel's edge, the last one all of it.
        const float factor = seam == Seam::top || seam == Seam::left ? 4.0F : 1.0F;
        const auto pixels = line_pixels<6>(map.lines[static_cast<std::size_t>(seam)], tile, 1, zeros);
        for (Index part = 0; part < v.parts(); ++part)
          kernels.input_line(pixels.data(), v.first(part), v.last(part), factor,
                             line_rows(v.rows(part), block, seam, row).data());
      });
}

/// D of a map of upstream gradients.
inline void winograd_transform_upstream(const WinogradTiling& tiling, const WinogradMap<const float>& map,
                                        const float* zeros, const WinogradBlock& block, Index first, Index last,
                                        WinogradRows& d) {
  const WinogradKernels& kernels = winograd_kernels();
  const Index channels = map.grid.channels;
  for_each_item(
      block, first, last,
      [&](Index tile, Index row) {
        std::array<const float*, 16> pixels{};
        tiling.outputs(map.grid, map.data, tile, zeros, pixels);
        kernels.upstream_tile(pixels.data(), channels, d.width, d.row(0, row), d.stride);
      },
      [&](Seam seam, Index tile, Index row) {
        const auto pixels = line_pixels<4>(map.lines[static_cast<std::size_t>(seam)], tile, 0, zeros);
        kernels.upstream_line(pixels.data(), channels, d.width, line_rows(d, block, seam, row).data());
      });
}

/// A kernel [3, 3, C, O], whose outputs are worked on in blocks of two vectors.
struct WinogradKernel {
  const float* weight;
  Index inputs, outputs;
  const float* transformed = nullptr;  ///< U of all blocks and parts, if it is there already
  Index width = 2 * winograd_kernels().lanes;

  Index blocks() const { return chunk_count(outputs, width); }
  Index outputs_in(Index block) const { return std::min(width, outputs - block * width); }

  /// From an element to the next in U of so many inputs.
  Index stride(Index depth) const { return depth * width + winograd_skew; }

  /// U [blocks, parts of the inputs, 36, inputs of a part, two vectors].
  Tensor<float> transform_all() const {
    const WinogradInputs parts({}, inputs);
    const Index size = 36 * stride(parts.depth());
    Tensor<float> u({blocks() * parts.parts() * size});
    parallel_for(0, blocks() * parts.parts(), 1, [&](Index i, Index) {
      const Index part = i % parts.parts();
      transform(i / parts.parts(), parts.first(part), parts.last(part), u.data() + i * size);
    });
    return u;
  }

  /// U [36, last - first, two vectors] of some inputs.
  void transform(Index block, Index first, Index last, float* u) const {
    for (Index c = first; c < last; ++c) {
      const float* taps = weight + c * outputs + block * width;
      // What comes next lies in nine places, each too short for the processor to foresee.
      constexpr Index ahead = 4;
      for (Index tap = 0; tap < 9; ++tap)
        for (Index o = 0; o < width; o += 16) __builtin_prefetch(taps + tap * inputs * outputs + ahead * outputs + o);
      winograd_kernels().kernel(taps, inputs * outputs, outputs_in(block), u + (c - first) * width,
                                stride(last - first));
    }
  }
};

/// M = V U of one block of outputs for a part of the inputs; added to M but for the first part.
inline void winograd_multiply(const WinogradKernel& kernel, const WinogradBlock& block, Index part, WinogradInputs& v,
                              const float* u, WinogradRows& m) {
  WinogradRows& rows = v.rows(part);
  const Index depth = v.last(part) - v.first(part);
  for (Index x = 0; x < 36; ++x)
    winograd_kernels().multiply(block.rows(x), rows.row(x, 0), rows.width, u + x * kernel.stride(depth), depth,
                                m.row(x, 0), m.width, part > 0);
}

/// y of `count` outputs from `first` on.
inline void winograd_transform_outputs(const WinogradTiling& tiling, const WinogradBlock& block, WinogradRows& m,
                                       Index first, Index count, const WinogradMap<float>& map,
                                       const WinogradEpilogue& epilogue) {
  const WinogradKernels& kernels = winograd_kernels();
  const auto output_tile = epilogue.is_empty() ? kernels.output_tile : kernels.finished_output_tile;
  for_each_item(
      block, 0, block.size(),
      [&](Index tile, Index row) {
        std::array<float*, 16> pixels{};
        tiling.outputs<float>(map.grid, map.data, tile, nullptr, pixels);
        output_tile(m.row(0, row), m.stride, first, count, epilogue, pixels.data());
      },
      [&](Seam seam, Index tile, Index row) {
        auto pixels = line_pixels<4, float>(map.lines[static_cast<std::size_t>(seam)], tile, 0, nullptr);
        for (float*& pixel : pixels) pixel += pixel == nullptr ? 0 : first;
        kernels.output_line(line_rows(m, block, seam, row).data(), count, pixels.data());
      });
}

/// All tiles of a map and of all lines.
template <class T>
WinogradBlock whole_block(Index tiles, const SeamLines<T>& lines) {
  WinogradBlock block{.tiles = {0, tiles}};
  for (std::size_t i = 0; i < lines.size(); ++i) block.lines[i] = {0, line_tiles(lines[i])};
  return block;
}

/// Cuts work into blocks of at most so many tiles; lines, which cost a sixth, come last.
template <class T>
std::vector<WinogradBlock> winograd_blocks(Index tiles, const SeamLines<T>& lines, Index most) {
  std::vector<WinogradBlock> blocks;
  for (Index first = 0; first < tiles; first += most)
    blocks.push_back({.tiles = {first, std::min(tiles, first + most)}});
  for (std::size_t i = 0; i < lines.size(); ++i)
    for (Index first = 0; first < line_tiles(lines[i]); first += most) {
      WinogradBlock block;
      block.lines[i] = {first, std::min(line_tiles(lines[i]), first + most)};
      blocks.push_back(block);
    }
  return blocks;
}

/// Tiles of a block whose V and D, or M, of so many channels in all take about `bytes`; whole products' rows.
inline Index winograd_block_tiles(Index channels, Index bytes) {
  constexpr Index rows = 28;
  return std::max<Index>(1, bytes / (36 * 4 * channels * rows)) * rows;
}

/// Many tiles: a thread takes a block of them through all steps, within its cache. U is made once for all.
inline void winograd_convolution_by_tiles(const WinogradTiling& tiling, const WinogradMap<const float>& in,
                                          const WinogradKernel& kernel, const std::vector<WinogradBlock>& blocks,
                                          const float* zeros, const WinogradMap<float>& out,
                                          const WinogradEpilogue& epilogue) {
  const Tensor<float> made = kernel.transformed == nullptr ? kernel.transform_all() : Tensor<float>();
  const float* u = kernel.transformed == nullptr ? made.data() : kernel.transformed;
  parallel_for(0, static_cast<Index>(blocks.size()), 1, [&](Index i, Index) {
    const WinogradBlock& block = blocks[static_cast<std::size_t>(i)];
    WinogradInputs v(block, kernel.inputs);
    winograd_transform_inputs(tiling, in, zeros, block, 0, block.size(), v);
    WinogradRows m(block, kernel.width);
    const Index size = 36 * kernel.stride(v.depth());
    for (Index output = 0; output < kernel.blocks(); ++output) {
      for (Index part = 0; part < v.parts(); ++part)
        winograd_multiply(kernel, block, part, v, u + (output * v.parts() + part) * size, m);
      winograd_transform_outputs(tiling, block, m, output * kernel.width, kernel.outputs_in(output), out, epilogue);
    }
  });
}

/// Few tiles, and mostly many channels: V of all tiles first, then a thread takes a block of outputs, and makes U as it
/// goes, so that the kernel, the greatest of all operands, is read once and U never leaves the cache.
inline void winograd_convolution_by_outputs(const WinogradTiling& tiling, const WinogradMap<const float>& in,
                                            const WinogradKernel& kernel, const float* zeros,
                                            const WinogradMap<float>& out, const WinogradEpilogue& epilogue) {
  const WinogradBlock block = whole_block(tiling.count(), in.lines);
  WinogradInputs v(block, kernel.inputs);
  parallel_for(0, block.size(), 8,
               [&](Index first, Index last) { winograd_transform_inputs(tiling, in, zeros, block, first, last, v); });
  const Index size = 36 * kernel.stride(v.depth());
  parallel_for(0, kernel.blocks(), 1, [&](Index output, Index) {
    Tensor<float> made;
    if (kernel.transformed == nullptr) made = Tensor<float>({size});
    WinogradRows m(block, kernel.width);
    for (Index part = 0; part < v.parts(); ++part) {
      if (kernel.transformed == nullptr) kernel.transform(output, v.first(part), v.last(part), made.data());
      const float* u = kernel.transformed == nullptr ? made.data()
                                                     : kernel.transformed + (output * v.parts() + part) * size;
      winograd_multiply(kernel, block, part, v, u, m);
    }
    winograd_transform_outputs(tiling, block, m, output * kernel.width, kernel.outputs_in(output), out, epilogue);
  });
}

/// A map and lines at its seams, convolved with a kernel [3, 3, C, O]; the epilogue is for the map.
inline void winograd_convolution(const WinogradMap<const float>& in, const WinogradKernel& kernel, Index padding_height,
                                 Index padding_width, const WinogradMap<float>& out,
                                 const ConvolutionEpilogue<float>& epilogue = {}) {
  const Index channels = in.grid.channels;
  const WinogradTiling tiling(out.grid, padding_height, padding_width);
  const auto zeros = Tensor<float>::zeros({channels});
  const WinogradEpilogue finish{epilogue, out.data};
  constexpr Index cache_bytes = Index{1} << 20;
  constexpr std::size_t many = 8;
  const auto blocks =
      winograd_blocks(tiling.count(), in.lines, winograd_block_tiles(channels + out.grid.channels, cache_bytes));
  if (blocks.size() >= many) {
    winograd_convolution_by_tiles(tiling, in, kernel, blocks, zeros.data(), out, finish);
  } else {
    winograd_convolution_by_outputs(tiling, in, kernel, zeros.data(), out, finish);
  }
}

/// S = V^T D of element x, for a part of the inputs and `outputs` outputs from `output` on; or added to S.
inline void winograd_correlate(const WinogradBlock& block, Index x, Index part, Index output, Index outputs,
                               WinogradInputs& v, WinogradRows& d, float* sums, Index sums_stride, bool accumulate) {
  const Index width = 2 * winograd_kernels().lanes;
  WinogradRows& rows = v.rows(part);
  if (accumulate && block.rows(x) == 0) return;
  for (Index o = 0; o < outputs; o += width)
    winograd_kernels().correlate(v.last(part) - v.first(part), rows.row(x, 0), rows.width, d.row(x, 0) + output + o,
                                 d.width, block.rows(x), sums + o, sums_stride, accumulate);
}

/// The gradient [3, 3, C, O] for the kernel, of a map and lines at its seams.
inline void winograd_weight_gradient(const WinogradMap<const float>& in, const WinogradMap<const float>& upstream,
                                     Index padding_height, Index padding_width, float* gradient) {
  const WinogradKernels& kernels = winograd_kernels();
  const Index inputs = in.grid.channels;
  const Index outputs = upstream.grid.channels;
  const Index block_width = 2 * kernels.lanes;
  const Index output_width = chunk_count(outputs, block_width) * block_width;
  const WinogradTiling tiling(upstream.grid, padding_height, padding_width);
  const auto zeros = Tensor<float>::zeros({std::max(inputs, outputs)});
  const auto transform = [&](const WinogradBlock& block, WinogradInputs& v, WinogradRows& d) {
    parallel_for(0, block.size(), 8, [&](Index first, Index last) {
      winograd_transform_inputs(tiling, in, zeros.data(), block, first, last, v);
      winograd_transform_upstream(tiling, upstream, zeros.data(), block, first, last, d);
    });
  };
  // G^T S G of the inputs of a part and of at most `count` outputs; S [36, depth, sums' stride].
  const auto finish = [&](const WinogradInputs& v, Index part, Index output, Index count, const float* sums,
                          Index element_stride, Index sums_stride) {
    for (Index c = v.first(part); c < v.last(part); ++c)
      kernels.kernel_gradient(sums + (c - v.first(part)) * sums_stride, element_stride,
                              std::min(count, outputs - output), gradient + c * outputs + output, inputs * outputs);
  };
  // Outputs that a thread takes at a time.
  const Index grain = 2 * block_width;
  const Index chunks = chunk_count(output_width, grain);

  constexpr Index cache_bytes = Index{4} << 20;
  const Index most = winograd_block_tiles(inputs + outputs, cache_bytes);
  if (tiling.count() <= most) {
    // Few tiles: a thread takes a part of the kernel through all elements, so that S never leaves its cache.
    const WinogradBlock block = whole_block(tiling.count(), in.lines);
    WinogradInputs v(block, inputs);
    WinogradRows d(block, output_width);
    transform(block, v, d);
    parallel_for(0, v.parts() * chunks, 1, [&](Index task, Index) {
      const Index part = task / chunks;
      const Index output = task % chunks * grain;
      const Index count = std::min(grain, output_width - output);
      const Index stride = (v.depth() + 1) * count;  // products take an even number of rows
      Tensor<float> sums({36 * stride});
      for (Index x = 0; x < 36; ++x)
        winograd_correlate(block, x, part, output, count, v, d, sums.data() + x * stride, count, false);
      finish(v, part, output, count, sums.data(), stride, count);
    });
    return;
  }
  // Many tiles: block after block is added to S of the whole kernel, [parts, 36, depth, O], an element a thread.
  const WinogradInputs parts({}, inputs);
  const Index stride = (parts.depth() + 1) * output_width;
  Tensor<float> sums({parts.parts() * 36 * stride});
  bool is_first = true;
  for (const WinogradBlock& block : winograd_blocks(tiling.count(), in.lines, most)) {
    WinogradInputs v(block, inputs);
    WinogradRows d(block, output_width);
    transform(block, v, d);
    parallel_for(0, 36, 1, [&](Index x, Index) {
      for (Index part = 0; part < v.parts(); ++part)
        winograd_correlate(block, x, part, 0, output_width, v, d, sums.data() + (part * 36 + x) * stride, output_width,
                           !is_first);
    });
    is_first = false;
  }
  parallel_for(0, parts.parts() * chunks, 1, [&](Index task, Index) {
    const Index part = task / chunks;
    const Index output = task % chunks * grain;
    finish(parts, part, output, grain, sums.data() + part * 36 * stride + output, stride, output_width);
  });
}

}  // namespace mien::backend
