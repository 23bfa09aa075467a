#include <mien/autograd/cross_entropy.hpp>
#include <mien/autograd/gradient_check.hpp>
#include <mien/models/vit.hpp>
#include <mien/optim/adam.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "random_tensor.hpp"

using namespace mien;
using testing::largest_difference;
using testing::random;

namespace {

const models::VisionTransformerOptions tiny{
    .side = 6, .patch = 2, .channels = 2, .width = 6, .depth = 2, .heads = 3, .mlp_width = 7, .outputs = 3};

/// A network whose parameters all matter.
models::VisionTransformer<double> random_net() {
  models::VisionTransformer<double> net(tiny);
  net.evaluate();
  Generator generator(3);
  for (auto& parameter : net.parameters()) generator.fill_normal(parameter.value(), 0, 0.4);
  return net;
}

}  // namespace

TEST_CASE("gradients of a small ViT, every parameter and the image") {
  auto net = random_net();
  std::vector<Variable<double>> inputs{Variable<double>(random<double>({2, 6, 6, 2}, 1), true)};
  for (const auto& parameter : net.parameters()) inputs.push_back(parameter);
  const auto result = gradient_check([&](auto& v) { return net(v[0]); }, inputs, {.projections = 2});
  CHECK_MESSAGE(result.passed, result.where);
}

TEST_CASE("a convolutional stem sees beyond its patch, and has gradients") {
  auto options = tiny;
  options.stem = {{.channels = 3, .stride = 1}, {.channels = 4, .stride = 2}};
  models::VisionTransformer<double> net(options);
  Generator generator(13);
  for (auto& parameter : net.parameters()) generator.fill_normal(parameter.value(), 0, 0.4);
  // In training, so that batch norm's own gradients count too.
  std::vector<Variable<double>> inputs{Variable<double>(random<double>({3, 6, 6, 2}, 14), true)};
  for (const auto& parameter : net.parameters()) inputs.push_back(parameter);
  const auto result = gradient_check([&](auto& v) { return net(v[0]); }, inputs, {.projections = 2});
  CHECK_MESSAGE(result.passed, result.where);

  net.evaluate();
  const NoGradient inference;
  auto& stem = std::get<models::ConvolutionalStem<double>>(net.conv_proj);
  const auto images = random<double>({1, 6, 6, 2}, 15);
  const auto before = stem(Variable<double>(images)).value();
  REQUIRE(before.shape() == Shape{1, 3, 3, 6});
  // One pixel of the first patch, at its border: its neighbour sees it.
  auto changed = images.clone();
  changed(0, 0, 1, 0) += 10;
  const auto after = stem(Variable<double>(changed)).value();
  CHECK(largest_difference(before.slice(2, 1, 2), after.slice(2, 1, 2)) > 1e-3);
  CHECK(largest_difference(before.slice(1, 2, 3), after.slice(1, 2, 3)) == 0);
  const auto usual = net(images).value();
  net.freeze();
  CHECK(largest_difference(net(images).value(), usual) < 1e-12);

  using Options = models::VisionTransformerOptions;
  const auto refused = [](std::vector<models::StemConvolution> steps) {
    CHECK_THROWS_AS(models::VisionTransformer<double>(Options{.side = 48, .patch = 6, .stem = std::move(steps)}),
                    ValueError);
  };
  refused({{.channels = 8, .stride = 2}});
  refused({{.channels = 8, .kernel = 4, .stride = 2}, {.channels = 8, .stride = 3}});
  refused({{.channels = 0, .stride = 2}, {.channels = 8, .stride = 3}});
  refused({{.channels = 8, .stride = 0}, {.channels = 8, .stride = 6}});
}

TEST_CASE("a block is attention and a map of each token, added to what is there") {
  nn::TransformerBlock<double> block({.width = 6, .heads = 2, .mlp_width = 5});
  const Variable<double> x(random<double>({2, 7, 6}, 2));
  const auto before = block(x).value();
  CHECK(before.shape() == x.shape());
  // Without their last layers both branches add nothing.
  for (auto& [name, parameter, layout] : block.named_parameters())
    if (name.starts_with("self_attention.out_proj") || name.starts_with("mlp.3")) parameter.value().fill(0);
  CHECK(largest_difference(block(x).value(), x.value()) == 0);
  CHECK(largest_difference(before, x.value()) > 0.1);
}

