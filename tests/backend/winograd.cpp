#include <mien/autograd/super_image_convolution.hpp>
#include <mien/backend/cpu/winograd.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "random_tensor.hpp"

using namespace mien;

namespace {

Tensor<double> in_double(const Tensor<float>& x) {
  Tensor<double> out(x.shape());
  const Tensor<float> tight = x.contiguous();
  for (Index i = 0; i < x.elements(); ++i) out.data()[i] = static_cast<double>(tight.data()[i]);
  return out;
}

/// |a - b| / |b|, of which b is computed in double by the direct sum.
double relative_error(const Tensor<float>& a, const Tensor<double>& b) {
  REQUIRE(a.shape() == b.shape());
  const Tensor<double> left = in_double(a);
  const Tensor<double> right = b.contiguous();
  double difference = 0;
  double size = 0;
  for (Index i = 0; i < b.elements(); ++i) {
    difference += (left.data()[i] - right.data()[i]) * (left.data()[i] - right.data()[i]);
    size += right.data()[i] * right.data()[i];
  }
  return size == 0 ? std::sqrt(difference) : std::sqrt(difference / size);
}

/// What the library promises for the precision `highest`.
constexpr double bound = 5e-6;

struct Case {
  Shape shape;
  Index outputs;
};

/// Frames of odd and unequal sides, single pixels beside whole tiles, channels that fill no vector, and so many tiles
/// that they are worked on in blocks.
const std::vector<Case>& cases() {
  static const std::vector<Case> list{{{2, 3, 4, 4, 8}, 8},     {{1, 2, 3, 7, 31}, 9},    {{2, 2, 5, 9, 65}, 33},
                                      {{1, 1, 31, 31, 16}, 65}, {{1, 5, 4, 3, 130}, 140}, {{2, 4, 28, 28, 64}, 64},
                                      {{1, 9, 65, 7, 12}, 24},  {{1, 4, 7, 7, 256}, 40}};
  return list;
}

}  // namespace

TEST_CASE("in float, frames and gradients keep the stated precision") {
  for (const Case& one : cases()) {
    const Shape& shape = one.shape;
    const Index outputs = one.outputs;
    CAPTURE(shape.to_string());
    CAPTURE(outputs);
    const auto x = testing::random<float>(shape, 1);
    const auto weight = testing::random<float>({3, 3, shape[-1], outputs}, 2);
    const auto upstream = testing::random<float>(shape.with(-1, outputs), 3);
    REQUIRE(backend::convolution_algorithm<float>(backend::frame_window, backend::map_grid(shape),
                                                  backend::map_grid(upstream.shape())) ==
            backend::ConvolutionAlgorithm::winograd);
    const ops::ConvolutionOptions options{.padding = 1};
    CHECK(relative_error(ops::convolution(x, weight, options),
                         ops::convolution(in_double(x), in_double(weight), options)) < bound);
    CHECK(relative_error(ops::convolution_input_gradient(upstream, weight, shape, options),
                         ops::convolution_input_gradient(in_double(upstream), in_double(weight), shape, options)) <
          bound);
    CHECK(relative_error(ops::convolution_weight_gradient(x, upstream, weight.shape(), options),
                         ops::convolution_weight_gradient(in_double(x), in_double(upstream), weight.shape(), options)) <
          bound);
  }
}

TEST_CASE("other paddings, and maps of which a tile is mostly empty") {
  for (const Index padding : {0, 1, 2})
    for (const Shape& shape : {Shape{3, 6, 7, 16}, Shape{1, 9, 31, 8}, Shape{2, 3, 3, 16}}) {
      CAPTURE(padding);
      CAPTURE(shape.to_string());
      const ops::ConvolutionOptions options{.padding = padding};
      const auto x = testing::random<float>(shape, 4);
      const auto weight = testing::random<float>({3, 3, shape[-1], 24}, 5);
      const auto y = ops::convolution(x, weight, options);
      CHECK(relative_error(y, ops::convolution(in_double(x), in_double(weight), options)) < bound);
      CHECK(relative_error(ops::convolution_weight_gradient(x, y, weight.shape(), options),
                           ops::convolution_weight_gradient(in_double(x), in_double(y), weight.shape(), options)) <
            bound);
      CHECK(relative_error(ops::convolution_input_gradient(y, weight, shape, options),
                           ops::convolution_input_gradient(in_double(y), in_double(weight), shape, options)) < bound);
    }
}

TEST_CASE("in float, super images and their gradients keep the stated precision") {
  for (const auto layout : {SuperImageLayout::stacked, SuperImageLayout::interleaved})
    for (const Case& one : cases()) {
      const Shape& clip = one.shape;
      const Index o = one.outputs;
      CAPTURE(static_cast<int>(layout));
      CAPTURE(clip.to_string());
      const auto run = [&]<class T>(const auto& convert, T) {
        std::vector<Variable<T>> inputs;
        inputs.emplace_back(convert(testing::random<float>(clip, 6)), true);
        inputs.emplace_back(convert(testing::random<float>({3, 3, clip[-1], o}, 7)), true);
        // As large as trained ones are: huge logits would magnify any rounding of the means.
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
      for (std::size_t i = 0; i < found.size(); ++i) CHECK(relative_error(found[i], expected[i]) < 2 * bound);
    }
}

TEST_CASE("numbers of very different size: an error is small beside the greatest input near by") {
  auto x = testing::random<float>({2, 13, 17, 16}, 11);
  for (Index i = 0; i < x.elements(); ++i) x.data()[i] *= std::exp2(static_cast<float>(i % 41 - 20));
  const auto weight = testing::random<float>({3, 3, 16, 16}, 12);
  const ops::ConvolutionOptions options{.padding = 1};
  CHECK(relative_error(ops::convolution(x, weight, options),
                       ops::convolution(in_double(x), in_double(weight), options)) < bound);
}

TEST_CASE("the same bits on any number of threads") {
  const auto x = testing::random<float>({16, 9, 11, 40}, 13);
  const auto weight = testing::random<float>({3, 3, 40, 72}, 14);
  const ops::ConvolutionOptions options{.padding = 1};
  const int before = thread_count();
  std::vector<Tensor<float>> first;
  for (const int threads : {1, 2, 3, 8}) {
    set_thread_count(threads);
    const auto y = ops::convolution(x, weight, options);
    const std::vector<Tensor<float>> now{y, ops::convolution_input_gradient(y, weight, x.shape(), options),
                                         ops::convolution_weight_gradient(x, y, weight.shape(), options)};
    if (first.empty()) first = now;
    for (std::size_t i = 0; i < now.size(); ++i) CHECK(testing::largest_difference(now[i], first[i]) == 0);
  }
  set_thread_count(before);
}

TEST_CASE("MIEN_ISA may name what the processor has, and nothing else") {
  using backend::InstructionSet;
  CHECK(backend::detail::chosen_instruction_set(nullptr) == backend::best_instruction_set());
  CHECK(backend::detail::chosen_instruction_set("") == backend::best_instruction_set());
  CHECK(backend::detail::chosen_instruction_set("portable") == InstructionSet::portable);
  CHECK_THROWS_WITH_AS(backend::detail::chosen_instruction_set("sse9"), doctest::Contains("MIEN_ISA=sse9"), ValueError);
  CHECK(backend::instruction_set() <= backend::best_instruction_set());
}
