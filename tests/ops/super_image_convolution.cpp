#include <mien/autograd/activation.hpp>
#include <mien/autograd/gradient_check.hpp>
#include <mien/autograd/super_image_convolution.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "random_tensor.hpp"

using namespace mien;
using testing::largest_difference;
using testing::random;

namespace {

constexpr SuperImageLayout layouts[] = {SuperImageLayout::stacked, SuperImageLayout::interleaved};
constexpr ViewFusion fusions[] = {ViewFusion::channel, ViewFusion::view,  ViewFusion::sum,
                                  ViewFusion::height,  ViewFusion::width, ViewFusion::none};

/// The plain way: build both super images, convolve each, put them back.
template <class T>
Tensor<T> view_by_super_image(const Tensor<T>& x, const Tensor<T>& weight, bool height, SuperImageLayout layout) {
  const Tensor<T> image = ops::to_super_image(x, height, layout);
  return ops::from_super_image(ops::convolution(image, weight, {.padding = 1}), x.size(1), height, layout);
}

Tensor<double> mix(const Tensor<double>& height, const Tensor<double>& width, const Tensor<double>& alpha) {
  return ops::add(ops::scale_channels(height, alpha.select(1, 0).contiguous()),
                  ops::scale_channels(width, alpha.select(1, 1).contiguous()));
}

std::vector<Variable<double>> inputs(const Shape& x, Index outputs, ViewFusion fusion) {
  const Index granules = fusion == ViewFusion::channel ? outputs : 1;
  return {Variable<double>(random<double>(x, 1), true),
          Variable<double>(random<double>({3, 3, x[-1], outputs}, 2), true),
          Variable<double>(random<double>({2 * granules, 2 * outputs}, 3), true),
          Variable<double>(random<double>({2 * granules}, 4), true)};
}

}  // namespace

TEST_CASE("the seams give what two whole super images would, for every small shape") {
  for (const SuperImageLayout layout : layouts)
    for (Index t = 1; t <= 4; ++t)
      for (Index h = 1; h <= 4; ++h)
        for (Index w = 1; w <= 4; ++w) {
          CAPTURE(Shape({t, h, w}).to_string());
          const auto x = random<double>({2, t, h, w, 3}, 5);
          const auto weight = random<double>({3, 3, 3, 2}, 6);
          const auto alpha = random<double>({2, 2, 2}, 7);
          const auto expected =
              mix(view_by_super_image(x, weight, true, layout), view_by_super_image(x, weight, false, layout), alpha);
          CHECK(largest_difference(ops::super_image_convolution(x, weight, alpha, layout), expected) < 1e-13);
        }
}

TEST_CASE("odd sizes and many channels") {
  for (const SuperImageLayout layout : layouts)
    for (const Shape& shape : {Shape{1, 7, 31, 5, 7}, Shape{3, 2, 1, 65, 1}, Shape{1, 3, 9, 7, 31}}) {
      const auto x = random<double>(shape, 8);
      const auto weight = random<double>({3, 3, shape[-1], 33}, 9);
      const auto alpha = random<double>({shape[0], 2, 33}, 10);
      const auto expected =
          mix(view_by_super_image(x, weight, true, layout), view_by_super_image(x, weight, false, layout), alpha);
      CHECK(largest_difference(ops::super_image_convolution(x, weight, alpha, layout), expected) < 1e-12);
    }
}

TEST_CASE("the means of the views are those of the whole views") {
  for (const SuperImageLayout layout : layouts)
    for (const Shape& shape : {Shape{2, 3, 4, 5, 2}, Shape{1, 1, 3, 3, 2}, Shape{2, 5, 1, 1, 2}}) {
      const auto x = random<double>(shape, 11);
      const auto weight = random<double>({3, 3, 2, 3}, 12);
      const auto means = ops::super_image_means(ops::super_image_parts(x, weight, layout));
      CHECK(largest_difference(means.slice(1, 0, 3),
                               ops::mean_of_positions(view_by_super_image(x, weight, true, layout))) < 1e-13);
      CHECK(largest_difference(means.slice(1, 3, 6),
                               ops::mean_of_positions(view_by_super_image(x, weight, false, layout))) < 1e-13);
    }
}

