/// Fine-tuning: parts that are not trained, and parts with learning rates of their own.

#include <mien/nn/convolution.hpp>
#include <mien/nn/dropout.hpp>
#include <mien/nn/linear.hpp>
#include <mien/nn/normalised_convolution.hpp>
#include <mien/nn/super_image_convolution.hpp>
#include <mien/optim/sgd.hpp>

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "random_tensor.hpp"

using namespace mien;
using testing::random;

namespace {

struct Block : nn::Module<Block, double> {
  nn::Convolution<double> conv{{.in = 2, .out = 2, .kernel = 3, .padding = 1, .bias = true}};
  nn::BatchNorm<double> norm{2};
  nn::Dropout<double> dropout{0.5};
  Variable<double> operator()(const Variable<double>& x) {
    return dropout(nn::normalised_convolution(conv, norm, x, {.relu = true}));
  }
  void visit(auto&& child) {
    child("conv", conv);
    child("norm", norm);
    child("dropout", dropout);
  }
};

/// Eleven blocks, so that the name of one begins with that of another.
struct Network : nn::Module<Network, double> {
  nn::Sequence<Block> blocks{std::vector<Block>{Block{}, Block{}, Block{}, Block{}, Block{}, Block{}, Block{}, Block{},
                                                Block{}, Block{}, Block{}}};
  nn::Linear<double> fc{{.in = 2, .out = 3}};
  Variable<double> operator()(const Variable<double>& x) { return fc(mean_of_positions(blocks(x))); }
  void visit(auto&& child) {
    child("blocks", blocks);
    child("fc", fc);
  }
};

Variable<double> images() { return Variable<double>(random<double>({3, 5, 4, 2}, 1)); }

/// Copies of all parameters and buffers.
std::map<std::string, Tensor<double>> numbers_of(Network& network) {
  std::map<std::string, Tensor<double>> out;
  for (const auto& [name, variable, layout] : network.named_parameters()) out[name] = variable.value().clone();
  for (const auto& [name, tensor] : network.named_buffers()) out[name] = tensor.clone();
  return out;
}

void step(Network& network, optim::Optimiser<double>& optimiser) {
  optimiser.zero_grad();
  backward(sum(network(images())));
  optimiser.step();
}

}  // namespace

TEST_CASE("nothing is computed for a part that is not trained, and nothing of it changes") {
  Network network;
  optim::Sgd<double> sgd(network.parameters(), {.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.1});
  step(network, sgd);
  network.set_trainable("blocks.0", false);
  network.set_trainable("blocks.1", false);
  CHECK_FALSE(network.blocks[1](network.blocks[0](images())).requires_gradient());
  CHECK(network.blocks[2](images()).requires_gradient());

  const auto before = numbers_of(network);
  step(network, sgd);
  const auto after = numbers_of(network);
  const auto is_held = [](const std::string& name) {
    return nn::is_within(name, "blocks.0") || nn::is_within(name, "blocks.1");
  };
  for (const auto& parameter : network.named_parameters())
    CHECK_MESSAGE(parameter.variable.gradient().defined() == !is_held(parameter.name), parameter.name);
  for (const auto& entry : before) {
    const std::string& name = entry.first;
    const bool kept = is_held(name);
    const bool no_gradient_in_training = name.ends_with("conv.bias");  // batch norm takes it off again
    if (kept || !no_gradient_in_training)
      CHECK_MESSAGE((testing::largest_difference(after.at(name), entry.second) == 0) == kept, name);
  }
}

TEST_CASE("what is not trained is in evaluation, however often the rest is switched") {
  Network network;
  network.set_trainable("blocks.1", false);
  for (int switched = 0; switched < 2; ++switched) {
    CHECK(network.is_training());
    CHECK_FALSE(network.blocks[1].norm.is_training());
    CHECK_FALSE(network.blocks[1].dropout.is_training());
    CHECK(network.blocks[0].norm.is_training());
    CHECK(network.blocks[10].norm.is_training());  // "blocks.10" is no part of "blocks.1"
    network.evaluate();
    CHECK_FALSE(network.blocks[0].norm.is_training());
    network.train();
  }
  network.set_trainable("blocks.1", true);
  CHECK(network.blocks[1].norm.is_training());
}

