#include "convolution.cu"

#include "emulator/parity.hpp"
#include "mien/ops/convolution.hpp"

using namespace mien;
using parity::DeviceArray;

namespace {

struct Case {
  Shape x;
  Shape weight;
  ops::ConvolutionOptions options;
};

/// Odd and unequal sizes and strides, one pixel, more than a tile of pixels, inputs and outputs, no images.
const Case all_cases[] = {
    {{2, 7, 5, 3}, {3, 3, 3, 7}, {.padding = 1}},
    {{1, 1, 1, 31}, {3, 3, 31, 1}, {.padding = 1}},
    {{3, 9, 7, 65}, {3, 3, 65, 33}, {.stride = 2, .padding = 1}},
    {{0, 5, 6, 7}, {3, 3, 7, 2}, {.padding = 1}},
    {{2, 14, 13, 3}, {7, 7, 3, 65}, {.stride = 2, .padding = 3}},
    {{1, 8, 9, 33}, {1, 1, 33, 66}, {.stride = {2, 3}, .padding = 0}},
    {{2, 6, 31, 5}, {5, 2, 5, 4}, {.stride = {1, 2}, .padding = {2, 0}}},
};

}  // namespace

TEST_CASE_TEMPLATE("convolution and its gradients on a device", T, float, __nv_bfloat16, __half) {
  for (const Case& one : all_cases) {
    CAPTURE(one.x.to_string());
    CAPTURE(one.weight.to_string());
    const auto x = parity::rounded<T>(parity::random(one.x, 1));
    const auto weight = parity::rounded<T>(parity::random(one.weight, 2));
    const auto y = ops::convolution(x, weight, one.options);
    const auto upstream = parity::rounded<T>(parity::random(y.shape(), 3));
    const auto of_x = ops::convolution_input_gradient(upstream, weight, one.x, one.options);
    const auto of_weight = ops::convolution_weight_gradient(x, upstream, one.weight, one.options);
    const auto window =
        parity::window_of(one.x, y.shape(), {one.weight[0], one.weight[1]}, one.options.stride, one.options.padding);
    const Index outputs = one.weight[3];
    parity::in_every_order([&] {
      DeviceArray<T> input(x);
      DeviceArray<T> taps(weight);
      DeviceArray<T> arriving(upstream);
      DeviceArray<T> output(y.elements());
      DeviceArray<T> input_gradient(x.elements());
      DeviceArray<float> weight_gradient(weight.elements());
      DeviceArray<float> workspace(kernels::convolution_workspace(window, outputs));
      kernels::convolution(input.data(), taps.data(), window, outputs, output.data(), nullptr);
      kernels::convolution_input_gradient(arriving.data(), taps.data(), window, outputs, input_gradient.data(),
                                          nullptr);
      kernels::convolution_weight_gradient(input.data(), arriving.data(), window, outputs, workspace.data(),
                                           weight_gradient.data(), nullptr);
      const std::vector found{output.values(y.shape()), input_gradient.values(one.x),
                              weight_gradient.values(one.weight)};
      parity::check_close(found[0], y, 1e-6 + parity::rounding<T>);
      parity::check_close(found[1], of_x, 1e-6 + parity::rounding<T>);
      parity::check_close(found[2], of_weight, 2e-6);
      return found;
    });
  }
}

TEST_CASE("a product of too many numbers is an error, not a wrong result") {
  const Index images = Index{1} << 20;
  const auto window = parity::window_of({images, 40, 40, 1}, {images, 40, 40, 1}, 1, 1, 0);
  const float* nothing = nullptr;
  CHECK_THROWS_AS(kernels::convolution(nothing, nothing, window, 1, static_cast<float*>(nullptr), nullptr), Error);
}
