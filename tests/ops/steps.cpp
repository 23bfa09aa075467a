#include <mien/ops/steps.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace mien;

TEST_CASE("padding becomes zero, whatever it holds") {
  Tensor<double> x({3, 4, 2}, 5.0);
  x.slice(1, 2, 4).fill(std::nan(""));
  const std::vector<Index> lengths{2, 0, 1};
  const Tensor<double> y = ops::mask_steps(x, lengths);
  for (Index b = 0; b < 3; ++b)
    for (Index t = 0; t < 4; ++t)
      for (Index c = 0; c < 2; ++c) CHECK(y(b, t, c) == (t < lengths[static_cast<std::size_t>(b)] ? 5.0 : 0.0));
}

TEST_CASE("no lengths mean that all steps are valid") {
  const Tensor<double> x({2, 3}, 5.0);
  CHECK(ops::mask_steps(x, {}).data() == x.data());
}

TEST_CASE("lengths that cannot be are refused") {
  const Tensor<double> x({2, 3, 1}, 0.0);
  CHECK_THROWS_WITH_AS(ops::mask_steps(x, std::vector<Index>{3, 4}),
                       "mask_steps: length 4 of sample 1 is not in [0, 3]", ValueError);
  CHECK_THROWS_AS(ops::mask_steps(x, std::vector<Index>{-1, 2}), ValueError);
  CHECK_THROWS_AS(ops::mask_steps(x, std::vector<Index>{3}), ShapeError);
  CHECK_THROWS_AS(ops::mask_steps(Tensor<double>({2}), std::vector<Index>{3, 3}), ShapeError);
}
