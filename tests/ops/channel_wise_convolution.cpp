#include <mien/autograd/channel_wise_convolution.hpp>
#include <mien/autograd/gradient_check.hpp>
#include <mien/nn/channel_wise_convolution.hpp>
#include <mien/ops/activation.hpp>
#include <mien/ops/convolution.hpp>

#include <doctest/doctest.h>

#include "random_tensor.hpp"

#include <cmath>
#include <limits>
#include <vector>

using namespace mien;
using testing::largest_difference;
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
                                      {{1, 8, 3, 1}, {5, 1, 1, 1}, {.stride = {3, 1}, .padding = {2, 0}}},
                                      {{1, 2, 3, 2}, {2, 2, 1, 2}, {.padding = 3}}};
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

TEST_CASE("every number of channels, whether or not it fills vectors, in float") {
  for (const Index channels : {1, 7, 16, 25, 31, 64, 65})
    for (const Index stride : {1, 2}) {
      CAPTURE(channels);
      CAPTURE(stride);
      const auto x = random<float>({2, 9, 31, channels}, 5);
      const auto weight = random<float>({3, 3, 1, channels}, 6);
      const ChannelWiseConvolutionOptions options{.stride = {1, stride}};
      const ops::ConvolutionOptions grouped{options.stride, options.padding, channels};
      const auto y = ops::channel_wise_convolution(x, weight, options);
      CHECK(largest_difference(y, ops::convolution(x, weight, grouped)) < 1e-5);
      CHECK(largest_difference(ops::channel_wise_convolution_input_gradient(y, weight, x.shape(), options),
                               ops::convolution_input_gradient(y, weight, x.shape(), grouped)) < 1e-4);
      // Sums of more than 500 products, of a size of 1000: both round, and not alike.
      CHECK(largest_difference(ops::channel_wise_convolution_weight_gradient(x, y, weight.shape(), options),
                               ops::convolution_weight_gradient(x, y, weight.shape(), grouped)) < 3e-3);
    }
}

TEST_CASE("a bias and ReLU in the same pass are those of passes after it") {
  for (const Index channels : {1, 7, 16, 25, 65})
    for (const Index stride : {1, 2})
      for (const bool relu : {false, true}) {
        CAPTURE(channels);
        CAPTURE(stride);
        const auto x = random<float>({2, 9, 31, channels}, 5);
        const auto weight = random<float>({3, 3, 1, channels}, 6);
        const auto bias = random<float>({channels}, 7);
        const ChannelWiseConvolutionOptions options{.stride = stride};
        auto expected = ops::add_bias(ops::channel_wise_convolution(x, weight, options), bias);
        if (relu) expected = ops::relu(expected);
        const auto found = ops::channel_wise_convolution<float, Cpu>(x, weight, options, {bias, relu});
        CHECK(largest_difference(found, expected) < 1e-5);
        CHECK(largest_difference(ops::channel_wise_convolution<float, Cpu>(x, weight, options, {{}, relu}),
                                 relu ? ops::relu(ops::channel_wise_convolution(x, weight, options))
                                      : ops::channel_wise_convolution(x, weight, options)) == 0);
      }
  const Tensor<float> x({1, 4, 4, 3}, 0);
  const Tensor<float> weight({3, 3, 1, 3}, 0);
  CHECK_THROWS_AS((ops::channel_wise_convolution<float, Cpu>(x, weight, {}, {Tensor<float>({2}, 0), false})), ShapeError);
}

TEST_CASE("a layer with bias and ReLU gives the same with gradients and without") {
  nn::ChannelWiseConvolution<float> layer({.channels = 7, .bias = true, .relu = true});
  layer.bias.value().copy_from(random<float>({7}, 11));
  const auto x = random<float>({2, 5, 6, 7}, 12);
  const auto recorded = layer(Variable<float>(x));
  CHECK(recorded.requires_gradient());
  const NoGradient not_recorded;
  CHECK(largest_difference(layer(Variable<float>(x)).value(), recorded.value()) < 1e-6);
  CHECK(layer.named_parameters().back().name == "bias");
}

TEST_CASE("the bits of channel-wise convolution do not depend on the number of threads") {
  const auto x = random<float>({5, 31, 29, 25}, 7);
  const auto weight = random<float>({3, 3, 1, 25}, 8);
  const int before = thread_count();
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 5}) {
    set_thread_count(threads);
    const auto y = ops::channel_wise_convolution(x, weight);
    const auto dx = ops::channel_wise_convolution_input_gradient(y, weight, x.shape());
    const auto dw = ops::channel_wise_convolution_weight_gradient(x, y, weight.shape());
    std::vector<float> all;
    for (const auto* tensor : {&y, &dx, &dw}) all.insert(all.end(), tensor->span().begin(), tensor->span().end());
    results.push_back(std::move(all));
  }
  set_thread_count(before);
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}

TEST_CASE("maps without images or channels give empty results, and gradients of zero") {
  for (const Shape& shape : {Shape{0, 4, 4, 3}, Shape{2, 4, 4, 0}}) {
    const Tensor<float> x(shape);
    const auto weight = random<float>({3, 3, 1, shape[-1]}, 9);
    const auto y = ops::channel_wise_convolution(x, weight);
    CHECK(y.shape() == shape);
    CHECK(ops::channel_wise_convolution_input_gradient(y, weight, shape).shape() == shape);
    const auto dw = ops::channel_wise_convolution_weight_gradient(x, y, weight.shape());
    for (const float value : dw.span()) CHECK(value == 0);
  }
}

TEST_CASE("a NaN reaches the pixels around it and no others, at the ends of rows too") {
  auto x = Tensor<float>::zeros({1, 5, 6, 3});
  x(0, 2, 5, 1) = std::numeric_limits<float>::quiet_NaN();
  const auto y = ops::channel_wise_convolution(x, Tensor<float>({3, 3, 1, 3}, 1));
  for (Index i = 0; i < 5; ++i)
    for (Index j = 0; j < 6; ++j)
      for (Index c = 0; c < 3; ++c) CHECK(std::isnan(y(0, i, j, c)) == (i >= 1 && i <= 3 && j >= 4 && c == 1));
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
