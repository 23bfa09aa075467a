#include <mien/core/random.hpp>
#include <mien/ops/layer_norm.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace mien;

TEST_CASE("layer norm follows the formula along the last axis") {
  Generator generator(5);
  for (const Shape& shape : {Shape{7}, Shape{3, 1}, Shape{2, 5, 31}, Shape{65, 7}}) {
    CAPTURE(shape.to_string());
    const Index channels = shape[-1];
    Tensor<double> x(shape), weight({channels}), bias({channels});
    generator.fill_normal(x, 3, 2);
    generator.fill_uniform(weight, 0.5, 2);
    generator.fill_uniform(bias, -1, 1);
    const auto result = ops::layer_norm(x, weight, bias, 0.01);
    for (Index row = 0; row < x.elements() / channels; ++row) {
      const double* in = x.data() + row * channels;
      double mean = 0;
      double variance = 0;
      for (Index c = 0; c < channels; ++c) mean += in[c] / static_cast<double>(channels);
      for (Index c = 0; c < channels; ++c) variance += (in[c] - mean) * (in[c] - mean) / static_cast<double>(channels);
      for (Index c = 0; c < channels; ++c)
        CHECK(result.out.data()[row * channels + c] ==
              doctest::Approx((in[c] - mean) / std::sqrt(variance + 0.01) * weight(c) + bias(c)).epsilon(1e-12));
    }
  }
}

TEST_CASE("layer norm of equal values is the bias") {
  const auto result =
      ops::layer_norm(Tensor<float>({2, 5}, 1e4F), Tensor<float>({5}, 3.0F), Tensor<float>({5}, 0.25F), 1e-5);
  for (const float value : result.out.span()) CHECK(value == 0.25F);
}

TEST_CASE("rows of no channels have no deviation from zero") {
  const auto result = ops::layer_norm(Tensor<float>({4, 0}), Tensor<float>({0}), Tensor<float>({0}), 1e-5);
  CHECK(result.out.shape() == Shape{4, 0});
  for (Index row = 0; row < 4; ++row) {
    CHECK(result.mean(row) == 0);
    CHECK(result.inverse_deviation(row) == 0);
  }
}

TEST_CASE("layer norm names shapes that do not fit") {
  const Tensor<float> x({2, 5}, 0.0F);
  CHECK(ops::layer_norm(Tensor<float>({0, 5}), Tensor<float>({5}), Tensor<float>({5}), 1e-5).out.shape() ==
        Shape{0, 5});
  CHECK_THROWS_WITH_AS(ops::layer_norm(x, Tensor<float>({4}), Tensor<float>({5}), 1e-5),
                       "layer_norm: weight: [4] values for the channels of [2, 5]", ShapeError);
  CHECK_THROWS_AS(ops::layer_norm(x, Tensor<float>({5}), Tensor<float>({1, 5}), 1e-5), ShapeError);
  const Tensor<float> two({2}, 0.0F);
  const Tensor<float> three({3}, 0.0F);
  CHECK_THROWS_AS(ops::layer_norm_input_gradient(x, Tensor<float>({4}), two, two, x), ShapeError);
  CHECK_THROWS_WITH_AS(
      ops::layer_norm_weight_gradient(x, two, three, x),
      "layer_norm_weight_gradient: input [2, 5], mean [2], inverse deviation [3], expected [2]", ShapeError);
}