TEST_CASE("super images that are not trained want no gradient, whether their fusion is learned or not") {
  for (const ViewFusion fusion : {ViewFusion::none, ViewFusion::channel, ViewFusion::sum, ViewFusion::height}) {
    nn::SuperImageConvolution<double> layer({.in = 2, .out = 3, .fusion = fusion});
    const Variable<double> clip(random<double>({1, 2, 5, 4, 2}, 1));
    CHECK(layer(clip).requires_gradient());
    layer.set_trainable("", false);
    CHECK_FALSE(layer(clip).requires_gradient());
  }
}

TEST_CASE("gradients pass through a part that is not trained") {
  Network network;
  network.set_trainable("blocks", false);
  network.set_trainable("blocks.0", true);
  backward(sum(network(images())));
  CHECK(network.blocks[0].conv.weight.gradient().defined());
  CHECK_FALSE(network.blocks[1].conv.weight.gradient().defined());
  CHECK_FALSE(network.blocks[1].norm.weight.gradient().defined());
  CHECK(network.fc.weight.gradient().defined());
}

TEST_CASE("a part that is trained again moves, with the optimiser that knew it") {
  Network network;
  optim::Sgd<double> sgd(network.parameters(), {.learning_rate = 0.1});
  network.set_trainable("fc", false);
  const auto before = numbers_of(network);
  step(network, sgd);
  CHECK(testing::largest_difference(network.fc.weight.value(), before.at("fc.weight")) == 0);
  network.set_trainable("fc", true);
  step(network, sgd);
  CHECK(testing::largest_difference(network.fc.weight.value(), before.at("fc.weight")) > 0);

  network.set_trainable("", false);
  CHECK_FALSE(network(images()).requires_gradient());
  CHECK_THROWS_AS(optim::Sgd<double>(network.parameters()), ValueError);
  network.set_trainable("fc.bias", true);
  optim::Sgd<double> later(network.parameters());
  CHECK(later.parameters().size() == 1);
}

TEST_CASE("groups of parameters move at rates of their own") {
  Network network;
  optim::Sgd<double> sgd(network.parameters_except({"fc", "blocks.10"}), {.learning_rate = 0.5});
  sgd.add_group(network.parameters_of("fc"), {.learning_rate = 0.25});
  sgd.add_group(network.parameters_of("blocks.10"), {.learning_rate = 0.125});
  CHECK(sgd.parameters().size() == network.parameters().size());
  const auto before = numbers_of(network);
  step(network, sgd);
  for (const auto& parameter : network.named_parameters()) {
    const std::string& name = parameter.name;
    const Variable<double>& variable = parameter.variable;
    const double rate = nn::is_within(name, "fc") ? 0.25 : nn::is_within(name, "blocks.10") ? 0.125 : 0.5;
    const auto expected = ops::subtract(before.at(name), ops::scale(variable.gradient(), rate));
    CHECK_MESSAGE(testing::largest_difference(variable.value(), expected) < 1e-12, name);
  }
}

TEST_CASE("a name that nothing has is refused, with the names that there are") {
  Network network;
  for (const char* name : {"block", "blocks.11", "blocks.", "fc.bias.", "blocks.0.norm.running_mean"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(network.set_trainable(name, false), ValueError);
    CHECK_THROWS_AS(network.parameters_of(name), ValueError);
    CHECK_THROWS_AS(network.parameters_except({"fc", name}), ValueError);
  }
  CHECK_THROWS_WITH_AS(network.set_trainable("layer1", false), doctest::Contains("`blocks`, `fc`"), ValueError);
}
