#pragma once

/// Matrix products whose factors need not be matrices in memory: a problem says what the number of a row and a depth
/// is, which makes a convolution one (implicit GEMM) without its windows ever being written down.
///
/// A block of 256 threads makes 64 x 64 results. Factors pass through shared memory in slices of depth 16; a thread
/// adds up 4 x 4 results in registers, for 8 loads from shared memory and 16 multiplications a step. This is the path
/// for every device and every type; sums are float.
///
/// A Problem has the types Row and Depth, which say where those are and are worked out once for many loads:
/// `Row row(int i)`, `Depth depth(int k)`; the factors, `float left(Row, Depth)` and `float right(int k, int j)`; a
/// place for results, `void store(int split, int i, int j, float)`; and constants that say along which axis a factor's
/// neighbours are neighbours in memory: `rows_adjacent`, rows of the left one or else depths, and `columns_adjacent`,
/// columns of the right one or else depths.

#include "portable.hpp"

namespace mien::kernels {

/// [rows, columns] results of a sum over `depth`, which several blocks may share, `depth_per_split` each.
struct ProductGrid {
  static constexpr int tile = 64;
  static constexpr int threads = 256;

  int rows, columns, depth, depth_per_split;

  __host__ __device__ int row_tiles() const { return (rows + tile - 1) / tile; }
  __host__ __device__ int column_tiles() const { return (columns + tile - 1) / tile; }
  int splits() const { return depth == 0 ? 1 : (depth + depth_per_split - 1) / depth_per_split; }
  Index blocks() const { return static_cast<Index>(row_tiles()) * column_tiles() * splits(); }
};

/// Throws Error where a size is beyond what the kernels count with.
inline ProductGrid product_grid(const char* name, Index rows, Index columns, Index depth, Index depth_per_split) {
  constexpr Index most = Index{1} << 30;
  if (rows > most || columns > most || depth > most)
    throw Error(detail::text("CUDA kernel ", name, ": a product of ", rows, " x ", depth, " x ", columns, ", at most ",
                             most, " each"));
  return {static_cast<int>(rows), static_cast<int>(columns), static_cast<int>(depth),
          static_cast<int>(depth_per_split)};
}

template <class Problem>
__global__ void __launch_bounds__(ProductGrid::threads, 1) multiply_tiles(Problem problem, ProductGrid grid) {
  constexpr int tile = ProductGrid::tile;
  constexpr int threads = ProductGrid::threads;
  constexpr int slice = 16;
  constexpr int pitch = tile + 1;  // neighbouring depths in different banks
  MIEN_SHARED(float, left, slice* pitch);
  MIEN_SHARED(float, right, slice* pitch);

  const int thread = static_cast<int>(threadIdx.x);
  const int block = static_cast<int>(blockIdx.x);
  const int first_column = block % grid.column_tiles() * tile;
  const int first_row = block / grid.column_tiles() % grid.row_tiles() * tile;
  const int split = block / grid.column_tiles() / grid.row_tiles();
  const int first = split * grid.depth_per_split;
  const int last = first + grid.depth_per_split < grid.depth ? first + grid.depth_per_split : grid.depth;

  // A thread loads four numbers of each factor: of one depth and four rows, or of one row and four depths.
  constexpr int loads = slice * tile / threads;
  constexpr int own_rows = Problem::rows_adjacent ? 1 : loads;
  typename Problem::Row rows[own_rows];
  MIEN_UNROLL(4)
  for (int i = 0; i < own_rows; ++i)
    rows[i] =
        problem.row(first_row + (Problem::rows_adjacent ? thread % tile : thread / slice + i * (threads / slice)));

  float sums[4][4] = {};
  for (int start = first; start < last; start += slice) {
    MIEN_UNROLL(4)
    for (int i = 0; i < loads; ++i) {
      const int k = Problem::rows_adjacent ? thread / tile + i * (threads / tile) : thread % slice;
      const int row = Problem::rows_adjacent ? thread % tile : thread / slice + i * (threads / slice);
      const bool inside = start + k < last && first_row + row < grid.rows;
      left[k * pitch + row] = inside ? problem.left(rows[Problem::rows_adjacent ? 0 : i], problem.depth(start + k)) : 0;
    }
    MIEN_UNROLL(4)
    for (int i = 0; i < loads; ++i) {
      const int k = Problem::columns_adjacent ? thread / tile + i * (threads / tile) : thread % slice;
      const int column = Problem::columns_adjacent ? thread % tile : thread / slice + i * (threads / slice);
      const bool inside = start + k < last && first_column + column < grid.columns;
      right[k * pitch + column] = inside ? problem.right(start + k, first_column + column) : 0;
    }
    __syncthreads();
    MIEN_UNROLL(16)
    for (int k = 0; k < slice; ++k) {
      float of_rows[4];
      float of_columns[4];
      MIEN_UNROLL(4)
      for (int i = 0; i < 4; ++i) {
        of_rows[i] = left[k * pitch + thread / 16 * 4 + i];
        of_columns[i] = right[k * pitch + thread % 16 + 16 * i];
      }
      MIEN_UNROLL(4)
      for (int i = 0; i < 4; ++i) {
        MIEN_UNROLL(4)
        for (int j = 0; j < 4; ++j) sums[i][j] += of_rows[i] * of_columns[j];
      }
    }
    __syncthreads();
  }
  MIEN_UNROLL(4)
  for (int i = 0; i < 4; ++i) {
    MIEN_UNROLL(4)
    for (int j = 0; j < 4; ++j) {
      const int row = first_row + thread / 16 * 4 + i;
      const int column = first_column + thread % 16 + 16 * j;
      if (row < grid.rows && column < grid.columns) problem.store(split, row, column, sums[i][j]);
    }
  }
}

template <class Problem>
void multiply(const char* name, const Problem& problem, const ProductGrid& grid, cudaStream_t stream) {
  launch(name, multiply_tiles<Problem>, grid.blocks(), ProductGrid::threads, stream, problem, grid);
}

}  // namespace mien::kernels
