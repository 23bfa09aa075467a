#include <mien/autograd/arithmetic.hpp>
#include <mien/autograd/gradient_check.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace mien;

namespace {

Variable<double> leaf(std::initializer_list<double> values) {
  return Variable<double>(Tensor<double>::from({static_cast<Index>(values.size())}, values), true);
}

/// x^2 with a gradient of one's choice at one element.
Variable<double> square(const Variable<double>& x, double factor, Index wrong_element = -1, double wrong = 0) {
  return record(ops::multiply(x.value(), x.value()), {x},
                [value = x.value(), factor, wrong_element, wrong](const Tensor<double>& upstream, auto& inputs) {
                  auto gradient = ops::scale(ops::multiply(value, upstream), factor);
                  if (wrong_element >= 0) gradient(wrong_element) = wrong;
                  inputs.add(0, gradient);
                });
}

}  // namespace

TEST_CASE("right gradients pass, by the whole Jacobian and by projections") {
  const auto right = [](auto& in) { return square(in[0], 2); };
  CHECK(gradient_check(right, {leaf({1, -2, 0.5})}));
  CHECK(gradient_check(right, {leaf({1, -2, 0.5})}, {.projections = 3}));
}

TEST_CASE("wrong gradients are found, and the entry named") {
  const auto slightly = [](auto& in) { return square(in[0], 2.001); };
  CHECK_FALSE(gradient_check(slightly, {leaf({1, -2})}));
  CHECK_FALSE(gradient_check(slightly, {leaf({1, -2})}, {.projections = 2}));
  CHECK(gradient_check(slightly, {leaf({1, -2})}, {.tolerance = 0.01}));
  const auto result = gradient_check([](auto& in) { return in[1] + square(in[0], 2, 2, 9); },
                                     {leaf({1, -2, 3, 4}), leaf({0, 0, 0, 0})});
  CHECK_FALSE(result.passed);
  CHECK(result.where.find("input 0 [4] element 2") != std::string::npos);
}

TEST_CASE("a gradient that is not a number fails, wherever it stands") {
  for (const Index element : {0, 1, 2}) {
    const auto result =
        gradient_check([element](auto& in) { return square(in[0], 2, element, std::nan("")); }, {leaf({1, 2, 3})});
    CHECK_FALSE(result.passed);
    CHECK(result.where.find("nan") != std::string::npos);
  }
  CHECK_FALSE(gradient_check([](auto& in) { return square(in[0], 2, 1, std::numeric_limits<double>::infinity()); },
                             {leaf({1, 2, 3})}));
}

TEST_CASE("a forgotten gradient is found") {
  const auto forgets = [](auto& in) {
    return record(ops::multiply(in[0].value(), in[1].value()), {in[0], in[1]},
                  [right = in[1].value()](const Tensor<double>& upstream, auto& inputs) {
                    inputs.add(0, ops::multiply(upstream, right));
                  });
  };
  const auto result = gradient_check(forgets, {leaf({1, 2}), leaf({3, 4})});
  CHECK_FALSE(result.passed);
  CHECK(result.where.find("input 1") != std::string::npos);
  CHECK_FALSE(gradient_check([](auto& in) { return (in[0] * in[0]).detach(); }, {leaf({1})}));
}

TEST_CASE("inputs are left as they were") {
  auto x = leaf({1, 2, 3});
  CHECK(gradient_check([](auto& in) { return in[0] * in[0]; }, {x}));
  CHECK(x.value()(0) == 1);
  CHECK(x.value()(2) == 3);
  CHECK_FALSE(x.gradient().defined());
}

TEST_CASE("inputs are left as they were by a function that throws") {
  auto x = leaf({1, 2, 3});
  int calls = 0;
  const auto throws_later = [&calls](auto& in) {
    if (++calls == 4) throw ValueError("fourth call");
    return in[0] * in[0];
  };
  CHECK_THROWS_WITH_AS(gradient_check(throws_later, {x}), "fourth call", ValueError);
  for (Index i = 0; i < 3; ++i) CHECK(x.value()(i) == static_cast<double>(i + 1));
}

TEST_CASE("inputs that cannot be checked are refused") {
  const auto same = [](auto& in) { return in[0]; };
  CHECK_THROWS_AS(gradient_check(same, {Variable<double>(Tensor<double>({2}, 1.0))}), ValueError);
  CHECK_THROWS_AS(gradient_check(same, {Variable<double>(Tensor<double>({2, 3}).permute({1, 0}), true)}), ValueError);
}
