#include <mien/autograd/activation.hpp>
#include <mien/autograd/arithmetic.hpp>
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

TEST_CASE("values of exponentials, logarithms and roots") {
  for (const Shape& shape : {Shape{7, 31}, Shape{1}, Shape{0, 3}, Shape{65, 3, 200}}) {
    const auto x = random<double>(shape, 1);
    const auto y = ops::exp(ops::scale(x, 7));
    const auto back = ops::log(y);
    const auto roots = ops::sqrt(y);
    for (Index i = 0; i < y.elements(); ++i) {
      CHECK(y.data()[i] == doctest::Approx(std::exp(7 * x.data()[i])).epsilon(1e-14));
      CHECK(back.data()[i] == doctest::Approx(7 * x.data()[i]).epsilon(1e-14));
      CHECK(roots.data()[i] == std::sqrt(y.data()[i]));
    }
  }
}

TEST_CASE_TEMPLATE("exponentials and logarithms over the whole range", T, float, double) {
  const auto units = [](T found, long double exact) {
    const T nearest = static_cast<T>(exact);
    const T unit = std::nextafter(std::abs(nearest), std::numeric_limits<T>::infinity()) - std::abs(nearest);
    return std::abs(static_cast<long double>(found) - exact) / static_cast<long double>(unit);
  };
  const T largest = std::log(std::numeric_limits<T>::max());
  Tensor<T> x({20001});
  Tensor<T> positive({20001});
  for (Index i = 0; i < x.elements(); ++i) {
    x(i) = static_cast<T>(i - 10000) / 10001 * largest;
    positive(i) = std::ldexp(1 + static_cast<T>(i % 97) / 97, static_cast<int>(i % 250) - 125);
  }
  const auto exponentials = ops::exp(x);
  const auto logarithms = ops::log(positive);
  long double worst_exponential = 0;
  long double worst_logarithm = 0;
  for (Index i = 0; i < x.elements(); ++i) {
    worst_exponential = std::max(worst_exponential, units(exponentials(i), std::exp(static_cast<long double>(x(i)))));
    worst_logarithm = std::max(worst_logarithm, units(logarithms(i), std::log(static_cast<long double>(positive(i)))));
  }
  CHECK(worst_exponential <= 1.5);
  CHECK(worst_logarithm <= 1);
}

TEST_CASE_TEMPLATE("exponentials, logarithms and roots of special numbers", T, float, double) {
  const T infinity = std::numeric_limits<T>::infinity();
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const T smallest = std::numeric_limits<T>::denorm_min();
  // Twice, so that vectors and what is left over have each.
  for (const Index repeats : {1, 5}) {
    Tensor<T> x({6 * repeats});
    const T numbers[] = {0, -1, infinity, -infinity, nan, smallest};
    for (Index i = 0; i < x.elements(); ++i) x(i) = numbers[i % 6];
    const auto exponentials = ops::exp(x);
    const auto logarithms = ops::log(x);
    const auto roots = ops::sqrt(x);
    for (Index i = 0; i < x.elements(); i += 6) {
      CHECK(exponentials(i) == 1);
      CHECK(exponentials(i + 2) == infinity);
      CHECK(exponentials(i + 3) == 0);
      CHECK(std::isnan(exponentials(i + 4)));
      CHECK(logarithms(i) == -infinity);
      CHECK(std::isnan(logarithms(i + 1)));
      CHECK(logarithms(i + 2) == infinity);
      CHECK(std::isnan(logarithms(i + 3)));
      CHECK(std::isnan(logarithms(i + 4)));
      CHECK(logarithms(i + 5) == doctest::Approx(std::log(smallest)).epsilon(1e-6));
      CHECK(roots(i) == 0);
      CHECK(std::isnan(roots(i + 1)));
      CHECK(roots(i + 2) == infinity);
      CHECK(std::isnan(roots(i + 3)));
      CHECK(std::isnan(roots(i + 4)));
      CHECK(roots(i + 5) == std::sqrt(smallest));
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

TEST_CASE("gradients of exponentials, logarithms and roots") {
  const Function functions[] = {[](const auto& x) { return exp(x); }, [](const auto& x) { return log(exp(x)); },
                                [](const auto& x) { return log(x * x); }, [](const auto& x) { return sqrt(exp(x)); }};
  for (const Function& function : functions)
    for (const Shape& shape : {Shape{7, 3}, Shape{1}, Shape{0, 3}}) {
      const auto result =
          gradient_check([&](auto& v) { return function(v[0]); }, {Variable<double>(random<double>(shape, 2), true)});
      CHECK_MESSAGE(result.passed, result.where);
    }
}
