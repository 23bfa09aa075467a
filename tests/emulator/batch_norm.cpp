#include "mien/backend/cuda/kernels/batch_norm.hpp"

#include "emulator/parity.hpp"
#include "mien/ops/batch_norm.hpp"

#include <algorithm>

using namespace mien;
using parity::DeviceArray;

namespace {

struct Sizes {
  Index rows, columns;
};

/// Odd sizes, one row, more columns than a warp, more rows than a chunk; packs, in threads that do not fill a block
/// too.
constexpr Sizes all_sizes[] = {{1, 1},    {7, 31}, {65, 3},   {31, 65}, {130, 32},
                               {1000, 7}, {1, 8},  {140, 40}, {9, 72},  {300, 8}};

/// Numbers in device memory that begin `start` numbers after where packs do.
template <class T>
class MovedArray {
 public:
  MovedArray(Index count, Index start) : count_(count), start_(start), numbers_(count + start) {}
  template <class U>
  MovedArray(const Tensor<U>& values, Index start) : MovedArray(values.elements(), start) {
    for (Index i = 0; i < count_; ++i) data()[i] = kernels::from_float<T>(static_cast<float>(values.data()[i]));
  }

  T* data() { return numbers_.data() + start_; }
  Tensor<double> values(const Shape& shape) const {
    const auto all = numbers_.values({count_ + start_});
    Tensor<double> out(shape);
    std::copy(all.data() + start_, all.data() + start_ + count_, out.data());
    return out;
  }

 private:
  Index count_, start_;
  DeviceArray<T> numbers_;
};

/// Runs a test in every order with maps where packs begin, and with maps one number after: the bits are the same.
template <class Test>
void from_every_start(const Test& test) {
  std::vector<Tensor<double>> packs;
  parity::in_every_order([&] { return packs = test(0); });
  const std::vector<Tensor<double>> numbers = test(1);
  for (std::size_t r = 0; r < packs.size(); ++r) parity::check_close(numbers[r], packs[r], 0);
}

}  // namespace

TEST_CASE_TEMPLATE("moments of channels on a device", T, float, __nv_bfloat16, __half) {
  for (const auto [rows, columns] : all_sizes)
    for (const double offset : {0.0, 100.0}) {
      CAPTURE(rows);
      CAPTURE(columns);
      const auto x = parity::rounded<T>(parity::random({rows, columns}, 1, offset - 1, offset + 1));
      Tensor<double> mean({columns});
      Tensor<double> variance({columns});
      backend::channel_moments(x, mean, variance);
      from_every_start([&](Index start) {
        MovedArray<T> input(x, start);
        DeviceArray<float> workspace(kernels::batch_norm_workspace(rows, columns));
        DeviceArray<float> found_mean(columns);
        DeviceArray<float> found_variance(columns);
        kernels::channel_moments(input.data(), rows, columns, workspace.data(), found_mean.data(),
                                 found_variance.data(), nullptr);
        parity::check_close(found_mean.values({columns}), mean, 2e-7, 1 + offset);
        if (rows > 1) parity::check_close(found_variance.values({columns}), variance, 5e-6);
        return std::vector{found_mean.values({columns}), found_variance.values({columns})};
      });
    }
}

TEST_CASE_TEMPLATE("normalisation with residual and ReLU on a device", T, float, __nv_bfloat16, __half) {
  for (const auto [rows, columns] : all_sizes)
    for (const bool with_residual : {false, true})
      for (const bool relu : {false, true}) {
        CAPTURE(rows);
        CAPTURE(columns);
        const Shape shape{rows, columns};
        const auto x = parity::rounded<T>(parity::random(shape, 1));
        const auto residual = parity::rounded<T>(parity::random(shape, 2));
        const auto factors = parity::rounded<float>(parity::random({columns}, 3, 0.5, 2));
        const auto shifts = parity::rounded<float>(parity::random({columns}, 4));
        Tensor<double> expected(shape);
        backend::normalise(x, factors, shifts, with_residual ? residual : Tensor<double>(), relu, expected);
        from_every_start([&](Index start) {
          MovedArray<T> input(x, start);
          MovedArray<T> added(residual, start);
          DeviceArray<float> by(factors);
          DeviceArray<float> to(shifts);
          MovedArray<T> y(shape.elements(), start);
          kernels::normalise<T>(input.data(), rows, columns, by.data(), to.data(),
                                with_residual ? added.data() : nullptr, relu, y.data(), nullptr);
          const auto found = y.values(shape);
          parity::check_close(found, expected, 3e-7 + parity::rounding<T>);
          MovedArray<T> over_residual(residual, start);
          kernels::normalise<T>(input.data(), rows, columns, by.data(), to.data(),
                                with_residual ? over_residual.data() : nullptr, relu, over_residual.data(), nullptr);
          parity::check_close(over_residual.values(shape), found, 0);
          kernels::normalise<T>(input.data(), rows, columns, by.data(), to.data(),
                                with_residual ? added.data() : nullptr, relu, input.data(), nullptr);
          parity::check_close(input.values(shape), found, 0);
          return std::vector{found};
        });
      }
}

