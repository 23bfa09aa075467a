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
