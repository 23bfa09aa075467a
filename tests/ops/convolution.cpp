#include <mien/autograd/activation.hpp>
#include <mien/autograd/convolution.hpp>
#include <mien/autograd/gradient_check.hpp>

#include <doctest/doctest.h>

#include "random_tensor.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

using namespace mien;
using testing::largest_difference;
using testing::random;

namespace {

struct Case {
  Shape x;
  Shape weight;
  ConvolutionOptions options;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> list{
      {{2, 5, 7, 3}, {3, 3, 3, 4}, {.padding = 1}},
      {{2, 2, 7, 6, 4}, {3, 2, 2, 6}, {.stride = {2, 1}, .padding = {1, 0}, .groups = 2}},
      {{1, 4, 5, 2}, {1, 1, 2, 3}, {.stride = {3, 2}}},
      {{1, 3, 3, 2}, {3, 3, 2, 3}, {.padding = 3}},
      {{2, 1, 1, 2}, {3, 3, 2, 2}, {.padding = 1}},
      {{1, 9, 8, 1}, {7, 7, 1, 5}, {.stride = 2, .padding = 3}},
      {{1, 2, 6, 6}, {1, 3, 1, 6}, {.padding = {0, 1}, .groups = 6}},
      // Last columns that no window reads, in rows long enough for the kernels of every instruction set.
      {{1, 3, 32, 2}, {3, 3, 2, 3}, {.stride = {1, 2}}},
  };
  return list;
}

/// The definition, term by term.
template <class T>
Tensor<T> by_definition(const Tensor<T>& x, const Tensor<T>& weight, const ConvolutionOptions& options,
                        const Shape& shape) {
  const Tensor<T> maps = x.view({-1, x.size(-3), x.size(-2), x.size(-1)});
  auto out = Tensor<T>::zeros(shape);
  Tensor<T> y = out.view({-1, shape[-3], shape[-2], shape[-1]});
  const Index group_outputs = weight.size(3) / options.groups;
  for (Index n = 0; n < y.size(0); ++n)
    for (Index i = 0; i < y.size(1); ++i)
      for (Index j = 0; j < y.size(2); ++j)
        for (Index o = 0; o < y.size(3); ++o)
          for (Index a = 0; a < weight.size(0); ++a)
            for (Index b = 0; b < weight.size(1); ++b) {
              const Index row = i * options.stride.height - options.padding.height + a;
              const Index column = j * options.stride.width - options.padding.width + b;
              if (row < 0 || row >= maps.size(1) || column < 0 || column >= maps.size(2)) continue;
              for (Index c = 0; c < weight.size(2); ++c)
                y(n, i, j, o) += maps(n, row, column, o / group_outputs * weight.size(2) + c) * weight(a, b, c, o);
            }
  return out;
}

}  // namespace

TEST_CASE("convolution equals its definition") {
  for (const Case& c : cases()) {
    CAPTURE(c.x.to_string());
    const auto x = random<double>(c.x, 1);
    const auto weight = random<double>(c.weight, 2);
    const auto y = ops::convolution(x, weight, c.options);
    CHECK(largest_difference(y, by_definition(x, weight, c.options, y.shape())) < 1e-12);
  }
}

TEST_CASE("every number of channels, so that every block of the kernels and its rest is met") {
  for (const Index channels : {1, 7, 16, 31, 33, 65})
    for (const Index outputs : {1, 15, 16, 31, 48, 65, 112}) {
      CAPTURE(channels);
      CAPTURE(outputs);
      const auto x = random<float>({2, 3, 5, channels}, 3);
      const auto weight = random<float>({3, 3, channels, outputs}, 4);
      const ConvolutionOptions options{.padding = 1};
      const auto y = ops::convolution(x, weight, options);
      const double scale = std::sqrt(9.0 * static_cast<double>(channels));
      // Winograd's way rounds some ten times more than the direct sum, which stays below 2e-6.
      CHECK(largest_difference(y, by_definition(x, weight, options, y.shape())) < 1e-5 * scale);

      // <conv(x, w), y> = <w, dw> = <x, dx> for the gradients of <conv(x, w), y>.
      const auto dot = [](const Tensor<float>& a, const Tensor<float>& b) {
        double sum = 0;
        for (Index i = 0; i < a.elements(); ++i)
          sum += static_cast<double>(a.data()[i]) * static_cast<double>(b.data()[i]);
        return sum;
      };
      const double value = dot(y, y);
      CHECK(dot(x, ops::convolution_input_gradient(y, weight, x.shape(), options)) ==
            doctest::Approx(value).epsilon(1e-5));
      CHECK(dot(weight, ops::convolution_weight_gradient(x, y, weight.shape(), options)) ==
            doctest::Approx(value).epsilon(1e-5));
    }
}

