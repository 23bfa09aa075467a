#include <mien/autograd/activation.hpp>
#include <mien/autograd/arithmetic.hpp>
#include <mien/autograd/gradient_check.hpp>
#include <mien/nn/batch_norm.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "random_tensor.hpp"

using namespace mien;
using testing::random;

TEST_CASE("training normalises every channel over all other axes") {
  for (const Shape& shape : {Shape{31, 7}, Shape{3, 5, 4, 65}, Shape{2, 3, 2, 2, 1}}) {
    CAPTURE(shape.to_string());
    auto x = random<double>(shape, 1);
    for (double& value : x.span()) value = 1000 + 3 * value;
    nn::BatchNorm<double> norm(shape[-1]);
    const Tensor<double> y = norm(Variable<double>(x)).value();
    const Index channels = shape[-1];
    const Index rows = y.elements() / channels;
    for (Index c = 0; c < channels; ++c) {
      double sum = 0, squares = 0;
      for (Index r = 0; r < rows; ++r) {
        sum += y.data()[r * channels + c];
        squares += y.data()[r * channels + c] * y.data()[r * channels + c];
      }
      CHECK(sum / static_cast<double>(rows) == doctest::Approx(0).epsilon(1e-9));
      CHECK(squares / static_cast<double>(rows) == doctest::Approx(1).epsilon(1e-4));
    }
  }
}

TEST_CASE("running statistics follow the batches and are used in evaluation") {
  nn::BatchNorm<double> norm(1, {.epsilon = 0, .momentum = 0.5});
  const auto x = Tensor<double>::from({4, 1}, {1, 2, 3, 6});  // mean 3, unbiased variance 14 / 3
  norm(Variable<double>(x));
  CHECK(norm.running_mean(0) == doctest::Approx(1.5));
  CHECK(norm.running_var(0) == doctest::Approx(0.5 + 7.0 / 3));
  norm.evaluate();
  const Tensor<double> y = norm(Variable<double>(x)).value();
  CHECK(y(3, 0) == doctest::Approx(4.5 / std::sqrt(0.5 + 7.0 / 3)));
  CHECK(norm.running_mean(0) == doctest::Approx(1.5));
}

TEST_CASE("gradients with the batch's statistics and with running ones") {
  for (const bool training : {true, false})
    for (const Shape& shape : {Shape{7, 3}, Shape{2, 3, 2, 2}}) {
      const Index channels = shape[-1];
      auto variance = random<double>({channels}, 2);
      for (double& value : variance.span()) value = 0.5 + value * value;
      const auto mean = random<double>({channels}, 3);
      const auto result = gradient_check(
          [&](auto& v) {
            const auto moments = training ? ops::channel_moments(v[0].value()) : ops::Moments<double>{mean, variance};
            return batch_norm(v[0], moments, v[1], v[2], 1e-5, training) * v[3];
          },
          {Variable<double>(random<double>(shape, 4), true), Variable<double>(random<double>({channels}, 5), true),
           Variable<double>(random<double>({channels}, 6), true), Variable<double>(random<double>(shape, 7), true)});
      CHECK_MESSAGE(result.passed, result.where);
    }
}

TEST_CASE("parameters and statistics with gaps are read as their copies would be") {
  const auto x = random<double>({5, 3}, 8);
  auto positive = random<double>({3, 4}, 9);
  for (double& value : positive.span()) value = 0.5 + value * value;
  const ops::Moments<double> apart{positive.select(1, 0), positive.select(1, 1)};
  const ops::Moments<double> tight{apart.mean.clone(), apart.variance.clone()};
  const auto weight = positive.select(1, 2);
  const auto bias = positive.select(1, 3);
  CHECK(testing::largest_difference(ops::batch_norm(x, apart, weight, bias, 1e-5),
                                    ops::batch_norm(x, tight, weight.clone(), bias.clone(), 1e-5)) == 0);
  for (const bool batch_statistics : {true, false}) {
    const auto with_gaps = ops::batch_norm_gradients(x, x, apart, weight, 1e-5, batch_statistics);
    const auto without = ops::batch_norm_gradients(x, x, tight, weight.clone(), 1e-5, batch_statistics);
    CHECK(testing::largest_difference(with_gaps.x, without.x) == 0);
    CHECK(testing::largest_difference(with_gaps.weight, without.weight) == 0);
    CHECK(testing::largest_difference(with_gaps.bias, without.bias) == 0);
  }
}

