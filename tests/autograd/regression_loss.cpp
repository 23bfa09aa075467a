#include <mien/autograd/gradient_check.hpp>
#include <mien/autograd/regression_loss.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

using namespace mien;

namespace {

Tensor<double> random(const Shape& shape, std::uint64_t seed, double offset = 0) {
  Tensor<double> out(shape);
  Generator(seed).fill_uniform(out, offset - 1, offset + 1);
  return out;
}

/// A column [N, 1].
Tensor<double> column(std::initializer_list<double> values) {
  return Tensor<double>::from({static_cast<Index>(values.size()), 1}, values);
}

double ccc(const Tensor<double>& x, const Tensor<double>& y) { return ops::concordance(x, y).item(); }

}  // namespace

TEST_CASE("numbers worked out by hand") {
  CHECK(mse_loss(Variable<double>(column({1, 2, 6})), column({0, 2, 3})).item() == doctest::Approx(10.0 / 3));
  // Means 3 and 4, variances 14/3 and 2/3, covariance 4/3.
  CHECK(ccc(column({1, 2, 6}), column({4, 3, 5})) == doctest::Approx(2 * (4.0 / 3) / (16.0 / 3 + 1)));
  CHECK(ccc_loss(Variable<double>(column({1, 2, 6})), column({4, 3, 5})).item() == doctest::Approx(1 - 8.0 / 19));
}

TEST_CASE("concordance knows shift, scale and sign") {
  const auto x = random({31, 1}, 1);
  auto moved = x.clone();
  for (double& value : moved.span()) value += 1;
  auto negative = x.clone();
  for (double& value : negative.span()) value *= -1;
  CHECK(ccc(x, x) == doctest::Approx(1));
  CHECK(ccc(x, moved) < 0.6);
  CHECK(ccc(x, moved) > 0);
  CHECK(ccc(x, negative) < -0.9);
}

TEST_CASE("constants: equal ones agree wholly, all else not at all") {
  CHECK(ccc(column({0.1, 0.1, 0.1}), column({0.1, 0.1, 0.1})) == 1);
  CHECK(ccc(column({0.1, 0.1, 0.1}), column({0.3, 0.3, 0.3})) == 0);
  CHECK(ccc(column({0.1, 0.1, 0.1}), column({0.3, 0.1, -0.1})) == 0);
  CHECK(ccc(column({0.7, 0.2, -0.1}), column({0.1, 0.1, 0.1})) == 0);
  CHECK(ccc(column({0.5}), column({0.5})) == 1);
  Variable<double> x(column({0.1, 0.1, 0.1}), true);
  backward(ccc_loss(x, column({0.1, 0.1, 0.1})));
  for (const double value : x.gradient().span()) CHECK(value == 0);
}

TEST_CASE("outputs are compared one by one, their frames pooled") {
  const auto x = random({2, 5, 3}, 1);
  const auto y = random({2, 5, 3}, 2, 0.3);
  const auto both = ops::concordance(x, y);
  REQUIRE(both.shape() == Shape{3});
  for (Index d = 0; d < 3; ++d)
    CHECK(both(d) == doctest::Approx(ccc(x.slice(2, d, d + 1).contiguous(), y.slice(2, d, d + 1))));
}

TEST_CASE("gradients for both sides, with and without a mask") {
  for (const Shape& shape : {Shape{2, 1}, Shape{7, 2}, Shape{2, 3, 3}}) {
    CAPTURE(shape.to_string());
    const Index rows = shape.elements() / shape[-1];
    Tensor<std::uint8_t> mask({rows}, 1);
    if (rows > 2) mask(1) = 0;
    for (const auto& used : {Tensor<std::uint8_t>(), mask}) {
      const std::vector<Variable<double>> inputs{Variable<double>(random(shape, 1), true),
                                                 Variable<double>(random(shape, 2, 0.5), true)};
      const auto mse = gradient_check([&](auto& in) { return mse_loss(in[0], in[1], used); }, inputs);
      CHECK_MESSAGE(mse, mse.where);
      const auto concordance = gradient_check([&](auto& in) { return ccc_loss(in[0], in[1], used); }, inputs);
      CHECK_MESSAGE(concordance, concordance.where);
    }
  }
}

TEST_CASE("masked rows have no influence, not even as not-a-number") {
  auto values = random({4, 2}, 1);
  const auto target = random({4, 2}, 2);
  Tensor<std::uint8_t> mask = Tensor<std::uint8_t>::from({4}, {1, 0, 1, 1});
  const auto kept = [](const Tensor<double>& x) {
    Tensor<double> out({3, 2});
    out.slice(0, 0, 1).copy_from(x.slice(0, 0, 1));
    out.slice(0, 1, 3).copy_from(x.slice(0, 2, 4));
    return out;
  };
  values(1, 0) = values(1, 1) = std::nan("");
  Variable<double> x(values, true);
  CHECK(mse_loss(x, target, mask).item() == doctest::Approx(ops::mse_loss(kept(values), kept(target)).item()));
  CHECK(ccc_loss(x, target, mask).item() == doctest::Approx(ops::ccc_loss(kept(values), kept(target)).item()));
  backward(mse_loss(x, target, mask));
  backward(ccc_loss(x, target, mask));
  for (Index row = 0; row < 4; ++row)
    for (Index d = 0; d < 2; ++d) CHECK((x.gradient()(row, d) != 0) == (row != 1));
}

TEST_CASE("nothing to compare: no loss, no gradient") {
  Variable<double> x(random({2, 2}, 1), true);
  const Tensor<std::uint8_t> none({2}, 0);
  CHECK(mse_loss(x, random({2, 2}, 2), none).item() == 0);
  CHECK(ccc_loss(x, random({2, 2}, 2), none).item() == 0);
  CHECK(mse_loss(Variable<double>(Tensor<double>({0, 2})), Tensor<double>({0, 2})).item() == 0);
  CHECK(ccc_loss(Variable<double>(Tensor<double>({0, 2})), Tensor<double>({0, 2})).item() == 0);
  backward(ccc_loss(x, random({2, 2}, 2), none));
  for (const double value : x.gradient().span()) CHECK(value == 0);
}

TEST_CASE("shapes that do not belong together are refused with all of them named") {
  const Variable<double> x(random({4, 2}, 1));
  CHECK_THROWS_AS(mse_loss(x, random({2, 4}, 1)), ShapeError);
  CHECK_THROWS_AS(ccc_loss(x, random({4, 1}, 1)), ShapeError);
  CHECK_THROWS_AS(mse_loss(Variable<double>(random({4}, 1)), random({4}, 1)), ShapeError);
  CHECK_THROWS_AS(mse_loss(x, random({4, 2}, 1), Tensor<std::uint8_t>({3}, 1)), ShapeError);
  CHECK_THROWS_AS(ops::mse_loss_gradient(random({4, 2}, 1), random({3, 2}, 1), {}, Tensor<double>({1}, 1.0)),
                  ShapeError);
  CHECK_THROWS_AS(ops::ccc_loss_gradient(random({4, 2}, 1), random({4, 3}, 1), {}, Tensor<double>({1}, 1.0)),
                  ShapeError);
  CHECK_THROWS_WITH(ccc_loss(x, random({4, 1}, 1)),
                    doctest::Contains("ccc_loss: prediction [4, 2], target [4, 1], mask none"));
}
