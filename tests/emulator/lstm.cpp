#include "mien/backend/cuda/kernels/lstm.hpp"

#include "emulator/parity.hpp"
#include "mien/backend/cpu/lstm.hpp"
#include "mien/backend/cpu/steps.hpp"

using namespace mien;
using parity::DeviceArray;

namespace {

struct Sizes {
  Index samples, units;
};

/// One unit, more than a block, rows with gaps; the last sample of several ends before the step.
constexpr Sizes all_sizes[] = {{1, 1}, {7, 31}, {3, 65}, {5, 128}, {0, 4}};
constexpr Index gap = 3;
constexpr Index step_number = 2;

/// Lengths of samples on a device, of which the last one is too short for the step.
std::vector<Index> lengths_of(Index samples) {
  std::vector<Index> lengths(static_cast<std::size_t>(samples), step_number + 1);
  if (samples > 1) lengths.back() = step_number;
  return lengths;
}

}  // namespace

TEST_CASE("a step of an LSTM on a device") {
  for (const auto [samples, units] : all_sizes) {
    CAPTURE(samples);
    CAPTURE(units);
    const auto gates = parity::rounded<float>(parity::random({samples, 4 * units}, 1, -4, 4));
    const auto state = parity::rounded<float>(parity::random({samples, units}, 2));
    const auto h_before = parity::rounded<float>(parity::random({samples, units}, 3));
    const std::vector<Index> lengths = lengths_of(samples);
    Tensor<double> activated = gates.clone();
    Tensor<double> c = state.clone();
    Tensor<double> h = h_before.clone();
    // The gaps keep what was there; samples that have ended get zeros.
    const Tensor<double> ones({samples, units + gap}, 1.0);
    Tensor<double> cells = ones.clone();
    Tensor<double> output = ones.clone();
    cells.slice(1, 0, units).fill(0);
    output.slice(1, 0, units).fill(0);
    for (Index b = 0; b < samples; ++b)
      if (lengths[static_cast<std::size_t>(b)] > step_number)
        backend::lstm_kernels<double>().gates(
            {activated.data() + b * 4 * units, units, c.data() + b * units, h.data() + b * units,
             cells.data() + b * (units + gap), output.data() + b * (units + gap)},
            units);
    parity::in_every_order([&] {
      DeviceArray<float> on_gates(gates);
      DeviceArray<float> on_c(state);
      DeviceArray<float> on_h(h_before);
      DeviceArray<float> on_cells(ones);
      DeviceArray<float> on_output(ones);
      kernels::lstm_step({samples, units, on_gates.data(), 4 * units, on_c.data(), on_h.data(), on_cells.data(),
                          on_output.data(), units + gap, lengths.data(), step_number},
                         nullptr);
      const std::vector found{on_gates.values(gates.shape()), on_c.values(c.shape()), on_h.values(h.shape()),
                              on_cells.values(cells.shape()), on_output.values(output.shape())};
      parity::check_close(found[0], activated, 3e-7);
      parity::check_close(found[1], c, 3e-7);
      parity::check_close(found[2], h, 3e-7);
      parity::check_close(found[3], cells, 3e-7);
      parity::check_close(found[4], output, 3e-7);
      return found;
    });
  }
}

TEST_CASE("a step of an LSTM backwards on a device") {
  enum class First { none, all, some };
  for (const auto [samples, units] : all_sizes)
    for (const First first : {First::none, First::all, First::some}) {
      const bool has_before = first != First::all;
      CAPTURE(samples);
      CAPTURE(units);
      CAPTURE(static_cast<int>(first));
      const Shape state{samples, units};
      const Shape wide{samples, units + gap};
      const auto gates = parity::rounded<float>(parity::random({samples, 4 * units}, 1, 0, 1));
      const auto cells = parity::rounded<float>(parity::random(wide, 2));
      const auto before = parity::rounded<float>(parity::random(wide, 3));
      const auto c_0 = parity::rounded<float>(parity::random(state, 7));
      const auto upstream = parity::rounded<float>(parity::random(wide, 4));
      const auto of_h = parity::rounded<float>(parity::random(state, 5));
      const auto of_c = parity::rounded<float>(parity::random(state, 6));
      Tensor<double> h = of_h.clone();
      Tensor<double> c = of_c.clone();
      auto gradients = Tensor<double>::zeros(gates.shape());
      auto copy = Tensor<double>::zeros(gates.shape());
      // Some begin here in reverse: those that end with this step.
      const Index step_before = first == First::some ? step_number + 1 : step_number - 1;
      std::vector<Index> lengths = lengths_of(samples);
      if (samples > 2 && first == First::some) lengths[1] = step_number + 2;
      for (Index b = 0; b < samples; ++b) {
        const Index length = lengths[static_cast<std::size_t>(b)];
        if (length <= step_number) continue;
        const bool starts = !has_before || length <= step_before;
        backend::lstm_kernels<double>().gradient(
            {gates.data() + b * 4 * units, units, cells.data() + b * (units + gap),
             starts ? c_0.data() + b * units : before.data() + b * (units + gap), upstream.data() + b * (units + gap),
             h.data() + b * units, c.data() + b * units, gradients.data() + b * 4 * units, copy.data() + b * 4 * units},
            units);
      }
      parity::in_every_order([&] {
        DeviceArray<float> on_gates(gates);
        DeviceArray<float> on_cells(cells);
        DeviceArray<float> on_before(before);
        DeviceArray<float> on_c_0(c_0);
        DeviceArray<float> on_upstream(upstream);
        DeviceArray<float> on_h(of_h);
        DeviceArray<float> on_c(of_c);
        DeviceArray<float> on_gradients(gates.elements());
        kernels::lstm_step_gradient(
            {samples, units, on_gates.data(), 4 * units, on_cells.data(), has_before ? on_before.data() : nullptr,
             on_c_0.data(), on_upstream.data(), units + gap, on_h.data(), on_c.data(), on_gradients.data(),
             lengths.data(), step_number, step_before},
            nullptr);
        const std::vector found{on_gradients.values(gates.shape()), on_h.values(state), on_c.values(state)};
        parity::check_close(found[0], gradients, 5e-7);
        parity::check_close(found[1], h, 0);
        parity::check_close(found[2], c, 3e-7);
        return found;
      });
    }
}

