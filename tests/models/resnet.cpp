#include <mien/autograd/gradient_check.hpp>
#include <mien/models/class_activation_map.hpp>
#include <mien/models/resnet.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "random_tensor.hpp"

using namespace mien;
using testing::random;

namespace {

models::ResNetOptions tiny(double dropout = 0) {
  return {.outputs = 3,
          .dropout = dropout,
          .stem = models::Stem::small,
          .layers = std::array<Index, 4>{1, 2, 1, 1},
          .widths = {2, 3, 2, 4},
          .channels = 1};
}

template <class Model>
void check_gradients(Model& model) {
  model.evaluate();  // running statistics: a batch's own make the differences themselves noisy
  Generator generator(5);
  for (auto& [name, variable, order] : model.named_parameters())
    // Biases of zero would leave inputs of ReLU at its kink, where no difference tells the gradient.
    if (name.ends_with("fc.weight") || name.ends_with("bias")) generator.fill_normal(variable.value(), 0, 0.5);
  std::vector<Variable<double>> inputs{Variable<double>(random<double>({2, 7, 6, 1}, 6), true)};
  for (const auto& parameter : model.parameters()) inputs.push_back(parameter);
  const auto result =
      gradient_check([&](auto& v) { return model(v[0]); }, inputs, {.step = 1e-6, .tolerance = 1e-5, .projections = 2});
  CHECK_MESSAGE(result.passed, result.where);
}

}  // namespace

TEST_CASE("ResNet-18 and ResNet-50 have as many parameters as torchvision's") {
  CHECK(models::ResNet18<float>({.outputs = 1000}).parameter_count() == 11'689'512);
  CHECK(models::ResNet50<float>({.outputs = 1000}).parameter_count() == 25'557'032);
}

TEST_CASE("gradients of whole ResNets, every parameter") {
  models::ResNet18<double> basic(tiny());
  check_gradients(basic);
  models::ResNet50<double> bottlenecks(tiny());
  check_gradients(bottlenecks);
}

TEST_CASE("features are what the last layer sees, one image at a time or several") {
  models::ResNet50<float> model(tiny());
  model(random<float>({3, 16, 15, 1}, 1));  // running statistics
  model.freeze();
  const NoGradient inference;
  const auto images = random<float>({2, 17, 31, 1}, 2);
  const Variable<float> features = model.features(Variable<float>(images));
  CHECK(features.shape() == Shape{2, 16});
  const Tensor<float> together = model(images).value();
  CHECK(together.shape() == Shape{2, 3});
  CHECK(testing::largest_difference(model.fc(features).value(), together) == 0);
  const Tensor<float> alone = model(images.slice(0, 1, 2)).value();
  CHECK(testing::largest_difference(alone, together.slice(0, 1, 2)) < 1e-5);
}

TEST_CASE("the smallest images and no images at all have outputs in evaluation") {
  models::ResNet18<float> model(models::small_resnet(7));
  model.evaluate();
  CHECK(model(random<float>({1, 2, 2, 1}, 3)).shape() == Shape{1, 7});
  CHECK(model(Tensor<float>({0, 48, 48, 1})).shape() == Shape{0, 7});
}

TEST_CASE("dropout before the last layer is for training alone") {
  models::ResNet18<float> model(tiny(0.5));
  const auto images = random<float>({4, 16, 16, 1}, 4);
  const Tensor<float> first = model(images).value();
  CHECK(testing::largest_difference(first, model(images).value()) > 0);
  model.evaluate();
  CHECK(testing::largest_difference(model(images).value(), model(images).value()) == 0);
}

TEST_CASE("clips, images without channels and stages without blocks are refused") {
  models::ResNet18<float> model(tiny());
  CHECK_THROWS_AS(model(random<float>({2, 4, 16, 16, 1}, 5)), ShapeError);
  CHECK_THROWS_AS(model(random<float>({16, 16, 1}, 5)), ShapeError);
  auto options = tiny();
  options.layers = std::array<Index, 4>{2, 0, 2, 2};
  CHECK_THROWS_AS(models::ResNet18<float>{options}, ValueError);
}

TEST_CASE("a class activation map's mean and the bias are the class's logit") {
  models::ResNet18<float> model(tiny());
  model(random<float>({3, 16, 15, 1}, 1));  // running statistics
  model.freeze();
  const NoGradient inference;
  const Variable<float> images(random<float>({2, 17, 31, 1}, 2));
  const Tensor<float> maps = model.feature_maps(images).value();
  REQUIRE(maps.rank() == 4);
  REQUIRE(maps.size(3) == 4);
  const Tensor<float> logits = model(images).value();
  for (Index label = 0; label < 3; ++label) {
    const Tensor<float> map = models::class_activation_map(maps, model.fc.weight.value(), label);
    CHECK(map.shape() == maps.shape().without(3));
    for (Index image = 0; image < 2; ++image) {
      double sum = 0;
      const auto own = map.select(0, image).contiguous();
      for (const float value : own.span()) sum += static_cast<double>(value);
      const double mean = sum / static_cast<double>(map.size(1) * map.size(2));
      CHECK(mean + static_cast<double>(model.fc.bias.value()(label)) ==
            doctest::Approx(static_cast<double>(logits(image, label))).epsilon(1e-4));
    }
  }
}

TEST_CASE("a class activation map weighs channels at every position, whatever the axes before") {
  const auto maps = Tensor<double>::from({2, 1, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 0, -1, 2});
  const auto weights = Tensor<double>::from({2, 3}, {1, 0, 0, 2, -1, 0.5});
  const auto map = models::class_activation_map(maps, weights, 1);
  CHECK(map.shape() == Shape{2, 1, 2});
  CHECK(map(0, 0, 0) == 1.5);
  CHECK(map(0, 0, 1) == 6);
  CHECK(map(1, 0, 0) == 10.5);
  CHECK(map(1, 0, 1) == 2);
  const auto turned = models::class_activation_map(maps.permute({2, 1, 0, 3}), weights, 1);
  CHECK(turned(1, 0, 0) == 6);
  CHECK_THROWS_AS(models::class_activation_map(maps, weights, 2), IndexError);
  CHECK_THROWS_AS(models::class_activation_map(maps, Tensor<double>({2, 4}), 0), ShapeError);
  CHECK_THROWS_AS(models::class_activation_map(Tensor<double>({3}), weights, 0), ShapeError);
}

TEST_CASE("a map grows between the middles of its positions, and keeps its edges") {
  const auto map = Tensor<float>::from({1, 2}, {0, 4});
  const auto wide = models::resample_map(map, 2, 8);
  const std::vector<float> expected{0, 0, 0.5F, 1.5F, 2.5F, 3.5F, 4, 4};
  for (Index y = 0; y < 2; ++y)
    for (Index x = 0; x < 8; ++x) CHECK(wide(y, x) == expected[static_cast<std::size_t>(x)]);
  const auto same = random<float>({3, 7}, 9);
  CHECK(testing::largest_difference(models::resample_map(same, 3, 7), same) == 0);
  CHECK(models::resample_map(Tensor<float>({1, 1}, 3.F), 5, 1)(4, 0) == 3);
  CHECK_THROWS_AS(models::resample_map(Tensor<float>({2}), 1, 1), ShapeError);
  CHECK_THROWS_AS(models::resample_map(map, 0, 1), ValueError);
}
