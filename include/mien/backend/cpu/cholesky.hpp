#pragma once

/// Symmetric positive definite systems of a few hundred rows, in double: A = L L^T with L lower triangular. Internal.

#include <span>

#include "mien/backend/cpu/eigen.hpp"

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wpedantic"
#endif
#include <Eigen/Cholesky>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace mien::backend {

/// Puts L into the lower triangle of A [n, n], whose upper one is neither read nor written. False if A is not positive
/// definite, or not finite; A is then of no use.
inline bool cholesky(std::span<double> a, Index n) {
  using Matrix = Eigen::Ref<RowMajorMatrix<double>, 0, Eigen::OuterStride<>>;
  Matrix rows(matrix(a.data(), n, n, n));
  const Eigen::LLT<Matrix, Eigen::Lower> factors(rows);
  return factors.info() == Eigen::Success && rows.diagonal().allFinite();
}

/// x = L^-1 x, for x [n].
inline void solve_lower(std::span<const double> l, std::span<double> x) {
  const auto n = static_cast<Index>(x.size());
  Eigen::Map<Eigen::VectorXd> vector(x.data(), n);
  matrix(l.data(), n, n, n).triangularView<Eigen::Lower>().solveInPlace(vector);
}

/// x = L^-T x, for x [n].
inline void solve_lower_transposed(std::span<const double> l, std::span<double> x) {
  const auto n = static_cast<Index>(x.size());
  Eigen::Map<Eigen::VectorXd> vector(x.data(), n);
  matrix(l.data(), n, n, n).transpose().triangularView<Eigen::Upper>().solveInPlace(vector);
}

}  // namespace mien::backend
