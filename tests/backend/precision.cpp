/// Every way that a convolution may go keeps the bound of the setting that chose it.

#include <mien/autograd/super_image_convolution.hpp>
#include <mien/ops/linear.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "random_tensor.hpp"

using namespace mien;
using backend::ConvolutionAlgorithm;

namespace {

Tensor<double> in_double(const Tensor<float>& x) { return x.cast<double>(); }

/// |a - b| / |b|.
double relative_error(const Tensor<float>& a, const Tensor<double>& b) {
  REQUIRE(a.shape() == b.shape());
  double difference = 0;
  double size = 0;
  for (Index i = 0; i < b.elements(); ++i) {
    const double one = static_cast<double>(a.data()[i]) - b.data()[i];
    difference += one * one;
    size += b.data()[i] * b.data()[i];
  }
  return size == 0 ? std::sqrt(difference) : std::sqrt(difference / size);
}

double bound(Precision precision) {
  return precision == Precision::highest ? 5e-6 : precision == Precision::high ? 1e-5 : 1e-2;
}

constexpr std::array precisions{Precision::highest, Precision::high, Precision::medium};

struct Case {
  Shape x;
  Shape weight;
  ops::ConvolutionOptions options;
};

/// Odd and unequal sides, kernels, strides and paddings; single pixels; channels that fill no tile and no vector;
/// windows larger than the map; pixels that no window reads.
const std::vector<Case>& cases() {
  static const std::vector<Case> list{
      {{2, 5, 7, 16}, {3, 3, 16, 16}, {.padding = 1}},
      {{3, 7, 9, 25}, {3, 3, 25, 40}, {.padding = 1}},
      {{1, 31, 65, 8}, {3, 3, 8, 65}, {.padding = 1}},
      {{4, 4, 4, 64}, {3, 3, 64, 64}, {.padding = 1}},
      {{16, 7, 7, 96}, {3, 3, 96, 33}, {.padding = 1}},
      {{6, 11, 9, 64}, {3, 3, 64, 72}, {.padding = 1}},
      {{2, 13, 11, 3}, {7, 7, 3, 64}, {.stride = 2, .padding = 3}},
      {{2, 9, 8, 32}, {3, 3, 32, 65}, {.stride = 2, .padding = 1}},
      {{2, 9, 8, 31}, {1, 1, 31, 65}, {.stride = 2}},
      {{5, 1, 1, 65}, {1, 1, 65, 31}, {}},
      {{1, 1, 1, 16}, {3, 3, 16, 16}, {.padding = 1}},
      {{1, 31, 1, 7}, {3, 3, 7, 31}, {.stride = {2, 1}, .padding = {1, 2}}},
      {{1, 4, 4, 9}, {2, 3, 9, 33}, {.stride = {1, 3}, .padding = {4, 5}}},
      {{2, 7, 10, 8}, {3, 5, 8, 19}, {.stride = {3, 2}, .padding = {0, 1}}},
      {{1, 6, 6, 32}, {1, 1, 32, 32}, {.stride = {2, 3}, .padding = 2}},
      {{2, 6, 7, 32}, {3, 3, 16, 32}, {.padding = 1, .groups = 2}},
  };
  return list;
}

ConvolutionAlgorithm algorithm(const Case& one, Precision precision) {
  return backend::convolution_algorithm<float>(
      ops::detail::convolution_window(one.weight, one.options), backend::map_grid(one.x),
      backend::map_grid(ops::detail::convolution_output(one.x, one.weight, one.options)), backend::ConvolutionPass::map,
      precision);
}

}  // namespace

TEST_CASE("convolutions and their gradients keep the bound of each setting") {
  for (const Case& one : cases()) {
    const auto x = testing::random<float>(one.x, 1);
    const auto weight = testing::random<float>(one.weight, 2);
    const auto y = ops::convolution(in_double(x), in_double(weight), one.options);
    const auto upstream = testing::random<float>(y.shape(), 3);
    const auto input_gradient =
        ops::convolution_input_gradient(in_double(upstream), in_double(weight), one.x, one.options);
    const auto weight_gradient =
        ops::convolution_weight_gradient(in_double(x), in_double(upstream), one.weight, one.options);
    for (const auto precision : precisions) {
      CAPTURE(one.x.to_string());
      CAPTURE(one.weight.to_string());
      CAPTURE(name_of(precision));
      CAPTURE(name_of(algorithm(one, precision)));
      const PrecisionScope scope(precision);
      CHECK(relative_error(ops::convolution(x, weight, one.options), y) < bound(precision));
      CHECK(relative_error(ops::convolution_input_gradient(upstream, weight, one.x, one.options), input_gradient) <
            bound(precision));
      CHECK(relative_error(ops::convolution_weight_gradient(x, upstream, one.weight, one.options), weight_gradient) <
            bound(precision));
    }
  }
}

