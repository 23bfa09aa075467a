#pragma once

/// Matrices of few columns, seen so that vector instructions have enough to do.

#include <algorithm>
#include <numeric>

#include "mien/backend/cpu/eigen.hpp"
#include "mien/core/threads.hpp"

namespace mien::backend {

/// Rows that a thread takes at a time of a matrix with this many columns.
inline Index row_grain(Index columns) { return std::max<Index>(1, elementwise_grain / std::max<Index>(1, columns)); }

/// Rows of a matrix that has so many elements; none where the rows have no columns.
inline Index row_count(Index elements, Index columns) { return columns == 0 ? 0 : elements / columns; }

/// A matrix [rows, channels] without gaps as one of fewer, wider rows, each some of the former one after the other: a
/// whole number of vectors, and several, whatever the number of channels. Some of the former rows may be left over.
///
/// The matrix is cut into parts, by its shape alone: chunks of wide rows, and what is left over.
struct WideRows {
  WideRows(Index matrix_rows, Index matrix_channels, Index lanes) : channels(matrix_channels) {
    constexpr Index enough = 64;
    constexpr Index plenty = 256;  // where a last vector that is not full costs little
    if (channels > 0 && channels < plenty) {
      repeats = lanes / std::gcd(channels, lanes);
      while (repeats * channels < enough) repeats *= 2;
      if (matrix_rows < repeats) repeats = 1;
    }
    columns = repeats * channels;
    rows = matrix_rows / repeats;
    rest = matrix_rows % repeats;
  }

  Index chunks() const { return chunk_count(rows, row_grain(columns)); }
  Index parts() const { return chunks() + (rest > 0 ? 1 : 0); }
  /// The element that a part begins with.
  Index first_of(Index part) const { return (part < chunks() ? part * row_grain(columns) : rows) * columns; }
  Index rows_of(Index part) const {
    return part < chunks() ? std::min(row_grain(columns), rows - part * row_grain(columns)) : rest;
  }
  Index columns_of(Index part) const { return part < chunks() ? columns : channels; }
  Index elements() const { return rows * columns + rest * channels; }

  /// Calls `part(p, first, rows, columns)` for every part p, which begins with element `first`.
  template <class Part>
  void for_each_part(const Part& part) const {
    parallel_for(0, parts(), 1, [&](Index first_part, Index last_part) {
      for (Index p = first_part; p < last_part; ++p) part(p, first_of(p), rows_of(p), columns_of(p));
    });
  }

  /// Calls `body(first, count)` for all elements, in chunks that begin with a wide row.
  template <class Body>
  void for_each_element(const Body& body) const {
    if (columns == 0) return;
    parallel_for(0, elements(), row_grain(columns) * columns,
                 [&](Index first, Index last) { body(first, last - first); });
  }

  /// What belongs to the channels, for each column of a wide row.
  template <class T>
  Tensor<T> repeat(const T* values) const {
    Tensor<T> out({columns});
    for (Index i = 0; i < repeats; ++i) std::copy_n(values, channels, out.data() + i * channels);
    return out;
  }

  /// totals[c] = the sum of all that belongs to channel c in `partial` [parts, columns].
  template <class T>
  void add_up(const Tensor<T>& partial, T* totals) const {
    Tensor<T> wide({columns}, T{0});
    for (Index p = 0; p < parts(); ++p)
      array(wide.data(), columns_of(p)) += array(partial.data() + p * columns, columns_of(p));
    fold(wide, totals);
  }

  /// totals[c] = the sum of all columns of channel c.
  template <class T>
  void fold(const Tensor<T>& wide, T* totals) const {
    std::fill_n(totals, channels, T{0});
    for (Index i = 0; i < repeats; ++i)
      array(totals, channels) += array(static_cast<const T*>(wide.data()) + i * channels, channels);
  }

  Index channels;
  Index repeats = 1;  ///< rows in a wide one
  Index columns = 0;  ///< of a wide row
  Index rows = 0;     ///< wide ones
  Index rest = 0;     ///< rows that are left over
};

}  // namespace mien::backend
