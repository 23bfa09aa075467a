#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mien/autograd/arithmetic.hpp"
#include "mien/autograd/cross_entropy.hpp"
#include "mien/backend/cuda/graph.hpp"
#include "mien/nn/dropout.hpp"
#include "mien/nn/linear.hpp"
#include "mien/optim/adam.hpp"
#include "mien/optim/adamax.hpp"
#include "mien/optim/gradient_clipping.hpp"
#include "mien/optim/loss_scale.hpp"
#include "mien/optim/schedules.hpp"
#include "mien/optim/sgd.hpp"

using namespace mien;

namespace {

using Optimiser = optim::Optimiser<float, Cuda>;
using List = nn::ParameterList<float, Cuda>;

/// A layer after dropout, whose weight has more numbers than a block of the step takes.
struct Network {
  Network() : layer({.in = 31, .out = 35}), dropout(0.3) {}

  Variable<float, Cuda> operator()(const Variable<float, Cuda>& x) const { return layer(dropout(x)); }
  List parameters() const { return {layer.weight, layer.bias}; }

  nn::Linear<float, Cuda> layer;
  nn::Dropout<float, Cuda> dropout;
};

struct Maker {
  const char* name;
  std::function<std::unique_ptr<Optimiser>(const List&)> make;
};

const std::vector<Maker>& makers() {
  using Pointer = std::unique_ptr<Optimiser>;
  static const std::vector<Maker> all{
      {"sgd",
       [](const List& list) -> Pointer {
         return std::make_unique<optim::Sgd<float, Cuda>>(list, optim::SgdOptions{.learning_rate = 0.1});
       }},
      {"momentum",
       [](const List& list) -> Pointer {
         return std::make_unique<optim::Sgd<float, Cuda>>(list,
                                                          optim::SgdOptions{.learning_rate = 0.1, .momentum = 0.9});
       }},
      {"nesterov",
       [](const List& list) -> Pointer {
         return std::make_unique<optim::Sgd<float, Cuda>>(
             list, optim::SgdOptions{.learning_rate = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 1e-2});
       }},
      {"adam",
       [](const List& list) -> Pointer {
         return std::make_unique<optim::Adam<float, Cuda>>(
             list, optim::AdamOptions{.learning_rate = 1e-2, .weight_decay = 1e-2});
       }},
      {"adamw",
       [](const List& list) -> Pointer {
         return std::make_unique<optim::AdamW<float, Cuda>>(list, optim::AdamWOptions{.learning_rate = 1e-2});
       }},
      {"adamax",
       [](const List& list) -> Pointer {
         return std::make_unique<optim::Adamax<float, Cuda>>(list, optim::AdamaxOptions{.learning_rate = 1e-2});
       }},
  };
  return all;
}

/// A network, its optimiser, with two groups, and the memory of its batches.
struct Training {
  explicit Training(const Maker& maker) {
    default_generator() = Generator(5);
    network.emplace();
    optimiser = maker.make({network->layer.weight});
    optimiser->add_group({network->layer.bias}, {.learning_rate = 3e-2});
  }

  void set_batch(std::uint64_t number) {
    Tensor<float> numbers(x.shape());
    Generator(number).fill_uniform(numbers, -1, 1);
    x.copy_from(numbers.to<Cuda>());
    labels.copy_from(Tensor<std::int64_t>::from({5}, {0, 2, 1, static_cast<Index>(number % 3), 1}).template to<Cuda>());
  }

  void step() {
    optimiser->zero_grad();
    backward(cross_entropy((*network)(Variable<float, Cuda>(x)), labels));
    norm = optim::limit_gradient_norm(network->parameters(), 0.5);
    optimiser->step();
  }

  /// A step of the bias alone, which is one ahead of the weight from then on.
  void step_of_bias() {
    optimiser->zero_grad();
    backward(sum(network->layer.bias * network->layer.bias));
    optimiser->step();
  }

  /// Parameters, and what the optimiser keeps.
  std::vector<Tensor<float>> numbers() const {
    std::vector<Tensor<float>> out;
    for (const auto& parameter : network->parameters()) out.push_back(parameter.value().clone().to<Cpu>());
    for (const auto& [name, tensor] : optimiser->state().tensors) out.push_back(tensor);
    return out;
  }

  std::optional<Network> network;
  std::unique_ptr<Optimiser> optimiser;
  Tensor<float, Cuda> x{Shape{5, 31}};
  Tensor<std::int64_t, Cuda> labels{Shape{5}};
  Tensor<double, Cuda> norm;
};

void check_same_bits(const std::vector<Tensor<float>>& found, const std::vector<Tensor<float>>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    REQUIRE(found[i].shape() == expected[i].shape());
    CHECK(std::ranges::equal(found[i].span(), expected[i].span()));
  }
}

}  // namespace

