#include <mien/autograd/arithmetic.hpp>
#include <mien/autograd/gradient_check.hpp>
#include <mien/nn/lstm.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "random_tensor.hpp"

using namespace mien;

TEST_CASE("parameters have PyTorch's names and shapes") {
  nn::Lstm<float> lstm({.in = 7, .hidden = 3, .layers = 2, .bidirectional = true});
  std::vector<std::string> found;
  for (const auto& parameter : lstm.named_parameters())
    found.push_back(parameter.name + parameter.variable.shape().to_string());
  const std::vector<std::string> expected{
      "weight_ih_l0[12, 7]",         "weight_hh_l0[12, 3]",         "bias_ih_l0[12]",         "bias_hh_l0[12]",
      "weight_ih_l0_reverse[12, 7]", "weight_hh_l0_reverse[12, 3]", "bias_ih_l0_reverse[12]", "bias_hh_l0_reverse[12]",
      "weight_ih_l1[12, 6]",         "weight_hh_l1[12, 3]",         "bias_ih_l1[12]",         "bias_hh_l1[12]",
      "weight_ih_l1_reverse[12, 6]", "weight_hh_l1_reverse[12, 3]", "bias_ih_l1_reverse[12]", "bias_hh_l1_reverse[12]"};
  CHECK(found == expected);
  CHECK(nn::Lstm<float>({.in = 7, .hidden = 3, .bias = false}).named_parameters().size() == 2);
}

TEST_CASE("parameters start between plus and minus 1 / sqrt(H)") {
  nn::Lstm<double> lstm({.in = 31, .hidden = 16});
  double largest = 0;
  for (const auto& parameter : lstm.parameters())
    for (const double value : parameter.value().span()) largest = std::max(largest, std::abs(value));
  CHECK(largest <= 0.25);
  CHECK(largest > 0.24);
}

TEST_CASE("each sample of a padded batch is read as if alone, through layers and both directions") {
  for (const bool bidirectional : {false, true}) {
    nn::Lstm<double> lstm({.in = 3, .hidden = 4, .layers = 2, .bidirectional = bidirectional});
    const std::vector<Index> lengths{5, 1, 3};
    Tensor<double> x = testing::random<double>({3, 5, 3}, 1);
    for (Index b = 0; b < 3; ++b) x.select(0, b).slice(0, lengths[static_cast<std::size_t>(b)], 5).fill(std::nan(""));
    const auto batch = lstm(Variable<double>(x), lengths);
    CHECK(batch.h_n.shape() == Shape{3, lstm.out()});
    for (Index b = 0; b < 3; ++b) {
      const Index length = lengths[static_cast<std::size_t>(b)];
      const auto alone = lstm(Variable<double>(x.slice(0, b, b + 1).slice(1, 0, length)));
      CHECK(testing::largest_difference(batch.outputs.value().slice(0, b, b + 1).slice(1, 0, length),
                                        alone.outputs.value()) < 1e-11);
      CHECK(testing::largest_difference(batch.h_n.value().slice(0, b, b + 1), alone.h_n.value()) < 1e-11);
      CHECK(testing::largest_difference(batch.c_n.value().slice(0, b, b + 1), alone.c_n.value()) < 1e-11);
      const Tensor<double> padding = batch.outputs.value().select(0, b).slice(0, length, 5).clone();
      CHECK(std::ranges::all_of(padding.span(), [](double value) { return value == 0; }));
    }
  }
}

TEST_CASE("in reverse the LSTM reads the sequence turned around") {
  nn::Lstm<double> both({.in = 3, .hidden = 4, .bidirectional = true});
  nn::Lstm<double> one({.in = 3, .hidden = 4});
  const auto parameters = both.parameters();
  for (std::size_t i = 0; i < 4; ++i) one.parameters()[i].value().copy_from(parameters[4 + i].value());
  const Tensor<double> x = testing::random<double>({1, 5, 3}, 2);
  Tensor<double> turned(x.shape());
  for (Index t = 0; t < 5; ++t) turned.select(1, t).copy_from(x.select(1, 4 - t));
  const auto expected = one(Variable<double>(turned));
  const auto found = both(Variable<double>(x));
  for (Index t = 0; t < 5; ++t)
    CHECK(testing::largest_difference(found.outputs.value().select(1, t).slice(-1, 4, 8),
                                      expected.outputs.value().select(1, 4 - t)) < 1e-11);
  CHECK(testing::largest_difference(found.h_n.value().slice(-1, 4, 8), expected.h_n.value()) < 1e-11);
}