TEST_CASE("multi-head attention projects, attends and projects") {
  nn::MultiheadAttention<double> layer({.width = 6, .heads = 3});
  const auto x = random<double>({2, 5, 6}, 4);
  const auto qkv = ops::linear(x, layer.in_proj_weight.value(), layer.in_proj_bias.value());
  const auto expected =
      ops::linear(ops::attention(qkv, 3).out, layer.out_proj.weight.value(), layer.out_proj.bias.value());
  CHECK(largest_difference(layer(Variable<double>(x)).value(), expected) == 0);
  CHECK(layer.out_proj.bias.value().data()[5] == 0);
  CHECK_THROWS_AS(nn::MultiheadAttention<double>({.width = 6, .heads = 4}), ValueError);
  CHECK_THROWS_AS(nn::MultiheadAttention<double>({.width = 6, .heads = 0}), ValueError);
}

TEST_CASE("the order of patches does not matter but for their positions, and images do not see each other") {
  auto net = random_net();
  auto images = random<double>({2, 6, 6, 2}, 5);
  const auto together = net(images).value();
  const auto alone = net(images.slice(0, 1, 2)).value();
  CHECK(largest_difference(together.slice(0, 1, 2), alone) < 1e-12);
  const auto first_patch = images.slice(1, 0, 2).slice(2, 0, 2);
  const auto last_patch = images.slice(1, 4, 6).slice(2, 4, 6);
  const auto kept = first_patch.clone();
  auto swapped = images.clone();
  swapped.slice(1, 0, 2).slice(2, 0, 2).copy_from(last_patch);
  swapped.slice(1, 4, 6).slice(2, 4, 6).copy_from(kept);
  CHECK(largest_difference(net(swapped).value(), together) > 1e-3);
  auto& positions = net.encoder.pos_embedding.value();
  positions.slice(1, 1, 10).fill(0.25);
  CHECK(largest_difference(net(swapped).value(), net(images).value()) < 1e-12);
}

TEST_CASE("positions of sines and cosines tell rows and columns") {
  const auto positions = models::sine_cosine_positions<double>(3, 8, 2);
  REQUIRE(positions.shape() == Shape{1, 10, 8});
  for (Index i = 0; i < 8; ++i) CHECK(positions(0, 0, i) == 0);
  const double slow = std::pow(10000.0, -0.5);
  const Index place = 1 + 2 * 3 + 1;  // row 2, column 1
  const double expected[] = {std::sin(1.0), std::sin(slow),     std::cos(1.0), std::cos(slow),
                             std::sin(2.0), std::sin(2 * slow), std::cos(2.0), std::cos(2 * slow)};
  for (Index i = 0; i < 8; ++i) CHECK(positions(0, place, i) == doctest::Approx(2 * expected[i]).epsilon(1e-14));
  CHECK_THROWS_AS(models::sine_cosine_positions<double>(3, 6), ValueError);
  CHECK_THROWS_AS(models::sine_cosine_positions<double>(0, 8), ValueError);
  const models::VisionTransformer<double> small(models::small_vit());
  CHECK(largest_difference(small.encoder.pos_embedding.value(), models::sine_cosine_positions<double>(8, 128)) == 0);
}

TEST_CASE("features, outputs and sizes are those of the options") {
  models::VisionTransformer<double> net(models::small_vit(2));
  CHECK(net.parameter_count() > 700000);
  CHECK(net.parameter_count() < 950000);
  net.evaluate();
  const NoGradient inference;
  const Variable<double> faces(random<double>({3, 48, 48, 1}, 6));
  CHECK(net.features(faces).shape() == Shape{3, 128});
  CHECK(net(faces).shape() == Shape{3, 2});
  CHECK(net(Tensor<double>({0, 48, 48, 1})).shape() == Shape{0, 2});
  CHECK_THROWS_AS(net(Tensor<double>({1, 54, 48, 1})), ShapeError);
  CHECK_THROWS_AS(net(Tensor<double>({48, 48, 1})), ShapeError);
  CHECK_THROWS_AS(net(Tensor<double>({1, 48, 48, 3})), ShapeError);
  CHECK_THROWS_AS(models::VisionTransformer<double>({.side = 48, .patch = 7}), ValueError);
  CHECK_THROWS_AS(models::VisionTransformer<double>({.side = 48, .patch = 0}), ValueError);
}

