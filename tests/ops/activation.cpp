#include <mien/autograd/activation.hpp>
#include <mien/autograd/gradient_check.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <utility>
#include <vector>

#include "random_tensor.hpp"

using namespace mien;
using testing::random;

using Function = std::function<Variable<double>(const Variable<double>&)>;

TEST_CASE("values of activations") {
  const std::vector<std::pair<Function, std::function<double(double)>>> functions{
      {[](const auto& x) { return relu(x); }, [](double x) { return x > 0 ? x : 0; }},
      {[](const auto& x) { return sigmoid(x); }, [](double x) { return 1 / (1 + std::exp(-x)); }},
      {[](const auto& x) { return tanh(x); }, [](double x) { return std::tanh(x); }},
      {[](const auto& x) { return gelu(x); }, [](double x) { return x * std::erfc(-x / std::sqrt(2.0)) / 2; }}};
  for (const Shape& shape : {Shape{7, 31}, Shape{1}, Shape{0, 3}, Shape{65, 3, 200}}) {
    const auto x = random<double>(shape, 1);
    for (const auto& [function, expected] : functions) {
      const Tensor<double> y = function(Variable<double>(x)).value();
      REQUIRE(y.shape() == shape);
      for (Index i = 0; i < y.elements(); ++i)
        CHECK(y.data()[i] == doctest::Approx(expected(x.data()[i])).epsilon(1e-12));
    }
  }
}

TEST_CASE("far from zero nothing overflows") {
  const auto x = Tensor<float>::from({3}, {-1000, 0, 1000});
  const auto y = ops::sigmoid(x);
  CHECK(y(0) == 0);
  CHECK(y(1) == 0.5F);
  CHECK(y(2) == 1);
  CHECK(ops::gelu(x)(2) == 1000);
  CHECK(ops::gelu(x)(0) == 0);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(ops::relu(Tensor<float>({1}, nan)).item()));
}

TEST_CASE_TEMPLATE("GELU keeps its digits far from zero, and so does its gradient", T, float, double) {
  // What rounding the exponent x^2 / 2 costs, and a few units.
  const auto tolerance = [](T x) { return static_cast<double>((x * x + 8) * std::numeric_limits<T>::epsilon()); };
  Tensor<T> x({4801});
  for (Index i = 0; i < x.elements(); ++i) x(i) = static_cast<T>(i - 2400) / 200;
  const Tensor<T> y = ops::gelu(x);
  const Tensor<T> slope = ops::gelu_gradient(x, Tensor<T>(x.shape(), T{-2}));
  for (Index i = 0; i < x.elements(); ++i) {
    const long double exact = x(i);
    const long double cumulative = std::erfc(-exact / std::sqrt(2.0L)) / 2;
    const long double density = std::exp(-exact * exact / 2) / std::sqrt(2 * std::numbers::pi_v<long double>);
    const auto allowed = static_cast<long double>(tolerance(x(i)));
    CAPTURE(exact);
    CHECK(std::abs(static_cast<long double>(y(i)) - exact * cumulative) <= allowed * std::abs(exact * cumulative));
    const long double gradient = -2 * (cumulative + exact * density);
    CHECK(std::abs(static_cast<long double>(slope(i)) - gradient) <=
          2 * allowed * (cumulative + std::abs(exact) * density));
  }
}

TEST_CASE("gradients of activations") {
  const Function functions[] = {[](const auto& x) { return relu(x); }, [](const auto& x) { return sigmoid(x); },
                                [](const auto& x) { return tanh(x); }, [](const auto& x) { return gelu(x); }};
  for (const Function& function : functions) {
    const auto result =
        gradient_check([&](auto& v) { return function(v[0]); }, {Variable<double>(random<double>({7, 3}, 2), true)});
    CHECK_MESSAGE(result.passed, result.where);
  }
}
