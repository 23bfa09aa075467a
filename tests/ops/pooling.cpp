#include <mien/autograd/gradient_check.hpp>
#include <mien/autograd/pooling.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "random_tensor.hpp"

using namespace mien;
using testing::random;

namespace {

struct Case {
  Shape x;
  PoolingOptions options;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> list{{{2, 6, 7, 3}, {.kernel = 2, .stride = 2}},
                                      {{1, 7, 5, 1}, {.kernel = 3, .stride = 2, .padding = 1}},
                                      {{1, 2, 5, 6, 7}, {.kernel = {2, 3}, .stride = {1, 2}, .padding = {1, 0}}},
                                      {{1, 1, 1, 31}, {.kernel = 1, .stride = 1}}};
  return list;
}

}  // namespace

TEST_CASE("max pooling takes the largest value under each window") {
  const auto x = Tensor<float>::from({1, 3, 4, 1}, {1, 5, 2, 0, 3, 4, 8, 7, 9, 6, 0, 1});
  const auto [y, source] = ops::max_pool(x, {.kernel = 2, .stride = 1});
  CHECK(std::vector<float>(y.span().begin(), y.span().end()) == std::vector<float>{5, 8, 8, 9, 8, 8});
  CHECK(source(0, 1, 0, 0) == 8);
}

TEST_CASE("padding never wins, and a NaN is seen") {
  const Tensor<float> negative({1, 2, 2, 1}, -3);
  const auto padded = ops::max_pool(negative, {.kernel = 3, .stride = 2, .padding = 1});
  for (const float value : padded.y.span()) CHECK(value == -3);
  auto broken = Tensor<float>({1, 2, 2, 1}, 1);
  broken(0, 0, 1, 0) = std::numeric_limits<float>::quiet_NaN();
  const float pooled = ops::max_pool(broken, {}).y.item();
  CHECK(pooled != pooled);
}

TEST_CASE("average pooling, with and without padding in the count") {
  const Tensor<double> ones({1, 3, 3, 1}, 1);
  const PoolingOptions options{.kernel = 3, .stride = 2, .padding = 1};
  CHECK(ops::average_pool(ones, options)(0, 0, 0, 0) == doctest::Approx(4.0 / 9));
  PoolingOptions inside = options;
  inside.count_padding = false;
  CHECK(ops::average_pool(ones, inside)(0, 0, 0, 0) == doctest::Approx(1));
}

TEST_CASE("adaptive pooling divides any size evenly") {
  const auto x = Tensor<double>::from({1, 5, 1, 1}, {1, 2, 3, 4, 5});
  const auto y = ops::adaptive_average_pool(x, {2, 1});
  CHECK(y(0, 0, 0, 0) == doctest::Approx(2));
  CHECK(y(0, 1, 0, 0) == doctest::Approx(4));
  CHECK(ops::adaptive_average_pool(x, {7, 3}).shape() == Shape{1, 7, 3, 1});
  const auto [largest, source] = ops::adaptive_max_pool(x, {2, 1});
  CHECK(largest(0, 0, 0, 0) == 3);
  CHECK(largest(0, 1, 0, 0) == 5);
  CHECK(source(0, 0, 0, 0) == 2);
}

TEST_CASE("gradients of pooling") {
  for (const Case& c : cases()) {
    CAPTURE(c.x.to_string());
    const Variable<double> x(random<double>(c.x, 1), true);
    PoolingOptions inside = c.options;
    inside.count_padding = false;
    for (const auto& result : {gradient_check([&](auto& v) { return max_pool(v[0], c.options); }, {x}),
                               gradient_check([&](auto& v) { return average_pool(v[0], c.options); }, {x}),
                               gradient_check([&](auto& v) { return average_pool(v[0], inside); }, {x}),
                               gradient_check([&](auto& v) { return adaptive_max_pool(v[0], {3, 2}); }, {x}),
                               gradient_check([&](auto& v) { return adaptive_average_pool(v[0], {3, 2}); }, {x})})
      CHECK_MESSAGE(result.passed, result.where);
  }
}

TEST_CASE("gradients read views with gaps as their copies would be read") {
  const auto [y, source] = ops::max_pool(random<double>({2, 6, 4, 3}, 2), {});
  const auto turned = [](const auto& t) { return t.permute({3, 0, 1, 2}).clone().permute({1, 2, 3, 0}); };
  const Shape x{2, 6, 4, 3};
  CHECK(testing::largest_difference(ops::max_pool_gradient(turned(y), turned(source), x, {}),
                                    ops::max_pool_gradient(y, source, x, {})) == 0);
  CHECK(testing::largest_difference(ops::average_pool_gradient(turned(y), x, {}),
                                    ops::average_pool_gradient(y, x, {})) == 0);
}

