#include <mien/ops/dropout.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace mien;

TEST_CASE("dropout drops the asked share and scales what it keeps") {
  const Generator::State state{.seed = 11, .stream = 2, .counter = 5};
  const Index count = 200001;
  for (const double p : {0.1, 0.5, 0.9}) {
    CAPTURE(p);
    const Tensor<double> y = ops::dropout(Tensor<double>({count}, 3.0), p, state);
    const Index dropped = std::ranges::count(y.span(), 0.0);
    const Index kept =
        std::ranges::count_if(y.span(), [&](double value) { return std::abs(value - 3 / (1 - p)) < 1e-12; });
    CHECK(dropped + kept == count);
    CHECK(std::abs(static_cast<double>(dropped) / static_cast<double>(count) - p) < 0.005);
  }
}

TEST_CASE("the same state drops the same, whatever the threads; another state drops other elements") {
  const Tensor<float> x({3, 40001}, 1.0F);
  const Generator::State state{.seed = 1};
  const int before = thread_count();
  set_thread_count(1);
  const Tensor<float> alone = ops::dropout(x, 0.5, state);
  set_thread_count(2);
  const Tensor<float> both = ops::dropout(x, 0.5, state);
  set_thread_count(before);
  CHECK(std::ranges::equal(alone.span(), both.span()));
  const Tensor<float> next = ops::dropout(x, 0.5, ops::state_after_dropout(state, x.elements()));
  CHECK_FALSE(std::ranges::equal(alone.span(), next.span()));
}

TEST_CASE("two dropouts in a row draw from different numbers") {
  const Generator::State state{.seed = 1};
  for (const Index count : {1, 4, 5}) {
    const auto after = ops::state_after_dropout(state, count);
    CHECK(after.counter == (static_cast<std::uint64_t>(count) + 3) / 4);
  }
  CHECK(ops::state_after_dropout(state, 0) == state);
}

TEST_CASE("what is dropped is zero even if it was no number") {
  const Tensor<double> y =
      ops::dropout(Tensor<double>({64}, std::numeric_limits<double>::infinity()), 0.5, {.seed = 3});
  CHECK(std::ranges::count(y.span(), 0.0) > 0);
  CHECK(std::ranges::none_of(y.span(), [](double value) { return std::isnan(value); }));
}

TEST_CASE("a probability outside [0, 1) is refused") {
  const Tensor<float> x({3}, 1.0F);
  const auto kept = ops::dropout(x, 0, {});
  CHECK(std::ranges::equal(kept.span(), x.span()));
  CHECK(ops::dropout(Tensor<float>({0}), 0.5, {}).empty());
  CHECK_THROWS_WITH_AS(ops::dropout(x, 1, {}), "dropout: probability 1 is not in [0, 1)", ValueError);
  CHECK_THROWS_AS(ops::dropout(x, -0.1, {}), ValueError);
  CHECK_THROWS_AS(ops::dropout(x, std::nan(""), {}), ValueError);
}

TEST_CASE_TEMPLATE("every element is kept or dropped as its own number says", T, float, double) {
  const Generator::State state{.seed = 0x123456789abcdef, .stream = 0xfedcba987654321, .counter = 0xfffffffe};
  for (const Index count : {1, 3, 4, 7, 31, 32, 33, 65, 127, 1000})
    for (const double p : {0x1p-24, 0.1, 0.3, 0.5, 1 - 0x1p-24}) {
      CAPTURE(count);
      CAPTURE(p);
      Tensor<T> x({count});
      Generator(1).fill_uniform(x, 1, 2);
      const Tensor<T> y = ops::dropout(x, p, state);
      for (Index i = 0; i < count; ++i) {
        const auto drawn = detail::philox(state.seed, state.counter + static_cast<std::uint64_t>(i / 4), state.stream);
        const bool kept = detail::unit_interval(drawn[static_cast<std::size_t>(i % 4)]) >= p;
        CHECK(y(i) == (kept ? x(i) * static_cast<T>(1 / (1 - p)) : T{0}));
      }
    }
}
