#include "mien/backend/cuda/kernels/regression_loss.hpp"

#include "emulator/parity.hpp"
#include "mien/ops/regression_loss.hpp"

using namespace mien;
using parity::DeviceArray;

namespace {

struct Sizes {
  Index rows, outputs;
};

/// No rows, one number, lines that are not full, more outputs than a warp has lanes, more than one chunk.
constexpr Sizes all_sizes[] = {{0, 2}, {1, 1}, {7, 31}, {31, 2}, {65, 3}, {33, 40}, {2500, 2}};

/// Every third row is left out, whatever it holds.
Tensor<std::uint8_t> mask_of(Index rows) {
  Tensor<std::uint8_t> mask(Shape{rows});
  for (Index row = 0; row < rows; ++row) mask.data()[row] = row % 3 == 0 ? 0 : 2;
  return mask;
}

/// A prediction and a target on a device.
template <class T>
struct Pairs {
  Pairs(const Tensor<double>& x, const Tensor<double>& y, const Tensor<std::uint8_t>& rows_that_count)
      : rows(x.size(0)), outputs(x.size(1)), prediction(x), target(y), marks(rows_that_count.defined() ? rows : 0) {
    if (!rows_that_count.defined()) return;
    std::copy_n(rows_that_count.data(), rows, marks.data());
    mask = marks.data();
  }

  /// Loss and gradient.
  std::vector<Tensor<double>> mse(const Tensor<double>& upstream) {
    DeviceArray<float> workspace(kernels::regression_workspace(rows, outputs));
    DeviceArray<float> count(1);
    DeviceArray<T> loss(1);
    DeviceArray<T> arriving(upstream);
    DeviceArray<T> gradient(rows * outputs);
    kernels::mse_loss<T>(prediction.data(), target.data(), mask, rows, outputs, workspace.data(), count.data(),
                         loss.data(), nullptr);
    kernels::mse_loss_gradient<T>(prediction.data(), target.data(), mask, rows, outputs, count.data(), arriving.data(),
                                  gradient.data(), nullptr);
    return {loss.values({1}), gradient.values({rows, outputs})};
  }

  /// Coefficients and gradient.
  std::vector<Tensor<double>> concordance(const Tensor<double>& upstream) {
    DeviceArray<float> workspace(kernels::regression_workspace(rows, outputs));
    DeviceArray<float> moments(outputs * kernels::concordance_moments);
    DeviceArray<T> coefficients(outputs);
    DeviceArray<T> arriving(upstream);
    DeviceArray<T> gradient(rows * outputs);
    kernels::concordance<T>(prediction.data(), target.data(), mask, rows, outputs, workspace.data(), moments.data(),
                            coefficients.data(), nullptr);
    kernels::concordance_gradient<T>(prediction.data(), target.data(), mask, rows, outputs, moments.data(),
                                     arriving.data(), gradient.data(), nullptr);
    return {coefficients.values({outputs}), gradient.values({rows, outputs})};
  }

  Index rows, outputs;
  DeviceArray<T> prediction;
  DeviceArray<T> target;
  DeviceArray<std::uint8_t> marks;
  const std::uint8_t* mask = nullptr;
};

}  // namespace

TEST_CASE_TEMPLATE("mean squared error and its gradient on a device", T, float, __nv_bfloat16, __half) {
  for (const auto [rows, outputs] : all_sizes)
    for (const bool masked : {false, true}) {
      CAPTURE(rows);
      CAPTURE(outputs);
      CAPTURE(masked);
      auto x = parity::rounded<T>(parity::random({rows, outputs}, 1));
      const auto y = parity::rounded<T>(parity::random({rows, outputs}, 2));
      if (masked && rows > 0) x.data()[0] = std::nan("");
      const auto mask = masked ? mask_of(rows) : Tensor<std::uint8_t>();
      const auto upstream = parity::rounded<T>(parity::random({1}, 3, 0.5, 2));
      const auto loss = ops::mse_loss(x, y, mask);
      const auto gradient = ops::mse_loss_gradient(x, y, mask, upstream);
      parity::in_every_order([&] {
        const auto found = Pairs<T>(x, y, mask).mse(upstream);
        parity::check_close(found[0], loss, 1e-7 + parity::rounding<T>);
        parity::check_close(found[1], gradient, 3e-7 + parity::rounding<T>);
        return found;
      });
    }
}

