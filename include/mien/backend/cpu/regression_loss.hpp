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

/// out = upstream[c] * d(concordance of column c) / d(a) in rows that count, else 0.
template <class T>
void concordance_gradient(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, const Tensor<std::uint8_t, Cpu>& mask,
                          const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  const Index rows = a.size(0);
  const Index columns = a.size(1);
  for (Index column = 0; column < columns; ++column) {
    const PairMoments moments = pair_moments(a, b, mask, column);
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

}  // namespace mien::backend
