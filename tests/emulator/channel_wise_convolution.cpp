#include "mien/backend/cuda/kernels/channel_wise_convolution.hpp"

#include "emulator/parity.hpp"
#include "mien/ops/channel_wise_convolution.hpp"

using namespace mien;
using parity::DeviceArray;

namespace {

struct Case {
  Shape x;
  Shape weight;
  ops::ChannelWiseConvolutionOptions options;
};

/// Odd and unequal sizes and strides, maps of one pixel, rows longer than a block and no images at all.
const Case all_cases[] = {
    {{2, 7, 5, 3}, {3, 3, 1, 3}, {}},
    {{1, 1, 1, 31}, {3, 3, 1, 31}, {}},
    {{3, 5, 65, 7}, {3, 3, 1, 7}, {}},
    {{0, 5, 6, 7}, {3, 3, 1, 7}, {}},
    {{2, 9, 4, 1}, {3, 3, 1, 1}, {.stride = 1, .padding = {0, 2}}},
    {{2, 7, 9, 5}, {3, 3, 1, 5}, {.stride = {2, 3}, .padding = 1}},
    {{1, 6, 31, 33}, {5, 2, 1, 33}, {.stride = {1, 2}, .padding = {2, 0}}},
    {{2, 3, 4, 65}, {1, 1, 1, 65}, {.stride = 2, .padding = 0}},
};

}  // namespace

TEST_CASE_TEMPLATE("channel-wise convolution and its gradients on a device", T, float, __nv_bfloat16, __half) {
  for (const Case& one : all_cases) {
    CAPTURE(one.x.to_string());
    CAPTURE(one.weight.to_string());
    const auto x = parity::rounded<T>(parity::random(one.x, 1));
    const auto weight = parity::rounded<T>(parity::random(one.weight, 2));
    const auto y = ops::channel_wise_convolution(x, weight, one.options);
    const auto upstream = parity::rounded<T>(parity::random(y.shape(), 3));
    const auto of_x = ops::channel_wise_convolution_input_gradient(upstream, weight, one.x, one.options);
    const auto of_weight = ops::channel_wise_convolution_weight_gradient(x, upstream, one.weight, one.options);
    const auto window =
        parity::window_of(one.x, y.shape(), {one.weight[0], one.weight[1]}, one.options.stride, one.options.padding);
    parity::in_every_order([&] {
      DeviceArray<T> input(x);
      DeviceArray<T> taps(weight);
      DeviceArray<T> arriving(upstream);
      DeviceArray<T> output(y.elements());
      DeviceArray<T> input_gradient(x.elements());
      DeviceArray<float> weight_gradient(weight.elements());
      DeviceArray<float> workspace(kernels::channel_wise_convolution_workspace(window));
      kernels::channel_wise_convolution(input.data(), taps.data(), window, output.data(), nullptr);
      kernels::channel_wise_convolution_input_gradient(arriving.data(), taps.data(), window, input_gradient.data(),
                                                       nullptr);
      kernels::channel_wise_convolution_weight_gradient(input.data(), arriving.data(), window, workspace.data(),
                                                        weight_gradient.data(), nullptr);
      const std::vector found{output.values(y.shape()), input_gradient.values(one.x),
                              weight_gradient.values(one.weight)};
      parity::check_close(found[0], y, 4e-7 + parity::rounding<T>);
      parity::check_close(found[1], of_x, 4e-7 + parity::rounding<T>);
      parity::check_close(found[2], of_weight, 1e-6);
      return found;
    });
  }
}
