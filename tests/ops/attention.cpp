#include <mien/autograd/attention.hpp>
#include <mien/autograd/gradient_check.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "random_tensor.hpp"

using namespace mien;
using testing::largest_difference;
using testing::random;

namespace {

/// The formula, a query and a head at a time; probabilities of every query in full.
template <class T>
Tensor<double> plain_attention(const Tensor<T>& qkv, Index heads) {
  const Index batch = qkv.size(0), tokens = qkv.size(1), embedding = qkv.size(2) / 3, width = embedding / heads;
  Tensor<double> out({batch, tokens, embedding}, 0.0);
  std::vector<double> scores(static_cast<std::size_t>(tokens));
  for (Index n = 0; n < batch; ++n)
    for (Index h = 0; h < heads; ++h)
      for (Index q = 0; q < tokens; ++q) {
        double largest = -HUGE_VAL;
        for (Index k = 0; k < tokens; ++k) {
          double product = 0;
          for (Index c = 0; c < width; ++c)
            product += static_cast<double>(qkv(n, q, h * width + c)) *
                       static_cast<double>(qkv(n, k, embedding + h * width + c));
          scores[static_cast<std::size_t>(k)] = product / std::sqrt(static_cast<double>(width));
          largest = std::max(largest, scores[static_cast<std::size_t>(k)]);
        }
        double sum = 0;
        for (double& score : scores) sum += score = std::exp(score - largest);
        for (Index k = 0; k < tokens; ++k)
          for (Index c = 0; c < width; ++c)
            out(n, q, h * width + c) += scores[static_cast<std::size_t>(k)] / sum *
                                        static_cast<double>(qkv(n, k, 2 * embedding + h * width + c));
      }
  return out;
}

struct Sizes {
  Index batch, tokens, heads, width;

  Shape qkv() const { return {batch, tokens, 3 * heads * width}; }
};

/// One token, less than a block, more than one of queries and of keys; heads that fill vectors and heads that do not.
constexpr Sizes all_sizes[] = {{1, 1, 1, 1},  {2, 1, 3, 5},   {2, 7, 1, 8},   {1, 31, 3, 5},
                               {1, 65, 3, 8}, {2, 65, 1, 64}, {1, 57, 3, 33}, {1, 300, 2, 7}};

template <class T>
std::vector<T> result_and_gradient(const Tensor<T>& qkv, Index heads) {
  const auto result = ops::attention(qkv, heads);
  const auto gradient = ops::attention_gradient(qkv, heads, result, random<T>(result.out.shape(), 9));
  std::vector<T> numbers(result.out.span().begin(), result.out.span().end());
  numbers.insert(numbers.end(), gradient.span().begin(), gradient.span().end());
  return numbers;
}

}  // namespace

TEST_CASE_TEMPLATE("attention follows the formula", T, float, double) {
  for (const Sizes& sizes : all_sizes) {
    CAPTURE(sizes.qkv().to_string());
    CAPTURE(sizes.heads);
    const auto qkv = random<T>(sizes.qkv(), 1);
    const auto out = ops::attention(qkv, sizes.heads).out;
    CHECK(largest_difference(out.template cast<double>(), plain_attention(qkv, sizes.heads)) <
          (sizeof(T) == 8 ? 1e-13 : 3e-6));
  }
}

TEST_CASE("gradients of attention") {
  for (const Sizes& sizes : {Sizes{1, 1, 1, 1}, Sizes{2, 7, 3, 5}, Sizes{1, 31, 1, 8}, Sizes{1, 7, 1, 64}}) {
    CAPTURE(sizes.qkv().to_string());
    const auto result = gradient_check([&](auto& v) { return attention(v[0], sizes.heads); },
                                       {Variable<double>(random<double>(sizes.qkv(), 2), true)}, {.projections = 4});
    CHECK_MESSAGE(result.passed, result.where);
  }
}

TEST_CASE("gradients of attention over more than one block of queries and keys") {
  const Sizes sizes{1, 140, 2, 3};
  const auto qkv = random<double>(sizes.qkv(), 3);
  const auto upstream = random<double>({1, 140, 6}, 4);
  const auto gradient = ops::attention_gradient(qkv, sizes.heads, ops::attention(qkv, sizes.heads), upstream);
  // Along some directions, by differences of the plain formula.
  for (std::uint64_t seed = 5; seed < 9; ++seed) {
    const auto direction = random<double>(sizes.qkv(), seed);
    const auto loss = [&](double step) {
      const auto out = plain_attention(ops::add(qkv, ops::scale(direction, step)), sizes.heads);
      double sum = 0;
      for (Index i = 0; i < out.elements(); ++i) sum += out.data()[i] * upstream.data()[i];
      return sum;
    };
    double slope = 0;
    for (Index i = 0; i < qkv.elements(); ++i) slope += gradient.data()[i] * direction.data()[i];
    CHECK(slope == doctest::Approx((loss(1e-5) - loss(-1e-5)) / 2e-5).epsilon(1e-7));
  }
}

