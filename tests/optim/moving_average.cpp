#include <mien/nn/batch_norm.hpp>
#include <mien/nn/convolution.hpp>
#include <mien/nn/linear.hpp>
#include <mien/optim/moving_average.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <utility>

using namespace mien;

namespace {

struct Network : nn::Module<Network, double> {
  Network();
  void visit(auto&& child) {
    child("linear", linear);
    child("norm", norm);
  }
  nn::Linear<double> linear;
  nn::BatchNorm<double> norm;
};

// Inlined into the cases it makes g++ 12 warn of dangling pointers that are none.
[[gnu::noinline]] Network::Network() : linear({.in = 3, .out = 5}), norm(5) {}

/// One layer under two names.
struct Shared : nn::Module<Shared, double> {
  nn::Linear<double> first{{.in = 3, .out = 3}};
  nn::Linear<double> second = first;
  void visit(auto&& child) {
    child("first", first);
    child("second", second);
  }
};

/// Sets all numbers of a network, weights and buffers.
void fill(Network& network, double value) {
  for (auto& parameter : network.parameters()) parameter.value().fill(value);
  for (auto& buffer : network.named_buffers()) buffer.tensor.fill(value);
}

/// The number that all of them are.
double number_in(Network& network) {
  const double first = network.linear.weight.value().data()[0];
  for (auto& parameter : network.parameters())
    for (const double value : parameter.value().span()) CHECK(value == doctest::Approx(first).epsilon(1e-14));
  for (auto& buffer : network.named_buffers())
    for (const double value : buffer.tensor.span()) CHECK(value == doctest::Approx(first).epsilon(1e-14));
  return first;
}

}  // namespace

TEST_CASE("the average of weights and buffers is that of the formula") {
  Network network;
  optim::MovingAverage average(network, {.decay = 0.3});
  double expected = 0;
  for (Index n = 0; n < 6; ++n) {
    const double weight = std::sqrt(static_cast<double>(n + 1));
    fill(network, weight);
    average.update();
    const auto steps = static_cast<double>(n);
    const double decay = n == 0 ? 0 : std::min(0.3, (1 + steps) / (10 + steps));
    expected = decay * expected + (1 - decay) * weight;
    CHECK(number_in(network) == weight);
    {
      const decltype(average)::InPlace averaged(average);
      CHECK(number_in(network) == doctest::Approx(expected));
    }
    CHECK(number_in(network) == weight);
  }
  CHECK(average.updates() == 6);
}

TEST_CASE("without warm-up the decay is the same from the second step on") {
  Network network;
  optim::MovingAverage average(network, {.decay = 0.9, .warm_up = false});
  fill(network, 1);
  average.update();
  fill(network, 3);
  average.update();
  average.swap();
  CHECK(number_in(network) == doctest::Approx(1.2));
}

TEST_CASE("an average goes on from its state with the same bits") {
  Network first;
  optim::MovingAverage average(first, {.decay = 0.5});
  fill(first, 0.1);
  average.update();
  fill(first, 0.7);
  average.update();
  Network second;
  optim::MovingAverage restored(second, {.decay = 0.5});
  restored.set_state(average.state());
  for (auto* const one : {&first, &second}) fill(*one, 0.3);
  for (auto* const one : {&average, &restored}) {
    one->update();
    one->swap();
  }
  CHECK(number_in(first) == number_in(second));

  auto state = average.state();
  state.tensors.erase("linear.bias");
  CHECK_THROWS_AS(restored.set_state(state), ValueError);
  state = average.state();
  state.tensors["linear.bias"] = Tensor<double>({4});
  CHECK_THROWS_AS(restored.set_state(state), ShapeError);
}

TEST_CASE("a decay that makes no sense is refused") {
  Network network;
  CHECK_THROWS_AS(optim::MovingAverage(network, {.decay = 1}), ValueError);
  CHECK_THROWS_AS(optim::MovingAverage(network, {.decay = -0.1}), ValueError);
}

TEST_CASE("averages in a network's place leave it, and them, as they were, whatever has two names or was frozen") {
  Shared network;
  network.first.weight.value().fill(1);
  optim::MovingAverage average(network, {.decay = 0.5, .warm_up = false});
  average.update();
  network.first.weight.value().fill(3);
  average.update();
  const auto of = [&](const char* name) { return average.state().tensors.at(name)(0, 0); };
  REQUIRE(of("first.weight") == 2);
  { const optim::MovingAverage<double>::InPlace scope(average); }
  CHECK(of("first.weight") == 2);
  CHECK(of("second.weight") == 2);
  CHECK(network.first.weight.value()(0, 0) == 3);
}

TEST_CASE("a network that is frozen with the averages in it is not so any more with its own weights") {
  nn::Convolution<float> convolution({.in = 16, .out = 16, .kernel = {3, 3}, .padding = {1, 1}});
  convolution.weight.value().fill(0);
  optim::MovingAverage average(convolution);
  convolution.weight.value().fill(1);
  const NoGradient not_recorded;
  const Variable<float> x(Tensor<float>({1, 9, 9, 16}, 1.0F));
  {
    const optim::MovingAverage<float>::InPlace scope(average);
    convolution.freeze();
    CHECK(convolution(x).value()(0, 4, 4, 0) == 0);
  }
  CHECK(convolution(x).value()(0, 4, 4, 0) == doctest::Approx(144));
}
