#include "mien/backend/cuda/kernels/attention.hpp"

#include "emulator/parity.hpp"
#include "mien/ops/attention.hpp"

using namespace mien;
using parity::DeviceArray;

namespace {

/// Nothing, one token, parts of a tile, more than one; heads of parts of slices and of more columns than a tile has.
constexpr kernels::AttentionShape all_shapes[] = {{0, 7, 2, 5},  {2, 0, 1, 8},   {1, 1, 1, 1},    {2, 7, 3, 5},
                                                  {1, 31, 1, 8}, {1, 65, 1, 33}, {1, 130, 1, 20}, {1, 9, 1, 70}};

Shape qkv_shape(const kernels::AttentionShape& shape) {
  return {shape.batch, shape.tokens, 3 * shape.heads * shape.width};
}

}  // namespace

TEST_CASE_TEMPLATE("attention and its gradient on a device", T, float, __nv_bfloat16, __half) {
  for (const auto& shape : all_shapes) {
    CAPTURE(qkv_shape(shape).to_string());
    const auto qkv = parity::rounded<T>(parity::random(qkv_shape(shape), 1, -2, 2));
    const auto expected = ops::attention(qkv, shape.heads);
    const ops::AttentionResult<double, Cpu> result{parity::rounded<T>(expected.out), expected.log_sums};
    const auto upstream = parity::rounded<T>(parity::random(result.out.shape(), 2));
    const auto expected_gradient = ops::attention_gradient(qkv, shape.heads, result, upstream);
    parity::in_every_order([&] {
      DeviceArray<T> input(qkv);
      DeviceArray<T> out(expected.out.elements());
      DeviceArray<float> log_sums(expected.log_sums.elements());
      kernels::attention(input.data(), shape, out.data(), log_sums.data(), nullptr);
      const auto found = out.values(expected.out.shape());
      const auto found_sums = log_sums.values(expected.log_sums.shape());
      parity::check_close(found, expected.out, 2e-6 + parity::rounding<T>, 1);
      parity::check_close(found_sums, expected.log_sums, 2e-6, 1);

      DeviceArray<T> given(result.out);
      DeviceArray<T> arriving(upstream);
      DeviceArray<float> sums(result.log_sums);
      DeviceArray<float> workspace(kernels::attention_workspace(shape));
      DeviceArray<T> gradient(qkv.elements());
      kernels::attention_gradient(input.data(), given.data(), sums.data(), arriving.data(), shape, workspace.data(),
                                  gradient.data(), nullptr);
      const auto found_gradient = gradient.values(qkv.shape());
      parity::check_close(found_gradient, expected_gradient, 4e-6 + parity::rounding<T>, 1);
      return std::vector{found, found_sums, found_gradient};
    });
  }
}

TEST_CASE("attention on a device to scores far from each other, the largest of which comes last") {
  const kernels::AttentionShape shape{1, 150, 1, 4};
  auto qkv = parity::random(qkv_shape(shape), 3, -1, 1);
  for (Index token = 0; token < 150; ++token)
    for (Index c = 0; c < 8; ++c) qkv(0, token, c) *= token == 140 ? 100 : 20;
  qkv = parity::rounded<float>(qkv);
  qkv(0, 3, 1) = std::nan("");
  const auto expected = ops::attention(qkv, 1).out;
  DeviceArray<float> input(qkv);
  DeviceArray<float> out(expected.elements());
  DeviceArray<float> log_sums(150);
  kernels::attention(input.data(), shape, out.data(), log_sums.data(), nullptr);
  const auto found = out.values(expected.shape());
  for (Index token = 0; token < 150; ++token)
    for (Index c = 0; c < 4; ++c) {
      CAPTURE(token);
      if (std::isnan(expected(0, token, c))) {
        CHECK(std::isnan(found(0, token, c)));
      } else {
        CHECK(found(0, token, c) == doctest::Approx(expected(0, token, c)).epsilon(2e-3));
      }
    }
}
