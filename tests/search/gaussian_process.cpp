/// Gaussian process regression against closed forms and against plain sums.

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "mien/core/random.hpp"
#include "mien/search/gaussian_process.hpp"

namespace {

using namespace mien;
using doctest::Approx;
using search::GaussianProcess;

double matern(double r) { return (1 + std::sqrt(5.0) * r + 5 * r * r / 3) * std::exp(-std::sqrt(5.0) * r); }

GaussianProcess::Places random_places(int count, int axes, std::uint64_t seed) {
  Generator generator(seed);
  GaussianProcess::Places places(static_cast<std::size_t>(count), std::vector<double>(static_cast<std::size_t>(axes)));
  for (auto& place : places)
    for (double& coordinate : place) coordinate = generator.uniform();
  return places;
}

double waves(const std::vector<double>& place) { return std::sin(5 * place[0]) + 0.3 * place[1]; }

std::vector<double> values_at(const GaussianProcess::Places& places) {
  std::vector<double> out;
  for (const auto& place : places) out.push_back(waves(place));
  return out;
}

}  // namespace

TEST_CASE("with one value everything is a formula") {
  const double signal = 1.7;
  const double noise = 0.3;
  const double k = signal * matern(0.4 / 0.5);
  const GaussianProcess process({{0.2}}, {3}, {.lengths = {0.5}, .mean = 1, .signal = signal, .noise = noise});
  const auto there = process.predict(std::vector{0.6});
  CHECK(there.mean == Approx(1 + k / (signal + noise) * 2));
  CHECK(there.deviation == Approx(std::sqrt(signal - k * k / (signal + noise))));
  CHECK(process.mean(std::vector{0.6}) == Approx(there.mean));
  CHECK(process.log_likelihood() ==
        Approx(-0.5 * 4 / (signal + noise) - 0.5 * std::log(2 * std::numbers::pi * (signal + noise))));
}

TEST_CASE("with two values the matrix is inverted by hand") {
  const double k = matern(std::hypot(0.3 / 0.4, 0.5 / 2));
  const GaussianProcess process({{0.1, 0.2}, {0.4, 0.7}}, {1, -2}, {.lengths = {0.4, 2}, .noise = 0.1});
  const double a = matern(std::hypot(0.1 / 0.4, 0.1 / 2));
  const double b = matern(std::hypot(0.2 / 0.4, 0.4 / 2));
  const double determinant = 1.1 * 1.1 - k * k;
  const auto there = process.predict(std::vector{0.2, 0.3});
  CHECK(there.mean == Approx((a * (1.1 + 2 * k) + b * (-k - 2.2)) / determinant));
  CHECK(there.deviation == Approx(std::sqrt(1 - (1.1 * a * a - 2 * k * a * b + 1.1 * b * b) / determinant)));
  const double square = (1.1 * 1 - 2 * k * -2 + 1.1 * 4) / determinant;
  CHECK(process.log_likelihood() ==
        Approx(-0.5 * square - 0.5 * std::log(determinant) - std::log(2 * std::numbers::pi)));
}

TEST_CASE("without noise it goes through all values with no doubt, and doubts all else") {
  const auto places = random_places(31, 3, 1);
  const auto values = values_at(places);
  const GaussianProcess process(places, values, {.lengths = {0.5, 0.7, 1}});
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto here = process.predict(places[i]);
    CHECK(here.mean == Approx(values[i]).epsilon(1e-9));
    CHECK(here.deviation < 1e-6);
  }
  for (const auto& place : random_places(7, 3, 2)) CHECK(process.predict(place).deviation > 1e-3);
  const auto far = process.predict(std::vector{1e3, 1e3, 1e3});
  CHECK(far.mean == Approx(0));
  CHECK(far.deviation == Approx(1));
}

TEST_CASE("without any value it knows what it was told at first") {
  const GaussianProcess process({}, {}, {.lengths = {1}, .mean = 4, .signal = 9});
  CHECK(process.predict(std::vector{0.5}).mean == 4);
  CHECK(process.predict(std::vector{0.5}).deviation == 3);
}

TEST_CASE("names are all equally unlike") {
  const GaussianProcess process({{0.1, 0.5}, {0.9, 0.5}}, {1, 2},
                                {.lengths = {2, 1}, .unordered = {true, false}, .noise = 0.1});
  const double k = matern(1 / 2.0);
  CHECK(process.predict(std::vector{0.5, 0.5}).mean == Approx(3 * k / (1.1 + k)));
}

TEST_CASE("what is left out is what the others say") {
  const auto places = random_places(9, 2, 4);
  const auto values = values_at(places);
  const search::GaussianProcessOptions options{.lengths = {0.3, 0.8}, .mean = 0.2, .noise = 0.01};
  const auto left_out = GaussianProcess(places, values, options).left_out_means();
  for (std::size_t i = 0; i < places.size(); ++i) {
    auto other_places = places;
    auto other_values = values;
    other_places.erase(other_places.begin() + static_cast<std::ptrdiff_t>(i));
    other_values.erase(other_values.begin() + static_cast<std::ptrdiff_t>(i));
    const GaussianProcess others(other_places, other_values, options);
    CHECK(left_out[i] == Approx(others.mean(places[i])));
  }
}

