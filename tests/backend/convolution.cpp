#include <mien/backend/cpu/convolution.hpp>
#include <mien/ops/convolution.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "random_tensor.hpp"

using namespace mien;
using testing::largest_difference;
using testing::random;

namespace {

struct Case {
  Shape x;
  Shape weight;
  ops::ConvolutionOptions options;
};

/// The last goes Winograd's way, or on tiles, as do some of the others.
const std::vector<Case>& cases() {
  static const std::vector<Case> list{
      {{2, 7, 7, 3}, {7, 7, 3, 31}, {.stride = 2, .padding = 3}},
      {{3, 4, 31, 7}, {3, 3, 7, 65}, {.stride = {2, 1}, .padding = {1, 0}}},
      {{1, 65, 1, 4}, {3, 1, 2, 34}, {.stride = {1, 3}, .padding = {2, 0}, .groups = 2}},
      {{5, 1, 1, 33}, {1, 1, 33, 1}, {}},
      {{1, 9, 8, 16}, {3, 3, 16, 17}, {.padding = 1}},
  };
  return list;
}

}  // namespace

TEST_CASE("an epilogue does what scale, bias, residual and ReLU do one after the other, prepared or not") {
  for (const Case& c : cases())
    for (const auto precision : {Precision::highest, Precision::high, Precision::medium})
      for (int parts = 0; parts < 16; ++parts) {
        CAPTURE(c.x.to_string());
        CAPTURE(name_of(precision));
        CAPTURE(parts);
        const PrecisionScope scope(precision);
        const auto x = random<float>(c.x, 1);
        const auto weight = random<float>(c.weight, 2);
        const auto plain = ops::convolution(x, weight, c.options);
        const auto scale = random<float>({c.weight[3]}, 3);
        const auto bias = random<float>({c.weight[3]}, 4);
        const auto residual = random<float>(plain.shape(), 5);
        const bool relu = (parts & 8) != 0;

        Tensor<float> expected = plain.clone();
        for (Index i = 0; i < expected.elements(); ++i) {
          float& value = expected.data()[i];
          if ((parts & 1) != 0) value *= scale.data()[i % scale.elements()];
          if ((parts & 2) != 0) value += bias.data()[i % bias.elements()];
          if ((parts & 4) != 0) value += residual.data()[i];
          if (relu && value < 0) value = 0;
        }
        ops::ConvolutionEpilogue<float> epilogue{.relu = relu};
        if ((parts & 1) != 0) epilogue.scale = scale;
        if ((parts & 2) != 0) epilogue.bias = bias;
        if ((parts & 4) != 0) epilogue.residual = residual;
        CHECK(largest_difference(ops::convolution(x, weight, c.options, epilogue), expected) < 2e-5);
        const backend::PreparedKernel<float> prepared(weight, ops::detail::convolution_window(c.weight, c.options),
                                                      c.x[-1]);
        for (int call = 0; call < 2; ++call)
          CHECK(largest_difference(ops::convolution(x, weight, c.options, epilogue, &prepared), expected) < 2e-5);
      }
}

TEST_CASE("a NaN passes through the ReLU of an epilogue") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const auto precision : {Precision::highest, Precision::medium})
    for (const Case& c : cases()) {
      CAPTURE(c.x.to_string());
      const PrecisionScope scope(precision);
      const auto y = ops::convolution(Tensor<float>(c.x, nan), random<float>(c.weight, 2), c.options, {.relu = true});
      CHECK(std::isnan(y.data()[y.elements() / 2]));
    }
}

TEST_CASE("an epilogue of other channels or another shape is an error") {
  const Tensor<float> x({1, 5, 5, 4}, 1);
  const Tensor<float> weight({3, 3, 4, 6}, 1);
  CHECK_THROWS_AS(ops::convolution(x, weight, {}, {.scale = Tensor<float>({4}, 1)}), ShapeError);
  CHECK_THROWS_AS(ops::convolution(x, weight, {}, {.bias = Tensor<float>({1, 6}, 1)}), ShapeError);
  CHECK_THROWS_AS(ops::convolution(x, weight, {}, {.residual = Tensor<float>({1, 5, 5, 6}, 1)}), ShapeError);
}

TEST_CASE("weights packed once give the same bits as weights packed for each convolution") {
  for (const Case& c : cases()) {
    CAPTURE(c.x.to_string());
    const auto window = ops::detail::convolution_window(c.weight, c.options);
    const Shape shape = ops::convolution(Tensor<float>(c.x, 0), Tensor<float>(c.weight, 0), c.options).shape();
    const auto input = backend::map_grid(c.x);
    const auto output = backend::map_grid(shape);
    const auto weight = random<float>(c.weight, 2);
    const backend::PackedWeights<float> packed(weight.data(), window, c.x[-1], c.weight[3]);
    for (const std::uint64_t seed : {5, 6}) {
      const auto x = random<float>(c.x, seed);
      Tensor<float> once(shape);
      Tensor<float> each(shape);
      backend::direct_convolution(input, x.data(), packed, window, output, once.data());
      backend::direct_convolution(input, x.data(), weight.data(), window, output, each.data());
      CHECK(largest_difference(once, each) == 0);
    }
  }
}

TEST_CASE("a residual may be the very map that the result goes to") {
  for (const Case& c : cases()) {
    CAPTURE(c.x.to_string());
    const auto x = random<float>(c.x, 1);
    const auto weight = random<float>(c.weight, 2);
    Tensor<float> expected = ops::convolution(x, weight, c.options).clone();
    for (float& value : expected.span()) value += 3;
    Tensor<float> y(expected.shape(), 3);
    backend::direct_convolution<float>(backend::map_grid(c.x), x.data(), weight.data(),
                                       ops::detail::convolution_window(c.weight, c.options),
                                       backend::map_grid(y.shape()), y.data(), {.residual = y.data()});
    CHECK(largest_difference(y, expected) < 1e-3);
  }
}
