#include <mien/nn/dropout.hpp>

#include <doctest/doctest.h>

#include <algorithm>

using namespace mien;

TEST_CASE("dropout drops in training and passes on in evaluation") {
  nn::Dropout<float> dropout(0.5);
  const Variable<float> x(Tensor<float>({1000}, 1.0F));
  set_seed(1);
  const Tensor<float> first = dropout(x).value();
  CHECK(std::ranges::count(first.span(), 0.0F) > 400);
  CHECK(std::ranges::count(first.span(), 2.0F) > 400);
  set_seed(1);
  const Tensor<float> again = dropout(x).value();
  CHECK(std::ranges::equal(again.span(), first.span()));
  dropout.evaluate();
  CHECK(dropout(x).value().data() == x.value().data());
  CHECK(dropout.parameters().empty());
}

TEST_CASE("a layer that cannot drop is refused when it is made") {
  CHECK_THROWS_AS(nn::Dropout<float>(1.0), ValueError);
  CHECK_THROWS_AS(nn::Dropout<float>(-0.5), ValueError);
  CHECK_NOTHROW(nn::Dropout<float>(0.0));
}
