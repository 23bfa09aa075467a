#pragma once

/// Matrix products whose factors need not be matrices in memory: a problem says where the number of a row and a depth
/// is, which makes a convolution one (implicit GEMM) without its windows ever being written down.
///
/// A block makes a tile of results. Its threads bring slices of both factors to shared memory, in runs of neighbours:
/// the next slice is on its way to registers while the one before is multiplied, and with two slices in shared memory a
/// barrier a slice is enough (slice_loader.hpp). There are two kernels:
/// - `multiply_tiles`, exact products of floats: 64 x 64 results by 256 threads, slices 16 deep, 20 to 23 KB. A thread
///   adds up 4 x 4 results, for 8 loads of 16 bytes from shared memory and 64 multiplications each four steps.
/// - `multiply_tensor_tiles`, on tensor cores, for factors of 16 bits and floats that may be rounded: 128 x 64 results
///   by four warps of 64 x 32, slices of 64 bytes, 17 to 36 KB; the registers, some 180, leave two blocks to an SM. A
///   warp loads 6 fragments of 512 bytes for 8 products of 4096 multiplications: 11 for each byte from shared memory,
///   of which it takes 8 to keep the tensor cores of an A100 busy. A block reads 192 numbers of each depth for 8192
///   multiplications: 21 for each byte from the second cache, if numbers have 16 bits.
/// Sums are float. The terms of one are added in an order that the sizes alone decide.
///
/// A Problem has
/// - the types Left and Right of its factors' numbers, and Row, Depth and Column, which say where those are and are
///   worked out once for many loads: `Row row(int i)`, `Depth depth(int k)`, `Column column(int j)`;
/// - the factors: `const Left* left(Row, Depth)` and `const Right* right(Depth, Column)`, null for zero;
/// - constants that say along which axis a factor's neighbours are neighbours in memory: `rows_adjacent`, rows of the
///   left one or else depths, and `columns_adjacent`, columns of the right one or else depths;
/// - `left_run` and `right_run`: how many numbers along that axis, from a multiple of this on, always lie next to each
///   other, from a multiple of 16 bytes on, and are zero only together: a multiple of eight that divides the axis, or
///   0;
/// - the results: `Index place(int i)` of a row, and `Result result(int j)` of a column, with `float finish(Index
///   place, float sum)`, which may read what the result is added to, and `store(Index place, float value)`. Many are
///   finished before the first is stored, so that reads do not wait for each other;
/// - where several products are one launch, `move_to(int product)`.

#include "slice_loader.hpp"

#include "mien/backend/cuda/kernels/product_precision.hpp"

namespace mien::kernels {

/// Products of [rows, depth] and [depth, columns], whose depth several blocks may share, `depth_per_split` each.
struct ProductGrid {
  int rows, columns, depth, depth_per_split, products;

  __host__ __device__ int splits() const { return depth == 0 ? 1 : (depth + depth_per_split - 1) / depth_per_split; }
  template <class Tile>
  __host__ __device__ int row_tiles() const {
    return (rows + Tile::rows - 1) / Tile::rows;
  }
  template <class Tile>
  __host__ __device__ int column_tiles() const {
    return (columns + Tile::columns - 1) / Tile::columns;
  }
  template <class Tile>
  Index blocks() const {
    return static_cast<Index>(row_tiles<Tile>()) * column_tiles<Tile>() * products * splits();
  }
  __host__ __device__ Index results() const { return static_cast<Index>(products) * rows * columns; }
  /// Floats for the parts of results whose depth is shared.
  Index workspace() const { return splits() > 1 ? splits() * results() : 0; }
};

/// Throws Error where a size is beyond what the kernels count with.
inline ProductGrid product_grid(const char* name, Index rows, Index columns, Index depth, Index products = 1) {
  constexpr Index most = Index{1} << 30;
  if (rows > most || columns > most || depth > most || products > most)
    throw Error(detail::text("CUDA kernel ", name, ": ", products, " products of ", rows, " x ", depth, " x ", columns,
                             ", at most ", most, " each"));
  return {static_cast<int>(rows), static_cast<int>(columns), static_cast<int>(depth), static_cast<int>(depth),
          static_cast<int>(products)};
}

/// The same with so many splits that the tiles of few results keep a device busy.
inline ProductGrid split_product_grid(const char* name, Index rows, Index columns, Index depth, Index products = 1) {
  constexpr Index blocks = 512;
  constexpr Index shortest = 256;
  constexpr Index tile = 64;
  constexpr Index whole_slices = 32;
  ProductGrid grid = product_grid(name, rows, columns, depth, products);
  const Index tiles = products * groups(rows, tile) * groups(columns, tile);
  const Index even = groups(groups(depth, groups(blocks, tiles > 0 ? tiles : 1)), whole_slices) * whole_slices;
  grid.depth_per_split = static_cast<int>(even > shortest ? even : shortest);
  return grid;
}

/// A column of results that are stored as they are.
template <class T>
struct StoreResult {
  T* column;

