#include "lstm.cu"

#include "emulator/parity.hpp"
#include "mien/backend/cpu/lstm.hpp"

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
  for (const auto [samples, units] : all_sizes)
    for (const bool has_before : {false, true}) {
      CAPTURE(samples);
      CAPTURE(units);
      CAPTURE(has_before);
      const Shape state{samples, units};
      const Shape wide{samples, units + gap};
      const auto gates = parity::rounded<float>(parity::random({samples, 4 * units}, 1, 0, 1));
      const auto cells = parity::rounded<float>(parity::random(wide, 2));
      const auto before = has_before ? parity::rounded<float>(parity::random(wide, 3)) : Tensor<double>::zeros(wide);
      const auto upstream = parity::rounded<float>(parity::random(wide, 4));
      const auto of_h = parity::rounded<float>(parity::random(state, 5));
      const auto of_c = parity::rounded<float>(parity::random(state, 6));
      const std::vector<Index> lengths = lengths_of(samples);
      Tensor<double> h = of_h.clone();
      Tensor<double> c = of_c.clone();
      auto gradients = Tensor<double>::zeros(gates.shape());
      auto copy = Tensor<double>::zeros(gates.shape());
      for (Index b = 0; b < samples; ++b)
        if (lengths[static_cast<std::size_t>(b)] > step_number)
          backend::lstm_kernels<double>().gradient(
              {gates.data() + b * 4 * units, units, cells.data() + b * (units + gap), before.data() + b * (units + gap),
               upstream.data() + b * (units + gap), h.data() + b * units, c.data() + b * units,
               gradients.data() + b * 4 * units, copy.data() + b * 4 * units},
              units);
      parity::in_every_order([&] {
        DeviceArray<float> on_gates(gates);
        DeviceArray<float> on_cells(cells);
        DeviceArray<float> on_before(before);
        DeviceArray<float> on_upstream(upstream);
        DeviceArray<float> on_h(of_h);
        DeviceArray<float> on_c(of_c);
        DeviceArray<float> on_gradients(gates.elements());
        kernels::lstm_step_gradient({samples, units, on_gates.data(), 4 * units, on_cells.data(),
                                     has_before ? on_before.data() : nullptr, on_upstream.data(), units + gap,
                                     on_h.data(), on_c.data(), on_gradients.data(), lengths.data(), step_number},
                                    nullptr);
        const std::vector found{on_gradients.values(gates.shape()), on_h.values(state), on_c.values(state)};
        parity::check_close(found[0], gradients, 5e-7);
        parity::check_close(found[1], h, 0);
        parity::check_close(found[2], c, 3e-7);
        return found;
      });
    }
}
