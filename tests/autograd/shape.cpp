#include <mien/autograd/arithmetic.hpp>
#include <mien/autograd/gradient_check.hpp>
#include <mien/autograd/shape.hpp>
#include <mien/autograd/upsampling.hpp>

#include <doctest/doctest.h>

#include <algorithm>

using namespace mien;

namespace {

using Variables = std::vector<Variable<double>>;

Variable<double> random(const Shape& shape, std::uint64_t seed) {
  Tensor<double> out(shape);
  Generator(seed).fill_uniform(out, -1, 1);
  return Variable<double>(out, true);
}

void check_gradients(const std::function<Variable<double>(Variables&)>& function, Variables inputs) {
  const auto result = gradient_check(function, std::move(inputs));
  CHECK_MESSAGE(result, result.where);
}

}  // namespace

TEST_CASE("gradients of concatenate") {
  for (const Index axis : {0, 1, -1}) {
    const Shape base{2, 3, 4};
    check_gradients([axis](Variables& in) { return concatenate(in, axis); },
                    {random(base.with(axis, 1), 1), random(base.with(axis, 0), 2), random(base.with(axis, 7), 3)});
  }
  check_gradients([](Variables& in) { return concatenate({in[0], in[0] * in[0]}, 1); }, {random({2, 3}, 4)});
}

TEST_CASE("upsampling repeats pixels along rows and columns, and its gradient sums over the copies") {
  const auto x = random({2, 3, 4, 5, 3}, 1).value();
  const auto y = upsample_nearest(Variable<double>(x), {3, 2}).value();
  REQUIRE(y.shape() == Shape{2, 3, 12, 10, 3});
  for (Index n = 0; n < 2; ++n)
    for (Index t = 0; t < 3; ++t)
      for (Index i = 0; i < 12; ++i)
        for (Index j = 0; j < 10; ++j)
          for (Index c = 0; c < 3; ++c) REQUIRE(y(n, t, i, j, c) == x(n, t, i / 3, j / 2, c));
  CHECK(upsample_nearest(Variable<double>(x), 1).shape() == x.shape());
  CHECK(upsample_nearest(Variable<double>(Tensor<double>({0, 3, 2, 1})), 2).shape() == Shape{0, 6, 4, 1});
  check_gradients([](Variables& in) { return upsample_nearest(in[0], {2, 3}); }, {random({2, 3, 1, 2}, 2)});
  CHECK_THROWS_AS(upsample_nearest(Variable<double>(Tensor<double>({3, 2}, 0)), 2), ShapeError);
  CHECK_THROWS_AS(upsample_nearest(Variable<double>(x), {0, 2}), ValueError);
}

TEST_CASE("gradients of slice, select, reshape and permute") {
  check_gradients([](Variables& in) { return slice(in[0], 1, 1, 6, 2); }, {random({2, 7, 3}, 1)});
  check_gradients([](Variables& in) { return slice(in[0], -1, 0, 0); }, {random({2, 3}, 1)});
  check_gradients([](Variables& in) { return select(in[0], 1, 4); }, {random({2, 7, 3}, 2)});
  check_gradients([](Variables& in) { return select(in[0], -1, 0); }, {random({2, 1}, 2)});
  check_gradients([](Variables& in) { return reshape(in[0], {3, -1}); }, {random({2, 3, 5}, 3)});
  check_gradients([](Variables& in) { return permute(in[0], {2, 0, 1}); }, {random({2, 3, 5}, 4)});
  check_gradients([](Variables& in) { return permute(in[0], {-1, 0, 1}); }, {random({2, 3, 5}, 4)});
}

TEST_CASE("changes of shape one after the other, with a reused variable") {
  check_gradients(
      [](Variables& in) {
        const auto turned = permute(in[0], {1, 0, 2});
        const auto flat = reshape(turned, {3, 10});
        return slice(flat, 1, 2, 9) * slice(flat, 1, 3, 10) + slice(select(reshape(flat, {1, 3, 10}), 0, 0), 1, 0, 7);
      },
      {random({2, 3, 5}, 5)});
}

TEST_CASE("slice, select, permute and reshape without gaps look at the same memory") {
  const Variable<double> x(Tensor<double>({4, 6}, 1.0));
  CHECK(slice(x, 0, 0, 2).value().data() == x.value().data());
  CHECK(select(x, 1, 3).value().data() == x.value().data() + 3);
  CHECK(permute(x, {1, 0}).value().data() == x.value().data());
  CHECK(reshape(x, {3, 8}).value().data() == x.value().data());
  CHECK(reshape(x, Shape{24}).shape() == Shape{24});
}

TEST_CASE("what cannot be done is refused before anything is recorded") {
  const Variable<double> x = random({4, 6}, 1);
  CHECK_THROWS_AS(slice(x, 0, 2, 5), IndexError);
  CHECK_THROWS_AS(select(x, 2, 0), IndexError);
  CHECK_THROWS_AS(reshape(x, {5, 5}), ShapeError);
  CHECK_THROWS_AS(permute(x, {0, 0}), IndexError);
  CHECK_THROWS_AS(concatenate({x, random({4}, 1)}, 0), ShapeError);
}
