#include <mien/core/random.hpp>
#include <mien/ops/lstm.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

using namespace mien;

namespace {

using Inputs = ops::LstmInputs<double, Cpu>;

Tensor<double> random(const Shape& shape, Generator& generator) {
  Tensor<double> out(shape);
  generator.fill_uniform(out, -1, 1);
  return out;
}

Inputs random_inputs(Index batch, Index steps, Index in, Index hidden, std::uint64_t seed) {
  Generator generator(seed);
  return {random({batch, steps, in}, generator),   random({4 * hidden, in}, generator),
          random({4 * hidden, hidden}, generator), random({4 * hidden}, generator),
          random({4 * hidden}, generator),         random({batch, hidden}, generator),
          random({batch, hidden}, generator)};
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// The formula, sample by sample and number by number.
void check_against_loops(const Inputs& in, const ops::LstmOrder& order) {
  const auto result = ops::lstm(in, order);
  const Index steps = in.x.size(1);
  const Index hidden = in.weight_hh.size(1);
  for (Index b = 0; b < in.x.size(0); ++b) {
    const Index length = order.lengths.empty() ? steps : order.lengths[static_cast<std::size_t>(b)];
    std::vector<double> h(static_cast<std::size_t>(hidden)), c(h.size());
    for (Index k = 0; k < hidden; ++k) {
      h[static_cast<std::size_t>(k)] = in.h_0.defined() ? in.h_0(b, k) : 0;
      c[static_cast<std::size_t>(k)] = in.c_0.defined() ? in.c_0(b, k) : 0;
    }
    for (Index step = 0; step < length; ++step) {
      const Index t = order.reverse ? length - 1 - step : step;
      const std::vector<double> before = h;
      const auto gate = [&](Index row) {
        double sum = in.bias_ih.defined() ? in.bias_ih(row) + in.bias_hh(row) : 0;
        for (Index i = 0; i < in.x.size(2); ++i) sum += in.weight_ih(row, i) * in.x(b, t, i);
        for (Index k = 0; k < hidden; ++k) sum += in.weight_hh(row, k) * before[static_cast<std::size_t>(k)];
        return sum;
      };
      for (Index k = 0; k < hidden; ++k) {
        const auto i = static_cast<std::size_t>(k);
        c[i] = sigmoid(gate(hidden + k)) * c[i] + sigmoid(gate(k)) * std::tanh(gate(2 * hidden + k));
        h[i] = sigmoid(gate(3 * hidden + k)) * std::tanh(c[i]);
        CHECK(result.outputs(b, t, k) == doctest::Approx(h[i]).epsilon(1e-11));
      }
    }
    for (Index k = 0; k < hidden; ++k) {
      CHECK(result.h_n(b, k) == doctest::Approx(h[static_cast<std::size_t>(k)]).epsilon(1e-11));
      CHECK(result.c_n(b, k) == doctest::Approx(c[static_cast<std::size_t>(k)]).epsilon(1e-11));
      for (Index t = length; t < steps; ++t) CHECK(result.outputs(b, t, k) == 0.0);
    }
  }
}

}  // namespace

TEST_CASE("the LSTM follows its formula in both directions") {
  std::uint64_t seed = 1;
  for (const auto& [batch, steps, in, hidden] :
       std::vector<std::array<Index, 4>>{{1, 1, 1, 1}, {2, 5, 7, 3}, {7, 3, 1, 31}, {3, 4, 31, 7}}) {
    for (const bool reverse : {false, true}) {
      Inputs inputs = random_inputs(batch, steps, in, hidden, seed++);
      check_against_loops(inputs, {.reverse = reverse});
      inputs.bias_ih = inputs.bias_hh = inputs.h_0 = inputs.c_0 = Tensor<double>();
      check_against_loops(inputs, {.reverse = reverse});
    }
  }
}

TEST_CASE("each sample of a padded batch is computed as if alone, whatever its padding holds") {
  for (const bool reverse : {false, true}) {
    Inputs inputs = random_inputs(4, 5, 7, 3, 9);
    const ops::LstmOrder order{.lengths = {5, 0, 1, 3}, .reverse = reverse};
    for (Index b = 0; b < 4; ++b)
      inputs.x.select(0, b).slice(0, order.lengths[static_cast<std::size_t>(b)], 5).fill(std::nan(""));
    check_against_loops(inputs, order);
  }
}

TEST_CASE("gradients of padding are zero and its content does not reach any other gradient") {
  Inputs inputs = random_inputs(3, 4, 5, 2, 10);
  const ops::LstmOrder order{.lengths = {2, 4, 0}};
  const auto clean = ops::lstm(inputs, order);
  Tensor<double> upstream(clean.all.shape(), 1.0);
  const auto expected = ops::lstm_gradient(inputs, order, clean, upstream);
  Tensor<double> padded_upstream = upstream.clone();
  auto of_outputs = padded_upstream.slice(0, 0, clean.outputs.elements()).view(clean.outputs.shape());
  for (Index b = 0; b < 3; ++b) {
    const Index length = order.lengths[static_cast<std::size_t>(b)];
    inputs.x.select(0, b).slice(0, length, 4).fill(std::nan(""));
    of_outputs.select(0, b).slice(0, length, 4).fill(std::nan(""));
  }
  const auto found = ops::lstm_gradient(inputs, order, ops::lstm(inputs, order), padded_upstream);
  const auto equal = [](const Tensor<double>& a, const Tensor<double>& b) {
    return std::ranges::equal(a.span(), b.span());
  };
  CHECK(equal(found.x, expected.x));
  CHECK(equal(found.weight_ih, expected.weight_ih));
  CHECK(equal(found.weight_hh, expected.weight_hh));
  CHECK(equal(found.bias, expected.bias));
  CHECK(equal(found.h_0, expected.h_0));
  CHECK(equal(found.c_0, expected.c_0));
  for (Index t = 2; t < 4; ++t)
    for (Index i = 0; i < 5; ++i) CHECK(found.x(0, t, i) == 0.0);
  CHECK(found.h_0(2, 0) == 1.0);
}

TEST_CASE("the same bits on one thread and on two") {
  Inputs inputs = random_inputs(301, 3, 31, 65, 11);
  const ops::LstmOrder order{.lengths = {}, .reverse = false};
  const auto all_gradients = [&] {
    const auto result = ops::lstm(inputs, order);
    const auto gradients = ops::lstm_gradient(inputs, order, result, result.all);
    return std::vector<Tensor<double>>{result.all,     gradients.x,   gradients.weight_ih, gradients.weight_hh,
                                       gradients.bias, gradients.h_0, gradients.c_0};
  };
  const int before = thread_count();
  set_thread_count(1);
  const auto alone = all_gradients();
  set_thread_count(2);
  const auto both = all_gradients();
  set_thread_count(before);
  for (std::size_t i = 0; i < alone.size(); ++i) {
    CAPTURE(i);
    CHECK(std::ranges::equal(alone[i].span(), both[i].span()));
  }
}

TEST_CASE("no samples and no steps are sequences too") {
  const auto none = ops::lstm(random_inputs(0, 3, 2, 2, 1));
  CHECK(none.outputs.shape() == Shape{0, 3, 2});
  const Inputs inputs = random_inputs(2, 0, 3, 2, 1);
  const auto still = ops::lstm(inputs);
  CHECK(still.outputs.shape() == Shape{2, 0, 2});
  CHECK(std::ranges::equal(still.h_n.span(), inputs.h_0.span()));
  const auto gradients = ops::lstm_gradient(inputs, {}, still, still.all);
  CHECK(std::ranges::equal(gradients.c_0.span(), inputs.c_0.span()));
  CHECK(std::ranges::all_of(gradients.weight_ih.span(), [](double value) { return value == 0; }));
}

TEST_CASE("saturated gates stay finite") {
  Inputs inputs = random_inputs(2, 3, 4, 3, 12);
  inputs.x.fill(1e6);
  const auto result = ops::lstm(inputs);
  for (const double value : result.all.span()) CHECK(std::isfinite(value));
}

TEST_CASE("shapes that do not fit are refused, and all are named") {
  Inputs inputs = random_inputs(2, 3, 4, 5, 13);
  inputs.weight_ih = Tensor<double>({20, 3});
  CHECK_THROWS_WITH_AS(
      ops::lstm(inputs),
      "lstm: input [2, 3, 4], weight_ih [20, 3], weight_hh [20, 5], bias_ih [20], bias_hh [20], h_0 [2, "
      "5], c_0 [2, 5]",
      ShapeError);
  inputs = random_inputs(2, 3, 4, 5, 13);
  inputs.bias_hh = Tensor<double>();
  CHECK_THROWS_AS(ops::lstm(inputs), ShapeError);
  inputs = random_inputs(2, 3, 4, 5, 13);
  inputs.c_0 = Tensor<double>({1, 5});
  CHECK_THROWS_AS(ops::lstm(inputs), ShapeError);
  inputs = random_inputs(2, 3, 4, 5, 13);
  CHECK_THROWS_AS(ops::lstm(inputs, {.lengths = {3}}), ShapeError);
  CHECK_THROWS_AS(ops::lstm(inputs, {.lengths = {3, 4}}), ValueError);
}