TEST_CASE_TEMPLATE("scores of any size neither overflow nor become something else", T, float, double) {
  auto qkv = random<T>({1, 150, 3 * 4}, 6);
  // The largest score of all comes in the last block of keys; before it the scores are far from each other.
  for (Index token = 0; token < 150; ++token)
    for (Index c = 0; c < 8; ++c) qkv(0, token, c) *= token == 140 ? 100 : 20;
  const auto result = ops::attention(qkv, 1);
  CHECK(largest_difference(result.out.template cast<double>(), plain_attention(qkv, 1)) <
        (sizeof(T) == 8 ? 1e-10 : 5e-3));
  qkv(0, 3, 1) = std::numeric_limits<T>::quiet_NaN();
  const auto missing = ops::attention(qkv, 1).out;
  for (Index c = 0; c < 4; ++c) CHECK(std::isnan(missing(0, 3, c)));
  CHECK_FALSE(std::isnan(missing(0, 4, 0)));
}

TEST_CASE_TEMPLATE("attention gives the same bits on any number of threads", T, float, double) {
  const int before = thread_count();
  const auto qkv = random<T>({3, 130, 3 * 2 * 9}, 7);
  set_thread_count(1);
  const auto expected = result_and_gradient(qkv, 2);
  for (const int threads : {2, 3}) {
    set_thread_count(threads);
    const auto found = result_and_gradient(qkv, 2);
    CHECK(std::memcmp(found.data(), expected.data(), expected.size() * sizeof(T)) == 0);
  }
  set_thread_count(before);
}

TEST_CASE("attention of a view with gaps is that of its elements") {
  const auto wide = random<double>({2, 9, 2 * 3 * 10}, 8);
  const auto view = wide.slice(2, 0, 60, 2);
  CHECK(largest_difference(ops::attention(view, 2).out, ops::attention(view.clone(), 2).out) == 0);
}

TEST_CASE("memory does not grow with the square of the tokens") {
  const auto peak = [](Index tokens) {
    const int before_threads = thread_count();
    set_thread_count(1);
    Variable<float> qkv(random<float>({1, tokens, 3 * 16}, 1), true);
    const auto upstream = random<float>({1, tokens, 16}, 2);
    const std::size_t before = cpu_memory().statistics().bytes_in_use;
    cpu_memory().reset_peak();
    backward(attention(qkv, 4), upstream);
    set_thread_count(before_threads);
    return cpu_memory().statistics().peak_bytes_in_use - before;
  };
  const std::size_t some = peak(512);
  const std::size_t more = peak(2048);
  CHECK(more < 5 * some);
  // The probabilities of one head alone would take this much.
  CHECK(more < 2048UL * 2048 * sizeof(float) / 4);
}

TEST_CASE("attention of nothing is nothing, and shapes that do not fit are named") {
  CHECK(ops::attention(Tensor<float>({0, 7, 12}), 2).out.shape() == Shape{0, 7, 4});
  CHECK(ops::attention(Tensor<float>({2, 0, 12}), 2).log_sums.shape() == Shape{2, 2, 0});
  Variable<float> empty(Tensor<float>({0, 7, 12}), true);
  backward(attention(empty, 2), Tensor<float>({0, 7, 4}));
  CHECK(empty.gradient().shape() == Shape{0, 7, 12});
  const auto qkv = random<float>({2, 5, 12}, 1);
  CHECK_THROWS_AS(ops::attention(qkv, 0), ValueError);
  CHECK_THROWS_AS(ops::attention(qkv, 3), ShapeError);
  CHECK_THROWS_AS(ops::attention(Tensor<float>({2, 5, 0}), 1), ShapeError);
  CHECK_THROWS_AS(ops::attention(random<float>({5, 12}, 1), 2), ShapeError);
  CHECK_THROWS_WITH(ops::attention(qkv, 5), doctest::Contains("[2, 5, 12]"));
  const auto result = ops::attention(qkv, 2);
  CHECK_THROWS_AS(ops::attention_gradient(qkv, 2, result, random<float>({2, 5, 12}, 2)), ShapeError);
  CHECK_THROWS_AS(ops::attention_gradient(qkv, 4, result, result.out), ShapeError);
}
