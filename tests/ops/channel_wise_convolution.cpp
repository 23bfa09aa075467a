#include <mien/autograd/channel_wise_convolution.hpp>
#include <mien/autograd/gradient_check.hpp>
#include <mien/ops/convolution.hpp>

#include <doctest/doctest.h>

#include "random_tensor.hpp"

#include <cmath>
#include <vector>

using namespace mien;
using testing::random;

namespace {

struct Case {
  Shape x;
  Shape weight;
  ChannelWiseConvolutionOptions options;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> list{{{2, 5, 7, 3}, {3, 3, 1, 3}, {}},
                                      {{1, 2, 6, 5, 7}, {3, 2, 1, 7}, {.stride = {1, 2}, .padding = {0, 1}}},
                                      {{3, 1, 1, 31}, {3, 3, 1, 31}, {}},
                                      {{1, 8, 3, 1}, {5, 1, 1, 1}, {.stride = {3, 1}, .padding = {2, 0}}}};
  return list;
}

}  // namespace

TEST_CASE("channel-wise convolution is a convolution of as many groups as channels") {
  for (const Case& c : cases()) {
    CAPTURE(c.x.to_string());
    const auto x = random<double>(c.x, 1);
    const auto weight = random<double>(c.weight, 2);
    const ops::ConvolutionOptions grouped{c.options.stride, c.options.padding, c.x[-1]};
    const auto same = [](const Tensor<double>& a, const Tensor<double>& b) {
      REQUIRE(a.shape() == b.shape());
      for (Index i = 0; i < a.elements(); ++i) CHECK(a.data()[i] == doctest::Approx(b.data()[i]));
    };
    const auto y = ops::channel_wise_convolution(x, weight, c.options);
    same(y, ops::convolution(x, weight, grouped));
    same(ops::channel_wise_convolution_input_gradient(y, weight, x.shape(), c.options),
         ops::convolution_input_gradient(y, weight, x.shape(), grouped));
    same(ops::channel_wise_convolution_weight_gradient(x, y, weight.shape(), c.options),
         ops::convolution_weight_gradient(x, y, weight.shape(), grouped));
  }
}

TEST_CASE("gradients of channel-wise convolution") {
  for (const Case& c : cases()) {
    CAPTURE(c.x.to_string());
    const auto result =
        gradient_check([&](auto& v) { return channel_wise_convolution(v[0], v[1], c.options); },
                       {Variable<double>(random<double>(c.x, 3), true), Variable<double>(random<double>(c.weight, 4), true)});
    CHECK_MESSAGE(result.passed, result.where);
  }
}

TEST_CASE("a weight for another number of channels is refused") {
  CHECK_THROWS_AS(ops::channel_wise_convolution(Tensor<float>({1, 4, 4, 3}, 0), Tensor<float>({3, 3, 1, 4}, 0)), ShapeError);
  CHECK_THROWS_AS(ops::channel_wise_convolution(Tensor<float>({1, 4, 4, 3}, 0), Tensor<float>({3, 3, 3, 3}, 0)), ShapeError);
}