TEST_CASE("dropout drops in training alone") {
  models::VisionTransformer<double> net({.side = 4,
                                         .patch = 2,
                                         .channels = 1,
                                         .width = 8,
                                         .depth = 1,
                                         .heads = 2,
                                         .mlp_width = 8,
                                         .outputs = 2,
                                         .dropout = 0.5});
  Generator(7).fill_normal(net.heads.head.weight.value(), 0, 1);
  const auto images = random<double>({2, 4, 4, 1}, 8);
  CHECK(largest_difference(net(images).value(), net(images).value()) > 0);
  net.evaluate();
  CHECK(largest_difference(net(images).value(), net(images).value()) == 0);
}

TEST_CASE("a small ViT learns where the bright patch is") {
  set_seed(1);
  models::VisionTransformerOptions options = tiny;
  options.channels = 1;
  options.width = 12;
  models::VisionTransformer<double> net(options);
  optim::AdamW<double> adam(net.parameters(), {.learning_rate = 5e-3});
  const std::vector<Index> labels{0, 1, 2, 0, 1, 2};
  auto images = Tensor<double>::zeros({6, 6, 6, 1});
  for (Index i = 0; i < 6; ++i)
    images.select(0, i)
        .slice(0, 2 * labels[static_cast<std::size_t>(i)], 2 * labels[static_cast<std::size_t>(i)] + 2)
        .slice(1, i < 3 ? 0 : 4, i < 3 ? 2 : 6)
        .fill(1);
  double loss = 0;
  for (int step = 0; step < 60; ++step) {
    const auto error = cross_entropy(net(images), labels);
    loss = error.item();
    adam.zero_grad();
    backward(error);
    adam.step();
  }
  CHECK(loss < 0.1);
}

TEST_CASE("position embeddings are resampled as torchvision does") {
  struct Expected {
    Index before, after;
    models::PositionSampling sampling;
    double sum;
  };
  using enum models::PositionSampling;
  // Sums of all numbers times cos(0.3 i), by PyTorch 1.13's interpolate with aligned corners.
  const Expected all[] = {{3, 5, bilinear, -0.032738223883513495}, {3, 5, bicubic, -0.15717237101632237},
                          {4, 2, bicubic, -0.5504449678525369},    {2, 7, bilinear, 3.625130116600812},
                          {2, 7, bicubic, 3.7567969264910754},     {5, 1, bicubic, 0.9473735784070708}};
  for (const auto& [before, after, sampling, expected] : all) {
    const std::string sides = std::to_string(before) + " to " + std::to_string(after);
    CAPTURE(sides);
    Tensor<double> embedding({1, 1 + before * before, 2});
    embedding(0, 0, 0) = 5;
    embedding(0, 0, 1) = -5;
    for (Index i = 0; i < 2 * before * before; ++i) embedding.data()[2 + i] = std::sin(1.7 * static_cast<double>(i));
    const auto found = models::resample_positions(embedding, after, sampling);
    REQUIRE(found.shape() == Shape{1, 1 + after * after, 2});
    CHECK(found(0, 0, 1) == -5);
    double sum = 0;
    for (Index i = 0; i < 2 * after * after; ++i) sum += found.data()[2 + i] * std::cos(0.3 * static_cast<double>(i));
    CHECK(sum == doctest::Approx(expected).epsilon(1e-12));
    CHECK(largest_difference(models::resample_positions(embedding, before, sampling), embedding) < 1e-15);
  }
  CHECK_THROWS_AS(models::resample_positions(Tensor<double>({1, 7, 2}), 3), ShapeError);
  CHECK_THROWS_AS(models::resample_positions(Tensor<double>({2, 5, 2}), 3), ShapeError);
  CHECK_THROWS_AS(models::resample_positions(Tensor<double>({5, 2}), 3), ShapeError);
  CHECK_THROWS_AS(models::resample_positions(Tensor<double>({1, 5, 2}, 0.0), 0), ValueError);
}
