#include <mien/ops/activation.hpp>
#include <mien/ops/arithmetic.hpp>
#include <mien/ops/scale_shift.hpp>

#include <doctest/doctest.h>

#include <limits>

#include "random_tensor.hpp"

using namespace mien;
using testing::random;

namespace {

template <class T>
bool near(T a, T b) {
  return std::abs(a - b) <= (sizeof(T) == 4 ? T(1e-5) : T(1e-13)) * (1 + std::abs(b));
}

}  // namespace

TEST_CASE_TEMPLATE("what is done to every element, for any number of them", T, float, double) {
  for (const Index count : {0, 1, 7, 31, 65, 128, 40003}) {
    CAPTURE(count);
    const auto a = random<T>({count}, 1);
    const auto b = random<T>({count}, 2);
    const auto sums = ops::add(a, b);
    auto in_place = a.clone();
    ops::add_into(in_place, b);
    const auto differences = ops::subtract(a, b);
    const auto products = ops::multiply(a, b);
    const auto quotients = ops::divide(a, b);
    const auto multiples = ops::scale(a, T(-3));
    const auto positive = ops::relu(a);
    const auto passed = ops::relu_gradient(a, b);
    const auto sigmoid = ops::sigmoid_gradient(a, b);
    const auto tanh = ops::tanh_gradient(a, b);
    bool equal = true;
    for (Index i = 0; i < count; ++i)
      equal = equal && sums(i) == a(i) + b(i) && in_place(i) == sums(i) && differences(i) == a(i) - b(i) &&
              products(i) == a(i) * b(i) && quotients(i) == a(i) / b(i) && multiples(i) == T(-3) * a(i) &&
              positive(i) == (a(i) > 0 ? a(i) : 0) && passed(i) == (a(i) > 0 ? b(i) : 0) &&
              near(sigmoid(i), b(i) * a(i) * (1 - a(i))) && near(tanh(i), b(i) * (1 - a(i) * a(i)));
    CHECK(equal);
  }
}

TEST_CASE_TEMPLATE("what goes by channels, for any number of them", T, float, double) {
  for (const Index channels : {1, 3, 7, 16, 25, 31, 65, 300})
    for (const Index positions : {1, 5, 130, 3000}) {
      CAPTURE(channels);
      CAPTURE(positions);
      const auto x = random<T>({2, positions, channels}, 1);
      const auto y = random<T>({2, positions, channels}, 2);
      const auto values = random<T>({2, channels}, 3);
      const auto by_channel = values.select(0, 1).clone();
      const auto other = values.select(0, 0).clone();
      const auto biased = ops::add_bias(x, by_channel);
      const auto scaled = ops::scale_channels(x, values);
      const auto spread = ops::spread_over_positions<T>(values, x.shape(), T(2));
      const auto shifted = ops::scale_shift(x, by_channel, other);
      const auto means = ops::mean_of_positions(x);
      const auto products = ops::scale_channels_weight_gradient(x, y);
      const auto total = ops::sum_rows(x);
      const auto total_products = ops::scale_shift_scale_gradient(x, y);
      bool equal = true;
      for (Index c = 0; c < channels; ++c) {
        double all = 0, all_products = 0;
        for (Index b = 0; b < 2; ++b) {
          double sum = 0, sum_products = 0;
          for (Index p = 0; p < positions; ++p) {
            const T e = x(b, p, c);
            sum += static_cast<double>(e);
            sum_products += static_cast<double>(e) * static_cast<double>(y(b, p, c));
            equal = equal && biased(b, p, c) == e + by_channel(c) && scaled(b, p, c) == e * values(b, c) &&
                    spread(b, p, c) == 2 * values(b, c) && near(shifted(b, p, c), e * by_channel(c) + other(c));
          }
          all += sum;
          all_products += sum_products;
          CHECK(near(means(b, c), static_cast<T>(sum / static_cast<double>(positions))));
          CHECK(std::abs(static_cast<double>(products(b, c)) - sum_products) < 1e-3);
        }
        CHECK(std::abs(static_cast<double>(total(c)) - all) < 1e-3);
        CHECK(std::abs(static_cast<double>(total_products(c)) - all_products) < 1e-3);
      }
      CHECK(equal);
    }
}

TEST_CASE_TEMPLATE("sums over one axis, wherever it is", T, float, double) {
  for (const Shape& shape : {Shape{1}, Shape{7}, Shape{31, 65}, Shape{3, 1, 5}, Shape{2, 300, 7}, Shape{5, 2, 3, 1000}})
    for (Index axis = 0; axis < shape.rank(); ++axis) {
      CAPTURE(shape.to_string());
      CAPTURE(axis);
      const auto x = random<T>(shape, 1);
      const auto sums = ops::sum(x, axis);
      REQUIRE(sums.shape() == shape.without(axis));
      Tensor<double> expected = Tensor<double>::zeros(sums.shape());
      for (Index i = 0; i < shape[axis]; ++i)
        ops::add_into(expected, x.select(axis, i).contiguous().template cast<double>());
      CHECK(testing::largest_difference(sums.template cast<double>(), expected) < (sizeof(T) == 4 ? 1e-4 : 1e-12));
      CHECK(testing::largest_difference(ops::sum(x, axis - shape.rank()), sums) == 0);
    }
  CHECK(ops::sum(Tensor<T>({2, 0, 3}), 1).shape() == Shape{2, 3});
  CHECK(ops::sum(Tensor<T>({2, 0, 3}), 1)(1, 2) == 0);
  CHECK(ops::sum(Tensor<T>({2, 0}), 1)(1) == 0);
  CHECK(ops::sum(Tensor<T>({2, 0, 3}), 0).shape() == Shape{0, 3});
  CHECK(ops::sum(Tensor<T>::from({3}, {1, 2, 4}), 0).item() == 7);
  CHECK_THROWS_AS(ops::sum(Tensor<T>({2, 3}), 2), IndexError);
  CHECK_THROWS_AS(ops::sum(Tensor<T>(Shape{}), 0), IndexError);
}

TEST_CASE("a NaN is not hidden by a ReLU, wherever it stands") {
  for (const Index place : {0, 15, 16, 36}) {
    Tensor<float> x({37}, -1);
    x(place) = std::numeric_limits<float>::quiet_NaN();
    const auto y = ops::relu(x);
    for (Index i = 0; i < 37; ++i) CHECK((i == place ? y(i) != y(i) : y(i) == 0));
  }
}
