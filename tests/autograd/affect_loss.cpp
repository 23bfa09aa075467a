#include <mien/autograd/affect_loss.hpp>
#include <mien/autograd/gradient_check.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace mien;

namespace {

Tensor<double> random(const Shape& shape, std::uint64_t seed) {
  Tensor<double> out(shape);
  Generator(seed).fill_uniform(out, -1, 1);
  return out;
}

/// Every third sample has no annotation.
Tensor<std::uint8_t> some_of(Index samples) {
  Tensor<std::uint8_t> mask(Shape{samples});
  for (Index i = 0; i < samples; ++i) mask(i) = i % 3 != 1;
  return mask;
}

}  // namespace

TEST_CASE("the loss of valence and arousal is the sum of its weighted terms") {
  const Variable<double> x(random({31, 2}, 1));
  const Variable<double> y(random({31, 2}, 2));
  const auto mask = some_of(31);
  const double mse = mse_loss(x, y, mask).item();
  const double ccc = ccc_loss(x, y, mask).item();
  CHECK(affect_loss(x, y, mask).item() == doctest::Approx(mse + ccc));
  CHECK(affect_loss(x, y, mask, {.mse = 0.5, .ccc = 2}).item() == doctest::Approx(0.5 * mse + 2 * ccc));
  CHECK(affect_loss(x, y, mask, {.mse = 0}).item() == doctest::Approx(ccc));
  CHECK(affect_loss(x, y, mask, {.mse = 3, .ccc = 0}).item() == doctest::Approx(3 * mse));
}

TEST_CASE("gradients of the loss of valence and arousal") {
  const auto mask = some_of(7);
  const auto check =
      gradient_check([&](auto& in) { return affect_loss(in[0], in[1], mask, {.mse = 0.5, .ccc = 2}); },
                     {Variable<double>(random({7, 2}, 1), true), Variable<double>(random({7, 2}, 2), true)});
  CHECK_MESSAGE(check, check.where);
}

TEST_CASE("each of several tasks is learned from the samples that have it") {
  Variable<double> logits(random({7, 5}, 1), true);
  Variable<double> x(random({7, 2}, 2), true);
  const Variable<double> y(random({7, 2}, 3));
  const auto mask = some_of(7);
  const std::vector<Index> labels{0, -1, 4, 2, -1, 1, 3};
  const MultiTaskLossOptions options{
      .classes = 0.5, .affect = 2, .cross_entropy = {.label_smoothing = 0.1}, .affect_terms = {.mse = 0.3}};
  const double classes = cross_entropy(logits, labels, {.label_smoothing = 0.1, .ignore_index = -1}).item();
  const double affect = affect_loss(x, y, mask, {.mse = 0.3}).item();
  CHECK(multi_task_loss(logits, labels, x, y, mask, options).item() == doctest::Approx(0.5 * classes + 2 * affect));

  auto targets = Tensor<double>::zeros({7, 5});
  for (Index i = 0; i < 7; ++i)
    if (const Index label = labels[static_cast<std::size_t>(i)]; label >= 0) targets(i, label) = 1;
  const auto soft = multi_task_loss(logits, targets, x, y, mask, options);
  CHECK(soft.item() == doctest::Approx(0.5 * classes + 2 * affect));
  const auto check =
      gradient_check([&](auto& in) { return multi_task_loss(in[0], targets, in[1], y, mask, options); }, {logits, x});
  CHECK_MESSAGE(check, check.where);

  // Samples that lack something get no gradient for it.
  logits.zero_gradient();
  x.zero_gradient();
  backward(soft);
  for (Index i = 0; i < 7; ++i) {
    bool pulled = false;
    for (Index c = 0; c < 5; ++c) pulled = pulled || logits.gradient()(i, c) != 0;
    CHECK(pulled == (labels[static_cast<std::size_t>(i)] >= 0));
    CHECK((x.gradient()(i, 0) != 0) == (mask(i) != 0));
  }
}

TEST_CASE("a batch in which nothing is known has loss 0 and no gradient") {
  const Variable<double> logits(random({3, 5}, 1), true);
  const Variable<double> x(random({3, 2}, 2), true);
  const auto none = Tensor<std::uint8_t>::zeros(Shape{3});
  const auto loss = multi_task_loss(logits, {-1, -1, -1}, x, random({3, 2}, 3), none);
  CHECK(loss.item() == 0);
  backward(loss);
  for (const double slope : logits.gradient().span()) CHECK(slope == 0);
  for (const double slope : x.gradient().span()) CHECK(slope == 0);
}

TEST_CASE("weights that make no sense are refused") {
  const Variable<double> x(random({3, 2}, 1));
  CHECK_THROWS_AS(affect_loss(x, x, {}, {.mse = -1}), ValueError);
  CHECK_THROWS_AS(affect_loss(x, x, {}, {.ccc = std::nan("")}), ValueError);
  CHECK_THROWS_AS(affect_loss(x, x, {}, {.mse = 0, .ccc = 0}), ValueError);
  CHECK_THROWS_AS(multi_task_loss(Variable<double>(random({3, 5}, 1)), {0, 1, 2}, x, x, {}, {.classes = -1}),
                  ValueError);
}
