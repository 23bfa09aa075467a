#include <mien/autograd/gradient_check.hpp>
#include <mien/autograd/multi_stage_loss.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace mien;

namespace {

Tensor<double> random(const Shape& shape, std::uint64_t seed) {
  Tensor<double> out(shape);
  Generator(seed).fill_uniform(out, -2, 2);
  return out;
}

}  // namespace

TEST_CASE("the loss is that of its three parts") {
  const Variable<double> clips(random({2, 3, 5}, 1));
  const Variable<double> e1(random({2, 5}, 2));
  const Variable<double> e2(random({2, 5}, 3));
  const double of_clips = cross_entropy(clips, {4, 4, 4, 1, 1, 1}).item();
  const double of_e1 = cross_entropy(e1, {4, 1}).item();
  const double of_e2 = cross_entropy(e2, {4, 1}).item();
  CHECK(multi_stage_loss(clips, e1, e2, {4, 1}).item() == doctest::Approx(of_clips + of_e1 + of_e2));
  CHECK(multi_stage_loss(clips, e1, e2, {4, 1}, {.lambda = 0.5, .mu = 3}).item() ==
        doctest::Approx(of_clips + 0.5 * of_e1 + 3 * of_e2));
}

TEST_CASE("padding of shorter videos has no influence, not even as not-a-number") {
  const auto values = random({2, 3, 4}, 1);
  auto padded = values.clone();
  padded.select(0, 1).slice(0, 1, 3).fill(std::nan(""));
  const Variable<double> e1(random({2, 4}, 2));
  const Variable<double> e2(random({2, 4}, 3));
  Variable<double> clips(padded, true);
  const auto loss = multi_stage_loss(clips, e1, e2, {3, 0}, {.lambda = 0, .mu = 0, .lengths = {3, 1}});

  Tensor<double> four({4, 4});
  four.slice(0, 0, 3).copy_from(values.select(0, 0));
  four.slice(0, 3, 4).copy_from(values.select(0, 1).slice(0, 0, 1));
  CHECK(loss.item() == doctest::Approx(cross_entropy(Variable<double>(four), {3, 3, 3, 0}).item()));
  backward(loss);
  for (Index clip = 0; clip < 3; ++clip)
    for (Index c = 0; c < 4; ++c) {
      CHECK(clips.gradient()(0, clip, c) != 0);
      CHECK((clips.gradient()(1, clip, c) != 0) == (clip == 0));
    }
}

TEST_CASE("a video with an ignored label counts nowhere") {
  const auto clips = random({2, 3, 4}, 1);
  const auto e1 = random({2, 4}, 2);
  const auto e2 = random({2, 4}, 3);
  const auto one = [](const Tensor<double>& x) { return Variable<double>(x.slice(0, 0, 1)); };
  const double both =
      multi_stage_loss(Variable<double>(clips), Variable<double>(e1), Variable<double>(e2), {2, 9}, {.ignore_index = 9})
          .item();
  CHECK(both == doctest::Approx(multi_stage_loss(one(clips), one(e1), one(e2), {2}).item()));
}

TEST_CASE("gradients with every option in use") {
  const auto check = gradient_check(
      [](auto& in) {
        return multi_stage_loss(
            in[0], in[1], in[2], {2, 0, 1},
            {.lambda = 0.7, .mu = 0.4, .class_weights = {1, 2, 0.5}, .label_smoothing = 0.1, .lengths = {2, 1, 0}});
      },
      {Variable<double>(random({3, 2, 3}, 1), true), Variable<double>(random({3, 3}, 2), true),
       Variable<double>(random({3, 3}, 3), true)});
  CHECK_MESSAGE(check, check.where);
}

TEST_CASE("what makes no sense is refused") {
  const Variable<double> clips(random({2, 3, 4}, 1));
  const Variable<double> e(random({2, 4}, 2));
  CHECK_THROWS_AS(multi_stage_loss(clips, e, e, {0}), ShapeError);
  CHECK_THROWS_AS(multi_stage_loss(clips, e, Variable<double>(random({2, 3}, 2)), {0, 1}), ShapeError);
  CHECK_THROWS_AS(multi_stage_loss(e, e, e, {0, 1}), ShapeError);
  CHECK_THROWS_AS(multi_stage_loss(clips, e, e, {0, 1}, {.lengths = {3}}), ShapeError);
  CHECK_THROWS_AS(multi_stage_loss(clips, e, e, {0, 1}, {.lengths = {3, 4}}), ValueError);
  CHECK_THROWS_WITH_AS(multi_stage_loss(clips, e, e, {0, 4}),
                       "multi_stage_loss: video 1 has label 4, there are 4 classes", ValueError);
  CHECK_THROWS_AS(multi_stage_loss(clips, e, e, {0, -1}), ValueError);
}