namespace {

struct Sequences {
  Index samples, steps, units;
};

/// One of everything, parts of a warp, more samples than a block, all units that one kernel takes, and more of them.
constexpr Sequences all_sequences[] = {{1, 1, 1}, {7, 5, 31}, {6, 4, 65}, {3, 2, 128}, {5, 4, 130}, {0, 3, 2}};

/// From none to all steps, so that samples of a block end at different ones.
std::vector<Index> lengths_of(const Sequences& sizes) {
  std::vector<Index> lengths;
  for (Index b = 0; b < sizes.samples; ++b) lengths.push_back((b * 3 + 2) % (sizes.steps + 1));
  return lengths;
}

/// Zeros beyond each sample's length, where gates mean nothing.
Tensor<double> valid_part(const Tensor<double>& x, const std::vector<Index>& lengths) {
  if (lengths.empty()) return x;
  Tensor<double> out(x.shape());
  backend::mask_steps(x, std::span<const Index>(lengths), out);
  return out;
}

}  // namespace

TEST_CASE("whole sequences of an LSTM and their gradients on a device") {
  for (const Sequences& sizes : all_sequences)
    for (const bool reverse : {false, true})
      for (const bool padded : {false, true}) {
        const auto [samples, steps, units] = sizes;
        CAPTURE(samples);
        CAPTURE(units);
        CAPTURE(reverse);
        CAPTURE(padded);
        const Shape states{samples, steps, units};
        const Shape state{samples, units};
        const Shape wide{samples, steps, 4 * units};
        const std::vector<Index> lengths = padded ? lengths_of(sizes) : std::vector<Index>();
        const auto number = [](const Shape& shape, std::uint64_t seed, double size) {
          return parity::rounded<float>(parity::random(shape, seed, -size, size));
        };
        const auto weight = number({4 * units, units}, 1, 0.3);
        const auto inputs = number(wide, 2, 2);
        const auto h_0 = number(state, 3, 1);
        const auto c_0 = number(state, 4, 1);
        const auto upstream = number(states, 5, 1);
        const auto of_h = number(state, 6, 1);
        const auto of_c = number(state, 7, 1);

        Tensor<double> gates = inputs.clone();
        Tensor<double> outputs(states);
        Tensor<double> cells(states);
        Tensor<double> h = h_0.clone();
        Tensor<double> c = c_0.clone();
        backend::lstm(weight, lengths, reverse, gates, outputs, cells, h, c);
        gates = valid_part(gates, lengths);
        const auto kept_gates = parity::rounded<float>(gates);
        const auto kept_cells = parity::rounded<float>(cells);
        Tensor<double> gate_gradients(wide);
        Tensor<double> h_gradient = of_h.clone();
        Tensor<double> c_gradient = of_c.clone();
        backend::lstm_gradient(weight, c_0, lengths, reverse, kept_gates, kept_cells, upstream, gate_gradients,
                               h_gradient, c_gradient);
        parity::in_every_order([&] {
          DeviceArray<float> on_weight(weight);
          DeviceArray<float> on_gates(inputs);
          DeviceArray<float> on_outputs(states.elements());
          DeviceArray<float> on_cells(states.elements());
          DeviceArray<float> on_h(h_0);
          DeviceArray<float> on_c(c_0);
          DeviceArray<float> workspace(kernels::lstm_workspace(samples, units));
          const std::int64_t* ends = padded ? lengths.data() : nullptr;
          kernels::lstm_sequence(
              {samples, steps, units, on_weight.data(), ends, reverse, on_gates.data(), on_outputs.data(),
               on_cells.data(), on_h.data(), on_c.data(), kernels::ProductPrecision::float32, workspace.data()},
              nullptr);
          std::vector found{valid_part(on_gates.values(wide), lengths), on_outputs.values(states),
                            on_cells.values(states), on_h.values(state), on_c.values(state)};
          parity::check_close(found[0], gates, 2e-6);
          parity::check_close(found[1], outputs, 2e-6);
          parity::check_close(found[2], cells, 2e-6);
          parity::check_close(found[3], h, 2e-6);
          parity::check_close(found[4], c, 2e-6);

          DeviceArray<float> of_gates(kept_gates);
          DeviceArray<float> of_cells(kept_cells);
          DeviceArray<float> on_c_0(c_0);
          DeviceArray<float> arriving(upstream);
          DeviceArray<float> on_gradients(wide.elements());
          DeviceArray<float> on_h_gradient(of_h);
          DeviceArray<float> on_c_gradient(of_c);
          kernels::lstm_sequence_gradient(
              {samples, steps, units, on_weight.data(), on_c_0.data(), ends, reverse, of_gates.data(), of_cells.data(),
               arriving.data(), on_gradients.data(), on_h_gradient.data(), on_c_gradient.data(),
               kernels::ProductPrecision::float32, workspace.data()},
              nullptr);
          found.push_back(on_gradients.values(wide));
          found.push_back(on_h_gradient.values(state));
          found.push_back(on_c_gradient.values(state));
          parity::check_close(found[5], gate_gradients, 2e-6);
          parity::check_close(found[6], h_gradient, 2e-6);
          parity::check_close(found[7], c_gradient, 2e-6);
          return found;
        });
      }
}