TEST_CASE("no images are pooled to no images") {
  const Tensor<float> none({0, 4, 4, 3});
  const auto [y, source] = ops::max_pool(none, {});
  CHECK(y.shape() == Shape{0, 2, 2, 3});
  CHECK(ops::max_pool_gradient(y, source, none.shape(), {}).shape() == none.shape());
  CHECK(ops::average_pool(none, {}).shape() == Shape{0, 2, 2, 3});
  CHECK(ops::adaptive_average_pool_gradient(y, none.shape()).shape() == none.shape());
}

TEST_CASE("upstream gradients of another pooling are refused, with their shapes") {
  const Tensor<float> up({1, 2, 2, 3}, 0);
  const Tensor<std::int32_t> source({1, 2, 2, 3}, 0);
  CHECK_THROWS_WITH_AS(ops::max_pool_gradient(up, source, {2, 4, 4, 3}, {}),
                       "max_pool_gradient: shapes [1, 2, 2, 3] and [2, 2, 2, 3] differ", ShapeError);
  CHECK_THROWS_WITH_AS(ops::adaptive_max_pool_gradient(up, source, {2, 4, 4, 3}),
                       "adaptive_max_pool_gradient: upstream [1, 2, 2, 3] of input [2, 4, 4, 3]", ShapeError);
  CHECK_THROWS_AS(ops::max_pool_gradient(up, Tensor<std::int32_t>({1, 2, 2, 2}, 0), {1, 4, 4, 3}, {}), ShapeError);
  CHECK_THROWS_AS(ops::adaptive_average_pool_gradient(up, {1, 4, 4, 2}), ShapeError);
  CHECK_THROWS_AS(ops::adaptive_average_pool_gradient(up, {4, 4, 3}), ShapeError);
  CHECK_THROWS_AS(ops::average_pool_gradient(up, {1, 6, 4, 3}, {}), ShapeError);
}

TEST_CASE("windows that do not fit are refused") {
  CHECK_THROWS_WITH_AS(ops::average_pool(Tensor<float>({1, 0, 4, 1}), {.kernel = 2, .stride = 1, .padding = 1}),
                       "average_pool: input [1, 0, 4, 1] has maps without pixels", ShapeError);
  CHECK_THROWS_AS(ops::max_pool(Tensor<float>({1, 2, 2, 1}, 0), {.kernel = 3, .stride = 1}), ShapeError);
  CHECK_THROWS_AS(ops::max_pool(Tensor<float>({1, 4, 4, 1}, 0), {.kernel = 2, .stride = 1, .padding = 2}), ValueError);
  CHECK_THROWS_AS(ops::average_pool(Tensor<float>({4, 4}, 0), {}), ShapeError);
  CHECK_THROWS_AS(ops::adaptive_average_pool(Tensor<float>({1, 4, 4, 1}, 0), {0, 1}), ShapeError);
  CHECK_THROWS_AS(ops::adaptive_max_pool(Tensor<float>({1, 0, 4, 1}, 0), {1, 1}), ShapeError);
}

TEST_CASE_TEMPLATE("every channel is pooled for itself, however many there are", T, float, double) {
  const PoolingOptions options{.kernel = 3, .stride = 2, .padding = 1};
  for (const Index channels : {1, 7, 16, 31, 65}) {
    CAPTURE(channels);
    const auto x = random<T>({2, 7, 6, channels}, 3);
    const auto [y, source] = ops::max_pool(x, options);
    const auto means = ops::average_pool(x, options);
    const auto up = random<T>(y.shape(), 4);
    const auto gradient = ops::max_pool_gradient(up, source, x.shape(), options);
    const auto spread = ops::average_pool_gradient(up, x.shape(), options);
    Tensor<T> expected(x.shape(), 0), expected_spread(x.shape(), 0);
    for (Index n = 0; n < 2; ++n)
      for (Index i = 0; i < y.size(1); ++i)
        for (Index j = 0; j < y.size(2); ++j)
          for (Index c = 0; c < channels; ++c) {
            T best = -std::numeric_limits<T>::infinity(), sum = 0;
            Index place = -1;
            for (Index row = std::max<Index>(0, 2 * i - 1); row < std::min<Index>(7, 2 * i + 2); ++row)
              for (Index column = std::max<Index>(0, 2 * j - 1); column < std::min<Index>(6, 2 * j + 2); ++column) {
                const T value = x(n, row, column, c);
                sum += value;
                expected_spread(n, row, column, c) += up(n, i, j, c) / 9;
                if (value <= best) continue;
                best = value;
                place = row * 6 + column;
              }
            REQUIRE(y(n, i, j, c) == best);
            REQUIRE(source(n, i, j, c) == place);
            REQUIRE(means(n, i, j, c) == doctest::Approx(sum / 9).epsilon(1e-5));
            expected(n, place / 6, place % 6, c) += up(n, i, j, c);
          }
    CHECK(testing::largest_difference(gradient, expected) < 1e-6);
    CHECK(testing::largest_difference(spread, expected_spread) < 1e-6);
  }
}
