#include <mien/autograd/dropout.hpp>
#include <mien/autograd/gradient_check.hpp>

#include <doctest/doctest.h>

#include <algorithm>

using namespace mien;

TEST_CASE("the gradient passes where the value passed") {
  Tensor<double> x({3, 7});
  Generator(1).fill_uniform(x, 1, 2);
  const auto result = gradient_check(
      [](auto& in) {
        Generator generator(5);
        return dropout(in[0], 0.4, generator);
      },
      {Variable<double>(x, true)});
  CHECK_MESSAGE(result, result.where);
}

TEST_CASE("the generator moves on, and its state brings the same elements back") {
  const Variable<float> x(Tensor<float>({65}, 1.0F));
  Generator generator(7);
  const Generator::State before = generator.state();
  const Tensor<float> first = dropout(x, 0.5, generator).value();
  const Tensor<float> second = dropout(x, 0.5, generator).value();
  CHECK_FALSE(std::ranges::equal(first.span(), second.span()));
  generator.set_state(before);
  const Tensor<float> again = dropout(x, 0.5, generator).value();
  CHECK(std::ranges::equal(again.span(), first.span()));
}