TEST_CASE("the state that each step of an LSTM started from on a device") {
  for (const bool reverse : {false, true})
    for (const bool padded : {false, true})
      for (const bool has_start : {false, true}) {
        CAPTURE(reverse);
        CAPTURE(padded);
        CAPTURE(has_start);
        const Sequences sizes{7, 5, 65};
        const Shape states{sizes.samples, sizes.steps, sizes.units};
        const Shape state{sizes.samples, sizes.units};
        const std::vector<Index> lengths = padded ? lengths_of(sizes) : std::vector<Index>();
        const auto outputs = parity::rounded<float>(parity::random(states, 1));
        const auto h_0 = has_start ? parity::rounded<float>(parity::random(state, 2)) : Tensor<double>::zeros(state);
        Tensor<double> expected(states);
        backend::lstm_previous_outputs(outputs, h_0, lengths, reverse, expected);
        parity::in_every_order([&] {
          DeviceArray<float> on_outputs(outputs);
          DeviceArray<float> on_h_0(h_0);
          DeviceArray<float> out(states.elements());
          kernels::lstm_previous_outputs(on_outputs.data(), has_start ? on_h_0.data() : nullptr, sizes.samples,
                                         sizes.steps, sizes.units, padded ? lengths.data() : nullptr, reverse,
                                         out.data(), nullptr);
          const auto found = out.values(states);
          parity::check_close(found, expected, 0);
          return std::vector{found};
        });
      }
}

TEST_CASE_TEMPLATE("padding of sequences is cleared on a device", T, float, __nv_bfloat16, __half) {
  for (const Shape& shape : {Shape{7, 5, 31}, Shape{1, 1, 1}, Shape{3, 4, 300}, Shape{0, 4, 3}, Shape{2, 4, 0}}) {
    CAPTURE(shape.to_string());
    const std::vector<Index> lengths = lengths_of(Sequences{shape[0], shape[1], shape[2]});
    auto x = parity::rounded<T>(parity::random(shape, 1));
    if (shape[0] == 7) x(0, 4, 30) = std::nan("");
    const Tensor<double> expected = valid_part(x, lengths);
    parity::in_every_order([&] {
      DeviceArray<T> numbers(x);
      kernels::mask_steps<T>(numbers.data(), shape[0], shape[1], shape[2], lengths.data(), numbers.data(), nullptr);
      const auto found = numbers.values(shape);
      parity::check_close(found, expected, 0);
      for (const double value : found.span()) CHECK(std::isfinite(value));
      return std::vector{found};
    });
  }
}

TEST_CASE("of more units than one launch takes, a step of a sequence is three launches in either direction") {
  emulator::Recording launches;
  float numbers[64];  // nothing is computed
  emulator::recording() = &launches;
  kernels::lstm_sequence(
      {8, 16, 1024, numbers, nullptr, false, numbers, numbers, numbers, numbers, numbers, {}, numbers}, nullptr);
  CHECK(launches.size() == 48);
  kernels::lstm_sequence_gradient({8,
                                   16,
                                   1024,
                                   numbers,
                                   nullptr,
                                   nullptr,
                                   false,
                                   numbers,
                                   numbers,
                                   numbers,
                                   numbers,
                                   numbers,
                                   numbers,
                                   {},
                                   numbers},
                                  nullptr);
  emulator::recording() = nullptr;
  CHECK(launches.size() == 96);
}
