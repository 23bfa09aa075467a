#pragma once

/// Products of row-major matrices, by the scheme of Goto and van de Geijn (ACM TOMS 34, 2008): one operand is copied
/// into panels that the innermost loop reads in order, and that loop keeps a block of sums in registers. Which vector
/// instructions it uses is decided when the program runs.

#include <algorithm>
#include <utility>

#include "mien/backend/cpu/compiled.hpp"
#include "mien/backend/cpu/vector_parts.hpp"
#include "mien/core/tensor.hpp"

namespace mien::backend {

/// One operand of a product: row-major, `stride` elements from row to row, optionally read transposed.
template <class T>
struct MatrixView {
  const T* data;
  Index stride;
  bool transposed = false;

  /// The part that begins at this row and column of the matrix as it is read.
  MatrixView from(Index row, Index column) const {
    return {data + (transposed ? column * stride + row : row * stride + column), stride, transposed};
  }
  MatrixView turned() const { return {data, stride, !transposed}; }
};

/// c[r] = initial[r] + sum over k of a[r][k] b[k], for rows of two vectors.
template <class T>
struct ProductBlock {
  Index rows;  ///< of an odd number, a has another row that may hold anything
  Index depth;
  const T* a;
  Index a_row, a_depth;  ///< from one row, or one k, to the next
  const T* b;
  Index b_depth;
  const T* initial = nullptr;  ///< none: zeros
  Index initial_stride = 0;
  T* c = nullptr;
  Index c_stride = 0;
};

/// The inner loops for one instruction set; see kernels/matrix_product.inc.
template <class T>
struct MatrixProductKernels {
  Index lanes;
  Index rows;  ///< of a block at most
  void (*pack_rows)(const T* from, Index stride, Index count, Index depth, T* to, Index width);
  void (*pack_columns)(const T* from, Index stride, Index count, Index depth, T* to, Index width);
  void (*multiply)(const ProductBlock<T>& block);
  void (*multiply_lines)(Index rows, Index columns, Index depth, const T* a, Index a_stride, const T* b, Index b_stride,
                         const T* initial, Index initial_stride, T* c, Index c_stride);

  /// Columns of a panel of b.
  Index columns() const { return 2 * lanes; }
  /// Numbers of a packed block of a for each k.
  Index packed_rows() const { return chunk_count(rows, lanes) * lanes; }
};

}  // namespace mien::backend

#define MIEN_KERNELS "mien/backend/cpu/kernels/matrix_product.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"

namespace mien::backend {

template <class T>
const MatrixProductKernels<T>& matrix_product_kernels() {
  return for_instruction_set(portable::matrix_product_kernels<T>, avx2::matrix_product_kernels<T>,
                             avx512::matrix_product_kernels<T>);
}

/// Where a product's sums begin, and where they go.
template <class T>
struct ProductTarget {
  const T* initial;  ///< null for zeros
  Index initial_stride;
  T* c;
  Index c_stride;

  ProductTarget from(Index row, Index column) const {
    return {initial_at(row, column), initial_stride, c + row * c_stride + column, c_stride};
  }
  /// The same for what is added to it later.
  ProductTarget continued() const { return {c, c_stride, c, c_stride}; }
  const T* initial_at(Index row, Index column) const {
    return initial == nullptr ? nullptr : initial + row * initial_stride + column;
  }
};

/// Cuts m rows into blocks of about equal size, because small ones are slow. All but the last are even.
class ProductRows {
 public:
  ProductRows(Index m, Index most) : m_(m), pairs_(chunk_count(m, 2)), count_(chunk_count(m, most)) {}
  Index count() const { return count_; }
  Index first(Index block) const { return std::min(m_, block * pairs_ / count_ * 2); }
  Index size(Index block) const { return first(block + 1) - first(block); }

