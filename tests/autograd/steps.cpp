#include <mien/autograd/gradient_check.hpp>
#include <mien/autograd/steps.hpp>

#include <doctest/doctest.h>

using namespace mien;

TEST_CASE("no gradient comes from padding") {
  Tensor<double> x({3, 4, 2});
  Generator(1).fill_uniform(x, -1, 1);
  for (const std::vector<Index>& lengths : {std::vector<Index>{}, std::vector<Index>{4, 0, 3}}) {
    const auto result =
        gradient_check([&](auto& in) { return mask_steps(in[0], lengths); }, {Variable<double>(x.clone(), true)});
    CHECK_MESSAGE(result, result.where);
  }
}
