#include <mien/autograd/gradient_check.hpp>
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