TEST_CASE_TEMPLATE("gradients of batch normalisation on a device", T, float, __nv_bfloat16, __half) {
  using kernels::ReluMask;
  constexpr double epsilon = 1e-5;
  for (const auto [rows, columns] : all_sizes)
    for (const ReluMask mask : {ReluMask::none, ReluMask::input, ReluMask::output}) {
      CAPTURE(rows);
      CAPTURE(columns);
      CAPTURE(static_cast<int>(mask));
      const Shape shape{rows, columns};
      const auto x = parity::rounded<T>(parity::random(shape, 1));
      const auto upstream = parity::rounded<T>(parity::random(shape, 2));
      const auto y = parity::rounded<T>(parity::random(shape, 3));
      const auto mean = parity::rounded<float>(parity::random({columns}, 4, -0.1, 0.1));
      const auto variance = parity::rounded<float>(parity::random({columns}, 5, 0.2, 0.5));
      const auto weight = parity::random({columns}, 6, 0.5, 2);
      const auto bias = parity::random({columns}, 7);
      const auto [exact_factors, exact_shifts] =
          ops::batch_norm_factors<double, Cpu>({mean, variance}, weight, bias, epsilon);
      const auto factors = parity::rounded<float>(exact_factors);
      const auto shifts = parity::rounded<float>(exact_shifts);

      const auto cpu_mask = static_cast<backend::BatchNormMask>(mask);
      Tensor<double> sum_upstream({columns});
      Tensor<double> sum_product({columns});
      Tensor<double> masked(shape);
      backend::batch_norm_gradient_sums({x, upstream, mean, variance, factors, shifts, epsilon, cpu_mask, y},
                                        sum_upstream, sum_product, masked);
      Tensor<double> through_statistics(shape);
      Tensor<double> through_constants(shape);
      const Tensor<double>& arriving = mask == ReluMask::output ? masked : upstream;
      for (const bool of_batch : {true, false})
        backend::batch_norm_input_gradient<double>({x, arriving, mean, variance, factors, shifts, epsilon, cpu_mask, y},
                                                   of_batch, sum_upstream, sum_product,
                                                   of_batch ? through_statistics : through_constants);
      from_every_start([&](Index start) {
        MovedArray<T> of_x(x, start);
        MovedArray<T> of_upstream(upstream, start);
        MovedArray<T> of_y(y, start);
        DeviceArray<float> of_mean(mean);
        DeviceArray<float> of_variance(variance);
        DeviceArray<float> of_factors(factors);
        DeviceArray<float> of_shifts(shifts);
        const kernels::BatchNormGradientMap<T> map{.rows = rows,
                                                   .columns = columns,
                                                   .x = of_x.data(),
                                                   .upstream = of_upstream.data(),
                                                   .y = of_y.data(),
                                                   .mean = of_mean.data(),
                                                   .variance = of_variance.data(),
                                                   .epsilon = static_cast<float>(epsilon),
                                                   .factors = of_factors.data(),
                                                   .shifts = of_shifts.data(),
                                                   .mask = mask};
        DeviceArray<float> workspace(kernels::batch_norm_workspace(rows, columns));
        MovedArray<T> passed(shape.elements(), start);
        DeviceArray<float> found_upstream(columns);
        DeviceArray<float> found_product(columns);
        DeviceArray<float> by(columns);
        DeviceArray<float> to(columns);
        kernels::batch_norm_gradient_sums<T>(map, workspace.data(), passed.data(),
                                             {found_upstream.data(), found_product.data(), by.data(), to.data()},
                                             nullptr);
        const auto products = found_product.values({columns});
        parity::check_close(found_upstream.values({columns}), sum_upstream, 2e-6);
        parity::check_close(products, sum_product, 2e-6);
        if (mask == ReluMask::output) parity::check_close(passed.values(shape), masked, 0);

        MovedArray<T> gradient(shape.elements(), start);
        MovedArray<T> constant(shape.elements(), start);
        kernels::batch_norm_input_gradient(map, by.data(), to.data(), gradient.data(), nullptr);
        kernels::batch_norm_input_gradient<T>(map, nullptr, nullptr, constant.data(), nullptr);
        parity::check_close(gradient.values(shape), through_statistics, 2e-6 + parity::rounding<T>);
        parity::check_close(constant.values(shape), through_constants, 2e-7 + parity::rounding<T>);
        return std::vector{found_upstream.values({columns}), products, gradient.values(shape)};
      });
    }
}

TEST_CASE("factors, shifts and running moments of channels on a device") {
  for (const Index channels : {0, 1, 7, 31, 65, 300}) {
    CAPTURE(channels);
    const auto mean = parity::rounded<float>(parity::random({channels}, 1));
    const auto variance = parity::rounded<float>(parity::random({channels}, 2, 0.1, 2));
    const auto weight = parity::rounded<float>(parity::random({channels}, 3));
    const auto bias = parity::rounded<float>(parity::random({channels}, 4));
    const auto [factors, shifts] = ops::batch_norm_factors<double, Cpu>({mean, variance}, weight, bias, 1e-5);
    auto running_mean = parity::rounded<float>(parity::random({channels}, 5));
    auto running_variance = parity::rounded<float>(parity::random({channels}, 6, 0.1, 2));
    DeviceArray<float> on_mean(mean), on_variance(variance), on_weight(weight), on_bias(bias);
    DeviceArray<float> on_running_mean(running_mean), on_running_variance(running_variance);
    backend::update_running_moments(mean, variance, 7, 0.25, running_mean, running_variance);
    DeviceArray<float> by(channels), to(channels);
    kernels::batch_norm_factors(on_mean.data(), on_variance.data(), on_weight.data(), on_bias.data(), 1e-5F, channels,
                                by.data(), to.data(), nullptr);
    kernels::update_running_moments(on_mean.data(), on_variance.data(), 7, 0.25F, channels, on_running_mean.data(),
                                    on_running_variance.data(), nullptr);
    parity::check_close(by.values({channels}), factors, 3e-7);
    parity::check_close(to.values({channels}), shifts, 3e-7);
    parity::check_close(on_running_mean.values({channels}), running_mean, 3e-7);
    parity::check_close(on_running_variance.values({channels}), running_variance, 3e-7);
  }
}