TEST_CASE("gradients of every layout and fusion") {
  for (const SuperImageLayout layout : layouts)
    for (const ViewFusion fusion : fusions)
      for (const Shape& shape : {Shape{2, 3, 3, 4, 2}, Shape{2, 1, 2, 3, 2}, Shape{1, 3, 1, 1, 2}, Shape{1, 2, 1, 3, 1},
                                 Shape{1, 2, 3, 1, 2}}) {
        CAPTURE(shape.to_string());
        CAPTURE(static_cast<int>(fusion));
        const auto result = gradient_check(
            [&](auto& v) {
              return sigmoid(super_image_convolution(v[0], v[1], v[2], v[3], {layout, fusion}).y);
            },
            inputs(shape, 3, fusion));
        CHECK_MESSAGE(result.passed, result.where);
      }
}

TEST_CASE("what each fusion means") {
  const auto x = random<double>({2, 3, 4, 5, 2}, 13);
  const auto weight = random<double>({3, 3, 2, 3}, 14);
  for (const SuperImageLayout layout : layouts) {
    const auto height = view_by_super_image(x, weight, true, layout);
    const auto width = view_by_super_image(x, weight, false, layout);
    const auto result = [&](ViewFusion fusion) {
      return super_image_convolution(Variable<double>(x), Variable<double>(weight), {}, {}, {layout, fusion});
    };
    CHECK(largest_difference(result(ViewFusion::height).y.value(), height) < 1e-13);
    CHECK(largest_difference(result(ViewFusion::width).y.value(), width) < 1e-13);
    CHECK(largest_difference(result(ViewFusion::sum).y.value(), ops::add(height, width)) < 1e-13);
    CHECK(largest_difference(result(ViewFusion::none).y.value(), ops::convolution(x, weight, {.padding = 1})) == 0);
    CHECK(result(ViewFusion::height).alpha(1, 0, 0) == 1);
    CHECK(result(ViewFusion::height).alpha(1, 1, 0) == 0);
  }
}

TEST_CASE("learned weights of the views sum to one and follow the fusion layer") {
  const auto x = random<double>({2, 3, 4, 5, 2}, 15);
  const auto weight = random<double>({3, 3, 2, 3}, 16);
  const auto neutral = super_image_convolution(Variable<double>(x), Variable<double>(weight),
                                               Variable<double>(Tensor<double>::zeros({6, 6})),
                                               Variable<double>(Tensor<double>::zeros({6})));
  for (const double value : neutral.alpha.span()) CHECK(value == 0.5);
  CHECK(neutral.alpha.shape() == Shape{2, 2, 3});

  const auto tilted = super_image_convolution(
      Variable<double>(x), Variable<double>(weight), Variable<double>(Tensor<double>::zeros({2, 6})),
      Variable<double>(Tensor<double>::from({2}, {1.0, 0.0})), {SuperImageLayout::stacked, ViewFusion::view});
  CHECK(tilted.alpha.shape() == Shape{2, 2, 1});
  CHECK(tilted.alpha(0, 0, 0) == doctest::Approx(1 / (1 + std::exp(-1.0))));
  CHECK(tilted.alpha(0, 0, 0) + tilted.alpha(0, 1, 0) == doctest::Approx(1));
}

TEST_CASE("a clip's result does not depend on the clips beside it") {
  const auto x = random<float>({3, 4, 5, 6, 7}, 17);
  const auto weight = random<float>({3, 3, 7, 9}, 18);
  const auto fusion_weight = random<float>({18, 18}, 19);
  const auto fusion_bias = random<float>({18}, 20);
  for (const SuperImageLayout layout : layouts) {
    const auto run = [&](const Tensor<float>& clips) {
      return super_image_convolution(Variable<float>(clips), Variable<float>(weight), Variable<float>(fusion_weight),
                                     Variable<float>(fusion_bias), {layout, ViewFusion::channel})
          .y.value();
    };
    CHECK(largest_difference(run(x).slice(0, 1, 2), run(x.slice(0, 1, 2).clone())) < 1e-5);
  }
}

