#include <mien/autograd/gradient_check.hpp>
#include <mien/nn/attention.hpp>

#include <doctest/doctest.h>

#include <cmath>

#include "random_tensor.hpp"

using namespace mien;
using testing::random;

TEST_CASE("joint attention weighs each joint's channel, and tells the weights") {
  nn::JointAttention<double> attention(7);
  const auto x = random<double>({3, 5, 4, 7}, 1);
  const auto y = attention(Variable<double>(x)).value();
  const auto& weights = attention.joint_weights();
  REQUIRE(weights.shape() == Shape{3, 7});
  for (Index n = 0; n < 3; ++n)
    for (Index c = 0; c < 7; ++c) {
      CHECK(weights(n, c) > 0);
      CHECK(weights(n, c) < 1);
      CHECK(y(n, 4, 1, c) == doctest::Approx(x(n, 4, 1, c) * weights(n, c)));
    }
}

TEST_CASE("attention starts as the method says: weights and biases from one range") {
  nn::JointAttention<double> attention(25);
  const double bound = std::sqrt(6.0 / 50);
  double largest_weight = 0, largest_bias = 0;
  for (const double value : attention.weight.value().span()) largest_weight = std::max(largest_weight, std::abs(value));
  for (const double value : attention.bias.value().span()) largest_bias = std::max(largest_bias, std::abs(value));
  CHECK(largest_weight <= bound);
  CHECK(largest_weight > 0.95 * bound);
  CHECK(largest_bias <= bound);
  CHECK(largest_bias > 0.5 * bound);
}

TEST_CASE("gradients of both attentions, parameters included") {
  nn::JointAttention<double> joints(5);
  auto result = gradient_check(
      [&](auto& v) {
        joints.weight = v[1];
        joints.bias = v[2];
        return joints(v[0]);
      },
      {Variable<double>(random<double>({2, 3, 1, 5}, 2), true), joints.weight, joints.bias});
  CHECK_MESSAGE(result.passed, result.where);

  nn::SqueezeExcitation<double> excitation({.channels = 7, .reduction = 3});
  result = gradient_check([&](auto& v) { return excitation(v[0]); },
                          {Variable<double>(random<double>({2, 3, 3, 7}, 3), true), excitation.fc1.weight,
                           excitation.fc1.bias, excitation.fc2.weight, excitation.fc2.bias});
  CHECK_MESSAGE(result.passed, result.where);
}

TEST_CASE("squeeze and excitation narrows by its reduction") {
  nn::SqueezeExcitation<float> wide({.channels = 64, .reduction = 16});
  CHECK(wide.fc1.weight.shape() == Shape{4, 64});
  nn::SqueezeExcitation<float> narrow({.channels = 3, .reduction = 16});
  CHECK(narrow.fc1.weight.shape() == Shape{1, 3});
  CHECK_THROWS_AS(nn::SqueezeExcitation<float>({.channels = 3, .reduction = 0}), ValueError);
}