TEST_CASE("a training step that is one graph gives the bits of steps without, with the rates of each run") {
  for (const Maker& maker : makers()) {
    CAPTURE(maker.name);
    const auto train = [&](bool as_graph) {
      Training training(maker);
      training.step_of_bias();
      optim::StepDecay schedule(training.optimiser->learning_rate(), {.every = 2, .factor = 0.5});
      std::optional<cuda::Graph> graph;
      std::vector<double> norms;
      for (std::uint64_t number = 0; number < 4; ++number) {
        training.set_batch(number);
        schedule.apply_to(*training.optimiser);
        schedule.step();
        if (training.optimiser->momentum() > 0)
          training.optimiser->set_momentum(0.9 - 0.05 * static_cast<double>(number));
        if (!as_graph) {
          training.step();
        } else if (!graph) {
          graph.emplace([&] { training.step(); });
        } else {
          graph->launch();
        }
        // Making a graph leaves the norm of its first run, which is the next one.
        if (number > 0) norms.push_back(training.norm.item());
      }
      CHECK(norms.front() > 0.5);
      const auto numbers = training.optimiser->state().numbers;
      return std::tuple(training.numbers(), numbers, norms, default_generator().state());
    };
    const auto [expected, counts, norms, random] = train(false);
    const auto [found, found_counts, found_norms, found_random] = train(true);
    check_same_bits(found, expected);
    CHECK(found_counts == counts);
    CHECK(found_counts.at("0.steps") == 4);
    CHECK(found_counts.at("1.steps") == 5);
    CHECK(found_norms == norms);
    CHECK(found_random == random);
  }
}

TEST_CASE("plain steps and those of a graph may take turns") {
  for (const Maker& maker : {makers()[2], makers()[4]}) {
    CAPTURE(maker.name);
    const auto train = [&](bool as_graph) {
      Training training(maker);
      training.set_batch(1);
      std::optional<cuda::Graph> graph;
      if (as_graph) {
        graph.emplace([&] { training.step(); });
      } else {
        training.step();
      }
      for (int number = 0; number < 4; ++number) {
        if (as_graph && number % 2 == 1) {
          graph->launch();
        } else {
          training.step();
        }
      }
      return training.numbers();
    };
    check_same_bits(train(true), train(false));
  }
}

TEST_CASE("a graph goes on from the state that its optimiser is given") {
  for (const Maker& maker : {makers()[2], makers()[3]}) {
    CAPTURE(maker.name);
    Training training(maker);
    training.set_batch(2);
    const auto fresh = training.optimiser->state();
    std::vector<Tensor<float>> start;
    for (const auto& parameter : training.network->parameters()) start.push_back(parameter.value().clone().to<Cpu>());
    const auto run_twice = [&](const cuda::Graph& graph) {
      default_generator() = Generator(9);
      graph.launch();
      graph.launch();
      return training.numbers();
    };
    const auto go_back_to = [&](const std::vector<Tensor<float>>& parameters,
                                const optim::OptimiserState<float>& state) {
      for (std::size_t i = 0; i < 2; ++i) training.network->parameters()[i].value().copy_from(parameters[i].to<Cuda>());
      training.optimiser->set_state(state);
    };
    const cuda::Graph graph([&] { training.step(); });
    const auto parameters = training.numbers();
    const auto state = training.optimiser->state();
    CHECK(state.numbers.at("0.steps") == 1);
    const auto expected = run_twice(graph);
    CHECK(training.optimiser->state().numbers.at("0.steps") == 3);
    go_back_to(parameters, state);
    check_same_bits(run_twice(graph), expected);
    CHECK(training.optimiser->state().numbers.at("0.steps") == 3);

    // From the very beginning too, where the optimiser has kept nothing yet.
    go_back_to(start, fresh);
    CHECK(training.optimiser->state().tensors.empty());
    const auto from_start = run_twice(graph);
    go_back_to(start, fresh);
    default_generator() = Generator(9);
    training.step();
    training.step();
    check_same_bits(from_start, training.numbers());
  }
}

TEST_CASE("a graph keeps what its steps work on") {
  const Maker& adamax = makers()[5];
  const auto run = [&](bool keeps) {
    Training training(adamax);
    training.set_batch(3);
    const cuda::Graph graph([&] { training.step(); });
    if (!keeps) training.optimiser.reset();
    graph.launch();
    std::vector<Tensor<float>> out;
    for (const auto& parameter : training.network->parameters()) out.push_back(parameter.value().clone().to<Cpu>());
    return out;
  };
  check_same_bits(run(false), run(true));
}

TEST_CASE("two steps in one graph count twice") {
  const Maker& adam = makers()[3];
  const auto train = [&](bool as_graph) {
    Training training(adam);
    training.set_batch(4);
    const auto twice = [&] {
      training.step();
      training.step();
    };
    if (as_graph) {
      const cuda::Graph graph(twice);
      graph.launch();
    } else {
      twice();
      twice();
    }
    CHECK(training.optimiser->state().numbers.at("0.steps") == 4);
    return training.numbers();
  };
  check_same_bits(train(true), train(false));
}

TEST_CASE("what the host decides by a result is not recorded") {
  const Variable<float, Cuda> x(Tensor<float, Cuda>({8}, 1.0F), true);
  const List list{x};
  optim::Sgd<float, Cuda> sgd(list);
  const auto message = [&](const std::function<void()>& work) {
    try {
      const cuda::Graph graph([&] {
        sgd.zero_grad();
        backward(sum(x));
        work();
      });
    } catch (const ValueError& error) {
      return std::string(error.what());
    }
    return std::string("recorded");
  };
  CHECK(message([&] { optim::clip_gradient_norm(list, 1); }) ==
        "cuda::Graph: clip_gradient_norm cannot be recorded, since it waits for the norm, which limit_gradient_norm "
        "does not; leave it out of the graph");
  CHECK(message([&] { optim::gradient_norm(list); }).find("gradient_norm cannot be recorded") != std::string::npos);
  optim::LossScale scale;
  CHECK(message([&] { scale.backward(sum(x)); }).find("optim::LossScale cannot be recorded") != std::string::npos);
  CHECK(message([&] { scale.unscale(list); }).find("optim::LossScale cannot be recorded") != std::string::npos);
  CHECK(message([&] { optim::clip_gradient_value(list, 0.1); }) == "recorded");
}
