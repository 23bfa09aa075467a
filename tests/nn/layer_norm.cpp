#include <mien/nn/layer_norm.hpp>

#include <doctest/doctest.h>

using namespace mien;

TEST_CASE("a new layer norm gives mean 0 and variance 1") {
  nn::LayerNorm<double> norm(31);
  Tensor<double> x({7, 31});
  Generator(1).fill_uniform(x, 5, 9);
  const Tensor<double> y = norm(Variable<double>(x)).value();
  for (Index row = 0; row < 7; ++row) {
    double sum = 0;
    double squares = 0;
    for (Index c = 0; c < 31; ++c) {
      sum += y(row, c);
      squares += y(row, c) * y(row, c);
    }
    CHECK(sum / 31 == doctest::Approx(0).epsilon(1e-9));
    CHECK(squares / 31 == doctest::Approx(1).epsilon(1e-4));
  }
}

TEST_CASE("the parameters of layer norm are named as in PyTorch") {
  nn::LayerNorm<float> norm(5, {.epsilon = 1e-6});
  const auto parameters = norm.named_parameters();
  REQUIRE(parameters.size() == 2);
  CHECK(parameters[0].name == "weight");
  CHECK(parameters[0].variable.value()(3) == 1.0F);
  CHECK(parameters[1].name == "bias");
  CHECK(parameters[1].variable.value()(3) == 0.0F);
  CHECK(norm.parameter_count() == 10);
}
