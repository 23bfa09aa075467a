#include <mien/autograd/gradient_check.hpp>
#include <mien/autograd/scale_shift.hpp>

#include <doctest/doctest.h>

#include "random_tensor.hpp"

using namespace mien;
using testing::random;

TEST_CASE("every channel has its own scale and shift") {
  for (const Shape& shape : {Shape{7}, Shape{31, 1}, Shape{2, 3, 5, 65}, Shape{0, 4}}) {
    CAPTURE(shape.to_string());
    const Index channels = shape[-1];
    const auto x = random<double>(shape, 1);
    const auto scale = random<double>({channels}, 2);
    const auto shift = random<double>({channels}, 3);
    const auto y = ops::scale_shift(x, scale, shift);
    REQUIRE(y.shape() == shape);
    for (Index i = 0; i < y.elements(); ++i)
      CHECK(y.data()[i] == doctest::Approx(scale(i % channels) * x.data()[i] + shift(i % channels)));
  }
}

TEST_CASE("gradients of scale and shift") {
  const auto result = gradient_check([](auto& v) { return scale_shift(v[0], v[1], v[2]); },
                                     {Variable<double>(random<double>({3, 5, 7}, 4), true),
                                      Variable<double>(random<double>({7}, 5), true),
                                      Variable<double>(random<double>({7}, 6), true)});
  CHECK_MESSAGE(result.passed, result.where);
}

TEST_CASE("a scale for another number of channels is refused") {
  const Tensor<float> x({2, 3}, 0);
  CHECK_THROWS_AS(ops::scale_shift(x, Tensor<float>({2}, 1), Tensor<float>({3}, 0)), ShapeError);
  CHECK_THROWS_AS(ops::scale_shift(x, Tensor<float>({3}, 1), Tensor<float>({3, 1}, 0)), ShapeError);
}