  __device__ float finish(Index, float sum) const { return sum; }
  __device__ void store(Index place, float value) const { column[place] = from_float<T>(value); }
};

/// One of results that are added to what is there.
template <class T>
struct AddResult {
  T* column;

  __device__ float finish(Index place, float sum) const { return to_float(column[place]) + sum; }
  __device__ void store(Index place, float value) const { column[place] = from_float<T>(value); }
};

/// The run of lines of so many numbers that follow each other without gaps.
template <class T>
int run_of(const T* data, Index length) {
  return length % 8 == 0 && reinterpret_cast<std::uintptr_t>(data) % 16 == 0 ? static_cast<int>(length) : 0;
}

/// Whether runs still begin at a multiple of 16 bytes so many numbers on.
template <class T>
bool keeps_runs(Index step) {
  return step * static_cast<Index>(sizeof(T)) % 16 == 0;
}

/// What a block makes: a tile of a product, over a split of the depth.
template <class Tile>
struct TilePart {
  int first_row, first_column, product, split, first, last;

  __device__ explicit TilePart(const ProductGrid& grid) {
    int block = static_cast<int>(blockIdx.x);
    const auto next = [&](int count) {
      const int i = block % count;
      block /= count;
      return i;
    };
    first_column = next(grid.column_tiles<Tile>()) * Tile::columns;
    first_row = next(grid.row_tiles<Tile>()) * Tile::rows;
    product = next(grid.products);
    split = block;
    first = split * grid.depth_per_split;
    last = grid.depth - first < grid.depth_per_split ? grid.depth : first + grid.depth_per_split;
  }
};

/// A side of a product as what loads it sees it: numbers at positions, which are rows or columns, and depths.
template <class Problem>
struct LeftSide {
  using Number = typename Problem::Left;
  using Position = typename Problem::Row;
  using Depth = typename Problem::Depth;
  static constexpr bool depth_adjacent = !Problem::rows_adjacent;

  const Problem& problem;

  __device__ int run() const { return problem.left_run; }
  __device__ Position position(int i) const { return problem.row(i); }
  __device__ const Number* at(const Position& row, const Depth& depth) const { return problem.left(row, depth); }
};

template <class Problem>
struct RightSide {
  using Number = typename Problem::Right;
  using Position = typename Problem::Column;
  using Depth = typename Problem::Depth;
  static constexpr bool depth_adjacent = !Problem::columns_adjacent;

  const Problem& problem;

  __device__ int run() const { return problem.right_run; }
  __device__ Position position(int j) const { return problem.column(j); }
  __device__ const Number* at(const Position& column, const Depth& depth) const { return problem.right(depth, column); }
};

/// Sums of some rows of a column, from `row` on: to where results go, or to the parts of a shared depth. `places` are
/// those of the tile's rows.
template <int count, class Problem, class Tile>
__device__ inline void finish_sums(const Problem& problem, const ProductGrid& grid, const TilePart<Tile>& part,
                                   const Index* places, float* parts, int row, int column, const float (&sums)[count]) {
  if (column >= grid.columns) return;
  if (parts != nullptr) {
    const Index line = (static_cast<Index>(part.split) * grid.products + part.product) * grid.rows + row;
    MIEN_UNROLL(count)
    for (int i = 0; i < count; ++i)
      if (row + i < grid.rows) parts[(line + i) * grid.columns + column] = sums[i];
    return;
  }
  const auto result = problem.result(column);
  float values[count];
  MIEN_UNROLL(count)
  for (int i = 0; i < count; ++i)
    if (row + i < grid.rows) values[i] = result.finish(places[row - part.first_row + i], sums[i]);
  MIEN_UNROLL(count)
  for (int i = 0; i < count; ++i)
    if (row + i < grid.rows) result.store(places[row - part.first_row + i], values[i]);
}

/// The problem of one product among those of a launch.
template <class Problem>
__device__ inline void select_product(Problem& problem, int product) {
  if constexpr (requires { problem.move_to(product); }) problem.move_to(product);
}

/// Tiles for all devices.
template <class Problem>
struct PlainTile {
  static constexpr int rows = 64;
  static constexpr int columns = 64;
  static constexpr int threads = 256;
  static constexpr int slice = 16;

