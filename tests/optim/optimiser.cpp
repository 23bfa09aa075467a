#include <mien/autograd/arithmetic.hpp>
#include <mien/core/random.hpp>
#include <mien/nn/linear.hpp>
#include <mien/optim/adam.hpp>
#include <mien/optim/adamax.hpp>
#include <mien/optim/gradient_clipping.hpp>
#include <mien/optim/sgd.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <memory>

using namespace mien;

namespace {

template <class T>
Variable<T> parameter(const Shape& shape, T value = T{1}) {
  return Variable<T>(Tensor<T>(shape, value), true);
}

/// A gradient that depends on the parameter, so that any difference between two runs grows.
template <class T>
void compute_gradients(optim::Optimiser<T>& optimiser) {
  optimiser.zero_grad();
  for (const auto& variable : optimiser.parameters()) backward(sum(variable * variable * variable));
}

template <class T>
bool same_bits(const Tensor<T>& a, const Tensor<T>& b) {
  return a.shape() == b.shape() && std::equal(a.span().begin(), a.span().end(), b.span().begin());
}

using Maker = std::unique_ptr<optim::Optimiser<float>> (*)(const nn::ParameterList<float>&);

const std::vector<std::pair<const char*, Maker>>& makers() {
  using Pointer = std::unique_ptr<optim::Optimiser<float>>;
  using List = nn::ParameterList<float>;
  static const std::vector<std::pair<const char*, Maker>> all{
      {"sgd", [](const List& list) -> Pointer { return std::make_unique<optim::Sgd<float>>(list); }},
      {"nesterov",
       [](const List& list) -> Pointer {
         return std::make_unique<optim::Sgd<float>>(
             list, optim::SgdOptions{.learning_rate = 1e-2, .momentum = 0.9, .nesterov = true, .weight_decay = 1e-3});
       }},
      {"adam", [](const List& list) -> Pointer { return std::make_unique<optim::Adam<float>>(list); }},
      {"adamw", [](const List& list) -> Pointer { return std::make_unique<optim::AdamW<float>>(list); }},
      {"adamax", [](const List& list) -> Pointer { return std::make_unique<optim::Adamax<float>>(list); }}};
  return all;
}

nn::ParameterList<float> parameters_of_all_sizes() {
  nn::ParameterList<float> out;
  for (const Shape& shape : {Shape{1}, Shape{7, 31}, Shape{0, 3}, Shape{65, 1025}, Shape{}}) {
    out.push_back(parameter<float>(shape));
    Generator(1).fill_normal(out.back().value(), 0, 0.1);
  }
  return out;
}

}  // namespace

TEST_CASE("parameters of one network, of several, or a list") {
  nn::Linear<double> first({.in = 3, .out = 2});
  nn::Linear<double> second({.in = 2, .out = 1});
  const optim::Adam one(first.parameters(), {.learning_rate = 1e-2});
  CHECK(one.parameters().size() == 2);
  CHECK(one.learning_rate() == 1e-2);
  const optim::Sgd both({first.parameters(), second.parameters()}, {.momentum = 0.5});
  CHECK(both.parameters().size() == 4);
  CHECK(both.groups() == 1);
  CHECK(both.momentum() == 0.5);
  const optim::AdamW single({first.parameters()});
  CHECK(single.parameters().size() == 2);
  const optim::Adamax list(nn::ParameterList<double>{first.weight});
  CHECK(list.learning_rate() == 2e-3);
}

TEST_CASE("braces mean what parentheses do") {
  nn::Linear<double> first({.in = 3, .out = 2});
  nn::Linear<double> second({.in = 2, .out = 1});
  const optim::Adam one{first.parameters(), {.learning_rate = 1e-2}};
  CHECK(one.learning_rate() == 1e-2);
  CHECK(one.parameters().size() == 2);
  const optim::AdamW<double> both{{first.parameters(), second.parameters()}, {.learning_rate = 1e-2}};
  CHECK(both.parameters().size() == 4);
  const optim::Adamax adamax{first.parameters(), {.beta1 = 0.5}};
  CHECK(adamax.momentum() == 0.5);
  optim::Sgd sgd{{first.parameters()}, {.momentum = 0.5}};
  CHECK(sgd.momentum() == 0.5);
  sgd.add_group({second.parameters()});
  CHECK(sgd.parameters().size() == 4);
}

TEST_CASE("a step changes the layer itself, and only what has a gradient") {
  nn::Linear<double> used({.in = 3, .out = 2});
  nn::Linear<double> unused({.in = 3, .out = 2});
  const auto before = unused.weight.value().clone();
  const auto weight = used.weight.value().clone();
  optim::Adam adam({used.parameters(), unused.parameters()}, {.weight_decay = 0.1});
  backward(sum(used(Variable<double>(Tensor<double>({4, 3}, 1.0)))));
  adam.step();
  CHECK_FALSE(same_bits(used.weight.value(), weight));
  CHECK(same_bits(unused.weight.value(), before));
  CHECK(adam.state().numbers.at("0.steps") == 1);
  CHECK(adam.state().numbers.at("2.steps") == 0);
}

