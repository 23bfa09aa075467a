#include <mien/autograd/activation.hpp>
#include <mien/autograd/gradient_check.hpp>
#include <mien/models/densenet.hpp>

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "random_tensor.hpp"

using namespace mien;
using testing::random;

namespace {

models::DenseNetOptions tiny() {
  return {.outputs = 3,
          .stem = models::Stem::small,
          .layers = {2, 1, 3},
          .growth = 3,
          .width = 5,
          .bottleneck = 2,
          .channels = 1};
}

/// Something to say in biases too, so that no channel is at the kink of its ReLU.
template <class Module>
void fill_biases(Module& module) {
  Generator generator(5);
  for (auto& [name, variable, order] : module.named_parameters())
    if (name.ends_with("bias")) generator.fill_normal(variable.value(), 0, 0.5);
}

/// A block as it is written down, with everything kept.
template <class T>
Variable<T> plain_block(models::DenseBlock<T>& block, const Variable<T>& x) {
  Variable<T> all = x;
  for (auto& layer : block.layers) {
    const Variable<T> bottleneck = layer.conv1(relu(layer.norm1(all)));
    all = concatenate({all, layer.conv2(relu(layer.norm2(bottleneck)))}, -1);
  }
  return all;
}

/// Output, gradients, and running statistics after a training step of a block that starts the same each time.
template <class Run>
std::map<std::string, Tensor<double>> step(const Run& run) {
  set_seed(7);
  models::DenseBlock<double> block({.in = 5, .layers = 4, .growth = 3, .bottleneck = 2});
  fill_biases(block);
  Variable<double> x(random<double>({2, 7, 5, 5}, 1), true);
  const Variable<double> y = run(block, x);
  backward(y, random<double>(y.shape(), 2));
  std::map<std::string, Tensor<double>> out{{"y", y.value()}, {"x", x.gradient()}};
  for (const auto& [name, variable, order] : block.named_parameters()) out[name] = variable.gradient();
  for (const auto& [name, tensor] : block.named_buffers()) out[name] = tensor;
  return out;
}

/// Bytes that a training step of one block takes at its peak, beyond what was there before.
template <class Run>
double peak_of_step(Index layers, const Run& run) {
  models::DenseBlock<float> block({.in = 4, .layers = layers, .growth = 4, .bottleneck = 2});
  Variable<float> x(random<float>({2, 32, 32, 4}, 1), true);
  const std::size_t before = cpu_memory().statistics().bytes_in_use;
  cpu_memory().reset_peak();
  backward(sum(run(block, x)));
  return static_cast<double>(cpu_memory().statistics().peak_bytes_in_use - before);
}

const auto our_block = [](auto& block, const auto& x) { return concatenate(block(x), -1); };
const auto plain = [](auto& block, const auto& x) { return plain_block(block, x); };

}  // namespace

TEST_CASE("DenseNet-121 and DenseNet-201 have as many parameters as torchvision's") {
  CHECK(models::DenseNet<float>(models::densenet121(1000)).parameter_count() == 7'978'856);
  CHECK(models::DenseNet<float>(models::densenet201(1000)).parameter_count() == 20'013'928);
}

TEST_CASE("a block gives what it is written down as: output, every gradient, running statistics followed once") {
  const auto expected = step(plain);
  const auto found = step(our_block);
  REQUIRE(found.size() == expected.size());
  for (const auto& part : expected)
    CHECK_MESSAGE(testing::largest_difference(found.at(part.first), part.second) < 1e-10, part.first);
}

TEST_CASE("memory of a training step grows linearly with a block's layers, and not with their square") {
  const int threads = thread_count();
  set_thread_count(1);
  const double few = peak_of_step(12, our_block);
  const double more = peak_of_step(24, our_block);
  const double most = peak_of_step(48, our_block);
  CHECK(more < 2.2 * few);
  CHECK(most < 2.2 * more);
  // What is measured can tell: kept side by side, maps of twice the layers take nearly four times as much.
  CHECK(peak_of_step(24, plain) > 3 * peak_of_step(12, plain));
  CHECK(peak_of_step(24, plain) > 3 * more);
  set_thread_count(threads);
}