  using Left = SliceLoader<LeftSide<Problem>, float, rows, slice, 4, threads>;
  using Right = SliceLoader<RightSide<Problem>, float, columns, slice, 4, threads>;
};

/// Numbers of four positions, `step` apart, and four depths. Positions along a line have to be neighbours.
template <class Loader, int step>
__device__ inline void read_block(const float* slice, int position, int k, float (&numbers)[4][4]) {
  static_assert(Loader::depth_adjacent || step == 1);
  MIEN_UNROLL(4)
  for (int line = 0; line < 4; ++line) {
    const int offset =
        Loader::depth_adjacent ? Loader::offset(position + line * step, k) : Loader::offset(position, k + line);
    Run<float, 4> run;
    run.read(slice + offset);
    MIEN_UNROLL(4)
    for (int e = 0; e < 4; ++e) (Loader::depth_adjacent ? numbers[line][e] : numbers[e][line]) = run.numbers[e];
  }
}

template <class Problem>
__global__ void __launch_bounds__(PlainTile<Problem>::threads, 1)
    multiply_tiles(Problem problem, ProductGrid grid, float* parts) {
  using Tile = PlainTile<Problem>;
  using Left = typename Tile::Left;
  using Right = typename Tile::Right;
  using Row = typename Problem::Row;
  using Column = typename Problem::Column;
  using Depth = typename Problem::Depth;
  MIEN_SHARED(SharedLine, left_slices, 2 * Left::lines);
  MIEN_SHARED(SharedLine, right_slices, 2 * Right::lines);
  MIEN_SHARED(Row, rows, Tile::rows);
  MIEN_SHARED(Column, columns, Tile::columns);
  MIEN_SHARED(Depth, depths, 2 * Tile::slice);
  MIEN_SHARED(Index, places, Tile::rows);

  const TilePart<Tile> part(grid);
  select_product(problem, part.product);
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < Tile::rows && part.first_row + thread < grid.rows)
    places[thread] = problem.place(part.first_row + thread);

  // Columns that are 16 apart are in lines of different banks.
  constexpr int column_step = Right::depth_adjacent ? 16 : 1;
  const int row = thread / 16 * 4;
  const int column = thread % 16 * (Right::depth_adjacent ? 1 : 4);
  float sums[4][4] = {};  // by column
  Left left({problem}, &rows[0], part.first_row, grid.rows);
  Right right({problem}, &columns[0], part.first_column, grid.columns);
  const auto add_slices = [&](const float* left_slice, const float* right_slice) {
    MIEN_UNROLL(4)
    for (int k = 0; k < Tile::slice; k += 4) {
      float of_rows[4][4];
      float of_columns[4][4];
      read_block<Left, 1>(left_slice, row, k, of_rows);
      read_block<Right, column_step>(right_slice, column, k, of_columns);
      MIEN_UNROLL(4)
      for (int step = 0; step < 4; ++step) {
        MIEN_UNROLL(4)
        for (int j = 0; j < 4; ++j) {
          MIEN_UNROLL(4)
          for (int i = 0; i < 4; ++i) sums[j][i] += of_rows[i][step] * of_columns[j][step];
        }
      }
    }
  };
  for_slices<float>(problem, part, left, right, &left_slices[0], &right_slices[0], &depths[0], add_slices);
  MIEN_UNROLL(4)
  for (int j = 0; j < 4; ++j)
    finish_sums(problem, grid, part, &places[0], parts, part.first_row + row,
                part.first_column + column + j * column_step, sums[j]);
}

