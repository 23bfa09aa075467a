#include <mien/core/random.hpp>
#include <mien/ops/softmax.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace mien;

TEST_CASE("softmax and its logarithm follow the formula along the last axis") {
  Generator generator(3);
  for (const Shape& shape : {Shape{1}, Shape{7}, Shape{3, 1}, Shape{2, 5, 31}, Shape{65, 7}}) {
    CAPTURE(shape.to_string());
    Tensor<double> x(shape);
    generator.fill_normal(x, 0, 3);
    const Tensor<double> y = ops::softmax(x);
    const Tensor<double> log_y = ops::log_softmax(x);
    const Index classes = shape[-1];
    for (Index row = 0; row < x.elements() / classes; ++row) {
      double sum = 0;
      for (Index c = 0; c < classes; ++c) sum += std::exp(x.data()[row * classes + c]);
      for (Index c = 0; c < classes; ++c) {
        const Index i = row * classes + c;
        CHECK(y.data()[i] == doctest::Approx(std::exp(x.data()[i]) / sum).epsilon(1e-12));
        CHECK(log_y.data()[i] == doctest::Approx(x.data()[i] - std::log(sum)).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("softmax neither overflows nor loses small probabilities in their logarithm") {
  const auto x = Tensor<float>::from({2, 3}, {1000.0F, 999.0F, -1000.0F, -3e38F, -3e38F, -3e38F});
  const Tensor<float> y = ops::softmax(x);
  CHECK(y(0, 0) == doctest::Approx(0.7310586));
  CHECK(y(0, 2) == 0.0F);
  CHECK(y(1, 1) == doctest::Approx(1.0 / 3));
  CHECK(ops::log_softmax(x)(0, 2) == doctest::Approx(-2000.3132617));
}

TEST_CASE("softmax of a view with gaps is that of its elements") {
  Generator generator(4);
  Tensor<double> x({5, 7});
  generator.fill_normal(x, 0, 1);
  const Tensor<double> turned = x.permute({1, 0});
  const Tensor<double> expected = ops::softmax(turned.clone());
  const Tensor<double> y = ops::softmax(turned);
  for (Index i = 0; i < y.elements(); ++i) CHECK(y.data()[i] == expected.data()[i]);
}

TEST_CASE("softmax of nothing is nothing, and a single number has no axis") {
  CHECK(ops::softmax(Tensor<float>({0, 7})).shape() == Shape{0, 7});
  CHECK(ops::log_softmax(Tensor<float>({3, 0})).shape() == Shape{3, 0});
  CHECK_THROWS_AS(ops::softmax(Tensor<float>(Shape{})), ShapeError);
  CHECK_THROWS_AS(ops::softmax_gradient(Tensor<float>({2, 3}), Tensor<float>({3, 2})), ShapeError);
}
