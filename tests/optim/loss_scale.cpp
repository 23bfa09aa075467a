#include <mien/optim/loss_scale.hpp>

#include <doctest/doctest.h>

#include <limits>

#include "mien/autograd/arithmetic.hpp"

using namespace mien;

namespace {

Variable<float> leaf() { return Variable<float>(Tensor<float>::from({3}, {1.0F, -0.3F, 1e-6F}), true); }

}  // namespace

TEST_CASE("a scaled loss leaves the gradients of the loss") {
  const auto plain = leaf();
  backward(sum(plain * plain));
  const auto scaled = leaf();
  optim::LossScale scale;
  scale.backward(sum(scaled * scaled));
  CHECK(scaled.gradient()(0) == 65536 * plain.gradient()(0));
  CHECK(scale.unscale(std::vector{scaled}));
  for (Index i = 0; i < 3; ++i) CHECK(scaled.gradient()(i) == plain.gradient()(i));
}

TEST_CASE("the scale shrinks when a gradient is not finite, and grows after enough that are") {
  optim::LossScale scale({.initial = 1024, .growth = 4, .backoff = 0.25, .growth_interval = 2});
  const auto step = [&](float gradient) {
    const auto x = leaf();
    backward(x, Tensor<float>({3}, gradient));
    return scale.unscale(std::vector{x});
  };
  CHECK_FALSE(step(std::numeric_limits<float>::infinity()));
  CHECK(scale.value() == 256);
  CHECK_FALSE(step(std::numeric_limits<float>::quiet_NaN()));
  CHECK(scale.value() == 64);
  CHECK(step(1));
  CHECK(scale.value() == 64);
  CHECK(step(1));
  CHECK(scale.value() == 256);
  CHECK(step(1));
  CHECK_FALSE(step(-std::numeric_limits<float>::infinity()));
  CHECK(scale.value() == 64);
  // What was counted before does not count any more.
  CHECK(step(1));
  CHECK(scale.value() == 64);
}

TEST_CASE("a loss scale goes on from its state") {
  optim::LossScale first({.initial = 8, .growth_interval = 2});
  const auto x = leaf();
  first.backward(sum(x));
  CHECK(first.unscale(std::vector{x}));
  optim::LossScale second({.initial = 8, .growth_interval = 2});
  second.set_state(first.state());
  CHECK(second.unscale(std::vector{x}));
  CHECK(second.value() == 16);
  CHECK_THROWS_AS(second.set_state({{"scale", 0}, {"finite_steps", 1}}), ValueError);
  CHECK_THROWS_AS(second.set_state({{"scale", 4}}), ValueError);
  CHECK(second.value() == 16);
}

TEST_CASE("loss scales that make no sense are refused") {
  CHECK_THROWS_AS(optim::LossScale({.initial = 0}), ValueError);
  CHECK_THROWS_AS(optim::LossScale({.initial = std::numeric_limits<double>::infinity()}), ValueError);
  CHECK_THROWS_AS(optim::LossScale({.growth = 0.5}), ValueError);
  CHECK_THROWS_AS(optim::LossScale({.backoff = 1}), ValueError);
  CHECK_THROWS_AS(optim::LossScale({.growth_interval = 0}), ValueError);
}

TEST_CASE("a scale grows no further than the loss's gradient can") {
  optim::LossScale scale({.initial = 0x1p99, .growth_interval = 1});
  const auto step = [&] {
    const auto x = leaf();
    backward(x, Tensor<float>({3}, 1.0F));
    CHECK(scale.unscale(std::vector{x}));
  };
  step();
  CHECK(scale.value() == 0x1p100);
  step();
  CHECK(scale.value() == 0x1p100);
}

TEST_CASE("a scale shrinks no further than its inverse can be multiplied by") {
  optim::LossScale scale;
  for (int i = 0; i < 200; ++i) {
    const auto x = leaf();
    backward(x, Tensor<float>({3}, std::numeric_limits<float>::infinity()));
    CHECK_FALSE(scale.unscale(std::vector{x}));
  }
  const auto x = leaf();
  scale.backward(sum(x));
  CHECK(scale.unscale(std::vector{x}));
  CHECK(x.gradient()(0) == 1);
  CHECK_THROWS_AS(scale.backward(leaf()), ShapeError);
}