TEST_CASE("a parameter that joins late starts with its own first step") {
  auto early = parameter<double>({1});
  auto late = parameter<double>({1});
  optim::Adam adam(nn::ParameterList<double>{early, late}, {.learning_rate = 0.5});
  for (int i = 0; i < 3; ++i) {
    adam.zero_grad();
    backward(sum(early));
    adam.step();
  }
  adam.zero_grad();
  backward(sum(late));
  adam.step();
  // Adam's first step has the length of the learning rate, whatever the gradient.
  CHECK(late.item() == doctest::Approx(0.5));
}

TEST_CASE("zero_grad forgets; without it gradients add") {
  auto x = parameter<double>({1});
  optim::Sgd sgd(nn::ParameterList<double>{x});
  backward(sum(x));
  backward(sum(x));
  CHECK(x.gradient().item() == 2);
  sgd.zero_grad();
  CHECK_FALSE(x.gradient().defined());
  sgd.step();
  CHECK(x.item() == 1);
}

TEST_CASE("groups have a learning rate and a weight decay of their own") {
  auto own = parameter<double>({1});
  auto other = parameter<double>({1});
  auto decays = parameter<double>({1});
  optim::Sgd sgd(nn::ParameterList<double>{own}, {.learning_rate = 0.1});
  sgd.add_group({other}, {.learning_rate = 0.01});
  sgd.add_group({decays}, {.weight_decay = 1});
  CHECK(sgd.groups() == 3);
  CHECK(sgd.learning_rate(0) == 0.1);
  CHECK(sgd.learning_rate(1) == 0.01);
  CHECK(sgd.learning_rate(2) == 0.1);
  CHECK_THROWS_AS(sgd.learning_rate(3), IndexError);
  backward(sum(own + other + decays));
  sgd.step();
  CHECK(own.item() == doctest::Approx(0.9));
  CHECK(other.item() == doctest::Approx(0.99));
  CHECK(decays.item() == doctest::Approx(0.8));
  sgd.set_learning_rate(0.05);
  CHECK(sgd.learning_rate(1) == doctest::Approx(0.005));
  CHECK(sgd.learning_rate(2) == 0.05);
}

TEST_CASE("frozen parameters are left out") {
  auto trained = parameter<double>({1});
  const Variable<double> frozen(Tensor<double>({2}, 1.0));
  const optim::Sgd sgd(nn::ParameterList<double>{frozen, trained});
  CHECK(sgd.parameters().size() == 1);
}

TEST_CASE("the same bits for any number of threads") {
  const int before = thread_count();
  for (const auto& maker : makers()) {
    CAPTURE(maker.first);
    std::vector<nn::ParameterList<float>> results;
    for (const int threads : {1, 2, 5}) {
      set_thread_count(threads);
      auto parameters = parameters_of_all_sizes();
      const auto start = parameters[3].value().clone();
      const auto optimiser = maker.second(parameters);
      for (int step = 0; step < 3; ++step) {
        compute_gradients(*optimiser);
        optimiser->step();
      }
      CHECK_FALSE(same_bits(parameters[3].value(), start));
      results.push_back(parameters);
    }
    for (std::size_t i = 1; i < results.size(); ++i)
      for (std::size_t p = 0; p < results[0].size(); ++p)
        CHECK(same_bits(results[i][p].value(), results[0][p].value()));
  }
  set_thread_count(before);
}

TEST_CASE("training that goes on from a saved state gives the bits of training without a break") {
  const auto train = [](optim::Optimiser<float>& optimiser, int first, int last) {
    for (int step = first; step < last; ++step) {
      compute_gradients(optimiser);
      optimiser.set_learning_rate(2e-3 / (step + 1));
      optimiser.step();
    }
  };
  for (const auto& maker : makers()) {
    CAPTURE(maker.first);
    auto whole = parameters_of_all_sizes();
    const auto uninterrupted = maker.second(whole);
    train(*uninterrupted, 0, 5);

    auto broken = parameters_of_all_sizes();
    const auto first = maker.second(broken);
    train(*first, 0, 3);
    const auto state = first->state();
    auto resumed = parameters_of_all_sizes();
    for (std::size_t p = 0; p < resumed.size(); ++p) resumed[p].value().copy_from(broken[p].value());
    train(*first, 3, 4);  // The state is a copy, which this must not change.

    const auto second = maker.second(resumed);
    second->set_state(state);
    CHECK(second->learning_rate() == 2e-3 / 3);
    train(*second, 3, 5);
    for (std::size_t p = 0; p < whole.size(); ++p) CHECK(same_bits(resumed[p].value(), whole[p].value()));
    CHECK(second->state().numbers == uninterrupted->state().numbers);
  }
}