TEST_CASE("no channels are no reason to fail, too few parameters are") {
  const Tensor<double> none(Shape{0});
  const auto gradients = ops::batch_norm_gradients(Tensor<double>({5, 0}), Tensor<double>({5, 0}), {none, none}, none,
                                                   1e-5, true);
  CHECK(gradients.x.shape() == Shape{5, 0});
  const Tensor<double> x({5, 3}, 1);
  const Tensor<double> three({3}, 1);
  CHECK_THROWS_WITH_AS(ops::batch_norm_gradients(x, x, {three, three}, Tensor<double>({2}, 1), 1e-5, true),
                       "batch_norm: weight: [2] values for the channels of [5, 3]", ShapeError);
}

TEST_CASE("a batch of one value a channel cannot train, but evaluate") {
  nn::BatchNorm<float> norm(3);
  const Variable<float> one(Tensor<float>({1, 3}, 2));
  CHECK_THROWS_AS(norm(one), ValueError);
  CHECK_THROWS_AS(norm(Variable<float>(Tensor<float>({0, 3}))), ValueError);
  CHECK_THROWS_AS(norm(Variable<float>(Tensor<float>({5, 4}, 0))), ShapeError);
  norm.evaluate();
  CHECK(norm(one).shape() == Shape{1, 3});
}

namespace {

/// A map of the given number of channels, which lies in memory with gaps.
template <class T>
Tensor<T> with_gaps(Index rows, Index channels, std::uint64_t seed) {
  return random<T>({rows, 2, channels}, seed).select(1, 1);
}

template <class T>
struct FusedCase {
  Variable<T> x, residual, weight, bias;
  Tensor<T> upstream;
};

template <class T>
FusedCase<T> fused_case(Index rows, Index channels) {
  return {Variable<T>(with_gaps<T>(rows, channels, 1), true), Variable<T>(with_gaps<T>(rows, channels, 2), true),
          Variable<T>(random<T>({channels}, 3), true), Variable<T>(random<T>({channels}, 4), true),
          with_gaps<T>(rows, channels, 5)};
}

/// The greatest difference between the fused operation and its parts, in y and in all gradients.
template <class T>
double fused_difference(Index rows, Index channels, bool has_residual, bool has_relu, bool training) {
  const T epsilon = T(1e-3);
  FusedCase<T> fused = fused_case<T>(rows, channels);
  FusedCase<T> parts = fused_case<T>(rows, channels);
  const auto moments_of = [&](const Variable<T>& x) {
    return training ? ops::channel_moments(x.value())
                    : ops::Moments<T>{Tensor<T>({channels}, T(0.25)), Tensor<T>({channels}, T(2))};
  };
  const Variable<T> y = batch_norm(fused.x, moments_of(fused.x), fused.weight, fused.bias, epsilon, training,
                                   {.residual = has_residual ? fused.residual : Variable<T>(), .relu = has_relu});
  Variable<T> z = batch_norm(parts.x, moments_of(parts.x), parts.weight, parts.bias, epsilon, training);
  if (has_residual) z = z + parts.residual;
  if (has_relu) z = relu(z);
  backward(y, fused.upstream);
  backward(z, parts.upstream);
  double worst = testing::largest_difference(y.value(), z.value());
  for (const auto member : {&FusedCase<T>::x, &FusedCase<T>::weight, &FusedCase<T>::bias})
    worst = std::max(worst, testing::largest_difference((fused.*member).gradient(), (parts.*member).gradient()));
  if (has_residual)
    worst = std::max(worst, testing::largest_difference(fused.residual.gradient(), parts.residual.gradient()));
  else
    CHECK_FALSE(fused.residual.gradient().defined());
  return worst;
}

}  // namespace

