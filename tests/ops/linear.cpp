#include <mien/autograd/gradient_check.hpp>
#include <mien/autograd/linear.hpp>

#include <doctest/doctest.h>

#include "random_tensor.hpp"

using namespace mien;
using testing::largest_difference;
using testing::random;

namespace {

/// y = x W^T + b, number by number.
Tensor<double> by_definition(const Tensor<double>& x, const Tensor<double>& weight, const Tensor<double>& bias) {
  Tensor<double> y(x.shape().with(-1, weight.size(0)));
  const auto rows = x.view({x.shape().without(-1).elements(), x.size(-1)});
  for (Index row = 0; row < rows.size(0); ++row)
    for (Index o = 0; o < weight.size(0); ++o) {
      double sum = bias.defined() ? bias(o) : 0;
      for (Index i = 0; i < weight.size(1); ++i) sum += rows(row, i) * weight(o, i);
      y.data()[row * weight.size(0) + o] = sum;
    }
  return y;
}

}  // namespace

TEST_CASE("a linear map equals its definition, for rows and columns of any number") {
  for (const Shape& shape : {Shape{7}, Shape{1, 1}, Shape{31, 7}, Shape{2, 3, 65}, Shape{300, 31}, Shape{0, 3}})
    for (const Index outputs : {1, 7, 131, 400}) {
      CAPTURE(shape.to_string());
      CAPTURE(outputs);
      const auto x = random<double>(shape, 1);
      const auto weight = random<double>({outputs, shape[-1]}, 2);
      const auto bias = random<double>({outputs}, 3);
      CHECK(largest_difference(ops::linear(x, weight, bias), by_definition(x, weight, bias)) < 1e-12);
      CHECK(largest_difference(ops::linear(x, weight), by_definition(x, weight, {})) < 1e-12);
    }
}

TEST_CASE("gradients of a linear map") {
  for (const Shape& shape : {Shape{3}, Shape{5, 1}, Shape{2, 3, 7}}) {
    CAPTURE(shape.to_string());
    const auto result = gradient_check(
        [](auto& v) { return linear(v[0], v[1], v[2]); },
        {Variable<double>(random<double>(shape, 4), true), Variable<double>(random<double>({4, shape[-1]}, 5), true),
         Variable<double>(random<double>({4}, 6), true)});
    CHECK_MESSAGE(result.passed, result.where);
  }
}

TEST_CASE("views with gaps are read as their copies would be") {
  const auto x = random<double>({7, 10}, 7).slice(1, 1, 10, 3);
  const auto weight = random<double>({3, 5}, 8).permute({1, 0});
  const auto bias = random<double>({9}, 9).slice(0, 0, 9, 2);
  const auto up = random<double>({5, 7}, 10).permute({1, 0});
  CHECK(largest_difference(ops::linear(x, weight, bias), ops::linear(x.clone(), weight.clone(), bias.clone())) == 0);
  CHECK(largest_difference(ops::linear_input_gradient(up, weight),
                           ops::linear_input_gradient(up.clone(), weight.clone())) == 0);
  CHECK(largest_difference(ops::linear_weight_gradient(x, up), ops::linear_weight_gradient(x.clone(), up.clone())) ==
        0);
}

TEST_CASE("sums of nothing are zero") {
  const auto bias = random<double>({3}, 11);
  const auto y = ops::linear(Tensor<double>({4, 0}), Tensor<double>({3, 0}), bias);
  for (Index row = 0; row < 4; ++row)
    for (Index o = 0; o < 3; ++o) CHECK(y(row, o) == bias(o));
  // Memory that was used before, so that what is not written would be seen.
  for (int i = 0; i < 4; ++i) Tensor<double>({4, 5}, 7.0);
  const auto dx = ops::linear_input_gradient(Tensor<double>({4, 0}), Tensor<double>({0, 5}));
  const auto dw = ops::linear_weight_gradient(Tensor<double>({0, 5}), Tensor<double>({0, 4}));
  for (const double value : dx.span()) CHECK(value == 0);
  for (const double value : dw.span()) CHECK(value == 0);
}

TEST_CASE("shapes that do not fit are refused, and all are named") {
  const Tensor<float> x({2, 3}, 0);
  const Tensor<float> weight({5, 3}, 0);
  CHECK_THROWS_WITH_AS(ops::linear(x, Tensor<float>({5, 4}, 0)), "linear: input [2, 3], weight [5, 4], bias none",
                       ShapeError);
  CHECK_THROWS_AS(ops::linear(x, weight, Tensor<float>({3}, 0)), ShapeError);
  CHECK_THROWS_AS(ops::linear(Tensor<float>(Shape{}, 0), weight), ShapeError);
  CHECK_THROWS_WITH_AS(ops::linear_input_gradient(x, weight), "linear_input_gradient: upstream [2, 3], weight [5, 3]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(ops::linear_weight_gradient(x, Tensor<float>({4, 5}, 0)),
                       "linear_weight_gradient: input [2, 3], upstream [4, 5]", ShapeError);
}
