#include "mien/backend/cuda/kernels/channels.hpp"

#include "emulator/parity.hpp"
#include "mien/ops/arithmetic.hpp"
#include "mien/ops/scale_shift.hpp"

using namespace mien;
using parity::DeviceArray;

namespace {

struct Sizes {
  Index batch, rows, channels;
};

/// None, one, odd numbers of channels and whole packs of them, more than a block has threads.
constexpr Sizes all_sizes[] = {{1, 0, 7},    {1, 1, 1},   {0, 5, 3},    {2, 7, 31},   {3, 65, 64}, {1, 130, 8},
                               {2, 1000, 3}, {1, 9, 300}, {2, 5, 2064}, {1, 3, 2049}, {5, 1, 65}};

/// None, one, more channels than a warp has threads, more rows than a chunk.
constexpr Sizes summed_sizes[] = {{1, 0, 7}, {1, 1, 1}, {0, 5, 3}, {2, 7, 31}, {2, 65, 33}, {1, 1000, 3}};

}  // namespace

TEST_CASE_TEMPLATE("values by channel on a device", T, float, __nv_bfloat16, __half) {
  for (const auto [batch, positions, channels] : all_sizes) {
    CAPTURE(positions);
    CAPTURE(channels);
    const Index rows = batch * positions;
    const Shape shape{rows, channels};
    const Shape map{batch, positions, channels};
    const auto x = parity::rounded<T>(parity::random(shape, 1));
    const auto first = parity::rounded<float>(parity::random({channels}, 2));
    const auto second = parity::rounded<float>(parity::random({channels}, 3));
    const auto weights = parity::rounded<float>(parity::random({batch, channels}, 4));
    parity::in_every_order([&] {
      DeviceArray<T> input(x);
      DeviceArray<float> scale(first);
      DeviceArray<float> shift(second);
      DeviceArray<float> by_entry(weights);
      DeviceArray<T> out(x.elements());
      std::vector<Tensor<double>> found;
      const auto check = [&](const Shape& of, const Tensor<double>& expected) {
        found.push_back(out.values(of));
        parity::check_close(found.back(), expected, 2e-7 + parity::rounding<T>);
      };
      kernels::add_bias(input.data(), scale.data(), rows, channels, out.data(), nullptr);
      check(shape, ops::add_bias(x, first));
      kernels::scale_shift(input.data(), scale.data(), shift.data(), rows, channels, out.data(), nullptr);
      check(shape, ops::scale_shift(x, first, second));
      kernels::spread_over_positions(by_entry.data(), 0.3F, batch, positions, channels, out.data(), nullptr);
      check(map, ops::spread_over_positions<double>(weights, map, 0.3));
      kernels::scale_channels(input.data(), by_entry.data(), batch, positions, channels, out.data(), nullptr);
      check(map, ops::scale_channels(x.view({batch, positions, channels}), weights));
      kernels::scale_channels(input.data(), by_entry.data(), batch, positions, channels, input.data(), nullptr);
      parity::check_close(input.values(map), found.back(), 0);
      return found;
    });
  }
}

TEST_CASE_TEMPLATE("values by channel of maps that begin anywhere on a device", T, float, __nv_bfloat16, __half) {
  const auto x = parity::rounded<T>(parity::random({1 + 7 * 16}, 1));
  const auto bias = parity::rounded<float>(parity::random({17}, 2));
  const auto rest = [](const Tensor<double>& all) { return all.slice(0, 1, all.elements()).clone(); };
  DeviceArray<T> input(x);
  DeviceArray<float> values(bias);
  DeviceArray<T> out(7 * 16);
  kernels::add_bias(input.data() + 1, values.data() + 1, 7, 16, out.data(), nullptr);
  parity::check_close(out.values({7, 16}), ops::add_bias(rest(x).view({7, 16}), rest(bias)), parity::rounding<T>);
}

TEST_CASE_TEMPLATE("sums by channel on a device", T, float, __nv_bfloat16, __half) {
  for (const auto [batch, positions, channels] : summed_sizes) {
    CAPTURE(positions);
    CAPTURE(channels);
    const Index rows = batch * positions;
    const auto a = parity::rounded<T>(parity::random({rows, channels}, 1));
    const auto b = parity::rounded<T>(parity::random({rows, channels}, 2));
    const auto map = [&](const Tensor<double>& of) { return of.view({batch, positions, channels}); };
    parity::in_every_order([&] {
      DeviceArray<T> left(a);
      DeviceArray<T> right(b);
      DeviceArray<float> workspace(kernels::sum_rows_workspace(rows, channels));
      DeviceArray<float> out(channels);
      kernels::sum_rows(left.data(), rows, channels, workspace.data(), out.data(), nullptr);
      const auto sums = out.values({channels});
      parity::check_close(sums, ops::sum_rows(a), 2e-6);
      kernels::sum_row_products(left.data(), right.data(), rows, channels, workspace.data(), out.data(), nullptr);
      const auto products = out.values({channels});
      parity::check_close(products, ops::scale_shift_scale_gradient(a, b), 2e-6);

      DeviceArray<float> room(kernels::scale_channels_workspace(batch, positions, channels));
      DeviceArray<float> by_entry(batch * channels);
      kernels::scale_channels_weight_gradient(left.data(), right.data(), batch, positions, channels, room.data(),
                                              by_entry.data(), nullptr);
      const auto gradient = by_entry.values({batch, channels});
      parity::check_close(gradient, ops::scale_channels_weight_gradient(map(a), map(b)), 2e-6);
      return std::vector{sums, products, gradient};
    });
  }
}