TEST_CASE("a state of another optimiser is refused, and changes nothing") {
  auto x = parameter<float>({2, 3});
  optim::Adam adam(nn::ParameterList<float>{x});
  compute_gradients(adam);
  adam.step();
  const auto good = adam.state();

  auto missing = good;
  missing.tensors.erase("0.second_moment");
  auto no_number = good;
  no_number.numbers.erase("0.steps");
  auto unexpected = good;
  unexpected.tensors["1.first_moment"] = Tensor<float>({1}, 0.F);
  auto reshaped = good;
  reshaped.tensors["0.first_moment"] = Tensor<float>({3, 2}, 0.F);
  auto wild = good;
  wild.numbers["0.steps"] = std::nan("");

  adam.set_learning_rate(0.5);
  CHECK_THROWS_WITH_AS(adam.set_state(missing), "optim::Adam: the state has no tensor 0.second_moment", ValueError);
  CHECK_THROWS_AS(adam.set_state(no_number), ValueError);
  CHECK_THROWS_AS(adam.set_state(unexpected), ValueError);
  CHECK_THROWS_WITH_AS(adam.set_state(reshaped),
                       "optim::Adam: tensor 0.first_moment of the state has shape [3, 2], its parameter [2, 3]",
                       ShapeError);
  CHECK_THROWS_AS(adam.set_state(wild), ValueError);
  CHECK(adam.learning_rate() == 0.5);
  CHECK(adam.state().numbers.at("0.steps") == 1);
  adam.set_state(good);
  CHECK(adam.learning_rate() == 1e-3);

  // Momentum without the tensors that it needs.
  optim::Sgd with_momentum(parameters_of_all_sizes(), {.momentum = 0.9});
  optim::Sgd without(parameters_of_all_sizes());
  CHECK_THROWS_AS(without.set_state(with_momentum.state()), ValueError);
  CHECK(without.momentum() == 0);
}

TEST_CASE("settings that make no sense are refused") {
  const nn::ParameterList<double> list{parameter<double>({1})};
  CHECK_THROWS_AS(optim::Adam(list, {.learning_rate = -1}), ValueError);
  CHECK_THROWS_AS(optim::Adam(list, {.learning_rate = std::nan("")}), ValueError);
  CHECK_THROWS_WITH_AS(optim::Adam(list, {.beta1 = 1}), "optim::Adam: momentum 1 is not in [0, 1)", ValueError);
  CHECK_THROWS_AS(optim::Adam(list, {.beta2 = 1}), ValueError);
  CHECK_THROWS_AS(optim::AdamW(list, {.weight_decay = -1}), ValueError);
  CHECK_THROWS_AS(optim::Adamax(list, {.epsilon = -1}), ValueError);
  CHECK_THROWS_AS(optim::Sgd(list, {.nesterov = true}), ValueError);
  CHECK_THROWS_AS(optim::Sgd(nn::ParameterList<double>{}), ValueError);
  CHECK_THROWS_AS(optim::Sgd(nn::ParameterList<double>{list[0], list[0]}), ValueError);
  CHECK_THROWS_AS(optim::Sgd(nn::ParameterList<double>{Variable<double>(Tensor<double>({2, 3}).permute({1, 0}), true)}),
                  ShapeError);
  optim::Sgd sgd(list);
  CHECK_THROWS_AS(sgd.add_group(list), ValueError);
  CHECK_THROWS_AS(sgd.set_learning_rate(-1), ValueError);
  CHECK_THROWS_AS(sgd.set_momentum(0.9), ValueError);
  optim::Sgd still(list, {.learning_rate = 0});
  CHECK_THROWS_AS(still.add_group({parameter<double>({1})}, {.learning_rate = 1}), ValueError);
}

TEST_CASE("steps in steady state ask the system for no memory") {
  auto parameters = parameters_of_all_sizes();
  optim::AdamW adam(parameters);
  const auto step = [&] {
    compute_gradients(adam);
    adam.step();
  };
  for (int i = 0; i < 3; ++i) step();
  const auto before = cpu_memory().statistics();
  for (int i = 0; i < 20; ++i) step();
  const auto after = cpu_memory().statistics();
  CHECK(after.requests > before.requests);
  CHECK(after.system_allocations == before.system_allocations);
  CHECK(after.bytes_in_use == before.bytes_in_use);
}

TEST_CASE("gradients that somebody put there count by their shape, with gaps or not") {
  auto w = parameter<double>({2, 3});
  optim::Sgd<double> sgd({w}, {.learning_rate = 1});
  auto turned = Tensor<double>::from({3, 2}, {0, 3, 1, 4, 2, 5});
  w.gradient() = turned.permute({1, 0});
  sgd.step();
  for (Index i = 0; i < 6; ++i) CHECK(w.value().data()[i] == 1 - i);
  CHECK_THROWS_AS(optim::clip_gradient_norm(sgd.parameters(), 1), ShapeError);
  w.gradient() = Tensor<double>({1}, 1.0);
  CHECK_THROWS_WITH_AS(sgd.step(), "optim::Sgd: gradient [1] of parameter [2, 3]", ShapeError);
}

TEST_CASE("a parameter that is frozen after the loss was computed stays") {
  auto w = parameter<double>({1});
  optim::Sgd<double> sgd({w}, {.learning_rate = 0.1});
  const auto loss = sum(w * w);
  w.set_requires_gradient(false);
  backward(loss);
  sgd.step();
  CHECK(w.value()(0) == 1);
}
