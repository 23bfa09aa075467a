#include <mien/autograd/cross_entropy.hpp>
#include <mien/autograd/gradient_check.hpp>
#include <mien/models/sistcm_resnet.hpp>
#include <mien/optim/adam.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "random_tensor.hpp"

using namespace mien;
using testing::random;

namespace {

models::SistcmResNet18Options tiny(SuperImageLayout layout, ViewFusion fusion) {
  return {.classes = 3,
          .layout = layout,
          .fusion = fusion,
          .dropout = 0,
          .stem = models::Stem::small,
          .widths = {2, 3, 2, 4},
          .channels = 1};
}

}  // namespace

TEST_CASE("videos of clips give what their clips give one by one") {
  models::SistcmResNet18<float> model(tiny(SuperImageLayout::stacked, ViewFusion::channel));
  model.evaluate();
  const NoGradient inference;
  const auto videos = random<float>({2, 3, 4, 17, 15, 1}, 1);
  const auto together = model(Variable<float>(videos));
  CHECK(together.features.shape() == Shape{2, 3, 4});
  CHECK(together.logits.shape() == Shape{2, 3, 3});
  const Variable<float> one(videos.select(0, 1).select(0, 2).clone().view({1, 4, 17, 15, 1}));
  const auto clip = model(one);
  const Variable<float> maps = model.feature_maps(one);
  CHECK(maps.shape().first(2) == Shape{1, 4});
  CHECK(testing::largest_difference(model.fc(mean_of_positions(maps)).value(), clip.logits.value()) == 0);
  CHECK(testing::largest_difference(together.logits.value().select(0, 1).select(0, 2),
                                    clip.logits.value().select(0, 0)) < 1e-5);
}

TEST_CASE("the views' weights of all eight blocks can be read") {
  models::SistcmResNet18<float> model(tiny(SuperImageLayout::interleaved, ViewFusion::view));
  model(Variable<float>(random<float>({2, 2, 16, 16, 1}, 2)));
  const auto alpha = model.alpha();
  REQUIRE(alpha.size() == 8);
  for (const auto& block : alpha) CHECK(block.shape() == Shape{2, 2, 1});
}

TEST_CASE("one frame and one pixel are enough") {
  for (const auto layout : {SuperImageLayout::stacked, SuperImageLayout::interleaved}) {
    models::SistcmResNet18<float> model(tiny(layout, ViewFusion::channel));
    model.evaluate();
    CHECK(model(Variable<float>(random<float>({1, 1, 2, 2, 1}, 3))).logits.shape() == Shape{1, 3});
  }
}

TEST_CASE("frames without a clip axis are refused") {
  models::SistcmResNet18<float> model(tiny(SuperImageLayout::stacked, ViewFusion::channel));
  CHECK_THROWS_AS(model(Variable<float>(random<float>({2, 16, 16, 1}, 4))), ShapeError);
  CHECK_THROWS_AS(model.feature_maps(Variable<float>(random<float>({1, 2, 3, 16, 16, 1}, 4))), ShapeError);
}

TEST_CASE("gradients of the whole model, every parameter") {
  for (const auto layout : {SuperImageLayout::stacked, SuperImageLayout::interleaved}) {
    models::SistcmResNet18<double> model(tiny(layout, ViewFusion::channel));
    model.evaluate();  // running statistics: a batch's own make the differences themselves noisy
    Generator generator(5);
    for (auto& [name, variable, order] : model.named_parameters())
      // Biases of zero would leave inputs of ReLU at its kink, where no difference tells the gradient.
      if (name.ends_with("fc.weight") || name.ends_with("bias")) generator.fill_normal(variable.value(), 0, 0.5);
    std::vector<Variable<double>> inputs{Variable<double>(random<double>({1, 2, 6, 5, 1}, 6), true)};
    for (const auto& parameter : model.parameters()) inputs.push_back(parameter);
    const auto result = gradient_check([&](auto& v) { return model(v[0]).logits; }, inputs,
                                       {.step = 1e-6, .tolerance = 1e-5, .projections = 2});
    CHECK_MESSAGE(result.passed, result.where);
  }
}

TEST_CASE("it learns which way a bar moves, which no single frame tells") {
  set_seed(3);
  Generator generator(7);
  models::SistcmResNet18<float> model({.classes = 2,
                                       .layout = SuperImageLayout::interleaved,
                                       .fusion = ViewFusion::channel,
                                       .dropout = 0,
                                       .stem = models::Stem::small,
                                       .widths = {8, 8, 8, 8},
                                       .channels = 1});
  optim::Adam adam(model.parameters(), {.learning_rate = 5e-3});
  const auto draw = [&](Tensor<float>& clips, std::vector<Index>& labels) {
    clips.fill(0);
    labels.clear();
    for (Index b = 0; b < clips.size(0); ++b) {
      const Index direction = generator.below(2);
      const Index start = 4 + generator.below(4);
      for (Index t = 0; t < 4; ++t)
        for (Index row = 0; row < 12; ++row) clips(b, t, row, direction == 0 ? start + t : start - t, 0) = 1;
      labels.push_back(direction);
    }
  };
  Tensor<float> clips({16, 4, 12, 12, 1});
  std::vector<Index> labels;
  for (int step = 0; step < 60; ++step) {
    draw(clips, labels);
    adam.zero_grad();
    backward(cross_entropy(model(Variable<float>(clips)).logits, labels));
    adam.step();
  }
  model.evaluate();
  const NoGradient inference;
  draw(clips, labels);
  const auto logits = model(Variable<float>(clips)).logits.value();
  Index right = 0;
  for (Index b = 0; b < 16; ++b) right += (logits(b, 1) > logits(b, 0) ? 1 : 0) == labels[static_cast<std::size_t>(b)];
  CHECK(right >= 15);
}