TEST_CASE("super images and their gradients keep the bound of each setting") {
  for (const auto layout : {SuperImageLayout::stacked, SuperImageLayout::interleaved})
    for (const auto& one : std::vector<std::pair<Shape, Index>>{
             {{2, 3, 4, 4, 32}, 32}, {{1, 2, 3, 7, 31}, 17}, {{2, 4, 14, 9, 64}, 65}, {{1, 1, 5, 5, 16}, 16}})
      for (const auto precision : precisions) {
        const Shape& clip = one.first;
        const Index o = one.second;
        CAPTURE(static_cast<int>(layout));
        CAPTURE(clip.to_string());
        CAPTURE(name_of(precision));
        const PrecisionScope scope(precision);
        const auto run = [&]<class T>(const auto& convert, T) {
          std::vector<Variable<T>> inputs;
          inputs.emplace_back(convert(testing::random<float>(clip, 6)), true);
          inputs.emplace_back(convert(testing::random<float>({3, 3, clip[-1], o}, 7)), true);
          auto fusion = testing::random<float>({2 * o, 2 * o}, 8);
          for (float& value : fusion.span()) value /= std::sqrt(static_cast<float>(2 * o));
          inputs.emplace_back(convert(fusion), true);
          inputs.emplace_back(convert(testing::random<float>({2 * o}, 9)), true);
          const auto result = super_image_convolution(inputs[0], inputs[1], inputs[2], inputs[3], {.layout = layout});
          backward(result.y, convert(testing::random<float>(result.y.shape(), 10)));
          return std::vector<Tensor<T>>{result.y.value(), inputs[0].gradient(), inputs[1].gradient()};
        };
        const auto found = run([](const Tensor<float>& x) { return x; }, 0.0F);
        const auto expected = run(in_double, 0.0);
        // The softmax that weighs the views magnifies the rounding of their means.
        for (std::size_t i = 0; i < found.size(); ++i)
          CHECK(relative_error(found[i], expected[i]) < 2 * bound(precision));
      }
}

TEST_CASE("numbers of very different size: an error is small beside the greatest input near by") {
  auto x = testing::random<float>({2, 13, 17, 32}, 11);
  for (Index i = 0; i < x.elements(); ++i) x.data()[i] *= std::exp2(static_cast<float>(i % 41 - 20));
  const auto weight = testing::random<float>({3, 3, 32, 32}, 12);
  const ops::ConvolutionOptions options{.padding = 1};
  const auto y = ops::convolution(in_double(x), in_double(weight), options);
  for (const auto precision : precisions) {
    const PrecisionScope scope(precision);
    CHECK(relative_error(ops::convolution(x, weight, options), y) < bound(precision));
  }
}

TEST_CASE("an empty batch has an empty result and gradients of zero") {
  const ops::ConvolutionOptions options{.padding = 1};
  for (const auto precision : precisions) {
    const PrecisionScope scope(precision);
    const Tensor<float> x({0, 7, 9, 32});
    const auto weight = testing::random<float>({3, 3, 32, 40}, 1);
    const auto y = ops::convolution(x, weight, options);
    CHECK(y.shape() == Shape{0, 7, 9, 40});
    CHECK(ops::convolution_input_gradient(y, weight, x.shape(), options).empty());
    const auto gradient = ops::convolution_weight_gradient(x, y, weight.shape(), options);
    CHECK(testing::largest_difference(gradient, Tensor<float>::zeros(weight.shape())) == 0);
  }
}

TEST_CASE("what is infinite or not a number is passed on, on tiles to no more pixels than the sum says") {
  const ops::ConvolutionOptions options{.padding = 1};
  const Tensor<float> weight({3, 3, 16, 16}, 0.5F);
  const bool tiles = backend::instruction_set() == backend::InstructionSet::amx;
  for (const auto precision : {Precision::high, Precision::medium})
    for (const float value : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      const PrecisionScope scope(precision);
      Tensor<float> x({1, 9, 9, 16}, 1.0F);
      x(0, 4, 4, 3) = value;
      const auto y = ops::convolution(x, weight, options);
      for (Index row = 0; row < 9; ++row)
        for (Index column = 0; column < 9; ++column) {
          const bool near = std::abs(row - 4) <= 1 && std::abs(column - 4) <= 1;
          if (near || tiles) CHECK(std::isfinite(y(0, row, column, 5)) == !near);
        }
    }
}

