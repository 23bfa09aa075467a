#include <mien/core/shape.hpp>

#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <vector>

using namespace mien;

TEST_CASE("extents, counted from the front and from the end") {
  const Shape shape{2, 3, 65};
  CHECK(shape.rank() == 3);
  CHECK(shape[0] == 2);
  CHECK(shape[-1] == 65);
  CHECK(shape[-3] == 2);
  CHECK(shape.elements() == 390);
  CHECK(std::vector<Index>(shape.begin(), shape.end()) == std::vector<Index>{2, 3, 65});
  CHECK(shape.to_string() == "[2, 3, 65]");
}

TEST_CASE("no axes hold one number, an axis of extent 0 none") {
  CHECK(Shape{}.rank() == 0);
  CHECK(Shape{}.elements() == 1);
  CHECK(Shape{}.to_string() == "[]");
  CHECK(Shape{3, 0, 2}.elements() == 0);
}

TEST_CASE("equal means the same axes") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK(Shape{2, 3} != Shape{3, 2});
  CHECK(Shape{2, 3} != Shape{2, 3, 1});
  CHECK(Shape{} != Shape{1});
}

TEST_CASE("shapes made from shapes") {
  const Shape shape{2, 3, 5};
  CHECK(shape.with(1, 7) == Shape{2, 7, 5});
  CHECK(shape.with(-1, 7) == Shape{2, 3, 7});
  CHECK(shape.without(0) == Shape{3, 5});
  CHECK(shape.without(-1) == Shape{2, 3});
  CHECK(shape.first(2) == Shape{2, 3});
  CHECK(shape.first(0) == Shape{});
  CHECK(shape.first(9) == shape);
  Shape grown = shape;
  grown.append(1);
  CHECK(grown == Shape{2, 3, 5, 1});
  const std::array<Index, 2> extents{4, 1};
  CHECK(Shape(std::span<const Index>(extents)) == Shape{4, 1});
}

TEST_CASE("an axis that does not exist is refused, and the message shows the shape") {
  const Shape shape{2, 3};
  CHECK_THROWS_AS(shape[2], IndexError);
  CHECK_THROWS_AS(shape[-3], IndexError);
  CHECK_THROWS_AS(shape.with(2, 1), IndexError);
  CHECK_THROWS_AS(shape.without(5), IndexError);
  CHECK_THROWS_AS(Shape{}[0], IndexError);
  CHECK_THROWS_WITH(shape[2], "axis 2 of shape [2, 3]");
}

TEST_CASE("extents that no tensor can have are refused") {
  CHECK_THROWS_AS(Shape({2, -1}), ShapeError);
  CHECK_THROWS_AS(Shape({1, 1, 1, 1, 1, 1, 1, 1, 1}), ShapeError);
  constexpr Index large = Index{1} << 40;
  CHECK_THROWS_AS(Shape({large, large}), ShapeError);
  CHECK_THROWS_AS(Shape({std::numeric_limits<Index>::max()}), ShapeError);
  // Not even with no elements, since its strides could not be told.
  CHECK_THROWS_AS(Shape({0, large, large}), ShapeError);
  CHECK(Shape({1, 1, 1, 1, 1, 1, 1, 1}).rank() == Shape::max_rank);
}

TEST_CASE("a shape that cannot grow stays as it was") {
  Shape shape{2, 3};
  CHECK_THROWS_WITH_AS(shape.append(Index{1} << 60),
                       "shape [2, 3] with another axis of 1152921504606846976 has too many elements", ShapeError);
  CHECK_THROWS_WITH_AS(shape.append(-4), "extent -4 of axis 2, after [2, 3], is negative", ShapeError);
  CHECK(shape == Shape{2, 3});
}

TEST_CASE("strides of a tensor without gaps") {
  const auto strides = contiguous_strides(Shape{2, 3, 5});
  CHECK(strides[0] == 15);
  CHECK(strides[1] == 5);
  CHECK(strides[2] == 1);
}
