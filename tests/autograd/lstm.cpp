#include <mien/autograd/arithmetic.hpp>
#include <mien/autograd/gradient_check.hpp>
#include <mien/autograd/lstm.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

using namespace mien;

namespace {

using Variables = std::vector<Variable<double>>;

Variable<double> random(const Shape& shape, Generator& generator) {
  Tensor<double> out(shape);
  generator.fill_uniform(out, -1, 1);
  return Variable<double>(out, true);
}

Variables random_inputs(Index batch, Index steps, Index in, Index hidden) {
  Generator generator(3);
  return {random({batch, steps, in}, generator),   random({4 * hidden, in}, generator),
          random({4 * hidden, hidden}, generator), random({4 * hidden}, generator),
          random({4 * hidden}, generator),         random({batch, hidden}, generator),
          random({batch, hidden}, generator)};
}

/// Everything that comes out, in one row.
Variable<double> flat_lstm(Variables& in, const ops::LstmOrder& order) {
  const auto y =
      lstm(in[0], LstmParameters<double>{in[1], in[2], in[3], in[4]}, order, LstmState<double>{in[5], in[6]});
  return concatenate({reshape(y.outputs, {-1}), reshape(y.h_n, {-1}), reshape(y.c_n, {-1})}, 0);
}

}  // namespace

TEST_CASE("gradients of the LSTM for input, parameters and initial states") {
  for (const auto& [batch, steps, in, hidden] :
       std::vector<std::array<Index, 4>>{{1, 1, 1, 1}, {2, 5, 3, 2}, {3, 2, 1, 3}, {1, 7, 2, 1}}) {
    for (const bool reverse : {false, true}) {
      CAPTURE(reverse);
      const Variables inputs = random_inputs(batch, steps, in, hidden);
      CAPTURE(inputs[0].shape().to_string());
      const auto result = gradient_check([&](Variables& v) { return flat_lstm(v, {.reverse = reverse}); }, inputs);
      CHECK_MESSAGE(result, result.where);
    }
  }
}

TEST_CASE("gradients of the LSTM with sequences of unlike length") {
  for (const bool reverse : {false, true}) {
    CAPTURE(reverse);
    const auto result = gradient_check(
        [&](Variables& v) {
          return flat_lstm(v, {.lengths = {4, 0, 1, 3}, .reverse = reverse});
        },
        random_inputs(4, 4, 3, 2));
    CHECK_MESSAGE(result, result.where);
  }
}

TEST_CASE("gradients of the LSTM without biases and initial states, and through the last state alone") {
  Variables inputs = random_inputs(2, 3, 3, 2);
  inputs.resize(3);
  const auto result = gradient_check(
      [](Variables& v) {
        return lstm(v[0], LstmParameters<double>{v[1], v[2], {}, {}}, {.lengths = {2, 3}}).h_n;
      },
      inputs);
  CHECK_MESSAGE(result, result.where);
}

TEST_CASE("a sequence cut in two and carried on equals the whole, gradients included") {
  const Variables v = random_inputs(2, 5, 3, 4);
  const LstmParameters<double> parameters{v[1], v[2], v[3], v[4]};
  const auto whole = lstm(v[0], parameters);
  backward(sum(whole.h_n * whole.h_n));
  std::vector<Tensor<double>> expected;
  for (std::size_t i = 0; i < 5; ++i) {
    expected.push_back(v[i].gradient());
    Variable<double>(v[i]).zero_gradient();
  }
  const auto first = lstm(slice(v[0], 1, 0, 2), parameters);
  const auto second = lstm(slice(v[0], 1, 2, 5), parameters, {}, LstmState<double>{first.h_n, first.c_n});
  backward(sum(second.h_n * second.h_n));
  for (std::size_t i = 0; i < 5; ++i)
    for (Index k = 0; k < expected[i].elements(); ++k)
      CHECK(v[i].gradient().data()[k] == doctest::Approx(expected[i].data()[k]).epsilon(1e-10));
}

TEST_CASE("without recording nothing wants a gradient") {
  const Variables v = random_inputs(2, 5, 3, 4);
  const NoGradient not_recorded;
  const auto y = lstm(v[0], LstmParameters<double>{v[1], v[2], v[3], v[4]});
  CHECK_FALSE(y.outputs.requires_gradient());
  CHECK(y.h_n.value().is_contiguous());
  const Tensor<double> last = y.outputs.value().select(1, 4).clone();
  CHECK(std::ranges::equal(last.span(), y.h_n.value().span()));
}
