#include <mien/autograd/arithmetic.hpp>
#include <mien/nn/normalised_convolution.hpp>

#include <doctest/doctest.h>

#include "random_tensor.hpp"

using namespace mien;

TEST_CASE("in evaluation one pass gives what layer after layer does, a convolution's own bias included") {
  for (const bool bias : {false, true})
    for (const bool relu : {false, true}) {
      nn::Convolution<double> convolution({.in = 3, .out = 7, .kernel = 3, .stride = 2, .padding = 1, .bias = bias});
      if (bias) convolution.bias.value().copy_from(testing::random<double>({7}, 1));
      nn::BatchNorm<double> norm(7);
      norm(Variable<double>(testing::random<double>({2, 5, 6, 7}, 2)));
      norm.evaluate();
      const Variable<double> x(testing::random<double>({2, 9, 11, 3}, 3));
      const Variable<double> residual(testing::random<double>({2, 5, 6, 7}, 4));
      const NoGradient not_recorded;
      const auto expected = norm(convolution(x), {.residual = residual, .relu = relu});
      const auto y = nn::normalised_convolution(convolution, norm, x, {.residual = residual, .relu = relu});
      CHECK(testing::largest_difference(y.value(), expected.value()) < 1e-12);
    }
}

TEST_CASE("a gradient that only a convolution's bias wants is recorded") {
  nn::Convolution<double> convolution({.in = 2, .out = 3, .bias = true});
  convolution.weight = Variable<double>(convolution.weight.value());
  nn::BatchNorm<double> norm(3);
  norm.weight = Variable<double>(norm.weight.value());
  norm.bias = Variable<double>(norm.bias.value());
  norm.evaluate();
  const Variable<double> x(testing::random<double>({1, 4, 5, 2}, 5));
  backward(sum(nn::normalised_convolution(convolution, norm, x)));
  // Each of the 2 x 3 outputs of a channel passes it on through the norm, of a variance of one.
  for (const double gradient : convolution.bias.gradient().span()) CHECK(gradient == doctest::Approx(6).epsilon(1e-4));
}
