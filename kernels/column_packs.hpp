#pragma once

/// Work on maps [batch, rows, columns] column by column, 16 bytes a load: a thread takes a pack of neighbouring columns
/// in several rows, whose loads are under way together, and neighbouring threads take neighbouring packs. Where packs
/// do not fit, a pack is one number.

#include <type_traits>

#include "columns.hpp"
#include "divisor.hpp"
#include "packs.hpp"

namespace mien::kernels {

/// Whether rows of so many numbers of type T are packs, in all that is taken by column.
template <class T, class... Data>
bool fits_packs(Index columns, const Data*... data) {
  constexpr int width = widest_pack<T>;
  return columns % width == 0 && (holds_packs<width>(data) && ...);
}

/// body(the widest pack's width or 1, as a constant)
template <class T, class Body>
void with_pack_width(bool packs, const Body& body) {
  if (packs) {
    body(std::integral_constant<int, widest_pack<T>>{});
  } else {
    body(std::integral_constant<int, 1>{});
  }
}

/// Zeros where there is no array.
template <int width, class T>
__device__ inline Pack<T, width> pack_or_zeros(const T* data, Index place) {
  if (data == nullptr) return {};
  return load_pack<width>(data + place, width);
}

/// Rows of one or two maps that a thread reads before it works on the first of them.
template <int width>
inline constexpr int rows_under_way = width > 1 ? 4 : 8;

/// How a grid is laid over [batch, rows, columns]: the threads of a block take as many rows as they can, so that
/// narrow maps keep nearly all of them busy.
template <class Body>
struct VisitGrid {
  static constexpr int threads = 256;
  static constexpr int width = Body::width;

  Index rows, packs;
  Index batch, pack_groups, row_groups;
  Divisor by_pack_groups, by_row_groups, across;
  int down;

  VisitGrid(Index entries, Index all_rows, Index columns)
      : rows(all_rows),
        packs(columns / width),
        batch(entries),
        pack_groups(groups(packs, threads)),
        row_groups(0),
        by_pack_groups(pack_groups),
        by_row_groups(0),
        across(packs == 0 ? 1 : groups(packs, pack_groups)),
        down(threads / across.value()) {
    row_groups = groups(rows, static_cast<Index>(down) * Body::rows);
    by_row_groups = Divisor(row_groups);
  }

  Index blocks() const { return batch * row_groups * pack_groups; }
};

template <class Body>
__global__ void __launch_bounds__(VisitGrid<Body>::threads, 1) visit_columns(Body body, VisitGrid<Body> grid) {
  constexpr int width = Body::width;
  constexpr int count = Body::rows;
  const Division thread = grid.across.divide(static_cast<int>(threadIdx.x));
  const Division group = grid.by_pack_groups.divide(static_cast<int>(blockIdx.x));
  const Division part = grid.by_row_groups.divide(group.quotient);
  const int down = thread.quotient;
  const Index pack = static_cast<Index>(group.remainder) * grid.across.value() + thread.remainder;
  const Index row = static_cast<Index>(part.remainder) * grid.down * count + down;
  if (down >= grid.down || pack >= grid.packs) return;

  const auto columns = body.at(part.quotient, pack * width);
  const Index place = ((part.quotient * grid.rows + row) * grid.packs + pack) * width;
  const Index step = grid.down * grid.packs * width;
  typename Body::Inputs rows[count];
  MIEN_UNROLL(count)
  for (int k = 0; k < count; ++k)
    if (row + k * grid.down < grid.rows) rows[k] = columns.load(place + k * step);
  MIEN_UNROLL(count)
  for (int k = 0; k < count; ++k)
    if (row + k * grid.down < grid.rows) columns.store(row + k * grid.down, place + k * step, rows[k]);
}

/// `body.at(entry, column)` gives what stands for Body::width columns from that one on. For each row of the entry its
/// `store(row, place, load(place))` is called, with the place in the map, of Body::rows rows together; `load` gives
/// Body::Inputs.
template <class Body>
void visit_all_columns(const char* name, Index batch, Index rows, Index columns, const Body& body,
                       cudaStream_t stream) {
  const VisitGrid<Body> grid(batch, rows, columns);
  launch(name, visit_columns<Body>, grid.blocks(), grid.threads, stream, body, grid);
}

/// How a grid is laid over [batch, rows, columns] for sums over rows: in blocks of at most 64 columns and a chunk of an
/// entry's rows. Which rows are added up in which order follows from the sizes and `widest` alone, so that packs and
/// single numbers give the same bits.
struct PackReductionGrid {
  static constexpr int threads = 256;

  Index batch, rows, columns, rows_per_chunk;
  int across, down;  // threads of a block

  /// `widest` is the widest pack of the map's type.
  PackReductionGrid(Index entries, Index all_rows, Index all_columns, int widest)
      : batch(entries), rows(all_rows), columns(all_columns), rows_per_chunk(0), across(1), down(0) {
    constexpr Index most_columns = 64;
    constexpr Index most_blocks = 512;  // enough for the largest devices
    constexpr Index fewest_rows = 128;
    const Index column_groups = groups(columns, most_columns);
    const Index sums = batch * column_groups;
    const Index most_chunks = sums > 0 && sums < most_blocks ? most_blocks / sums : 1;
    const Index even = groups(rows, most_chunks);
    rows_per_chunk = even > fewest_rows ? even : fewest_rows;
    const Index packs = columns % widest == 0 ? columns / widest : columns;
    if (packs > 0) across = static_cast<int>(groups(packs, column_groups));
    down = threads / across;
  }

