#include <mien/ops/concatenate.hpp>

#include <doctest/doctest.h>

#include <numeric>

using namespace mien;

namespace {

Tensor<double> counted(const Shape& shape, double start) {
  Tensor<double> out(shape);
  std::iota(out.span().begin(), out.span().end(), start);
  return out;
}

}  // namespace

TEST_CASE("parts lie side by side along any axis") {
  for (const Index axis : {0, 1, 2, -1, -3}) {
    CAPTURE(axis);
    const Shape base{2, 3, 4};
    const Tensor<double> a = counted(base.with(axis, 1), 0);
    const Tensor<double> b = counted(base.with(axis, 7), 100);
    const Tensor<double> c = counted(base.with(axis, 0), 0);
    const Tensor<double> out = ops::concatenate({a, c, b}, axis);
    CHECK(out.shape() == base.with(axis, 8));
    const Tensor<double> first = out.slice(axis, 0, 1).clone();
    const Tensor<double> rest = out.slice(axis, 1, 8).clone();
    CHECK(std::ranges::equal(first.span(), a.span()));
    CHECK(std::ranges::equal(rest.span(), b.span()));
  }
}

TEST_CASE("a view with gaps is copied by its elements") {
  const Tensor<double> a = counted({3, 2}, 0);
  const Tensor<double> out = ops::concatenate({a.permute({1, 0}), counted({2, 1}, 9)}, 1);
  CHECK(std::ranges::equal(out.span(), std::vector<double>{0, 2, 4, 9, 1, 3, 5, 10}));
}

TEST_CASE("parts that do not fit are refused") {
  const Tensor<double> a({2, 3});
  CHECK_THROWS_WITH_AS(ops::concatenate({a, Tensor<double>({3, 3})}, 1),
                       "concatenate: shapes [2, 3] and [3, 3] along axis 1", ShapeError);
  CHECK_THROWS_AS(ops::concatenate({a, Tensor<double>({2, 3, 1})}, 1), ShapeError);
  CHECK_THROWS_AS(ops::concatenate({a, a}, 2), IndexError);
  CHECK_THROWS_AS(ops::concatenate(std::span<const Tensor<double>>(), 0), ShapeError);
}
