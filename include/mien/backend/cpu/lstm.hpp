#pragma once

#include <algorithm>
#include <span>

#include "mien/backend/cpu/arithmetic.hpp"
#include "mien/backend/cpu/matrix_product.hpp"

namespace mien::backend {

/// Valid steps of sample b; no lengths at all mean that every step is valid.
inline Index length_of(std::span<const Index> lengths, Index b, Index steps) {
  return lengths.empty() ? steps : lengths[static_cast<std::size_t>(b)];
}

/// Where the state [H] that step t of sample b starts from lies: in states [B, T, H], or, at a sequence's first step,
/// in initial [B, H].
template <class T>
const T* state_before(const Tensor<T, Cpu>& states, const Tensor<T, Cpu>& initial, std::span<const Index> lengths,
                      bool reverse, Index b, Index t) {
  const Index steps = states.size(1);
  const Index hidden = states.size(2);
  const Index before = reverse ? t + 1 : t - 1;
  const bool at_start = before < 0 || before >= length_of(lengths, b, steps);
  return at_start ? initial.data() + b * hidden : states.data() + (b * steps + before) * hidden;
}

/// `gates` [B, T, 4H] brings x W_ih^T + b and leaves as the activated i, f, g, o; `h` and `c` [B, H] bring the initial
/// states and leave as the last ones. Each step is one matrix product for the whole batch.
template <class T>
void lstm(const Tensor<T, Cpu>& weight_hh, std::span<const Index> lengths, bool reverse, Tensor<T, Cpu>& gates,
          Tensor<T, Cpu>& outputs, Tensor<T, Cpu>& cells, Tensor<T, Cpu>& h, Tensor<T, Cpu>& c) {
  const Index batch = outputs.size(0);
  const Index steps = outputs.size(1);
  const Index hidden = outputs.size(2);
  for (Index step = 0; step < steps; ++step) {
    const Index t = reverse ? steps - 1 - step : step;
    matrix_product<T>(batch, 4 * hidden, hidden, {h.data(), hidden}, {weight_hh.data(), hidden, true},
                      gates.data() + t * 4 * hidden, steps * 4 * hidden, true);
    parallel_for(0, batch, row_grain(4 * hidden), [&](Index first, Index last) {
      for (Index b = first; b < last; ++b) {
        const Index at = b * steps + t;
        auto output = array(outputs.data() + at * hidden, hidden);
        auto cell = array(cells.data() + at * hidden, hidden);
        if (t >= length_of(lengths, b, steps)) {
          output.setZero();
          cell.setZero();
          continue;
        }
        T* row = gates.data() + at * 4 * hidden;
        auto input_gate = array(row, hidden);
        auto forget_gate = array(row + hidden, hidden);
        auto candidate = array(row + 2 * hidden, hidden);
        auto output_gate = array(row + 3 * hidden, hidden);
        input_gate = input_gate.logistic();
        forget_gate = forget_gate.logistic();
        candidate = candidate.tanh();
        output_gate = output_gate.logistic();
        auto state = array(c.data() + b * hidden, hidden);
        state = forget_gate * state + input_gate * candidate;
        cell = state;
        output = output_gate * state.tanh();
        array(h.data() + b * hidden, hidden) = output;
      }
    });
  }
}

/// Backward through time. `gates` are the activated ones; `h_gradient` and `c_gradient` [B, H] bring the gradients of
/// the last states and leave as those of the initial ones; `gate_gradients` [B, T, 4H] become those of the
/// pre-activations.
template <class T>
void lstm_gradient(const Tensor<T, Cpu>& weight_hh, const Tensor<T, Cpu>& c_0, std::span<const Index> lengths,
                   bool reverse, const Tensor<T, Cpu>& gates, const Tensor<T, Cpu>& cells,
                   const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& gate_gradients, Tensor<T, Cpu>& h_gradient,
                   Tensor<T, Cpu>& c_gradient) {
  const Index batch = cells.size(0);
  const Index steps = cells.size(1);
  const Index hidden = cells.size(2);
  for (Index step = 0; step < steps; ++step) {
    const Index t = reverse ? step : steps - 1 - step;
    parallel_for(0, batch, row_grain(4 * hidden), [&](Index first, Index last) {
      Tensor<T> tanh_of_cell({hidden});
      for (Index b = first; b < last; ++b) {
        const Index at = b * steps + t;
        T* out = gate_gradients.data() + at * 4 * hidden;
        if (t >= length_of(lengths, b, steps)) {
          std::fill_n(out, 4 * hidden, T{0});
          continue;
        }
        const T* row = gates.data() + at * 4 * hidden;
        const auto input_gate = array(row, hidden);
        const auto forget_gate = array(row + hidden, hidden);
        const auto candidate = array(row + 2 * hidden, hidden);
        const auto output_gate = array(row + 3 * hidden, hidden);
        const auto before = array(state_before(cells, c_0, lengths, reverse, b, t), hidden);
        auto squashed = array(tanh_of_cell.data(), hidden);
        squashed = array(cells.data() + at * hidden, hidden).tanh();
        auto h = array(h_gradient.data() + b * hidden, hidden);
        auto c = array(c_gradient.data() + b * hidden, hidden);
        h += array(upstream.data() + at * hidden, hidden);
        c += h * output_gate * (T{1} - squashed.square());
        array(out, hidden) = c * candidate * input_gate * (T{1} - input_gate);
        array(out + hidden, hidden) = c * before * forget_gate * (T{1} - forget_gate);
        array(out + 2 * hidden, hidden) = c * input_gate * (T{1} - candidate.square());
        array(out + 3 * hidden, hidden) = h * squashed * output_gate * (T{1} - output_gate);
        c *= forget_gate;
        h.setZero();
      }
    });
    matrix_product<T>(batch, hidden, 4 * hidden, {gate_gradients.data() + t * 4 * hidden, steps * 4 * hidden},
                      {weight_hh.data(), hidden}, h_gradient.data(), hidden, true);
  }
}

/// out[b, t] = the hidden state that step t started from; 0 beyond the length.
template <class T>
void lstm_previous_outputs(const Tensor<T, Cpu>& outputs, const Tensor<T, Cpu>& h_0, std::span<const Index> lengths,
                           bool reverse, Tensor<T, Cpu>& out) {
  const Index steps = outputs.size(1);
  const Index hidden = outputs.size(2);
  parallel_for(0, outputs.size(0), row_grain(steps * hidden), [&](Index first, Index last) {
    for (Index b = first; b < last; ++b) {
      const Index length = length_of(lengths, b, steps);
      for (Index t = 0; t < steps; ++t) {
        T* target = out.data() + (b * steps + t) * hidden;
        if (t < length) {
          std::copy_n(state_before(outputs, h_0, lengths, reverse, b, t), hidden, target);
        } else {
          std::fill_n(target, hidden, T{0});
        }
      }
    }
  });
}

}  // namespace mien::backend
