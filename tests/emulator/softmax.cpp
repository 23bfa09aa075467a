#include "mien/backend/cuda/kernels/softmax.hpp"

#include "emulator/parity.hpp"
#include "mien/ops/softmax.hpp"

using namespace mien;
using parity::DeviceArray;

TEST_CASE_TEMPLATE("softmax, its logarithm and their gradients on a device", T, float, __nv_bfloat16, __half) {
  std::uint64_t seed = 0;
  for (const Index rows : {0, 1, 7, 65})
    for (const Index columns : {0, 1, 7, 31, 32, 65, 256, 257, 1000}) {
      if (rows * columns > 20000) continue;
      for (const bool logarithm : {false, true}) {
        CAPTURE(rows);
        CAPTURE(columns);
        CAPTURE(logarithm);
        const auto x = parity::rounded<T>(parity::random({rows, columns}, ++seed, -9, 9));
        const auto upstream = parity::rounded<T>(parity::random({rows, columns}, ++seed));
        const auto expected = logarithm ? ops::log_softmax(x) : ops::softmax(x);
        const auto result = parity::rounded<T>(expected);
        const auto gradient =
            logarithm ? ops::log_softmax_gradient(result, upstream) : ops::softmax_gradient(result, upstream);
        parity::in_every_order([&] {
          DeviceArray<T> input(x);
          DeviceArray<T> output(rows * columns);
          kernels::softmax(input.data(), rows, columns, logarithm, output.data(), nullptr);
          const auto found = output.values({rows, columns});
          parity::check_close(found, expected, 4e-6 + parity::rounding<T>);

          DeviceArray<T> y(result);
          DeviceArray<T> arriving(upstream);
          DeviceArray<T> back(rows * columns);
          kernels::softmax_gradient(y.data(), arriving.data(), rows, columns, logarithm, back.data(), nullptr);
          const auto found_gradient = back.values({rows, columns});
          parity::check_close(found_gradient, gradient, 4e-6 + parity::rounding<T>);
          return std::vector{found, found_gradient};
        });
      }
    }
}

TEST_CASE("softmax of infinite and missing numbers on a device") {
  for (const Index columns : {40, 300}) {
    auto x = parity::random({4, columns}, 1);
    x(0, 0) = x(0, 33) = -INFINITY;
    x(1, 3) = std::nan("");
    x.select(0, 2).fill(-INFINITY);
    x(3, 0) = 1e30;
    const auto expected = ops::softmax(x);
    DeviceArray<float> input(x);
    DeviceArray<float> output(4 * columns);
    kernels::softmax(input.data(), 4, columns, false, output.data(), nullptr);
    const auto found = output.values({4, columns});
    for (Index i = 0; i < 4 * columns; ++i) {
      CAPTURE(i);
      if (std::isnan(expected.data()[i])) {
        CHECK(std::isnan(found.data()[i]));
      } else {
        CHECK(found.data()[i] == doctest::Approx(expected.data()[i]).epsilon(1e-5));
      }
    }
  }
}