TEST_CASE_TEMPLATE("concordance and its gradient on a device", T, float, __nv_bfloat16, __half) {
  for (const auto [rows, outputs] : all_sizes)
    for (const bool masked : {false, true})
      for (const double offset : {0.0, 100.0}) {
        CAPTURE(rows);
        CAPTURE(outputs);
        CAPTURE(masked);
        CAPTURE(offset);
        auto x = parity::rounded<T>(parity::random({rows, outputs}, 1, offset - 3, offset + 3));
        auto y = parity::rounded<T>(parity::random({rows, outputs}, 2, offset - 3, offset + 3));
        for (Index i = 0; i < y.elements(); i += 2) y.data()[i] = x.data()[i];
        if (masked && rows > 0) x.data()[0] = std::nan("");
        const auto mask = masked ? mask_of(rows) : Tensor<std::uint8_t>();
        const auto upstream = parity::rounded<T>(parity::random({outputs}, 3));
        Tensor<double> coefficients({outputs});
        Tensor<double> gradient({rows, outputs});
        backend::concordance(x, y, mask, coefficients);
        backend::concordance_gradient(x, y, mask, upstream, gradient);
        parity::in_every_order([&] {
          const auto found = Pairs<T>(x, y, mask).concordance(upstream);
          parity::check_close(found[0], coefficients, 2e-7 + parity::rounding<T>);
          parity::check_close(found[1], gradient, 4e-7 + parity::rounding<T>);
          return found;
        });
      }
}

TEST_CASE("concordance of constants far from zero on a device") {
  constexpr Index rows = 700;
  // Equal constants, different ones, and a constant against a series that hardly moves.
  Tensor<double> x({rows, 3}, static_cast<double>(1000.1F));
  Tensor<double> y = x.clone();
  for (Index row = 0; row < rows; ++row) {
    y(row, 1) = 1000;
    y(row, 2) = 1000 + (row % 2 == 0 ? 0.25 : -0.25);
  }
  const Tensor<double> upstream({3}, 1.0);
  Tensor<double> gradient({rows, 3});
  backend::concordance_gradient(x, y, {}, upstream, gradient);
  parity::in_every_order([&] {
    const auto found = Pairs<float>(x, y, {}).concordance(upstream);
    CHECK(found[0](0) == 1);
    CHECK(found[0](1) == 0);
    CHECK(found[0](2) == 0);
    for (Index row = 0; row < rows; ++row) CHECK(found[1](row, 0) == 0);
    parity::check_close(found[1], gradient, 4e-7);
    return found;
  });
}

TEST_CASE("concordance of what is missing on a device") {
  Tensor<double> x = parity::random({70, 2}, 1);
  const Tensor<double> y = parity::random({70, 2}, 2);
  x(30, 1) = std::nan("");
  const Tensor<double> upstream({2}, 1.0);
  const auto found = Pairs<float>(x, y, {}).concordance(upstream);
  CHECK(std::isfinite(found[0](0)));
  CHECK(std::isnan(found[0](1)));
  CHECK(std::isnan(found[1](3, 1)));
  const auto of_none = Pairs<float>(x, y, Tensor<std::uint8_t>(Shape{70}, 0)).concordance(upstream);
  CHECK(of_none[0](1) == 1);
  CHECK(of_none[1](30, 1) == 0);
  CHECK(Pairs<float>(x, y, Tensor<std::uint8_t>(Shape{70}, 0)).mse(Tensor<double>({1}, 1.0))[0].item() == 0);
}