/// Tiles for tensor cores; slices are 64 bytes deep as the factors lie in memory.
template <class Problem, class Factor>
struct TensorTile {
  static constexpr int rows = 128;
  static constexpr int columns = 64;
  static constexpr int threads = 128;
  static constexpr int warp_rows = 64;
  static constexpr int warp_columns = 32;

  using Stored = typename StoredFactor<Factor>::Type;
  static constexpr bool is_small = sizeof(typename Problem::Left) == 2 && sizeof(typename Problem::Right) == 2;
  static constexpr int slice = is_small ? 32 : 16;

  using Left = SliceLoader<LeftSide<Problem>, Stored, rows, slice, 8, threads>;
  using Right = SliceLoader<RightSide<Problem>, Stored, columns, slice, 8, threads>;

  // Results pass through shared memory on their way out, where slices were before.
  static constexpr int result_rows = 16;
  static constexpr int result_pitch = warp_columns + 8;
  static constexpr int result_lines =
      threads / warp_threads * result_rows * result_pitch * static_cast<int>(sizeof(float)) / 32;
  static constexpr int left_lines = 2 * Left::lines > result_lines ? 2 * Left::lines : result_lines;
};

/// The products of a warp: fragments of 16 x 16 results.
template <class Tile, class Factor>
struct WarpSums {
  static constexpr int high = Tile::warp_rows / 16;
  static constexpr int wide = Tile::warp_columns / 16;
  using Left = typename Tile::Left;
  using Right = typename Tile::Right;
  using Stored = typename Tile::Stored;

  SumFragment<Factor> sums[high][wide];

  __device__ void clear() {
    for (auto& line : sums)
      for (auto& fragment : line) fragment.clear();
  }

  __device__ void add_slices(const Stored* left_slice, const Stored* right_slice, int row, int column) {
    constexpr int depth = StoredFactor<Factor>::fragment_depth;
    MIEN_UNROLL(4)
    for (int k = 0; k < Left::slice; k += depth) {
      RightFragment<Factor, Right::depth_adjacent> right[wide];
      MIEN_UNROLL(wide)
      for (int j = 0; j < wide; ++j) right[j].load(right_slice + Right::offset(column + 16 * j, k), Right::pitch);
      MIEN_UNROLL(high)
      for (int i = 0; i < high; ++i) {
        LeftFragment<Factor, Left::depth_adjacent> left;
        left.load(left_slice + Left::offset(row + 16 * i, k), Left::pitch);
        MIEN_UNROLL(wide)
        for (int j = 0; j < wide; ++j) sums[i][j].add_product(left, right[j]);
      }
    }
  }
};

template <class Factor, class Problem>
__global__ void __launch_bounds__((TensorTile<Problem, Factor>::threads), 1)
    multiply_tensor_tiles(Problem problem, ProductGrid grid, float* parts) {
  using Tile = TensorTile<Problem, Factor>;
  using Stored = typename Tile::Stored;
  using Row = typename Problem::Row;
  using Column = typename Problem::Column;
  using Depth = typename Problem::Depth;
  MIEN_SHARED(SharedLine, left_slices, Tile::left_lines);
  MIEN_SHARED(SharedLine, right_slices, 2 * Tile::Right::lines);
  MIEN_SHARED(Row, rows, Tile::rows);
  MIEN_SHARED(Column, columns, Tile::columns);
  MIEN_SHARED(Depth, depths, 2 * Tile::slice);
  MIEN_SHARED(Index, places, Tile::rows);

  const TilePart<Tile> part(grid);
  select_product(problem, part.product);
  const int thread = static_cast<int>(threadIdx.x);
  if (part.first_row + thread < grid.rows) places[thread] = problem.place(part.first_row + thread);

  constexpr int warps_across = Tile::columns / Tile::warp_columns;
  const int warp = thread / warp_threads;
  const int lane = thread % warp_threads;
  const int row = warp / warps_across * Tile::warp_rows;
  const int column = warp % warps_across * Tile::warp_columns;
  const bool has_results = part.first_row + row < grid.rows && part.first_column + column < grid.columns;
  WarpSums<Tile, Factor> warp_sums;
  warp_sums.clear();
  typename Tile::Left left({problem}, &rows[0], part.first_row, grid.rows);
  typename Tile::Right right({problem}, &columns[0], part.first_column, grid.columns);
  const auto add_slices = [&](const Stored* left_slice, const Stored* right_slice) {
    if (has_results) warp_sums.add_slices(left_slice, right_slice, row, column);
  };
  for_slices<Factor>(problem, part, left, right, &left_slices[0], &right_slices[0], &depths[0], add_slices);

  // Sixteen rows at a time; a lane takes a column.
  __syncthreads();
  constexpr int pitch = Tile::result_pitch;
  float* const results = reinterpret_cast<float*>(&left_slices[0]) + warp * Tile::result_rows * pitch;
  MIEN_UNROLL(4)
  for (int i = 0; i < warp_sums.high; ++i) {
    for (int j = 0; j < warp_sums.wide; ++j) warp_sums.sums[i][j].store(results + 16 * j, pitch);
    __syncwarp();
    float sums[Tile::result_rows];
    MIEN_UNROLL(16)
    for (int r = 0; r < Tile::result_rows; ++r) sums[r] = results[r * pitch + lane];
    finish_sums(problem, grid, part, &places[0], parts, part.first_row + row + 16 * i,
                part.first_column + column + lane, sums);
    __syncwarp();
  }
}