TEST_CASE("dropout lies between layers, in training alone") {
  nn::Lstm<double> plain({.in = 3, .hidden = 4, .layers = 2});
  nn::Lstm<double> dropping({.in = 3, .hidden = 4, .layers = 2, .dropout = 0.5});
  const auto parameters = plain.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) dropping.parameters()[i].value().copy_from(parameters[i].value());
  const Variable<double> x(testing::random<double>({2, 5, 3}, 8));
  const auto expected = plain(x);
  const auto found = dropping(x);
  CHECK(testing::largest_difference(found.states[0].h.value(), expected.states[0].h.value()) < 1e-11);
  CHECK(testing::largest_difference(found.h_n.value(), expected.h_n.value()) > 1e-3);
  for (const double value : found.h_n.value().span()) CHECK(value != 0);
  dropping.evaluate();
  CHECK(testing::largest_difference(dropping(x).outputs.value(), expected.outputs.value()) < 1e-11);
  CHECK_THROWS_AS(nn::Lstm<double>({.in = 3, .hidden = 4, .dropout = 1}), ValueError);
}

TEST_CASE("the states of one call carry on in the next") {
  nn::Lstm<double> lstm({.in = 3, .hidden = 4, .layers = 2});
  const Variable<double> x(testing::random<double>({2, 5, 3}, 3));
  const auto whole = lstm(x);
  const auto first = lstm(slice(x, 1, 0, 2));
  const auto second = lstm(slice(x, 1, 2, 5), {}, first.states);
  CHECK(testing::largest_difference(second.h_n.value(), whole.h_n.value()) < 1e-11);
  CHECK(testing::largest_difference(second.c_n.value(), whole.c_n.value()) < 1e-11);
  REQUIRE(second.states.size() == 2);
  CHECK(testing::largest_difference(second.states[0].h.value(), whole.states[0].h.value()) < 1e-11);
}

TEST_CASE("a length of zero leaves the initial state") {
  nn::Lstm<double> lstm({.in = 3, .hidden = 4});
  const Variable<double> h(testing::random<double>({2, 4}, 4));
  const Variable<double> c(testing::random<double>({2, 4}, 5));
  const auto result = lstm(Variable<double>(testing::random<double>({2, 5, 3}, 6)), {0, 5}, {{h, c}});
  CHECK(testing::largest_difference(result.h_n.value().slice(0, 0, 1), h.value().slice(0, 0, 1)) < 1e-11);
  CHECK(testing::largest_difference(result.c_n.value().slice(0, 0, 1), c.value().slice(0, 0, 1)) < 1e-11);
}

TEST_CASE("gradients through two layers and both directions, with sequences of unlike length") {
  nn::Lstm<double> lstm({.in = 2, .hidden = 2, .layers = 2, .bidirectional = true});
  std::vector<Variable<double>> inputs = lstm.parameters();
  inputs.emplace_back(testing::random<double>({3, 3, 2}, 7), true);
  const auto result = gradient_check(
      [&](std::vector<Variable<double>>& v) {
        const auto y = lstm(v.back(), {3, 1, 2});
        return concatenate({reshape(y.outputs, {-1}), reshape(y.h_n * y.h_n, {-1})}, 0);
      },
      inputs);
  CHECK_MESSAGE(result, result.where);
}

TEST_CASE("what cannot be an LSTM is refused") {
  CHECK_THROWS_WITH_AS(nn::Lstm<float>({.in = 0, .hidden = 3}), "Lstm: in 0, hidden 3, layers 1 must all be positive",
                       ValueError);
  CHECK_THROWS_AS(nn::Lstm<float>({.in = 2, .hidden = 3, .layers = 0}), ValueError);
  const nn::Lstm<float> lstm({.in = 2, .hidden = 3});
  const Variable<float> x(Tensor<float>({2, 4, 2}, 0.0F));
  CHECK_THROWS_AS(lstm(x, {4, 5}), ValueError);
  CHECK_THROWS_AS(lstm(x, {4}), ShapeError);
  CHECK_THROWS_AS(lstm(x, {}, {{}, {}}), ValueError);
  CHECK_THROWS_AS(lstm(Variable<float>(Tensor<float>({2, 4, 3}, 0.0F))), ShapeError);
  CHECK_THROWS_AS(lstm(Variable<float>(Tensor<float>({4, 2}, 0.0F))), ShapeError);
}
