#include <mien/autograd/arithmetic.hpp>
#include <mien/autograd/gradient_check.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace mien;

namespace {

Tensor<double> random(const Shape& shape, std::uint64_t seed) {
  Tensor<double> out(shape);
  Generator(seed).fill_uniform(out, -2, 2);
  return out;
}

Variable<double> leaf(const Shape& shape, std::uint64_t seed) { return Variable<double>(random(shape, seed), true); }

using Function = std::function<Variable<double>(std::vector<Variable<double>>&)>;

void check(const Function& function, const std::vector<Variable<double>>& inputs) {
  const auto result = gradient_check(function, inputs);
  CHECK_MESSAGE(result, result.where);
}

}  // namespace

TEST_CASE("gradients of sums, differences, products and multiples") {
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{7}, Shape{3, 1, 5}, Shape{0, 3}}) {
    CAPTURE(shape.to_string());
    const std::vector<Variable<double>> two{leaf(shape, 1), leaf(shape, 2)};
    check([](auto& in) { return in[0] + in[1]; }, two);
    check([](auto& in) { return in[0] - in[1]; }, two);
    check([](auto& in) { return in[0] * in[1]; }, two);
    check([](auto& in) { return scale(in[0], -1.5); }, {leaf(shape, 1)});
    check([](auto& in) { return -(2 * in[0] + in[0] * 0.5); }, {leaf(shape, 1)});
    check([](auto& in) { return sum(in[0] * in[0]); }, {leaf(shape, 1)});
  }
}

TEST_CASE("gradients of quotients, and of sums and means over an axis") {
  for (const Shape& shape : {Shape{1}, Shape{7}, Shape{3, 1, 5}, Shape{2, 7, 31}, Shape{0, 3}}) {
    CAPTURE(shape.to_string());
    // Away from 0, on both of its sides.
    auto divisor = random(shape, 2);
    for (double& value : divisor.span()) value += value < 0 ? -1 : 1;
    check([](auto& in) { return in[0] / in[1]; }, {leaf(shape, 1), Variable<double>(divisor, true)});
    check([](auto& in) { return in[0] / -4.0; }, {leaf(shape, 1)});
    check([](auto& in) { return (in[0] + 2) * (3 - in[0]) - (0.5 + in[0]) * (in[0] - 1); }, {leaf(shape, 1)});
    for (Index axis = 0; axis < shape.rank(); ++axis) {
      check([&](auto& in) { return sum(in[0], axis) * sum(in[0], axis); }, {leaf(shape, 1)});
      if (shape[axis] > 0) check([&](auto& in) { return mean(in[0], axis - shape.rank()); }, {leaf(shape, 1)});
    }
  }
  Variable<double> constant(Tensor<double>({3}, 2.0));
  Variable<double> x(Tensor<double>({3}, 6.0), true);
  backward(sum(x / constant));
  CHECK(x.gradient()(2) == 0.5);
}

TEST_CASE("gradients of what goes by channels and by positions") {
  for (const Shape& shape : {Shape{1, 1, 1}, Shape{2, 7, 3}, Shape{2, 1, 3, 5}}) {
    CAPTURE(shape.to_string());
    const Index channels = shape[-1];
    check([](auto& in) { return add_bias(in[0], in[1]); }, {leaf(shape, 1), leaf({channels}, 2)});
    check([](auto& in) { return mean_of_positions(in[0]); }, {leaf(shape, 1)});
    check([](auto& in) { return scale_channels(in[0], in[1]); }, {leaf(shape, 1), leaf({shape[0], channels}, 2)});
  }
}

