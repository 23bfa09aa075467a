#include <mien/autograd/arithmetic.hpp>
#include <mien/autograd/cross_entropy.hpp>
#include <mien/data/loader.hpp>
#include <mien/nn/batch_norm.hpp>
#include <mien/nn/dropout.hpp>
#include <mien/nn/linear.hpp>
#include <mien/optim/adam.hpp>
#include <mien/train/learning_rate_finder.hpp>
#include <mien/train/trainer.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

using namespace mien;

namespace {

struct Batch {
  Tensor<float> points;
  std::vector<Index> labels;
};

struct Loader {
  std::vector<Batch> all;
  Index batches() const { return static_cast<Index>(all.size()); }
  const std::vector<Batch>& epoch(Index, Index) const { return all; }
};

Loader make_loader() {
  Loader out;
  Generator generator(3);
  for (int i = 0; i < 4; ++i) {
    Batch batch{Tensor<float>({16, 3}), {}};
    generator.fill_normal(batch.points, 0, 0.3);
    for (Index row = 0; row < 16; ++row) {
      batch.labels.push_back(row % 3);
      batch.points(row, row % 3) += 1;
    }
    out.all.push_back(batch);
  }
  return out;
}

struct Network : nn::Module<Network, float> {
  Variable<float> operator()(const Variable<float>& x) { return out(dropout(norm(x))); }
  void visit(auto&& child) {
    child("norm", norm);
    child("dropout", dropout);
    child("out", out);
  }
  nn::BatchNorm<float> norm{3};
  nn::Dropout<float> dropout{0.1};
  nn::Linear<float> out{{.in = 3, .out = 3}};
};

train::BatchOutput<float> step(Network& network, const Batch& batch) {
  const Variable<float> logits = network(batch.points);
  return {cross_entropy(logits, batch.labels), logits.value(), batch.labels};
}

std::vector<float> numbers_in(Network& network) {
  std::vector<float> out;
  for (const auto& parameter : network.parameters())
    out.insert(out.end(), parameter.value().span().begin(), parameter.value().span().end());
  for (const auto& buffer : network.named_buffers())
    out.insert(out.end(), buffer.tensor.span().begin(), buffer.tensor.span().end());
  return out;
}

}  // namespace

TEST_CASE("rates rise by one factor, and the suggestion lies where the loss falls") {
  set_seed(1);
  Network network;
  optim::Adam<float> adam(network.parameters(), {.learning_rate = 0.01});
  const auto curve = train::find_learning_rate(
      adam, make_loader(), [&](const Batch& batch) { return step(network, batch); },
      {.lowest = 1e-5, .highest = 10, .batches = 61}, network);
  REQUIRE(curve.points.size() > 20);
  CHECK(curve.points.front().rate == doctest::Approx(1e-5).scale(0));
  for (std::size_t i = 1; i < curve.points.size(); ++i)
    CHECK(curve.points[i].rate / curve.points[i - 1].rate == doctest::Approx(std::pow(1e6, 1.0 / 60)));
  CHECK(curve.points.front().smoothed == doctest::Approx(curve.points.front().loss));
  REQUIRE(curve.suggestion.has_value());
  CHECK(*curve.suggestion > 1e-4);
  CHECK(*curve.suggestion < 1);
}

TEST_CASE("afterwards nothing has changed, not even what comes next") {
  const auto train_on = [](bool find) {
    set_seed(1);
    Network network;
    optim::Adam<float> adam(network.parameters(), {.learning_rate = 0.01});
    const Loader loader = make_loader();
    const auto one = [&](const Batch& batch) { return step(network, batch); };
    const auto take_steps = [&] {
      for (const Batch& batch : loader.all) {
        adam.zero_grad();
        backward(one(batch).loss);
        adam.step();
      }
    };
    take_steps();
    if (find) {
      const auto before = numbers_in(network);
      network.evaluate();
      train::find_learning_rate(adam, loader, one, {.batches = 10}, network);
      CHECK(!network.is_training());
      CHECK(numbers_in(network) == before);
      CHECK(adam.learning_rate() == 0.01);
      network.train();
      const auto thrower = [&](const Batch& batch) -> train::BatchOutput<float> {
        one(batch);
        throw std::runtime_error("killed");
      };
      CHECK_THROWS_AS(train::find_learning_rate(adam, loader, thrower, {}, network), std::runtime_error);
      CHECK(numbers_in(network) == before);
      network.dropout.evaluate();
      train::find_learning_rate(adam, loader, one, {.batches = 10}, network);
      CHECK(network.is_training());
      CHECK(!network.dropout.is_training());
      CHECK(network.norm.is_training());
      network.train();
    }
    take_steps();
    return numbers_in(network);
  };
  CHECK(train_on(true) == train_on(false));
}

TEST_CASE("a loss that diverges ends the search") {
  Network network;
  optim::Adam<float> adam(network.parameters(), {.learning_rate = 0.01});
  Index steps = 0;
  const auto growing = [&](const Batch& batch) {
    auto out = step(network, batch);
    if (++steps > 5) out.loss = scale(out.loss, steps > 9 ? std::nanf("") : 1e3F);
    return out;
  };
  const train::LearningRateFinderOptions options{.batches = 50, .smoothing = 0.5};
  const auto curve = train::find_learning_rate(adam, make_loader(), growing, options, network);
  CHECK(curve.diverged);
  CHECK(curve.points.size() == 6);
  steps = 9;
  const auto infinite = train::find_learning_rate(adam, make_loader(), growing, options, network);
  CHECK(infinite.diverged);
  CHECK(infinite.points.empty());
  CHECK(!infinite.suggestion);
}

TEST_CASE("options that make no sense are refused") {
  Network network;
  optim::Adam<float> adam(network.parameters());
  const auto one = [&](const Batch& batch) { return step(network, batch); };
  for (const train::LearningRateFinderOptions& options : {train::LearningRateFinderOptions{.lowest = 0},
                                                          {.lowest = 1, .highest = 1},
                                                          {.batches = 2},
                                                          {.smoothing = 1},
                                                          {.divergence = 1}})
    CHECK_THROWS_AS(train::find_learning_rate(adam, make_loader(), one, options, network), ValueError);
  CHECK_THROWS_AS(train::find_learning_rate(adam, Loader{}, one, {}, network), ValueError);
}

TEST_CASE("the suggestion lies before the least loss, though one may fall faster after it") {
  const std::vector<train::LearningRateCurve::Point> points{
      {1e-5, 1, 1}, {1e-4, 0.9, 0.9}, {1e-3, 0.5, 0.5}, {1e-2, 0.45, 0.45}, {1e-1, 9, 9}, {1, 2, 2}, {10, 0.5, 0.5}};
  CHECK(train::detail::steepest_descent(points) == 1e-4);
}

TEST_CASE("no gradients are left behind, and the data's epochs follow each other") {
  struct Epochs {
    Loader loader;
    std::vector<Index>* seen;
    Index batches() const { return loader.batches(); }
    const std::vector<Batch>& epoch(Index number, Index first) const {
      seen->push_back(number);
      return loader.epoch(number, first);
    }
  };
  Network network;
  optim::Adam<float> adam(network.parameters());
  std::vector<Index> seen;
  train::find_learning_rate(
      adam, Epochs{make_loader(), &seen}, [&](const Batch& batch) { return step(network, batch); }, {.batches = 10},
      network);
  CHECK(seen == std::vector<Index>{0, 1, 2});
  CHECK(optim::gradient_norm(adam.parameters()) == 0);
}
