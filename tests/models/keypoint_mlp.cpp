#include <mien/autograd/cross_entropy.hpp>
#include <mien/autograd/gradient_check.hpp>
#include <mien/gesture/normalisation.hpp>
#include <mien/models/keypoint_mlp.hpp>
#include <mien/optim/adam.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "random_tensor.hpp"

using namespace mien;
using testing::random;

namespace {

template <class Model>
void check_gradients(Model& model, Index joints) {
  std::vector<Variable<double>> inputs{Variable<double>(random<double>({3, joints, 3}, 6), true)};
  for (const auto& parameter : model.parameters()) inputs.push_back(parameter);
  const auto result = gradient_check([&](auto& v) { return model(v[0]); }, inputs);
  CHECK_MESSAGE(result.passed, result.where);
}

}  // namespace

TEST_CASE("gradients of both perceptrons, every parameter") {
  models::KeypointMlp<double> classes({.joints = 5, .outputs = 3, .widths = {7, 6, 4}});
  check_gradients(classes, 5);
  models::KeypointAffect<double> affect({.joints = 4, .widths = {7, 6, 5}, .own_width = 3});
  check_gradients(affect, 4);
}

TEST_CASE("shapes and sizes are those of four, and of three and twice two layers") {
  models::KeypointMlp<float> classes;
  CHECK(classes(Variable<float>(random<float>({1, 95, 3}, 1))).shape() == Shape{1, 7});
  CHECK(classes(Variable<float>(Tensor<float>({0, 95, 3}))).shape() == Shape{0, 7});
  CHECK(classes.features(Variable<float>(random<float>({2, 95, 3}, 1))).shape() == Shape{2, 128});
  CHECK(classes.parameter_count() == 286 * 512 + 513 * 256 + 257 * 128 + 129 * 7);
  models::KeypointAffect<float> affect({.joints = 25});
  CHECK(affect.parameter_count() == 76 * 512 + 513 * 256 + 257 * 128 + 2 * (129 * 64 + 65));
  const auto y = affect(Variable<float>(ops::scale(random<float>({65, 25, 3}, 2), 100.0F)));
  CHECK(y.shape() == Shape{65, 2});
  for (const float number : y.value().span()) CHECK(std::abs(number) <= 1);
  CHECK_THROWS_AS(classes(Variable<float>(random<float>({2, 25, 3}, 1))), ShapeError);
  CHECK_THROWS_AS(classes(Variable<float>(random<float>({2, 285}, 1))), ShapeError);
}

TEST_CASE("valence comes first and depends on its own layers alone") {
  models::KeypointAffect<double> model({.joints = 4, .widths = {7, 6, 5}, .own_width = 3});
  const Variable<double> poses(random<double>({3, 4, 3}, 1));
  const Tensor<double> before = model(poses).value();
  model.arousal2.bias.value().fill(10);
  const Tensor<double> after = model(poses).value();
  CHECK(testing::largest_difference(after.select(1, 0), before.select(1, 0)) == 0);
  CHECK(after(0, 1) > 0.99);
}

TEST_CASE("any network with two outputs gives valence and arousal") {
  models::KeypointMlp<double> model({.joints = 4, .outputs = 2});
  const Variable<double> outputs = model(Variable<double>(random<double>({3, 4, 3}, 1)));
  const auto affect = models::valence_arousal(outputs);
  for (Index n = 0; n < 3; ++n)
    for (Index i = 0; i < 2; ++i) CHECK(affect.value()(n, i) == doctest::Approx(std::tanh(outputs.value()(n, i))));
  CHECK_THROWS_AS(models::valence_arousal(Variable<double>(Tensor<double>({2, 3}, 1))), ShapeError);
  CHECK_THROWS_AS(models::valence_arousal(Variable<double>(Tensor<double>(Shape{}, 1))), ShapeError);
}

TEST_CASE("it learns whether an arm is raised, wherever and however near somebody stands") {
  set_seed(3);
  Generator generator(7);
  models::KeypointMlp<float> model({.joints = 4, .outputs = 2, .widths = {16, 16, 8}, .dropout = 0.1});
  optim::Adam adam(model.parameters(), {.learning_rate = 1e-2});
  std::vector<Index> labels;
  const auto draw = [&] {
    labels.clear();
    Tensor<float> poses({32, 4, 3});
    for (Index n = 0; n < poses.size(0); ++n) {
      labels.push_back(generator.below(2));
      const double size = generator.uniform(10, 300);
      const double x = generator.uniform(0, 1000);
      const double y = generator.uniform(0, 1000);
      const double hand = labels.back() == 0 ? generator.uniform(0.2, 1) : generator.uniform(-1, -0.2);
      const double places[4][2] = {{0, 0}, {0, 1}, {0.3, 0}, {0.6, hand}};  // neck, hip, shoulder, hand
      for (Index joint = 0; joint < 4; ++joint) {
        poses(n, joint, 0) = static_cast<float>(x + size * places[joint][0]);
        poses(n, joint, 1) = static_cast<float>(y + size * places[joint][1]);
        poses(n, joint, 2) = 0.9F;
      }
    }
    return gesture::normalise_joints(poses);
  };
  for (int step = 0; step < 150; ++step) {
    const Tensor<float> poses = draw();
    adam.zero_grad();
    backward(cross_entropy(model(Variable<float>(poses)), labels));
    adam.step();
  }
  model.evaluate();
  const Tensor<float> poses = draw();
  const auto logits = model(Variable<float>(poses)).value();
  Index right = 0;
  for (Index n = 0; n < 32; ++n) right += (logits(n, 1) > logits(n, 0) ? 1 : 0) == labels[static_cast<std::size_t>(n)];
  CHECK(right >= 30);
}
