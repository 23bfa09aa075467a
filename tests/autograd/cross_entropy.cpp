#include <mien/autograd/arithmetic.hpp>
#include <mien/autograd/cross_entropy.hpp>
#include <mien/autograd/gradient_check.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

using namespace mien;

namespace {

Tensor<double> random(const Shape& shape, std::uint64_t seed = 1, double size = 2) {
  Tensor<double> out(shape);
  Generator(seed).fill_uniform(out, -size, size);
  return out;
}

std::string message_of(const auto& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("cross-entropy of numbers worked out by hand") {
  const Variable<double> logits(Tensor<double>::from({2, 2}, {0, std::log(3.0), std::log(9.0), 0}));
  // Probabilities (1/4, 3/4) and (9/10, 1/10).
  CHECK(cross_entropy(logits, {1, 0}).item() == doctest::Approx(-(std::log(0.75) + std::log(0.9)) / 2));
  CHECK(cross_entropy(logits, {1, 0}, {.class_weights = {3, 1}}).item() ==
        doctest::Approx(-(std::log(0.75) + 3 * std::log(0.9)) / 4));
  CHECK(cross_entropy(logits, {1, 0}, {.label_smoothing = 1}).item() ==
        doctest::Approx(-(std::log(0.25 * 0.75) + std::log(0.9 * 0.1)) / 4));
  CHECK(cross_entropy(logits, {1, 7}, {.ignore_index = 7}).item() == doctest::Approx(-std::log(0.75)));
}

TEST_CASE("gradients under every option, for sizes odd and small") {
  for (const Shape& shape : {Shape{1, 1}, Shape{1, 7}, Shape{7, 2}, Shape{3, 2, 5}}) {
    const Index rows = shape.elements() / shape[-1];
    std::vector<Index> labels;
    for (Index row = 0; row < rows; ++row) labels.push_back((row * 5 + 1) % shape[-1]);
    std::vector<double> weights;
    for (Index c = 0; c < shape[-1]; ++c) weights.push_back(0.5 + static_cast<double>(c));
    for (const CrossEntropyOptions& options :
         {CrossEntropyOptions{}, CrossEntropyOptions{weights}, CrossEntropyOptions{{}, 0.3},
          CrossEntropyOptions{weights, 0.3, labels[0]}}) {
      CAPTURE(shape.to_string());
      const auto check = gradient_check([&](auto& in) { return scale(cross_entropy(in[0], labels, options), 3.0); },
                                        {Variable<double>(random(shape), true)});
      CHECK_MESSAGE(check, check.where);
    }
  }
}

TEST_CASE("labels may be a tensor of any shape") {
  const Variable<double> logits(random({2, 3, 5}));
  const auto labels = Tensor<std::int64_t>::from({2, 3}, {0, 1, 2, 3, 4, 0});
  CHECK(cross_entropy(logits, labels).item() == cross_entropy(logits, {0, 1, 2, 3, 4, 0}).item());
  const auto across = Tensor<std::int64_t>::from({3, 2}, {0, 3, 1, 4, 2, 0}).permute({1, 0});
  CHECK(cross_entropy(logits, across).item() == cross_entropy(logits, labels).item());
}

TEST_CASE("logits of any size neither overflow nor vanish") {
  Variable<float> logits(Tensor<float>::from({2, 3}, {1e30F, 0, -1e30F, -5000, -5001, -5002}), true);
  const auto loss = cross_entropy(logits, {0, 0});
  CHECK(loss.item() == doctest::Approx(std::log(1 + std::exp(-1.0) + std::exp(-2.0)) / 2));
  backward(loss);
  for (const float value : logits.gradient().span()) CHECK(std::isfinite(value));
}

TEST_CASE("what is ignored has no influence, not even as not-a-number") {
  auto values = random({3, 4});
  values(1, 2) = std::nan("");
  Variable<double> logits(values, true);
  const auto loss = cross_entropy(logits, {2, -100, 3}, {.label_smoothing = 0.1, .ignore_index = -100});
  CHECK(std::isfinite(loss.item()));
  backward(loss);
  for (Index c = 0; c < 4; ++c) {
    CHECK(logits.gradient()(1, c) == 0);
    CHECK(logits.gradient()(0, c) != 0);
  }
}

TEST_CASE("nothing to count: the loss and its gradient are 0") {
  Variable<double> ignored(random({2, 3}), true);
  const auto loss = cross_entropy(ignored, {5, 5}, {.ignore_index = 5});
  CHECK(loss.item() == 0);
  backward(loss);
  for (const double value : ignored.gradient().span()) CHECK(value == 0);
  CHECK(cross_entropy(Variable<double>(random({2, 2})), {1, 1}, {.class_weights = {1, 0}}).item() == 0);
  CHECK(cross_entropy(Variable<double>(Tensor<double>({0, 3})), std::vector<Index>{}).item() == 0);
}

TEST_CASE("the same bits for any number of threads") {
  const int before = thread_count();
  const Shape shape{20011, 7};
  std::vector<Index> labels;
  for (Index row = 0; row < shape[0]; ++row) labels.push_back(row % 7);
  std::vector<float> losses;
  std::vector<Tensor<float>> gradients;
  for (const int threads : {1, 2, 5}) {
    set_thread_count(threads);
    Variable<float> logits(random(shape).cast<float>(), true);
    const auto loss = cross_entropy(logits, labels, {.label_smoothing = 0.1});
    backward(loss);
    losses.push_back(loss.item());
    gradients.push_back(logits.gradient());
  }
  set_thread_count(before);
  for (std::size_t i = 1; i < losses.size(); ++i) {
    CHECK(losses[i] == losses[0]);
    CHECK(std::equal(gradients[i].span().begin(), gradients[i].span().end(), gradients[0].span().begin()));
  }
}

TEST_CASE("what makes no sense is refused, and the message says why") {
  const Variable<double> logits(random({2, 3}));
  CHECK_THROWS_AS(cross_entropy(logits, {0, 3}), ValueError);
  CHECK(message_of([&] { cross_entropy(logits, {0, 3}); }) == "cross_entropy: row 1 has label 3, there are 3 classes");
  CHECK_THROWS_AS(cross_entropy(logits, {-1, 0}), ValueError);
  CHECK_THROWS_AS(cross_entropy(logits, {-100, 0}), ValueError);
  CHECK_THROWS_AS(cross_entropy(logits, {0, 1, 2}), ShapeError);
  CHECK(message_of([&] { cross_entropy(logits, {0, 1, 2}); }) == "cross_entropy: logits [2, 3], labels [3]");
  CHECK_THROWS_AS(cross_entropy(Variable<double>(Tensor<double>({2, 0})), {0, 0}), ShapeError);
  CHECK_THROWS_AS(cross_entropy(logits, {0, 1}, {.class_weights = {1, 1}}), ShapeError);
  CHECK_THROWS_AS(cross_entropy(logits, {0, 1}, {.class_weights = {1, 1, -1}}), ValueError);
  CHECK_THROWS_AS(cross_entropy(logits, {0, 1}, {.class_weights = {1, 1, std::nan("")}}), ValueError);
  CHECK(message_of([&] {
          cross_entropy(logits, {0, 1}, {.class_weights = {1, 1, INFINITY}});
        }) == "cross_entropy: class weight inf is negative or not finite");
  CHECK_THROWS_AS(
      ops::cross_entropy_gradient(logits.value(), Tensor<std::int64_t>({2}, 3), {}, Tensor<double>({1}, 1.0)),
      ValueError);
  CHECK_THROWS_AS(cross_entropy(logits, {0, 1}, {.label_smoothing = 1.1}), ValueError);
  CHECK_THROWS_AS(cross_entropy(logits, {0, 1}, {.label_smoothing = std::nan("")}), ValueError);
}

namespace {

/// Shares of votes, with a class that nobody voted for and a row that nobody looked at.
Tensor<double> votes_for(const Shape& shape) {
  Tensor<double> targets(shape);
  Generator(9).fill_uniform(targets, 0, 1);
  for (Index row = 0; row < shape.elements() / shape[-1]; ++row) {
    double sum = 0;
    for (Index c = 0; c < shape[-1]; ++c) {
      double& vote = targets.data()[row * shape[-1] + c];
      if (c % 3 == 2) vote = 0;
      sum += vote;
    }
    for (Index c = 0; c < shape[-1]; ++c) targets.data()[row * shape[-1] + c] *= row % 4 == 3 ? 0 : 1 / sum;
  }
  return targets;
}

Tensor<double> one_hot(const std::vector<Index>& labels, Index classes) {
  auto out = Tensor<double>::zeros({static_cast<Index>(labels.size()), classes});
  for (std::size_t row = 0; row < labels.size(); ++row) out(static_cast<Index>(row), labels[row]) = 1;
  return out;
}

}  // namespace

TEST_CASE("cross-entropy of soft targets, worked out by hand") {
  const Variable<double> logits(Tensor<double>::from({2, 2}, {0, std::log(3.0), std::log(9.0), 0}));
  const auto targets = Tensor<double>::from({2, 2}, {0.5, 0.5, 0.2, 0.8});
  const double first = -(0.5 * std::log(0.25) + 0.5 * std::log(0.75));
  const double second = -(0.2 * std::log(0.9) + 0.8 * std::log(0.1));
  CHECK(soft_cross_entropy(logits, targets).item() == doctest::Approx((first + second) / 2));
  // Rows that nobody voted on do not count, and without any the loss is 0.
  const auto half = Tensor<double>::from({2, 2}, {0, 0, 0.2, 0.8});
  CHECK(soft_cross_entropy(logits, half).item() == doctest::Approx(second));
  CHECK(soft_cross_entropy(logits, Tensor<double>::zeros({2, 2})).item() == 0);
  // Weights 3 and 1.
  const double weighted = -(3 * 0.2 * std::log(0.9) + 0.8 * std::log(0.1)) / (3 * 0.2 + 0.8);
  CHECK(soft_cross_entropy(logits, half, {.class_weights = {3, 1}}).item() == doctest::Approx(weighted));
  // Smoothed targets are 0.25 and 0.75.
  CHECK(soft_cross_entropy(logits, half, {.label_smoothing = 1.0 / 6}).item() ==
        doctest::Approx(-(0.25 * std::log(0.9) + 0.75 * std::log(0.1))));
  // Focal: (1 - p)^2 before each logarithm.
  CHECK(soft_cross_entropy(logits, half, {.focal_gamma = 2}).item() ==
        doctest::Approx(-(0.2 * 0.01 * std::log(0.9) + 0.8 * 0.81 * std::log(0.1))));
}

TEST_CASE("targets of one class each are labels, under every option") {
  const std::vector<Index> labels{3, 0, 1, 1, 4, 2, 0};
  const Variable<double> logits(random({7, 5}), true);
  for (const CrossEntropyOptions& options :
       {CrossEntropyOptions{}, CrossEntropyOptions{.class_weights = {0.5, 1, 2, 0, 3}},
        CrossEntropyOptions{.class_weights = {0.5, 1, 2, 0, 3}, .label_smoothing = 0.2},
        CrossEntropyOptions{.class_weights = {0.5, 1, 2, 0, 3}, .label_smoothing = 0.2, .focal_gamma = 1.5}}) {
    const auto of_labels = cross_entropy(logits, labels, options);
    CHECK(soft_cross_entropy(logits, one_hot(labels, 5), options).item() == doctest::Approx(of_labels.item()));
  }
  CrossEntropyOptions focal{.ignore_index = 1, .focal_gamma = 1};
  const double with_ignored = cross_entropy(logits, labels, focal).item();
  auto targets = one_hot(labels, 5);
  for (const Index row : {2, 3}) targets(row, 1) = 0;
  focal.ignore_index.reset();
  CHECK(soft_cross_entropy(logits, targets, focal).item() == doctest::Approx(with_ignored));
}

TEST_CASE("gradients of soft targets and of the focal loss") {
  for (const Shape& shape : {Shape{1, 1}, Shape{1, 7}, Shape{7, 2}, Shape{3, 2, 5}, Shape{9, 31}}) {
    std::vector<double> weights;
    for (Index c = 0; c < shape[-1]; ++c) weights.push_back(0.5 + static_cast<double>(c % 4));
    const auto targets = votes_for(shape);
    std::vector<Index> labels;
    for (Index row = 0; row < shape.elements() / shape[-1]; ++row) labels.push_back((row * 5 + 1) % shape[-1]);
    for (const double gamma : {0.0, 0.5, 1.0, 2.0}) {
      CAPTURE(shape.to_string());
      CAPTURE(gamma);
      const CrossEntropyOptions options{.class_weights = weights, .label_smoothing = 0.3, .focal_gamma = gamma};
      const auto soft =
          gradient_check([&](auto& in) { return scale(soft_cross_entropy(in[0], targets, options), 3.0); },
                         {Variable<double>(random(shape), true)});
      CHECK_MESSAGE(soft, soft.where);
      const auto hard = gradient_check(
          [&](auto& in) {
            return cross_entropy(in[0], labels, {.class_weights = weights, .ignore_index = 0, .focal_gamma = gamma});
          },
          {Variable<double>(random(shape), true)});
      CHECK_MESSAGE(hard, hard.where);
    }
  }
}

TEST_CASE("certainty is no trouble for the focal loss") {
  // Log-probabilities of 0 and far below: right, wrong, and both with shares.
  const Tensor<float> logits = Tensor<float>::from({3, 2}, {500, -500, -500, 500, 500, -500});
  const Tensor<float> targets = Tensor<float>::from({3, 2}, {1, 0, 1, 0, 0.5F, 0.5F});
  for (const double gamma : {0.0, 0.5, 2.0}) {
    Variable<float> x(logits.clone(), true);
    const auto loss = soft_cross_entropy(x, targets, {.focal_gamma = gamma});
    CHECK(loss.item() == doctest::Approx(500.0));
    backward(loss);
    for (const float slope : x.gradient().span()) CHECK(std::isfinite(slope));
    CHECK(x.gradient()(0, 0) == 0);
    CHECK(x.gradient()(1, 0) == doctest::Approx(-1.0 / 3));
  }
}

TEST_CASE("soft targets may have gaps, and be of no rows") {
  const Variable<double> logits(random({6, 4}), true);
  const auto targets = votes_for({6, 8}).slice(-1, 0, 8, 2);
  CHECK(soft_cross_entropy(logits, targets).item() == soft_cross_entropy(logits, targets.contiguous()).item());
  CHECK(soft_cross_entropy(Variable<double>(Tensor<double>({0, 4})), Tensor<double>({0, 4})).item() == 0);
}

TEST_CASE("soft targets and gammas that make no sense are refused") {
  const Variable<double> logits(random({2, 3}));
  const auto refusal = [&](const Tensor<double>& targets, const CrossEntropyOptions& options = {}) {
    return message_of([&] { soft_cross_entropy(logits, targets, options); });
  };
  CHECK(refusal(Tensor<double>({2, 4})).find("[2, 3], targets [2, 4]") != std::string::npos);
  CHECK(refusal(Tensor<double>::from({2, 3}, {0, 0, 1, 0, -0.5, 1})).find("row 1 has target -0.5") !=
        std::string::npos);
  CHECK(refusal(Tensor<double>({2, 3}, std::nan(""))).find("row 0 has target nan") != std::string::npos);
  CHECK(refusal(Tensor<double>({2, 3}, 1.0), {.ignore_index = 1}).find("no label to ignore") != std::string::npos);
  CHECK(refusal(Tensor<double>({2, 3}, 1.0), {.focal_gamma = -1}).find("focal gamma -1") != std::string::npos);
  CHECK(message_of([&] {
          cross_entropy(logits, {0, 1}, {.focal_gamma = -1});
        }).find("focal gamma") != std::string::npos);
}
