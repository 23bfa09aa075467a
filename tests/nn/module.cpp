#include <mien/autograd/activation.hpp>
#include <mien/nn/batch_norm.hpp>
#include <mien/nn/convolution.hpp>
#include <mien/nn/linear.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace mien;

namespace {

struct Block : nn::Module<Block, float> {
  nn::Convolution<float> conv{{.in = 2, .out = 3, .kernel = 3, .padding = 1}};
  nn::BatchNorm<float> norm{3};
  Variable<float> operator()(const Variable<float>& x) { return relu(norm(conv(x))); }
  void visit(auto&& child) {
    child("conv", conv);
    child("norm", norm);
  }
};

struct Network : nn::Module<Network, float> {
  nn::Sequence<Block> blocks{{Block{}, Block{}}};
  nn::Linear<float> fc{{.in = 3, .out = 2}};
  void visit(auto&& child) {
    child("blocks", blocks);
    child("fc", fc);
  }
};

}  // namespace

TEST_CASE("parameters and buffers have the path of their modules, in the order of the visits") {
  Network network;
  std::vector<std::string> names;
  for (const auto& parameter : network.named_parameters()) names.push_back(parameter.name);
  CHECK(names == std::vector<std::string>{"blocks.0.conv.weight", "blocks.0.norm.weight", "blocks.0.norm.bias",
                                          "blocks.1.conv.weight", "blocks.1.norm.weight", "blocks.1.norm.bias",
                                          "fc.weight", "fc.bias"});
  names.clear();
  for (const auto& buffer : network.named_buffers()) names.push_back(buffer.name);
  CHECK(names == std::vector<std::string>{"blocks.0.norm.running_mean", "blocks.0.norm.running_var",
                                          "blocks.1.norm.running_mean", "blocks.1.norm.running_var"});
  CHECK(network.named_parameters()[0].layout == nn::ParameterLayout::convolution);
  CHECK(network.named_parameters()[1].layout == nn::ParameterLayout::plain);
  CHECK(network.parameter_count() == 2 * (54 + 6) + 8);
}

TEST_CASE("training and evaluation reach every layer below") {
  Network network;
  CHECK(network.blocks[1].norm.is_training());
  network.evaluate();
  CHECK_FALSE(network.is_training());
  CHECK_FALSE(network.blocks[1].norm.is_training());
  network.train();
  CHECK(network.blocks[0].norm.is_training());
  CHECK_THROWS_AS(network.blocks[2], IndexError);
}

TEST_CASE("what parameters() gives is what the module computes with") {
  nn::Linear<float> layer({.in = 1, .out = 1});
  auto parameters = layer.parameters();
  parameters[0].value().fill(3);
  parameters[1].value().fill(1);
  CHECK(layer(Variable<float>(Tensor<float>({1, 1}, 2))).item() == 7);
}

TEST_CASE("a layer without bias has none") {
  nn::Linear<float> layer({.in = 2, .out = 3, .bias = false});
  CHECK(layer.parameters().size() == 1);
  nn::Convolution<float> conv({.in = 2, .out = 3, .kernel = {1, 3}, .padding = {0, 1}, .bias = true});
  CHECK(conv.parameters().size() == 2);
  CHECK(conv(Variable<float>(Tensor<float>({1, 4, 5, 2}, 1))).shape() == Shape{1, 4, 5, 3});
}