  /// One, without a row, where there are none: sums are zeros then.
  __host__ __device__ Index chunks() const { return rows == 0 ? 1 : groups(rows, rows_per_chunk); }
  __host__ __device__ Index pack_groups(int width) const { return groups(columns, static_cast<Index>(across) * width); }
  Index blocks(int width) const { return batch * chunks() * pack_groups(width); }
};

/// Sums of chunks, for every entry and column, that a reduction keeps in memory: whatever the type of the map.
inline Index partial_sums(Index batch, Index rows, Index columns) {
  return batch * PackReductionGrid(batch, rows, columns, 1).chunks() * columns;
}

/// Adds rows first, first + step and so on up to `last` to what `columns` has summed.
template <class Term, class Columns>
__device__ inline void add_rows(Columns& columns, Index first, Index last, int step) {
  constexpr int count = Term::rows;
  for (Index row = first; row < last; row += static_cast<Index>(count) * step) {
    typename Term::Inputs rows[count];
    MIEN_UNROLL(count)
    for (int k = 0; k < count; ++k)
      if (row + k * step < last) rows[k] = columns.load(row + k * step);
    MIEN_UNROLL(count)
    for (int k = 0; k < count; ++k)
      if (row + k * step < last) columns.add(row + k * step, rows[k]);
  }
}

/// Merges sums[number of a pack][thread] of a block's `down` rows of `across` threads into the first row's. A team of
/// threads takes a number of the packs: neighbours read neighbouring sums.
template <int width, class Sums>
__device__ inline void merge_rows(Sums& sums, int across, int down) {
  constexpr int threads = PackReductionGrid::threads;
  constexpr int team = threads / width;
  const int of_team = static_cast<int>(threadIdx.x) / team * threads;
  int half = 1;
  while (2 * half < down) half *= 2;
  __syncthreads();
  for (; half > 0; half /= 2) {
    const int by = half * across;
    for (int i = static_cast<int>(threadIdx.x) % team; i < by && i + by < down * across; i += team)
      sums[of_team + i].merge(sums[of_team + i + by]);
    down = half;
    __syncthreads();
  }
}

template <class Term, class Finish>
__global__ void __launch_bounds__(PackReductionGrid::threads, 1)
    reduce_packs(Term term, PackReductionGrid grid, Finish finish) {
  constexpr int width = Term::width;
  constexpr int threads = PackReductionGrid::threads;
  using Sum = typename Term::Sum;
  MIEN_SHARED(Sum, sums, width * threads);
  const int thread = static_cast<int>(threadIdx.x);
  const Index chunk = static_cast<Index>(blockIdx.x) / grid.pack_groups(width);
  const Index entry = chunk / grid.chunks();
  const Index first_column = (blockIdx.x - chunk * grid.pack_groups(width)) * grid.across * width;
  const Index first = (chunk - entry * grid.chunks()) * grid.rows_per_chunk;
  const Index last = first + grid.rows_per_chunk < grid.rows ? first + grid.rows_per_chunk : grid.rows;
  const int lane = thread / grid.across;
  const Index column = first_column + (thread - lane * grid.across) * width;
  if (lane < grid.down && column < grid.columns) {
    auto columns = term.at(entry, column);
    add_rows<Term>(columns, first + lane, last, grid.down);
    MIEN_UNROLL(width)
    for (int i = 0; i < width; ++i) sums[i * threads + thread] = columns.sum(i);
  }
  merge_rows<width>(sums, grid.across, grid.down);
  if (thread < grid.across * width && first_column + thread < grid.columns)
    finish(chunk, first_column + thread, sums[thread % width * threads + thread / width]);
}

/// Sums over all rows of each entry, given to `finish(entry, column, sum)`. `term.at(entry, column)` gives what adds up
/// Term::width columns from that one on: `add(row, load(row))` for rows of the entry, of Term::rows together, then
/// `sum(number of the pack)`.
/// `partial` has room for `partial_sums`.
template <class Term, class Finish>
void reduce_all_packs(const char* name, const Term& term, const PackReductionGrid& grid, typename Term::Sum* partial,
                      const Finish& finish, cudaStream_t stream) {
  constexpr int lanes = 32;
  using Partial = PartialSums<typename Term::Sum>;
  const Partial sums{partial, grid.columns};
  launch(name, reduce_packs<Term, Partial>, grid.blocks(Term::width), grid.threads, stream, term, grid, sums);
  ColumnGrid last(grid.chunks(), grid.columns, 1, 1);
  last.batch = grid.batch;
  launch(name, reduce_columns<lanes, Partial, Finish>, last.blocks(), lanes * warp_threads, stream, sums, last, finish);
}

}  // namespace mien::kernels