TEST_CASE("maps of every width, with unequal strides, paddings and groups, in float") {
  const std::vector<std::pair<Shape, ConvolutionOptions>> windows{
      {{3, 3, 6, 20}, {.stride = 2, .padding = 1}},
      {{1, 1, 6, 34}, {.stride = {1, 2}}},
      {{2, 3, 3, 10}, {.stride = {2, 1}, .padding = {0, 2}, .groups = 2}},
      {{1, 1, 1, 6}, {.padding = {0, 1}, .groups = 6}},
      {{5, 1, 6, 3}, {.stride = {3, 1}, .padding = {4, 0}}},
  };
  for (const auto& [kernel, options] : windows)
    for (const Index width : {1, 7, 13, 15, 31, 65}) {
      const auto x = random<float>({3, 4, width, 6}, 14);
      const auto weight = random<float>(kernel, 15);
      CAPTURE(weight.shape().to_string());
      CAPTURE(width);
      const auto y = ops::convolution(x, weight, options);
      CHECK(largest_difference(y, by_definition(x, weight, options, y.shape())) < 1e-4);
      const auto as_double = [](const Tensor<float>& from) {
        Tensor<double> to(from.shape());
        std::copy(from.span().begin(), from.span().end(), to.data());
        return to;
      };
      const auto as_float = [](const Tensor<double>& from) {
        Tensor<float> to(from.shape());
        for (Index i = 0; i < from.elements(); ++i) to.data()[i] = static_cast<float>(from.data()[i]);
        return to;
      };
      // The gradients of double are checked below, by finite differences.
      const auto dx = ops::convolution_input_gradient(as_double(y), as_double(weight), x.shape(), options);
      const auto dw = ops::convolution_weight_gradient(as_double(x), as_double(y), weight.shape(), options);
      CHECK(largest_difference(ops::convolution_input_gradient(y, weight, x.shape(), options), as_float(dx)) < 1e-3);
      CHECK(largest_difference(ops::convolution_weight_gradient(x, y, weight.shape(), options), as_float(dw)) < 1e-2);
    }
}

TEST_CASE("gradients of convolution") {
  for (const Case& c : cases()) {
    CAPTURE(c.x.to_string());
    const auto result = gradient_check(
        [&](auto& v) { return sigmoid(convolution(v[0], v[1], c.options)); },
        {Variable<double>(random<double>(c.x, 5), true), Variable<double>(random<double>(c.weight, 6), true)});
    CHECK_MESSAGE(result.passed, result.where);
  }
}

TEST_CASE("the bits do not depend on the number of threads") {
  const auto x = random<float>({3, 31, 29, 7}, 7);
  const auto weight = random<float>({3, 3, 7, 18}, 8);
  const ConvolutionOptions options{.stride = 1, .padding = 1};
  const int before = thread_count();
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 5}) {
    set_thread_count(threads);
    const auto y = ops::convolution(x, weight, options);
    const auto dx = ops::convolution_input_gradient(y, weight, x.shape(), options);
    const auto dw = ops::convolution_weight_gradient(x, y, weight.shape(), options);
    std::vector<float> all;
    for (const auto* tensor : {&y, &dx, &dw}) all.insert(all.end(), tensor->span().begin(), tensor->span().end());
    results.push_back(std::move(all));
  }
  set_thread_count(before);
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}

TEST_CASE("a view with gaps is read as its copy would be") {
  const auto wide = random<double>({2, 6, 6, 5}, 9);
  const auto weight = random<double>({3, 3, 3, 2}, 10);
  const auto part = wide.slice(3, 1, 4).slice(1, 0, 6, 2);
  CHECK(largest_difference(ops::convolution(part, weight), ops::convolution(part.clone(), weight)) == 0);
}

TEST_CASE("a stride far beyond the map reads one pixel of it, and so does its gradient") {
  const ConvolutionOptions options{.stride = Index{1} << 40};
  const auto x = random<double>({1, 3, 4, 2}, 12);
  const auto weight = random<double>({2, 2, 2, 3}, 13);
  const auto y = ops::convolution(x, weight, options);
  CHECK(y.shape() == Shape{1, 1, 1, 3});
  const auto dx = ops::convolution_input_gradient(y, weight, x.shape(), options);
  const auto corner = ops::convolution_input_gradient(y, weight, {1, 2, 2, 2});
  CHECK(largest_difference(dx.slice(1, 0, 2).slice(2, 0, 2), corner) < 1e-14);
  CHECK(dx(0, 2, 3, 1) == 0);
}

TEST_CASE("an empty batch gives an empty result and a zero gradient") {
  const Tensor<float> x({0, 4, 4, 3});
  const auto weight = random<float>({3, 3, 3, 2}, 11);
  const auto y = ops::convolution(x, weight, {.padding = 1});
  CHECK(y.shape() == Shape{0, 4, 4, 2});
  const auto dw = ops::convolution_weight_gradient(x, y, weight.shape(), {.padding = 1});
  for (const float value : dw.span()) CHECK(value == 0);
}

TEST_CASE("errors name the shapes") {
  const auto check = [](const Shape& x, const Shape& weight, const ConvolutionOptions& options,
                        const std::string& text) {
    try {
      ops::convolution(Tensor<float>(x, 0), Tensor<float>(weight, 0), options);
      FAIL_CHECK("nothing was thrown for " << x.to_string());
    } catch (const Error& error) {
      CHECK_MESSAGE(std::string(error.what()).find(text) != std::string::npos, error.what());
    }
  };
  check({1, 4, 4, 3}, {3, 3, 2, 5}, {}, "[3, 3, 2, 5]");
  check({1, 2, 4, 3}, {3, 3, 3, 5}, {}, "[1, 2, 4, 3]");
  check({4, 3}, {3, 3, 3, 5}, {}, "[4, 3]");
  check({1, 4, 4, 4}, {3, 3, 2, 5}, {.groups = 2}, "groups 2");
  check({1, 4, 4, 3}, {3, 3, 3, 5}, {.stride = 0}, "stride 0x0");
  check({1, 4, 4, 3}, {3, 3, 3, 5}, {.groups = std::numeric_limits<Index>::max()}, "[1, 4, 4, 3]");
}
