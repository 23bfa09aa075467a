#pragma once

/// Work on the columns of [rows, columns], as batch normalisation and biases have it: a warp reads 32 neighbouring
/// columns of a row, so that every load takes whole lines, and the warps of a block take rows in turn.

#include "portable.hpp"

namespace mien::kernels {

/// How a grid is laid over [batch, rows, columns]: blocks of `lanes` warps, 32 columns each, and a chunk of a batch
/// entry's rows.
struct ColumnGrid {
  Index rows, columns;
  Index batch = 1;
  Index column_groups;
  Index rows_per_chunk;

  /// At most `most_chunks` chunks, of at least `fewest_rows` rows: by the shape alone, so that sums have one order.
  ColumnGrid(Index all_rows, Index all_columns, Index most_chunks, Index fewest_rows)
      : rows(all_rows), columns(all_columns), column_groups(groups(all_columns, warp_threads)), rows_per_chunk(0) {
    const Index even = groups(rows, most_chunks);
    rows_per_chunk = even > fewest_rows ? even : fewest_rows;
  }

  /// One, without a row, where there are none: sums are zeros then.
  __host__ __device__ Index chunks() const { return rows == 0 ? 1 : groups(rows, rows_per_chunk); }
  Index blocks() const { return batch * column_groups * chunks(); }
};

/// The part of a grid that a thread takes: one column, and every `step`-th row from the first on. Chunks and rows are
/// counted through the whole batch.
struct ColumnPart {
  Index chunk, column, first, last;
  int lane;

  __device__ explicit ColumnPart(const ColumnGrid& grid)
      : chunk(static_cast<Index>(blockIdx.x) / grid.column_groups),
        column(static_cast<Index>(blockIdx.x) % grid.column_groups * warp_threads + threadIdx.x % warp_threads),
        first(chunk / grid.chunks() * grid.rows + chunk % grid.chunks() * grid.rows_per_chunk),
        last(first + grid.rows_per_chunk),
        lane(static_cast<int>(threadIdx.x) / warp_threads) {
    const Index end = (chunk / grid.chunks() + 1) * grid.rows;
    if (last > end) last = end;
  }
};

/// finish(chunk, column, sum of the chunk): the sum over a chunk's rows of `term(column, first, last, step)`, which
/// adds up every step-th of them. A Sum has `merge`, and is zero as `Sum{}`. `lanes` is a power of two.
template <int lanes, class Term, class Finish>
__global__ void __launch_bounds__(lanes* warp_threads, 1) reduce_columns(Term term, ColumnGrid grid, Finish finish) {
  using Sum = typename Term::Sum;
  MIEN_SHARED(Sum, sums, lanes * warp_threads);
  const ColumnPart part(grid);
  Sum sum = {};
  if (part.column < grid.columns) sum = term(part.column, part.first + part.lane, part.last, lanes);
  sums[threadIdx.x] = sum;
  __syncthreads();
  for (int by = lanes / 2; by > 0; by /= 2) {
    if (part.lane < by) sums[threadIdx.x].merge(sums[threadIdx.x + by * warp_threads]);
    __syncthreads();
  }
  if (part.lane == 0 && part.column < grid.columns) finish(part.chunk, part.column, sums[threadIdx.x]);
}

/// Sums of chunks [chunks, columns], in memory between the two kernels of a reduction.
template <class AnySum>
struct PartialSums {
  using Sum = AnySum;
  Sum* sums;
  Index columns;

  __device__ void operator()(Index chunk, Index column, const Sum& sum) const { sums[chunk * columns + column] = sum; }
  __device__ Sum operator()(Index column, Index first, Index last, int step) const {
    Sum sum = {};
    MIEN_UNROLL(4)
    for (Index chunk = first; chunk < last; chunk += step) sum.merge(sums[chunk * columns + column]);
    return sum;
  }
};

/// A row that is work in itself wants fewer of them in a chunk.
inline ColumnGrid reduction_grid(Index rows, Index columns, Index fewest_rows = 64) {
  constexpr Index blocks = 512;  // enough for the largest devices
  const Index column_groups = groups(columns, warp_threads);
  return {rows, columns, column_groups > 0 && column_groups < blocks ? blocks / column_groups : 1, fewest_rows};
}

/// Sums over all rows of each batch entry, given to `finish(entry, column, sum)`. `partial` has room for a sum of each
/// entry, chunk and column.
template <class Term, class Finish>
void reduce_all_columns(const char* name, const Term& term, const ColumnGrid& grid, typename Term::Sum* partial,
                        const Finish& finish, cudaStream_t stream) {
  constexpr int lanes = 8;
  constexpr int many_lanes = 32;
  using Partial = PartialSums<typename Term::Sum>;
  const Partial sums{partial, grid.columns};
  launch(name, reduce_columns<lanes, Term, Partial>, grid.blocks(), lanes * warp_threads, stream, term, grid, sums);
  ColumnGrid last(grid.chunks(), grid.columns, 1, 1);
  last.batch = grid.batch;
  launch(name, reduce_columns<many_lanes, Partial, Finish>, last.blocks(), many_lanes * warp_threads, stream, sums,
         last, finish);
}

}  // namespace mien::kernels
