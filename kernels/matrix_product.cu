// Products of row-major matrices, either of them read transposed, added to what is there or to a bias. What they are
// added to is float; products of 16-bit matrices are written in 16 bits, as maps are, or as float, as gradients of
// parameters are.
//
//     out = start + left [rows, depth] right [depth, columns]
//
// Launch: see tiled_product.hpp; where there are few results blocks share the depth and a second kernel adds up their
// parts. Flops: 2 rows columns depth. Bytes: both factors, start and out once; a factor is read again, from the second
// cache, for every tile of the other. Bound by multiplications, but for few rows or columns by the larger factor's
// bytes.

#include "mien/backend/cuda/kernels/matrix_product.hpp"
#include "tiled_product.hpp"

namespace mien::kernels {
namespace {

template <class T, class Out, bool left_transposed, bool right_transposed>
struct MatrixProduct {
  using Left = T;
  using Right = T;
  using Row = Index;
  using Depth = int;
  using Column = Index;
  static constexpr bool rows_adjacent = left_transposed;
  static constexpr bool columns_adjacent = !right_transposed;

  MatrixFactor<T> left_matrix, right_matrix;
  ProductResult<Out> target;
  int left_run, right_run;

  __device__ Row row(int i) const { return left_transposed ? i : i * left_matrix.stride; }
  __device__ Depth depth(int k) const { return k; }
  __device__ Column column(int j) const { return right_transposed ? j * right_matrix.stride : j; }
  __device__ const T* left(const Row& row, const Depth& k) const {
    return left_matrix.data + row + (left_transposed ? k * left_matrix.stride : k);
  }
  __device__ const T* right(const Depth& k, const Column& column) const {
    return right_matrix.data + column + (right_transposed ? k : k * right_matrix.stride);
  }

  struct Result {
    const ProductResult<Out>& target;
    int column;

    __device__ float finish(Index row, float sum) const {
      return target.start == nullptr ? sum : target.start[row * target.start_stride + column] + sum;
    }
    __device__ void store(Index row, float value) const {
      target.out[row * target.stride + column] = from_float<Out>(value);
    }
  };
  __device__ Index place(int i) const { return i; }
  __device__ Result result(int column) const { return {target, column}; }
};

template <class T>
int run_of(const MatrixFactor<T>& factor, Index length) {
  return keeps_runs<T>(factor.stride) ? kernels::run_of(factor.data, length) : 0;
}

template <bool left_transposed, bool right_transposed, class T, class Out>
void multiply_matrices(const ProductGrid& grid, const MatrixFactor<T>& left, const MatrixFactor<T>& right,
                       const ProductResult<Out>& result, ProductPrecision precision, float* workspace,
                       cudaStream_t stream) {
  const MatrixProduct<T, Out, left_transposed, right_transposed> problem{
      left, right, result, run_of(left, left_transposed ? grid.rows : grid.depth),
      run_of(right, right_transposed ? grid.depth : grid.columns)};
  multiply<T>("matrix_product", problem, grid, precision, workspace, stream);
}

}  // namespace

Index matrix_product_workspace(Index rows, Index columns, Index depth) {
  return split_product_grid("matrix_product", rows, columns, depth).workspace();
}

template <class T, class Out>
void matrix_product(Index rows, Index columns, Index depth, const MatrixFactor<T>& left, const MatrixFactor<T>& right,
                    const ProductResult<Out>& result, ProductPrecision precision, float* workspace,
                    cudaStream_t stream) {
  const ProductGrid grid = split_product_grid("matrix_product", rows, columns, depth);
  if (left.transposed && right.transposed) {
    multiply_matrices<true, true>(grid, left, right, result, precision, workspace, stream);
  } else if (left.transposed) {
    multiply_matrices<true, false>(grid, left, right, result, precision, workspace, stream);
  } else if (right.transposed) {
    multiply_matrices<false, true>(grid, left, right, result, precision, workspace, stream);
  } else {
    multiply_matrices<false, false>(grid, left, right, result, precision, workspace, stream);
  }
}

#define MIEN_FOR(T, Out)                                                                                    \
  template void matrix_product<T, Out>(Index, Index, Index, const MatrixFactor<T>&, const MatrixFactor<T>&, \
                                       const ProductResult<Out>&, ProductPrecision, float*, cudaStream_t);
MIEN_FOR(float, float)
MIEN_FOR(__nv_bfloat16, __nv_bfloat16)
MIEN_FOR(__nv_bfloat16, float)
MIEN_FOR(__half, __half)
MIEN_FOR(__half, float)
#undef MIEN_FOR

}  // namespace mien::kernels
