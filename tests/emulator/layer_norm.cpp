#include "mien/backend/cuda/kernels/layer_norm.hpp"

#include "emulator/parity.hpp"
#include "mien/ops/layer_norm.hpp"

using namespace mien;
using parity::DeviceArray;

namespace {

constexpr double epsilon = 1e-5;

struct Sizes {
  Index rows, channels;
};

/// None and one, for every number of numbers that a lane keeps, and rows that it does not.
constexpr Sizes all_sizes[] = {{0, 7},  {7, 0},   {1, 1},   {9, 1},    {130, 7},  {31, 31}, {8, 64},
                               {7, 65}, {9, 256}, {7, 300}, {3, 1024}, {2, 1025}, {1, 3000}};

}  // namespace

TEST_CASE_TEMPLATE("layer normalisation on a device", T, float, __nv_bfloat16, __half) {
  for (const auto [rows, channels] : all_sizes)
    for (const double offset : {0.0, 50.0}) {
      CAPTURE(rows);
      CAPTURE(channels);
      CAPTURE(offset);
      const auto x = parity::rounded<T>(parity::random({rows, channels}, 1, offset - 1, offset + 1));
      const auto weight = parity::rounded<float>(parity::random({channels}, 2, 0.5, 2));
      const auto bias = parity::rounded<float>(parity::random({channels}, 3));
      const auto expected = ops::layer_norm(x, weight, bias, epsilon);
      parity::in_every_order([&] {
        DeviceArray<T> input(x);
        DeviceArray<float> by(weight);
        DeviceArray<float> to(bias);
        DeviceArray<T> out(x.elements());
        DeviceArray<float> mean(rows);
        DeviceArray<float> inverse(rows);
        kernels::layer_norm(input.data(), by.data(), to.data(), static_cast<float>(epsilon), rows, channels, out.data(),
                            mean.data(), inverse.data(), nullptr);
        const auto found = out.values(x.shape());
        // The mean has a rounding of its own, which counts against deviations near one half.
        parity::check_close(found, expected.out, 1e-6 + 3e-7 * offset + parity::rounding<T>, 1);
        parity::check_close(mean.values({rows}), expected.mean, 3e-7, 1 + offset);
        parity::check_close(inverse.values({rows}), expected.inverse_deviation, 2e-6);
        return std::vector{found, mean.values({rows}), inverse.values({rows})};
      });
    }
}

TEST_CASE_TEMPLATE("gradients of layer normalisation on a device", T, float, __nv_bfloat16, __half) {
  for (const auto [rows, channels] : all_sizes) {
    CAPTURE(rows);
    CAPTURE(channels);
    const auto x = parity::rounded<T>(parity::random({rows, channels}, 1));
    const auto weight = parity::rounded<float>(parity::random({channels}, 2, 0.5, 2));
    const auto upstream = parity::rounded<T>(parity::random({rows, channels}, 3));
    const auto mean = parity::rounded<float>(parity::random({rows}, 4, -0.1, 0.1));
    const auto inverse = parity::rounded<float>(parity::random({rows}, 5, 1, 2));
    const auto of_input = ops::layer_norm_input_gradient(x, weight, mean, inverse, upstream);
    const auto of_weight = ops::layer_norm_weight_gradient(x, mean, inverse, upstream);
    parity::in_every_order([&] {
      DeviceArray<T> input(x);
      DeviceArray<float> by(weight);
      DeviceArray<T> arriving(upstream);
      DeviceArray<float> means(mean);
      DeviceArray<float> inverses(inverse);
      DeviceArray<T> out(x.elements());
      kernels::layer_norm_input_gradient(input.data(), by.data(), means.data(), inverses.data(), arriving.data(), rows,
                                         channels, out.data(), nullptr);
      const auto found = out.values(x.shape());
      parity::check_close(found, of_input, 1e-6 + parity::rounding<T>, 1);
      if (channels > 65) return std::vector{found};
      DeviceArray<float> workspace(kernels::layer_norm_workspace(rows, channels));
      DeviceArray<float> sums(channels);
      kernels::layer_norm_weight_gradient(input.data(), means.data(), inverses.data(), arriving.data(), rows, channels,
                                          workspace.data(), sums.data(), nullptr);
      const auto found_sums = sums.values({channels});
      parity::check_close(found_sums, of_weight, 2e-6);
      return std::vector{found, found_sums};
    });
  }
}

TEST_CASE("layer normalisation of rows with infinite and missing numbers on a device") {
  for (const Index channels : {40, 2000}) {
    auto x = parity::random({3, channels}, 1);
    x(0, 3) = std::nan("");
    x(1, 33) = INFINITY;
    const Tensor<double> ones({channels}, 1.0);
    const auto expected = ops::layer_norm(x, ones, ones, epsilon);
    DeviceArray<float> input(x);
    DeviceArray<float> weight(ones);
    DeviceArray<float> out(3 * channels);
    DeviceArray<float> mean(3);
    DeviceArray<float> inverse(3);
    kernels::layer_norm(input.data(), weight.data(), weight.data(), static_cast<float>(epsilon), 3, channels,
                        out.data(), mean.data(), inverse.data(), nullptr);
    const auto found = out.values({3, channels});
    for (Index i = 0; i < 3 * channels; ++i) CHECK(std::isnan(found.data()[i]) == std::isnan(expected.out.data()[i]));
  }
}