TEST_CASE("values, told apart by position") {
  const auto x = Tensor<double>::from({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 9});
  const auto mean = mean_of_positions(Variable<double>(x)).value();
  CHECK(mean(0, 0) == 2);
  CHECK(mean(0, 1) == 3);
  CHECK(mean(1, 1) == 7.5);
  const auto biased = ops::add_bias(x, Tensor<double>::from({2}, {10, 20}));
  CHECK(biased(1, 0, 0) == 15);
  CHECK(biased(1, 0, 1) == 26);
  const auto scaled = ops::scale_channels(x, Tensor<double>::from({2, 2}, {1, 10, 100, 1000}));
  CHECK(scaled(0, 1, 1) == 40);
  CHECK(scaled(1, 1, 0) == 700);
  CHECK(sum(Variable<double>(x)).item() == 37);
  CHECK(sum(Variable<double>(x), 1).value()(1, 0) == 12);
  CHECK(mien::mean(Variable<double>(x), 0).value()(1, 1) == 6.5);
  CHECK((Variable<double>(x) / 2.0).value()(1, 1, 1) == 4.5);
  CHECK((Variable<double>(x) + 2).value()(1, 1, 1) == 11);
  CHECK((2 + Variable<double>(x)).value()(0, 0, 0) == 3);
  CHECK((Variable<double>(x) - 2).value()(0, 0, 1) == 0);
  CHECK((2 - Variable<double>(x)).value()(1, 0, 0) == -3);
  CHECK((Variable<double>(x) - Variable<double>(Tensor<double>({2, 2, 2}, 1.0))).value()(1, 1, 1) == 8);
}

TEST_CASE("tensors with gaps are taken as they are") {
  const auto a = random({5, 3}, 1);
  const auto b = random({3, 5}, 2);
  const auto across = b.permute({1, 0});
  const auto total = ops::add(a, across);
  const auto product = ops::multiply(across, a);
  for (Index i = 0; i < 5; ++i)
    for (Index j = 0; j < 3; ++j) {
      CHECK(total(i, j) == a(i, j) + b(j, i));
      CHECK(product(i, j) == a(i, j) * b(j, i));
    }
  Variable<double> x(a, true);
  backward(sum(x * Variable<double>(across)));
  CHECK(x.gradient()(4, 1) == b(1, 4));
}

TEST_CASE("the same bits for any number of threads") {
  const int before = thread_count();
  const auto x = random({3, 20011, 7}, 1).cast<float>();
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 5}) {
    set_thread_count(threads);
    Variable<float> map(x, true);
    Variable<float> bias(Tensor<float>({7}, 0.1F), true);
    const auto loss = sum(mean_of_positions(add_bias(map * map, bias)));
    backward(loss);
    const auto gradient = bias.gradient().span();
    results.emplace_back(gradient.begin(), gradient.end());
    results.back().push_back(loss.item());
    results.back().push_back(ops::sum_rows(x)(3));
  }
  set_thread_count(before);
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}

TEST_CASE("shapes are never stretched to fit") {
  const auto x = leaf({2, 3}, 1);
  CHECK_THROWS_WITH_AS(x + leaf({3}, 2), "add: shapes [2, 3] and [3] differ", ShapeError);
  CHECK_THROWS_AS(x - leaf({3, 2}, 2), ShapeError);
  CHECK_THROWS_AS(x * leaf({1}, 2), ShapeError);
  CHECK_THROWS_WITH_AS(x / leaf({2}, 2), "divide: shapes [2, 3] and [2] differ", ShapeError);
  CHECK_THROWS_WITH_AS(mean(leaf({2, 0, 3}, 1), 1), "mean: nothing to average along axis 1 of [2, 0, 3]", ShapeError);
  CHECK_THROWS_AS(sum(x, 2), IndexError);
  CHECK_THROWS_AS(add_bias(x, leaf({2}, 2)), ShapeError);
  CHECK_THROWS_AS(mean_of_positions(leaf({3}, 1)), ShapeError);
  CHECK_THROWS_AS(mean_of_positions(leaf({2, 0, 3}, 1)), ShapeError);
  CHECK_THROWS_AS(scale_channels(leaf({2, 4, 3}, 1), leaf({3, 2}, 2)), ShapeError);
  CHECK_THROWS_AS(ops::scale_channels_weight_gradient(random({3}, 1), random({3}, 1)), ShapeError);
}