TEST_CASE("a fit is likelier than what is beside it, foretells, and sees the axis that does nothing") {
  const auto places = random_places(25, 3, 5);
  const auto process = GaussianProcess::fitted(places, values_at(places));
  for (const auto& place : random_places(20, 3, 6)) CHECK(std::abs(process.mean(place) - waves(place)) < 0.1);
  const auto& lengths = process.options().lengths;
  CHECK(lengths[0] < lengths[1]);
  CHECK(lengths[2] > 5);
  for (const double factor : {0.7, 1.4}) {
    auto options = process.options();
    options.lengths[0] *= factor;
    CHECK(GaussianProcess(places, values_at(places), options).log_likelihood() < process.log_likelihood());
    options = process.options();
    options.signal *= factor;
    CHECK(GaussianProcess(places, values_at(places), options).log_likelihood() < process.log_likelihood());
  }
}

TEST_CASE("a fit is as likely as none beside it, and no less so for more starts") {
  Generator generator(3);
  const auto places = random_places(23, 2, 12);
  auto values = values_at(places);
  for (double& value : values) value += 0.1 * generator.normal();
  double before = -1e300;
  for (const Index starts : {1, 2, 3, 5, 8, 12}) {
    const auto process = GaussianProcess::fitted(places, values, {}, starts, 7);
    CHECK(process.log_likelihood() >= before);
    before = process.log_likelihood();
    // The search ends with steps of an eighth, in logarithms.
    for (const double factor : {std::exp(-0.125), std::exp(0.125)}) {
      for (const std::size_t axis : {0, 1}) {
        auto options = process.options();
        options.lengths[axis] *= factor;
        CHECK(GaussianProcess(places, values, options).log_likelihood() <= process.log_likelihood() + 1e-9);
      }
    }
  }
}

TEST_CASE("a fit of values in other units is the same fit") {
  const auto places = random_places(31, 2, 14);
  auto values = values_at(places);
  Generator generator(15);
  for (double& value : values) value += 0.1 * generator.normal();
  const auto process = GaussianProcess::fitted(places, values);
  for (double& value : values) value *= 1024;
  const auto other = GaussianProcess::fitted(places, values);
  CHECK(other.options().signal == Approx(process.options().signal * 1024 * 1024));
  CHECK(other.options().noise == Approx(process.options().noise * 1024 * 1024));
  for (std::size_t axis = 0; axis < 2; ++axis)
    CHECK(other.options().lengths[axis] == Approx(process.options().lengths[axis]));
  const auto there = process.predict(std::vector{0.3, 0.4});
  CHECK(other.predict(std::vector{0.3, 0.4}).mean == Approx(there.mean * 1024));
  CHECK(other.predict(std::vector{0.3, 0.4}).deviation == Approx(there.deviation * 1024));
}

TEST_CASE("lengths and noise of a fit reach their limits, and go no further") {
  const auto shares_of = [](const GaussianProcess& process) {
    return process.options().noise / process.options().signal;
  };
  const auto places = random_places(41, 2, 16);
  // Of the first axis alone, in quick waves, without noise.
  std::vector<double> values;
  for (const auto& place : places) values.push_back(std::sin(30 * place[0]));
  const auto quick = GaussianProcess::fitted(places, values);
  CHECK(quick.options().lengths[0] < 0.3);
  CHECK(quick.options().lengths[1] == Approx(20));
  CHECK(shares_of(quick) == Approx(1e-6));
  // Nothing but noise.
  Generator generator(17);
  for (double& value : values) value = generator.normal();
  const auto noise = GaussianProcess::fitted(places, values, {}, 8);
  CHECK(shares_of(noise) == Approx(1));
  for (const double length : noise.options().lengths) CHECK((length >= 0.05 - 1e-9 && length <= 20 + 1e-9));
}

TEST_CASE("a fit finds how much is noise") {
  const auto places = random_places(65, 2, 8);
  auto values = values_at(places);
  Generator generator(9);
  for (double& value : values) value += 0.2 * generator.normal();
  const auto process = GaussianProcess::fitted(places, values);
  CHECK(std::sqrt(process.options().noise) > 0.14);
  CHECK(std::sqrt(process.options().noise) < 0.26);
}

TEST_CASE("equal values, one value, and a place that comes twice can be fitted") {
  CHECK(GaussianProcess::fitted({{0.1}, {0.5}, {0.9}}, {2, 2, 2}).mean(std::vector{0.3}) == Approx(2));
  CHECK(GaussianProcess::fitted({{0.1}}, {-3}).mean(std::vector{0.7}) == Approx(-3));
  const auto twice = GaussianProcess::fitted({{0.1}, {0.1}, {0.9}}, {1, 2, 7});
  CHECK(twice.mean(std::vector{0.1}) > 0.9);
  CHECK(twice.mean(std::vector{0.1}) < 5);
}

TEST_CASE("what does not fit together is refused") {
  CHECK_THROWS_AS(GaussianProcess({{0.1}}, {1, 2}, {.lengths = {1}}), ShapeError);
  CHECK_THROWS_AS(GaussianProcess({{0.1, 0.2}}, {1}, {.lengths = {1}}), ShapeError);
  CHECK_THROWS_AS(GaussianProcess({{0.1}}, {1}, {.lengths = {1}, .unordered = {true, false}}), ShapeError);
  CHECK_THROWS_AS(GaussianProcess({{0.1}}, {1}, {.lengths = {0}}), ValueError);
  CHECK_THROWS_AS(GaussianProcess({{0.1}}, {1}, {.lengths = {1}, .noise = -1}), ValueError);
  CHECK_THROWS_AS(GaussianProcess({{0.1}, {0.1}}, {1, 2}, {.lengths = {1}}), ValueError);
  CHECK_THROWS_AS(GaussianProcess({{0.1}}, {NAN}, {.lengths = {1}}), ValueError);
  CHECK_THROWS_AS(GaussianProcess::fitted({}, {}), ValueError);
}