template <class Problem>
__global__ void __launch_bounds__(256, 1) add_parts(Problem problem, ProductGrid grid, const float* parts) {
  const Index i = static_cast<Index>(blockIdx.x) * 256 + threadIdx.x;
  if (i >= grid.results()) return;
  float sum = 0;
  MIEN_UNROLL(8)
  for (int split = 0; split < grid.splits(); ++split) sum += parts[split * grid.results() + i];
  const Index line = i / grid.columns;
  select_product(problem, static_cast<int>(line / grid.rows));
  const Index place = problem.place(static_cast<int>(line % grid.rows));
  const auto result = problem.result(static_cast<int>(i % grid.columns));
  result.store(place, result.finish(place, sum));
}

/// Lets tiles of a Kernel's be made, and adds up the parts of splits.
template <class Tile, class Kernel, class Problem>
void launch_product(const char* name, Kernel kernel, const Problem& problem, const ProductGrid& grid, float* workspace,
                    cudaStream_t stream) {
  float* const parts = grid.splits() > 1 ? workspace : nullptr;
  launch(name, kernel, grid.blocks<Tile>(), Tile::threads, stream, problem, grid, parts);
  if (parts != nullptr)
    launch(name, add_parts<Problem>, groups(grid.results(), 256), 256, stream, problem, grid, parts);
}

template <class Factor, class Problem>
void multiply_on_tensor_cores(const char* name, const Problem& problem, const ProductGrid& grid, float* workspace,
                              cudaStream_t stream) {
  launch_product<TensorTile<Problem, Factor>>(name, multiply_tensor_tiles<Factor, Problem>, problem, grid, workspace,
                                              stream);
}

/// With factors that are T, or float beside such, which become T as well unless T is float. `workspace` has room for
/// the parts of splits.
template <class T, class Problem>
void multiply(const char* name, const Problem& problem, const ProductGrid& grid, float* workspace,
              cudaStream_t stream) {
  if constexpr (std::is_same_v<T, float>) {
    launch_product<PlainTile<Problem>>(name, multiply_tiles<Problem>, problem, grid, workspace, stream);
  } else {
    multiply_on_tensor_cores<T>(name, problem, grid, workspace, stream);
  }
}

/// The same with floats rounded to `precision`.
template <class T, class Problem>
void multiply(const char* name, const Problem& problem, const ProductGrid& grid, ProductPrecision precision,
              float* workspace, cudaStream_t stream) {
  if constexpr (std::is_same_v<T, float>) {
    if (precision == ProductPrecision::tf32)
      return multiply_on_tensor_cores<TensorFloat32>(name, problem, grid, workspace, stream);
    if (precision == ProductPrecision::bfloat16)
      return multiply_on_tensor_cores<__nv_bfloat16>(name, problem, grid, workspace, stream);
  }
  multiply<T>(name, problem, grid, workspace, stream);
}

}  // namespace mien::kernels