TEST_CASE("the same bits on any number of threads, in every setting") {
  const auto x = testing::random<float>({16, 9, 11, 40}, 13);
  const auto weight = testing::random<float>({3, 3, 40, 72}, 14);
  const ops::ConvolutionOptions options{.stride = {1, 2}, .padding = 1};
  const int before = thread_count();
  for (const auto precision : precisions) {
    const PrecisionScope scope(precision);
    std::vector<Tensor<float>> first;
    for (const int threads : {1, 2, 3, 8}) {
      set_thread_count(threads);
      const auto y = ops::convolution(x, weight, options);
      const std::vector<Tensor<float>> now{y, ops::convolution_input_gradient(y, weight, x.shape(), options),
                                           ops::convolution_weight_gradient(x, y, weight.shape(), options)};
      if (first.empty()) first = now;
      for (std::size_t i = 0; i < now.size(); ++i) CHECK(testing::largest_difference(now[i], first[i]) == 0);
    }
  }
  set_thread_count(before);
}

TEST_CASE("the way that is chosen can be asked for") {
  const Case block{{16, 28, 28, 64}, {3, 3, 64, 64}, {.padding = 1}};
  const Case shortcut{{16, 28, 28, 64}, {1, 1, 64, 128}, {.stride = 2}};
  CHECK(algorithm(block, Precision::highest) == ConvolutionAlgorithm::winograd);
  CHECK(algorithm(shortcut, Precision::highest) == ConvolutionAlgorithm::direct);
  const bool tiles = backend::instruction_set() == backend::InstructionSet::amx;
  CHECK(algorithm(block, Precision::medium) ==
        (tiles ? ConvolutionAlgorithm::bfloat16 : ConvolutionAlgorithm::winograd));
  CHECK(algorithm(shortcut, Precision::high) ==
        (tiles ? ConvolutionAlgorithm::split_bfloat16 : ConvolutionAlgorithm::direct));
  {
    // Few outputs are mostly margin, for which Winograd's way is the better one.
    const PrecisionScope scope(Precision::high);
    CHECK(ops::convolution_algorithm<float>({16, 4, 4, 512}, {3, 3, 512, 512}, {.padding = 1}) ==
          ConvolutionAlgorithm::winograd);
    CHECK(ops::convolution_algorithm<float>(block.x, block.weight, block.options,
                                            ops::ConvolutionPass::weight_gradient) == ConvolutionAlgorithm::winograd);
  }
  {
    const PrecisionScope scope(Precision::medium);
    CHECK(ops::convolution_algorithm<float>(block.x, block.weight, block.options) ==
          algorithm(block, Precision::medium));
    CHECK(ops::convolution_algorithm<double>(block.x, block.weight, block.options) == ConvolutionAlgorithm::direct);
  }
  CHECK(name_of(ConvolutionAlgorithm::split_bfloat16) == "split_bfloat16");
  CHECK_THROWS_AS(ops::convolution_algorithm<float>({1, 2, 2, 3}, {3, 3, 4, 4}), ShapeError);
}

TEST_CASE("linear layers and their gradients keep the bound of each setting") {
  struct Sizes {
    Index rows, inputs, outputs;
  };
  for (const auto& [rows, inputs, outputs] : {Sizes{1, 65, 31},
                                              {31, 16, 16},
                                              {127, 65, 33},
                                              {128, 16, 16},
                                              {129, 31, 65},
                                              {260, 7, 40},
                                              {200, 40, 7},
                                              {0, 16, 16}}) {
    const auto x = testing::random<float>({rows, inputs}, 1);
    const auto weight = testing::random<float>({outputs, inputs}, 2);
    const auto bias = testing::random<float>({outputs}, 3);
    const auto upstream = testing::random<float>({rows, outputs}, 4);
    const auto exact = ops::linear(in_double(x), in_double(weight), in_double(bias));
    const auto exact_input = ops::linear_input_gradient(in_double(upstream), in_double(weight));
    const auto exact_weight = ops::linear_weight_gradient(in_double(x), in_double(upstream));
    for (const Precision precision : precisions) {
      const PrecisionScope scope(precision);
      CAPTURE(x.shape().to_string());
      CAPTURE(weight.shape().to_string());
      CAPTURE(name_of(precision));
      CHECK(relative_error(ops::linear(x, weight, bias), exact) < bound(precision));
      CHECK(relative_error(ops::linear_input_gradient(upstream, weight), exact_input) < bound(precision));
      CHECK(relative_error(ops::linear_weight_gradient(x, upstream), exact_weight) < bound(precision));
    }
  }
}

TEST_CASE("linear layers multiply tiles in medium alone, where there are enough rows") {
  if (backend::instruction_set() != backend::InstructionSet::amx) return;
  for (const Precision precision : precisions) {
    const PrecisionScope scope(precision);
    CHECK(backend::linear_on_tiles<float>(128, 16, 16) == (precision == Precision::medium));
    CHECK_FALSE(backend::linear_on_tiles<float>(127, 16, 16));
    CHECK_FALSE(backend::linear_on_tiles<float>(128, 15, 16));
    CHECK_FALSE(backend::linear_on_tiles<double>(128, 16, 16));
  }
}