TEST_CASE("gradients of a whole DenseNet, every parameter") {
  models::DenseNet<double> model(tiny());
  fill_biases(model);
  model.evaluate();  // running statistics: a batch's own make the differences themselves noisy
  std::vector<Variable<double>> inputs{Variable<double>(random<double>({2, 9, 8, 1}, 6), true)};
  for (const auto& parameter : model.parameters()) inputs.push_back(parameter);
  const auto result =
      gradient_check([&](auto& v) { return model(v[0]); }, inputs, {.step = 1e-6, .tolerance = 1e-5, .projections = 2});
  CHECK_MESSAGE(result.passed, result.where);
}

TEST_CASE("only what is trained has gradients, and it has the same") {
  models::DenseNet<double> model(tiny());
  fill_biases(model);
  model.evaluate();
  const Variable<double> images(random<double>({2, 12, 9, 1}, 3));
  backward(sum(model(images)));
  std::map<std::string, Tensor<double>> expected;
  for (auto& [name, variable, order] : model.named_parameters()) {
    expected[name] = variable.gradient();
    variable.zero_gradient();
  }
  model.set_trainable("features", false);
  for (const char* part : {"features.denseblock2.denselayer1.conv1", "features.denseblock3.denselayer2.norm1.bias",
                           "features.denseblock3.denselayer3.conv2"})
    model.set_trainable(part, true);
  backward(sum(model(images)));
  Index defined = 0;
  for (const auto& parameter : model.named_parameters()) {
    const auto& variable = parameter.variable;
    CHECK_MESSAGE(variable.gradient().defined() == variable.requires_gradient(), parameter.name);
    if (!variable.gradient().defined()) continue;
    CHECK_MESSAGE(testing::largest_difference(variable.gradient(), expected.at(parameter.name)) < 1e-10,
                  parameter.name);
    ++defined;
  }
  CHECK(defined == 5);
}

TEST_CASE("inference, frozen too, gives what is computed with gradients") {
  models::DenseNet<float> model(tiny());
  fill_biases(model);
  model(random<float>({3, 16, 15, 1}, 1));  // running statistics
  model.evaluate();
  const auto images = random<float>({3, 17, 31, 1}, 2);
  const Tensor<float> expected = model(images).value();
  CHECK(expected.shape() == Shape{3, 3});
  const NoGradient inference;
  CHECK(testing::largest_difference(model(images).value(), expected) < 1e-4);
  model.freeze();
  const Tensor<float> frozen = model(images).value();
  CHECK(testing::largest_difference(frozen, expected) < 1e-4);
  CHECK(testing::largest_difference(model(images.slice(0, 1, 2)).value(), frozen.slice(0, 1, 2)) < 1e-5);
  CHECK(testing::largest_difference(model.classifier(model.features(Variable<float>(images))).value(), frozen) == 0);
  const Variable<float> maps = model.feature_maps(Variable<float>(images));
  CHECK(maps.shape().rank() == 4);
  CHECK(testing::largest_difference(model.classifier(mean_of_positions(maps)).value(), frozen) == 0);
  CHECK(model(Tensor<float>({0, 17, 31, 1})).shape() == Shape{0, 3});
}

TEST_CASE("the small form takes faces of 48 pixels") {
  models::DenseNet<float> model(models::small_densenet(7));
  CHECK(model.features(Variable<float>(random<float>({2, 48, 48, 1}, 4))).shape() == Shape{2, 132});
}

TEST_CASE("what is no DenseNet, and no images, is refused") {
  auto options = tiny();
  options.layers = {};
  CHECK_THROWS_AS(models::DenseNet<float>{options}, ValueError);
  options.layers = {2, 0};
  CHECK_THROWS_AS(models::DenseNet<float>{options}, ValueError);
  models::DenseNet<float> model(tiny());
  CHECK_THROWS_AS(model(random<float>({2, 4, 16, 16, 1}, 5)), ShapeError);
  CHECK_THROWS_AS(model(random<float>({2, 7, 16, 1}, 5)), ShapeError);  // no row is left
  nn::Convolution<float> biased({.in = 2, .out = 3, .bias = true});
  nn::BatchNorm<float> norm(2);
  CHECK_THROWS_AS(
      nn::preactivated_convolution(norm, biased, std::vector{Variable<float>(random<float>({1, 3, 3, 2}, 6))}),
      ValueError);
}