TEST_CASE_TEMPLATE("residual and ReLU in the same pass give what they give one by one", T, float, double) {
  for (const Index channels : {1, 3, 7, 25, 31, 64, 65, 257})
    for (const Index rows : {2, 17, 700})
      for (const bool training : {true, false})
        for (const bool has_residual : {true, false})
          for (const bool has_relu : {true, false}) {
            CAPTURE(channels);
            CAPTURE(rows);
            CAPTURE(training);
            CAPTURE(has_residual);
            CAPTURE(has_relu);
            CHECK(fused_difference<T>(rows, channels, has_residual, has_relu, training) < (sizeof(T) == 4 ? 1e-4 : 1e-12));
          }
}

TEST_CASE("moments of long columns agree with sums in higher precision, far from zero too") {
  for (const Index channels : {1, 7, 31, 65, 300}) {
    CAPTURE(channels);
    const Index rows = 100000 / channels + 3;
    auto x = random<float>({rows, channels}, 11);
    for (float& value : x.span()) value = 500 + value;
    const auto moments = ops::channel_moments(x);
    for (const Index c : {Index{0}, channels / 2, channels - 1}) {
      double sum = 0, squares = 0;
      for (Index row = 0; row < rows; ++row) sum += x(row, c);
      const double mean = sum / static_cast<double>(rows);
      for (Index row = 0; row < rows; ++row) squares += (x(row, c) - mean) * (x(row, c) - mean);
      CHECK(std::abs(moments.mean(c) - mean) < 5e-4);
      CHECK(moments.variance(c) == doctest::Approx(squares / static_cast<double>(rows)).epsilon(1e-4));
    }
  }
}

TEST_CASE("gradients of batch norm with residual and ReLU") {
  for (const bool training : {true, false})
    for (const bool has_residual : {true, false})
      for (const Index channels : {1, 3, 7}) {
        const Shape shape{2, 3, channels};
        const auto result = gradient_check(
            [&](auto& v) {
              const auto moments = training ? ops::channel_moments(v[0].value())
                                            : ops::Moments<double>{Tensor<double>({channels}, 0.25),
                                                                   Tensor<double>({channels}, 2)};
              return batch_norm(v[0], moments, v[1], v[2], 1e-5, training,
                                {.residual = has_residual ? v[3] : Variable<double>(), .relu = true}) *
                     v[3];
            },
            {Variable<double>(random<double>(shape, 4), true), Variable<double>(random<double>({channels}, 5), true),
             Variable<double>(random<double>({channels}, 6), true), Variable<double>(random<double>(shape, 7), true)});
        CHECK_MESSAGE(result.passed, result.where);
      }
}

TEST_CASE("running statistics stay where they are when a call is refused") {
  nn::BatchNorm<float> norm(2);
  const Variable<float> x(Tensor<float>({4, 2}, 3.0F));
  CHECK_THROWS_AS(norm(x, {.residual = Variable<float>(Tensor<float>({3, 2}))}), ShapeError);
  CHECK(norm.running_mean(0) == 0);
}

TEST_CASE("a NaN is seen after the ReLU, and a residual of another shape is refused") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  nn::BatchNorm<float> norm(2);
  norm.evaluate();
  const auto x = Variable<float>(Tensor<float>::from({2, 2}, {nan, -1, 2, 3}));
  const auto y = norm(x, {.relu = true}).value();
  CHECK(std::isnan(y(0, 0)));
  CHECK(y(0, 1) == 0);
  CHECK(y(1, 0) > 1.9F);
  CHECK_THROWS_WITH_AS(norm(x, {.residual = Variable<float>(Tensor<float>({2, 3}, 0))}),
                       "batch_norm: input and residual: shapes [2, 2] and [2, 3] differ", ShapeError);
  const Variable<float> none(Tensor<float>({0, 2}));
  CHECK(norm(none, {.residual = none, .relu = true}).shape() == Shape{0, 2});
}