 private:
  Index m_, pairs_, count_;
};

/// A block of a, from `first_row` of m rows on and `depth` from `first_k` on, for the innermost loop.
template <class T>
void pack_left(MatrixView<T> a, Index m, Index first_row, Index first_k, Index depth, T* to) {
  const auto& kernels = matrix_product_kernels<T>();
  const MatrixView<T> part = a.from(first_row, first_k);
  (a.transposed ? kernels.pack_rows : kernels.pack_columns)(
      part.data, part.stride, std::min(kernels.packed_rows(), m - first_row), depth, to, kernels.packed_rows());
}

/// A panel of b, from `first_column` of n columns on.
template <class T>
void pack_right(MatrixView<T> b, Index n, Index first_column, Index first_k, Index depth, T* to) {
  const auto& kernels = matrix_product_kernels<T>();
  const MatrixView<T> part = b.from(first_k, first_column);
  (b.transposed ? kernels.pack_columns : kernels.pack_rows)(
      part.data, part.stride, std::min(kernels.columns(), n - first_column), depth, to, kernels.columns());
}

/// The block, of which only the first `columns` exist in c and in what it starts from.
template <class T>
void multiply_block(const ProductBlock<T>& block, Index columns) {
  const auto& kernels = matrix_product_kernels<T>();
  const Index width = kernels.columns();
  if (columns >= width) {
    kernels.multiply(block);
    return;
  }
  constexpr std::size_t most_sums = 14 * 2 * 64 / sizeof(T);
  alignas(64) std::array<T, most_sums> sums;
  ProductBlock<T> whole = block;
  whole.initial = nullptr;
  whole.c = sums.data();
  whole.c_stride = width;
  kernels.multiply(whole);
  for (Index r = 0; r < block.rows; ++r) {
    const T* initial = block.initial == nullptr ? nullptr : block.initial + r * block.initial_stride;
    for (Index i = 0; i < columns; ++i)
      block.c[r * block.c_stride + i] =
          sums[static_cast<std::size_t>(r * width + i)] + (initial == nullptr ? T{0} : initial[i]);
  }
}

/// c = initial + a b where one side of c is so short that no copy of b would be read often enough to pay. Blocks of b's
/// rows, each as wide as b, so that memory is read in order.
template <class T>
void multiply_few_rows(Index m, Index n, Index k, MatrixView<T> a, MatrixView<T> b, const ProductTarget<T>& target) {
  const auto& kernels = matrix_product_kernels<T>();
  const Index width = kernels.columns();
  const Index left = kernels.packed_rows();
  const ProductRows blocks(m, kernels.rows);
  Tensor<T> packed({blocks.count() * k * left});
  for (Index i = 0; i < blocks.count(); ++i) pack_left(a, m, blocks.first(i), 0, k, packed.data() + i * k * left);
  constexpr Index depth = 64;
  constexpr Index work = Index{1} << 18;
  const Index panels = std::max<Index>(1, work / (m * k * width));
  parallel_for(0, n, panels * width, [&](Index first, Index last) {
    Tensor<T> rest({last == n && n % width != 0 ? depth * width : 0});
    for (Index k_0 = 0; k_0 < k; k_0 += depth) {
      const Index length = std::min(depth, k - k_0);
      const ProductTarget<T> goal = k_0 == 0 ? target : target.continued();
      for (Index o = first; o < last; o += width) {
        const bool is_whole = o + width <= n;
        if (!is_whole) pack_right(b, n, o, k_0, length, rest.data());
        for (Index i = 0; i < blocks.count(); ++i)
          multiply_block<T>({.rows = blocks.size(i),
                             .depth = length,
                             .a = packed.data() + (i * k + k_0) * left,
                             .a_row = 1,
                             .a_depth = left,
                             .b = is_whole ? b.from(k_0, o).data : rest.data(),
                             .b_depth = is_whole ? b.stride : width,
                             .initial = goal.initial_at(blocks.first(i), o),
                             .initial_stride = goal.initial_stride,
                             .c = goal.c + blocks.first(i) * goal.c_stride + o,
                             .c_stride = goal.c_stride},
                            n - o);
      }
    }
  });
}

/// The same where both are read along k.
template <class T>
void multiply_lines(Index m, Index n, Index k, MatrixView<T> a, MatrixView<T> b, const ProductTarget<T>& target) {
  const auto& kernels = matrix_product_kernels<T>();
  constexpr Index work = Index{1} << 17;
  const auto multiply = [&](Index row, Index rows, Index column, Index columns) {
    const ProductTarget<T> part = target.from(row, column);
    kernels.multiply_lines(rows, columns, k, a.from(row, 0).data, a.stride, b.from(0, column).data, b.stride,
                           part.initial, part.initial_stride, part.c, part.c_stride);
  };
  if (n >= m) {
    parallel_for(0, n, std::max<Index>(1, work / (m * k) / 4) * 4,
                 [&](Index first, Index last) { multiply(0, m, first, last - first); });
  } else {
    parallel_for(0, m, std::max<Index>(1, work / (n * k) / 4) * 4,
                 [&](Index first, Index last) { multiply(first, last - first, 0, n); });
  }
}

/// The same for large ones: the smaller operand is copied into panels for all, and then each thread takes some of the
/// larger one, copies it and multiplies it with all that.
template <class T>
void multiply_panels(Index m, Index n, Index k, MatrixView<T> a, MatrixView<T> b, const ProductTarget<T>& target) {
  const auto& kernels = matrix_product_kernels<T>();
  const Index width = kernels.columns();
  const Index left = kernels.packed_rows();
  const ProductRows blocks(m, kernels.rows);
  const Index panels = chunk_count(n, width);
  constexpr Index depth_most = 256;
  const Index depth = k == 0 ? 0 : chunk_count(k, chunk_count(k, depth_most));
  constexpr Index near_bytes = 24 * 1024;
  // All pairs of blocks and panels in some range; the operand that stays in the innermost loop is the one that fits.
  const auto multiply_all = [&](Index block_0, Index block_1, Index panel_0, Index panel_1, Index k_0, Index length,
                                const T* from_a, const T* from_b) {
    const bool panels_are_near = (panel_1 - panel_0) * length * width * static_cast<Index>(sizeof(T)) <= near_bytes;
    const Index rounds = panels_are_near ? block_1 - block_0 : panel_1 - panel_0;
    const Index turns = panels_are_near ? panel_1 - panel_0 : block_1 - block_0;
    const ProductTarget<T> goal = k_0 == 0 ? target : target.continued();
    for (Index round = 0; round < rounds; ++round)
      for (Index turn = 0; turn < turns; ++turn) {
        const Index block = panels_are_near ? round : turn;
        const Index panel = panels_are_near ? turn : round;
        const Index row = blocks.first(block_0 + block);
        const Index column = (panel_0 + panel) * width;
        multiply_block<T>({.rows = blocks.size(block_0 + block),
                           .depth = length,
                           .a = from_a + block * depth * left,
                           .a_row = 1,
                           .a_depth = left,
                           .b = from_b + panel * depth * width,
                           .b_depth = width,
                           .initial = goal.initial_at(row, column),
                           .initial_stride = goal.initial_stride,
                           .c = goal.c + row * goal.c_stride + column,
                           .c_stride = goal.c_stride},
                          n - column);
      }
  };
  const auto pack_a = [&](Index first, Index last, Index k_0, Index length, T* to) {
    for (Index i = first; i < last; ++i) pack_left(a, m, blocks.first(i), k_0, length, to + (i - first) * depth * left);
  };
  const auto pack_b = [&](Index first, Index last, Index k_0, Index length, T* to) {
    for (Index i = first; i < last; ++i) pack_right(b, n, i * width, k_0, length, to + (i - first) * depth * width);
  };
  const bool cut_rows = m >= n;
  const Index pieces = cut_rows ? blocks.count() : panels;
  const Index shared_pieces = cut_rows ? panels : blocks.count();
  const Index piece_size = depth * (cut_rows ? left : width);
  const Index shared_size = depth * (cut_rows ? width : left);
  constexpr Index task_work = Index{1} << 20;
  const Index work = kernels.rows * width * depth * shared_pieces;
  const Index grain = std::clamp<Index>(task_work / work, 1, 16);
  Tensor<T> shared({shared_pieces * shared_size});
  for (Index k_0 = 0; k_0 < k; k_0 += depth) {
    const Index length = std::min(depth, k - k_0);
    parallel_for(0, shared_pieces, std::max<Index>(1, 16384 / shared_size), [&](Index first, Index last) {
      (cut_rows ? pack_b(first, last, k_0, length, shared.data() + first * shared_size)
                : pack_a(first, last, k_0, length, shared.data() + first * shared_size));
    });
    parallel_for(0, pieces, grain, [&](Index first, Index last) {
      Tensor<T> own({(last - first) * piece_size});
      if (cut_rows) {
        pack_a(first, last, k_0, length, own.data());
        multiply_all(first, last, 0, panels, k_0, length, own.data(), shared.data());
      } else {
        pack_b(first, last, k_0, length, own.data());
        multiply_all(0, blocks.count(), first, last, k_0, length, shared.data(), own.data());
      }
    });
  }
}

/// c = initial + a b for c [m, n], a [m, k], b [k, n], on all threads. The cut depends on the sizes alone, so that the
/// bits do not depend on the threads.
template <class T>
void matrix_product(Index m, Index n, Index k, MatrixView<T> a, MatrixView<T> b, const ProductTarget<T>& target) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (Index r = 0; r < m; ++r) {
      const ProductTarget<T> row = target.from(r, 0);
      if (row.initial == nullptr) {
        std::fill_n(row.c, n, T{0});
      } else if (row.initial != row.c) {
        std::copy_n(row.initial, n, row.c);
      }
    }
    return;
  }
  constexpr Index few = 16;
  constexpr Index shallow = 32;
  constexpr Index most = 1024;  // rows and columns whose copies stay near
  if (!a.transposed && b.transposed && std::min(m, n) <= few) {
    multiply_lines(m, n, k, a, b, target);
  } else if (!b.transposed && (m <= few || (k <= shallow && m <= most))) {
    multiply_few_rows(m, n, k, a, b, target);
  } else if (n <= few && n < m) {
    // Panels would be mostly empty: c^T = b^T a^T.
    Tensor<T> turned({n, m});
    matrix_product<T>(n, m, k, b.turned(), a.turned(), {nullptr, 0, turned.data(), m});
    for (Index r = 0; r < m; ++r) {
      const ProductTarget<T> row = target.from(r, 0);
      for (Index i = 0; i < n; ++i)
        row.c[i] = turned.data()[i * m + r] + (row.initial == nullptr ? T{0} : row.initial[i]);
    }
  } else {
    for (Index row = 0; row < m; row += most)
      for (Index column = 0; column < n; column += most)
        multiply_panels(std::min(most, m - row), std::min(most, n - column), k, a.from(row, 0), b.from(0, column),
                        target.from(row, column));
  }
}

/// c [m, n] = a [m, k] b [k, n], or += if `accumulate`.
template <class T>
void matrix_product(Index m, Index n, Index k, MatrixView<T> a, MatrixView<T> b, T* c, Index c_stride,
                    bool accumulate = false) {
  matrix_product<T>(m, n, k, a, b, ProductTarget<T>{accumulate ? c : nullptr, c_stride, c, c_stride});
}

}  // namespace mien::backend

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                              \
  MIEN_COMPILED_TEMPLATE void matrix_product(Index, Index, Index, MatrixView<T>, MatrixView<T>, \
                                             const ProductTarget<T>&);
#include "mien/backend/cpu/for_each_compiled_type.inc"
#endif
