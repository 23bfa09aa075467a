#include <mien/backend/cpu/matrix_product.hpp>
#include <mien/core/random.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "random_tensor.hpp"

using namespace mien;

namespace {

enum class Start { zeros, itself, bias };

template <class T>
struct Operand {
  Tensor<T> numbers;
  backend::MatrixView<T> view;

  /// A matrix [rows, columns] as it is read, with a gap behind every row that holds what must not be used.
  Operand(Index rows, Index columns, Index gap, bool transposed, std::uint64_t seed)
      : numbers(testing::random<T>({transposed ? columns : rows, (transposed ? rows : columns) + gap}, seed)),
        view{numbers.data(), numbers.size(1), transposed} {
    for (Index row = 0; row < numbers.size(0); ++row)
      for (Index i = numbers.size(1) - gap; i < numbers.size(1); ++i)
        numbers(row, i) = std::numeric_limits<T>::quiet_NaN();
  }
  double operator()(Index row, Index column) const { return static_cast<double>(*view.from(row, column).data); }
};

/// The greatest error of any sum, relative to the sum of the absolute values of what was added; infinite if anything
/// beside the result was changed.
template <class T>
double error_of_product(Index m, Index n, Index k, bool left_transposed, bool right_transposed, Start start) {
  const Operand<T> a(m, k, m % 3, left_transposed, 1);
  const Operand<T> b(k, n, n % 5, right_transposed, 2);
  const Index gap = k % 2 * 3;
  const auto before = testing::random<T>({m, n + gap}, 3);
  const auto bias = testing::random<T>({n}, 4);
  Tensor<T> c = before.clone();
  if (start == Start::bias) {
    backend::matrix_product<T>(m, n, k, a.view, b.view, {bias.data(), 0, c.data(), n + gap});
  } else {
    backend::matrix_product<T>(m, n, k, a.view, b.view, c.data(), n + gap, start == Start::itself);
  }
  double worst = 0;
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) {
      double sum = 0;
      if (start == Start::itself) sum = static_cast<double>(before(i, j));
      if (start == Start::bias) sum = static_cast<double>(bias(j));
      double size = std::abs(sum);
      for (Index x = 0; x < k; ++x) {
        sum += a(i, x) * b(x, j);
        size += std::abs(a(i, x) * b(x, j));
      }
      const double difference = std::abs(static_cast<double>(c(i, j)) - sum);
      if (!(difference <= size)) return std::numeric_limits<double>::infinity();
      if (size > 0) worst = std::max(worst, difference / size);
    }
    for (Index j = n; j < n + gap; ++j)
      if (c(i, j) != before(i, j)) return std::numeric_limits<double>::infinity();
  }
  return worst;
}

template <class T>
void check(Index m, Index n, Index k) {
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  for (const bool left : {false, true})
    for (const bool right : {false, true})
      for (const Start start : {Start::zeros, Start::itself, Start::bias}) {
        CAPTURE(left);
        CAPTURE(right);
        CAPTURE(static_cast<int>(start));
        CHECK(error_of_product<T>(m, n, k, left, right, start) <=
              32 * static_cast<double>(std::numeric_limits<T>::epsilon()));
      }
}

const std::vector<Index> odd{0, 1, 7, 31, 65};

}  // namespace

TEST_CASE_TEMPLATE("every product is the sum of products, however its operands lie", T, float, double) {
  for (const Index m : odd)
    for (const Index n : odd)
      for (const Index k : odd) check<T>(m, n, k);
}

TEST_CASE_TEMPLATE("random sizes", T, float, double) {
  Generator generator(7);
  Tensor<double> sizes({60});
  generator.fill_uniform(sizes, 0, 1);
  for (Index i = 0; i < sizes.elements(); i += 3) {
    const auto size = [&](Index which, double most) {
      return static_cast<Index>(std::pow(most, sizes.data()[i + which]));
    };
    check<T>(size(0, 200), size(1, 200), size(2, 600));
  }
}

TEST_CASE("products that are cut into several blocks along every side") {
  check<float>(8, 1030, 300);
  check<float>(1030, 40, 20);
  check<float>(20, 1031, 260);
  check<float>(1100, 3, 515);
}

TEST_CASE("the same bits on one thread and on two") {
  const int before = thread_count();
  for (const auto& [m, n, k] : std::vector<std::array<Index, 3>>{{8, 700, 300}, {200, 300, 270}, {300, 200, 270}}) {
    for (const bool transposed : {false, true}) {
      const Operand<float> a(m, k, 0, false, 1);
      const Operand<float> b(k, n, 0, transposed, 2);
      Tensor<float> alone({m, n});
      Tensor<float> both({m, n});
      set_thread_count(1);
      backend::matrix_product<float>(m, n, k, a.view, b.view, alone.data(), n);
      set_thread_count(2);
      backend::matrix_product<float>(m, n, k, a.view, b.view, both.data(), n);
      CHECK(std::ranges::equal(alone.span(), both.span()));
    }
  }
  set_thread_count(before);
}

TEST_CASE("infinities and NaNs reach the sums they belong to, and no others") {
  for (const bool transposed : {false, true})
    for (const Index m : {3, 40}) {
      Operand<float> a(m, 40, 0, false, 1);
      Operand<float> b(40, 50, 0, transposed, 2);
      a.numbers(1, 39) = std::numeric_limits<float>::infinity();
      (transposed ? b.numbers(49, 3) : b.numbers(3, 49)) = std::nanf("");
      Tensor<float> c({m, 50});
      backend::matrix_product<float>(m, 50, 40, a.view, b.view, c.data(), 50);
      for (Index i = 0; i < m; ++i)
        for (Index j = 0; j < 50; ++j) {
          CHECK(std::isnan(c(i, j)) == (j == 49));
          CHECK(std::isinf(c(i, j)) == (i == 1 && j != 49));
        }
    }
}
