#include "mien/backend/cuda/kernels/pooling.hpp"

#include "emulator/parity.hpp"
#include "mien/ops/pooling.hpp"

using namespace mien;
using parity::DeviceArray;

namespace {

struct Case {
  Shape x;
  ops::PoolingOptions options;
};

/// Odd and unequal sizes and strides, windows that overlap, leave gaps and reach beyond the map, one pixel, no images.
const Case all_cases[] = {
    {{2, 7, 9, 3}, {.kernel = 3, .stride = 2, .padding = 1}},
    {{1, 1, 1, 31}, {.kernel = 3, .stride = 1, .padding = 1}},
    {{3, 6, 65, 7}, {.kernel = 2, .stride = 2}},
    {{0, 5, 6, 7}, {.kernel = 2, .stride = 1}},
    {{2, 8, 5, 33}, {.kernel = {2, 3}, .stride = {3, 1}, .padding = {1, 0}, .count_padding = false}},
    {{1, 31, 7, 65}, {.kernel = 1, .stride = {2, 3}}},
};

}  // namespace

TEST_CASE_TEMPLATE("pooling and its gradients on a device", T, float, __nv_bfloat16, __half) {
  for (const Case& one : all_cases) {
    CAPTURE(one.x.to_string());
    const auto x = parity::rounded<T>(parity::random(one.x, 1));
    const auto [maximum, source] = ops::max_pool(x, one.options);
    const auto average = ops::average_pool(x, one.options);
    const auto upstream = parity::rounded<T>(parity::random(maximum.shape(), 2));
    const auto of_maximum = ops::max_pool_gradient(upstream, source, one.x, one.options);
    const auto of_average = ops::average_pool_gradient(upstream, one.x, one.options);
    const auto window =
        parity::window_of(one.x, maximum.shape(), one.options.kernel, one.options.stride, one.options.padding);
    parity::in_every_order([&] {
      DeviceArray<T> input(x);
      DeviceArray<T> arriving(upstream);
      DeviceArray<T> output(maximum.elements());
      DeviceArray<std::int32_t> places(maximum.elements());
      DeviceArray<T> input_gradient(x.elements());
      kernels::max_pool(input.data(), window, output.data(), places.data(), nullptr);
      const auto found_maximum = output.values(maximum.shape());
      parity::check_close(found_maximum, maximum, 0);
      for (Index i = 0; i < source.elements(); ++i) CHECK(places.data()[i] == source.data()[i]);
      kernels::max_pool_gradient(arriving.data(), places.data(), window, input_gradient.data(), nullptr);
      const auto found_of_maximum = input_gradient.values(one.x);
      parity::check_close(found_of_maximum, of_maximum, 2e-7 + parity::rounding<T>);

      kernels::average_pool(input.data(), window, one.options.count_padding, output.data(), nullptr);
      const auto found_average = output.values(average.shape());
      parity::check_close(found_average, average, 2e-7 + parity::rounding<T>);
      kernels::average_pool_gradient(arriving.data(), window, one.options.count_padding, input_gradient.data(),
                                     nullptr);
      const auto found_of_average = input_gradient.values(one.x);
      parity::check_close(found_of_average, of_average, 2e-7 + parity::rounding<T>);
      return std::vector{found_maximum, found_of_maximum, found_average, found_of_average};
    });
  }
}

TEST_CASE_TEMPLATE("adaptive pooling and its gradients on a device", T, float, __nv_bfloat16, __half) {
  struct Adaptive {
    Shape x;
    Extent2d output;
  };
  // Parts that are equal, overlap or are smaller than a pixel; one output, no images, more than a block.
  for (const auto& [shape, size] :
       {Adaptive{{2, 7, 9, 3}, {3, 4}}, Adaptive{{1, 6, 8, 31}, {3, 2}}, Adaptive{{1, 2, 3, 7}, {5, 7}},
        Adaptive{{2, 7, 1, 65}, 1}, Adaptive{{0, 5, 6, 7}, 2}, Adaptive{{1, 31, 33, 9}, {13, 32}}}) {
    CAPTURE(shape.to_string());
    const auto x = parity::rounded<T>(parity::random(shape, 1));
    const auto [maximum, source] = ops::adaptive_max_pool(x, size);
    const auto average = ops::adaptive_average_pool(x, size);
    const auto upstream = parity::rounded<T>(parity::random(maximum.shape(), 2));
    const auto of_maximum = ops::adaptive_max_pool_gradient(upstream, source, shape);
    const auto of_average = ops::adaptive_average_pool_gradient(upstream, shape);
    const kernels::AdaptiveWindow window{shape[0], shape[1], shape[2], shape[3], size.height, size.width};
    parity::in_every_order([&] {
      DeviceArray<T> input(x);
      DeviceArray<T> arriving(upstream);
      DeviceArray<T> output(maximum.elements());
      DeviceArray<std::int32_t> places(maximum.elements());
      DeviceArray<T> input_gradient(x.elements());
      kernels::adaptive_max_pool(input.data(), window, output.data(), places.data(), nullptr);
      const auto found_maximum = output.values(maximum.shape());
      parity::check_close(found_maximum, maximum, 0);
      for (Index i = 0; i < source.elements(); ++i) CHECK(places.data()[i] == source.data()[i]);
      kernels::adaptive_max_pool_gradient(arriving.data(), places.data(), window, input_gradient.data(), nullptr);
      const auto found_of_maximum = input_gradient.values(shape);
      parity::check_close(found_of_maximum, of_maximum, 2e-7 + parity::rounding<T>);

      kernels::adaptive_average_pool(input.data(), window, output.data(), nullptr);
      const auto found_average = output.values(average.shape());
      parity::check_close(found_average, average, 2e-7 + parity::rounding<T>);
      kernels::adaptive_average_pool_gradient(arriving.data(), window, input_gradient.data(), nullptr);
      const auto found_of_average = input_gradient.values(shape);
      parity::check_close(found_of_average, of_average, 3e-7 + parity::rounding<T>);
      return std::vector{found_maximum, found_of_maximum, found_average, found_of_average};
    });
  }
}

TEST_CASE("the maximum of a window with a NaN is NaN, and its gradient goes there, on a device") {
  Tensor<double> x({1, 2, 2, 1}, 1.0);
  x(0, 1, 0, 0) = std::nan("");
  const auto window = parity::window_of({1, 2, 2, 1}, {1, 1, 1, 1}, 2, 2, 0);
  DeviceArray<float> input(x);
  DeviceArray<float> output(1);
  DeviceArray<std::int32_t> source(1);
  kernels::max_pool(input.data(), window, output.data(), source.data(), nullptr);
  CHECK(std::isnan(output.data()[0]));
  CHECK(source.data()[0] == 2);
}

TEST_CASE_TEMPLATE("means of all positions on a device", T, float, __nv_bfloat16, __half) {
  for (const auto& shape : {Shape{2, 7, 31}, Shape{3, 1, 1}, Shape{1, 1000, 65}, Shape{0, 5, 2}}) {
    CAPTURE(shape.to_string());
    const auto x = parity::rounded<T>(parity::random(shape, 1));
    const auto means = ops::mean_of_positions(x);
    parity::in_every_order([&] {
      DeviceArray<T> input(x);
      DeviceArray<float> workspace(kernels::mean_of_positions_workspace(shape[0], shape[1], shape[2]));
      DeviceArray<float> output(means.elements());
      kernels::mean_of_positions(input.data(), shape[0], shape[1], shape[2], workspace.data(), output.data(), nullptr);
      const auto found = output.values(means.shape());
      parity::check_close(found, means, 1e-6);
      return std::vector{found};
    });
  }
}