TEST_CASE("weights of the views with gaps are read as their copies would be, and others refused") {
  const auto x = random<double>({2, 3, 4, 5, 2}, 21);
  const auto weight = random<double>({3, 3, 2, 3}, 22);
  const auto alpha = random<double>({2, 2, 3}, 23);
  for (const SuperImageLayout layout : layouts) {
    auto parts = ops::super_image_parts(x, weight, layout);
    auto same = ops::super_image_parts(x, weight, layout);
    CHECK(largest_difference(ops::super_image_mix(parts, {alpha.select(1, 0), alpha.select(1, 1)}),
                             ops::super_image_mix(same, {alpha.select(1, 0).clone(), alpha.select(1, 1).clone()})) ==
          0);
    const auto upstream = random<double>({2, 3, 4, 5, 3}, 24);
    const auto gradients = [&](const ops::SuperImageWeights<double>& weights, const Tensor<double>& up) {
      return ops::super_image_gradients(x, weight, up, weights, {}, layout, true, true);
    };
    const auto apart = gradients({alpha.select(1, 0), alpha.select(1, 1)}, upstream);
    const auto together = gradients({alpha.select(1, 0).clone(), alpha.select(1, 1).clone()}, upstream);
    CHECK(largest_difference(apart.x, together.x) == 0);
    CHECK(largest_difference(apart.weight, together.weight) == 0);
    CHECK_THROWS_AS(gradients({alpha.select(1, 0), Tensor<double>({2, 1}, 1)}, upstream), ShapeError);
    CHECK_THROWS_AS(gradients({alpha.select(1, 0), alpha.select(1, 1)}, upstream.slice(2, 0, 3)), ShapeError);
    CHECK_THROWS_AS(ops::super_image_alpha_gradient(ops::super_image_parts(x, weight, layout), upstream.slice(3, 0, 4)),
                    ShapeError);
    auto others = ops::super_image_parts(x, weight, layout);
    CHECK_THROWS_AS(ops::super_image_mix(others, {alpha.select(1, 0), Tensor<double>({2, 1}, 1)}), ShapeError);
  }
}

TEST_CASE("inputs that are no clips are refused, with their shapes") {
  const Tensor<float> weight({3, 3, 2, 4}, 0);
  const Tensor<float> alpha({1, 2, 4}, 0);
  CHECK_THROWS_AS(ops::super_image_convolution(Tensor<float>({1, 4, 4, 2}, 0), weight, alpha), ShapeError);
  const Variable<float> clip(Tensor<float>({1, 2, 4, 4, 2}, 0));
  CHECK_THROWS_WITH_AS(
      super_image_convolution(clip, Variable<float>(weight), Variable<float>(Tensor<float>({2, 2}, 0)),
                              Variable<float>(Tensor<float>({2}, 0))),
      doctest::Contains("super_image_convolution: fusion weight [2, 2] for"), ShapeError);
  CHECK_THROWS_AS(ops::super_image_convolution(Tensor<float>({1, 0, 4, 4, 2}, 0), weight, alpha), ShapeError);
  CHECK_THROWS_AS(ops::super_image_convolution(Tensor<float>({1, 2, 4, 4, 3}, 0), weight, alpha), ShapeError);
  CHECK_THROWS_AS(ops::super_image_convolution(Tensor<float>({2, 2, 4, 4, 2}, 0), weight, alpha), ShapeError);
  CHECK_THROWS_AS(
      ops::super_image_convolution(Tensor<float>({1, 2, 4, 4, 2}, 0), Tensor<float>({5, 5, 2, 4}, 0), alpha),
      ShapeError);
  CHECK_THROWS_AS(ops::from_super_image(Tensor<float>({1, 5, 4, 2}, 0), 2, true, SuperImageLayout::stacked),
                  ShapeError);
}
