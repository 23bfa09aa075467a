#pragma once

#include <algorithm>
#include <cstdint>

#include "mien/backend/cpu/arithmetic.hpp"
#include "mien/backend/cpu/reduction.hpp"

namespace mien::backend {

/// Whether a row takes part; all do without a mask.
inline bool counts(const Tensor<std::uint8_t, Cpu>& mask, Index row) {
  return !mask.defined() || mask.data()[row] != 0;
}

inline Index count_rows(const Tensor<std::uint8_t, Cpu>& mask, Index rows) {
  Index count = 0;
  for (Index row = 0; row < rows; ++row) count += counts(mask, row) ? 1 : 0;
  return count;
}

/// The mean of (a - b)^2 over all rows that count, of matrices [rows, columns]; 0 if there are none.
template <class T>
void mse_loss(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, const Tensor<std::uint8_t, Cpu>& mask,
              Tensor<T, Cpu>& loss) {
  const Index columns = a.size(1);
  const double total = sum_of_chunks(a.size(0), row_grain(columns), [&](Index first, Index last) {
    double sum = 0;
    for (Index row = first; row < last; ++row)
      if (counts(mask, row))
        sum += (array(a.data() + row * columns, columns).template cast<double>() -
                array(b.data() + row * columns, columns).template cast<double>())
                   .square()
                   .sum();
    return sum;
  });
  const Index count = count_rows(mask, a.size(0)) * columns;
  loss.fill(count == 0 ? T{0} : static_cast<T>(total / static_cast<double>(count)));
}

/// out = 2 upstream (a - b) / count in rows that count, else 0.
template <class T>
void mse_loss_gradient(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, const Tensor<std::uint8_t, Cpu>& mask,
                       const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  const Index columns = a.size(1);
  const T factor = 2 * upstream.item() / static_cast<T>(std::max<Index>(1, count_rows(mask, a.size(0)) * columns));
  parallel_for(0, a.size(0), row_grain(columns), [&](Index first, Index last) {
    for (Index row = first; row < last; ++row) {
      auto gradient = array(out.data() + row * columns, columns);
      if (counts(mask, row)) {
        gradient = (array(a.data() + row * columns, columns) - array(b.data() + row * columns, columns)) * factor;
      } else {
        gradient.setZero();
      }
    }
  });
}

/// Means and population moments of the rows that count, of column `column` of two matrices.
struct PairMoments {
  Index count = 0;
  double mean_a = 0;
  double mean_b = 0;
  double variance_a = 0;
  double variance_b = 0;
  double covariance = 0;

  double distance() const { return mean_a - mean_b; }
  double denominator() const { return variance_a + variance_b + distance() * distance(); }
  /// 1 for two equal constants, and where there is nothing to compare.
  double concordance() const { return denominator() == 0 ? 1 : 2 * covariance / denominator(); }
};

/// The moments of two sets of pairs together (Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for
/// computing sample variances, 1979). Where both are the same constant the variance stays exactly 0.
inline PairMoments together(const PairMoments& one, const PairMoments& other) {
  if (one.count == 0) return other;
  if (other.count == 0) return one;
  PairMoments out{.count = one.count + other.count};
  const double of_one = static_cast<double>(one.count) / static_cast<double>(out.count);
  const double of_other = static_cast<double>(other.count) / static_cast<double>(out.count);
  const double apart_a = other.mean_a - one.mean_a;
  const double apart_b = other.mean_b - one.mean_b;
  const auto pooled = [&](double moment, double other_moment, double apart) {
    return of_one * moment + of_other * other_moment + of_one * of_other * apart;
  };
  out.mean_a = one.mean_a + of_other * apart_a;
  out.mean_b = one.mean_b + of_other * apart_b;
  out.variance_a = pooled(one.variance_a, other.variance_a, apart_a * apart_a);
  out.variance_b = pooled(one.variance_b, other.variance_b, apart_b * apart_b);
  out.covariance = pooled(one.covariance, other.covariance, apart_a * apart_b);
  return out;
}

/// The first value is taken off before anything is added, so that a constant's variance is exactly 0.
template <class T>
PairMoments pair_moments(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, const Tensor<std::uint8_t, Cpu>& mask,
                         Index column) {
  const Index rows = a.size(0);
  const Index columns = a.size(1);
  PairMoments moments;
  double first_a = 0;
  double first_b = 0;
  const auto for_each_pair = [&](const auto& pair) {
    for (Index row = 0; row < rows; ++row)
      if (counts(mask, row))
        pair(static_cast<double>(a.data()[row * columns + column]),
             static_cast<double>(b.data()[row * columns + column]));
  };
  for_each_pair([&](double x, double y) {
    if (moments.count++ == 0) {
      first_a = x;
      first_b = y;
    }
    moments.mean_a += x - first_a;
    moments.mean_b += y - first_b;
  });
  if (moments.count == 0) return moments;
  const auto count = static_cast<double>(moments.count);
  moments.mean_a = first_a + moments.mean_a / count;
  moments.mean_b = first_b + moments.mean_b / count;
  for_each_pair([&](double x, double y) {
    moments.variance_a += (x - moments.mean_a) * (x - moments.mean_a) / count;
    moments.variance_b += (y - moments.mean_b) * (y - moments.mean_b) / count;
    moments.covariance += (x - moments.mean_a) * (y - moments.mean_b) / count;
  });
  return moments;
}

/// out[c] = the concordance of column c.
template <class T>
void concordance(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, const Tensor<std::uint8_t, Cpu>& mask,
                 Tensor<T, Cpu>& out) {
  for (Index column = 0; column < out.elements(); ++column)
    out.data()[column] = static_cast<T>(pair_moments(a, b, mask, column).concordance());
}

/// out = upstream[c] * d(concordance of column c) / d(a) in rows that count, else 0. `moments_of(c)` are those of all
/// rows, which may be more than those here.
template <class T, class MomentsOf>
void concordance_gradient(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, const Tensor<std::uint8_t, Cpu>& mask,
                          const MomentsOf& moments_of, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  const Index rows = a.size(0);
  const Index columns = a.size(1);
  for (Index column = 0; column < columns; ++column) {
    const PairMoments moments = moments_of(column);
    const double concordance = moments.concordance();
    const double factor = static_cast<double>(upstream.data()[column]);
    const double scale =
        moments.denominator() == 0 ? 0 : factor * 2 / (static_cast<double>(moments.count) * moments.denominator());
    for (Index row = 0; row < rows; ++row) {
      const Index i = row * columns + column;
      const double term = static_cast<double>(b.data()[i]) - moments.mean_b -
                          concordance * (static_cast<double>(a.data()[i]) - moments.mean_b);
      out.data()[i] = counts(mask, row) ? static_cast<T>(scale * term) : T{0};
    }
  }
}

template <class T>
void concordance_gradient(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, const Tensor<std::uint8_t, Cpu>& mask,
                          const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  const auto moments_of = [&](Index column) { return pair_moments(a, b, mask, column); };
  concordance_gradient(a, b, mask, moments_of, upstream, out);
}

}  // namespace mien::backend
