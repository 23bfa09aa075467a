#pragma once

#include <algorithm>
#include <span>

#include "mien/backend/cpu/arithmetic.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/backend/cpu/matrix_product.hpp"
#include "mien/backend/cpu/vector_functions.hpp"
#include "mien/backend/cpu/vector_parts.hpp"

namespace mien::backend {

/// Some units of a sample at one step. `gates` has four rows, `gate_stride` apart: i, f, g, o.
template <class T>
struct LstmUnits {
  T* gates;
  Index gate_stride;
  T* c;       ///< brings the state before
  T* h;       ///< the next step's
  T* cell;    ///< gets c
  T* output;  ///< gets h
};

template <class T>
struct LstmUnitGradients {
  const T* gates;  ///< activated
  Index gate_stride;
  const T* cell;
  const T* cell_before;
  const T* upstream;
  T* h_gradient;
  T* c_gradient;
  T* gate_gradients;
  T* copy;  ///< gets the same
};

/// See kernels/lstm.inc.
template <class T>
struct LstmKernels {
  void (*gates)(const LstmUnits<T>& units, Index count);
  void (*gradient)(const LstmUnitGradients<T>& units, Index count);
};

}  // namespace mien::backend

#define MIEN_KERNELS "mien/backend/cpu/kernels/lstm.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"

namespace mien::backend {

template <class T>
const LstmKernels<T>& lstm_kernels() {
  return for_instruction_set(portable::lstm_kernels<T>, avx2::lstm_kernels<T>, avx512::lstm_kernels<T>);
}

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

/// A step's states in rows that do not all fall into one set of the cache, an even number of them, as products want.
template <class T>
class LstmRows {
 public:
  LstmRows(Index batch, Index width) : stride_(width + 16) {
    numbers_ = Tensor<T>::zeros({chunk_count(batch, 2) * 2 * stride_});
  }
  Index stride() const { return stride_; }
  T* row(Index b) { return numbers_.data() + b * stride_; }

 private:
  Index stride_;
  Tensor<T> numbers_;
};

/// Calls `task(first_sample, last_sample, first_unit, last_unit)` for parts of a step, on all threads; a part has whole
/// panels of units and whole blocks of samples, and products of some `terms` for each unit of a sample. Every other
/// step takes them in reverse, beginning with the weights that are still in the cache.
template <class T, class Task>
void for_each_lstm_part(Index batch, Index hidden, Index terms, const Task& task) {
  const auto& kernels = matrix_product_kernels<T>();
  constexpr Index most_samples = 4;  // blocks of a part
  constexpr Index work = Index{1} << 17;
  const Index width = kernels.columns();
  const Index samples = std::min(batch, most_samples * kernels.rows);
  const Index units = std::max<Index>(1, work / (samples * terms * width)) * width;
  const Index unit_parts = chunk_count(hidden, units);
  parallel_for(0, chunk_count(batch, samples) * unit_parts, 1, [&](Index i, Index) {
    const Index sample = i / unit_parts * samples;
    const Index unit = i % unit_parts * units;
    task(sample, std::min(batch, sample + samples), unit, std::min(hidden, unit + units));
  });
}

/// W_hh [4H, H] as the steps of a sequence read it: packed into panels of units, if that pays for so many steps.
template <class T>
class LstmForwardWeights {
 public:
  LstmForwardWeights(const Tensor<T, Cpu>& weight, Index steps) : weight_(weight), hidden_(weight.size(1)) {
    constexpr Index few_steps = 3;
    if (steps <= few_steps) return;
    panels_ = chunk_count(hidden_, width_);
    packed_ = Tensor<T>({4 * panels_ * hidden_ * width_});
    parallel_for(0, 4 * panels_, std::max<Index>(1, elementwise_grain / std::max<Index>(1, hidden_ * width_)),
                 [&](Index first, Index last) {
                   for (Index i = first; i < last; ++i)
                     pack_right<T>({weight_.data() + i / panels_ * hidden_ * hidden_, hidden_, true}, hidden_,
                                   i % panels_ * width_, 0, hidden_, packed_.data() + i * hidden_ * width_);
                 });
  }

  /// gates [rows, 4H] += h W_hh^T of some units.
  void multiply(Index rows, LstmRows<T>& h, Index sample, Index first_unit, Index last_unit, T* gates,
                Index gates_stride) const {
    const auto& kernels = matrix_product_kernels<T>();
    for (Index gate = 0; gate < 4; ++gate) {
      T* out = gates + gate * hidden_;
      if (panels_ == 0) {
        kernels.multiply_lines(rows, last_unit - first_unit, hidden_, h.row(sample), h.stride(),
                               weight_.data() + (gate * hidden_ + first_unit) * hidden_, hidden_, out + first_unit,
                               gates_stride, out + first_unit, gates_stride);
        continue;
      }
      const ProductRows blocks(rows, kernels.rows);
      for (Index unit = first_unit; unit < last_unit; unit += width_)
        for (Index block = 0; block < blocks.count(); ++block) {
          T* c = out + unit + blocks.first(block) * gates_stride;
          multiply_block<T>({.rows = blocks.size(block),
                             .depth = hidden_,
                             .a = h.row(sample + blocks.first(block)),
                             .a_row = h.stride(),
                             .a_depth = 1,
                             .b = packed_.data() + (gate * panels_ + unit / width_) * hidden_ * width_,
                             .b_depth = width_,
                             .initial = c,
                             .initial_stride = gates_stride,
                             .c = c,
                             .c_stride = gates_stride},
                            hidden_ - unit);
        }
    }
  }

 private:
  Tensor<T, Cpu> weight_;
  Index hidden_;
  Index width_ = matrix_product_kernels<T>().columns();
  Index panels_ = 0;
  Tensor<T> packed_;
};

/// The same as steps backward read it.
template <class T>
class LstmBackwardWeights {
 public:
  explicit LstmBackwardWeights(const Tensor<T, Cpu>& weight) : hidden_(weight.size(1)) {
    const Index panels = chunk_count(hidden_, width_);
    packed_ = Tensor<T>({panels * 4 * hidden_ * width_});
    parallel_for(0, panels, std::max<Index>(1, elementwise_grain / std::max<Index>(1, 4 * hidden_ * width_)),
                 [&](Index first, Index last) {
                   for (Index i = first; i < last; ++i)
                     pack_right<T>({weight.data(), hidden_, false}, hidden_, i * width_, 0, 4 * hidden_,
                                   packed_.data() + i * 4 * hidden_ * width_);
                 });
  }

  /// h [rows, H] += gates W_hh of some units.
  void multiply(Index rows, LstmRows<T>& gates, Index sample, Index first_unit, Index last_unit, T* h) const {
    const ProductRows blocks(rows, matrix_product_kernels<T>().rows);
    for (Index unit = first_unit; unit < last_unit; unit += width_)
      for (Index block = 0; block < blocks.count(); ++block) {
        T* c = h + unit + blocks.first(block) * hidden_;
        multiply_block<T>({.rows = blocks.size(block),
                           .depth = 4 * hidden_,
                           .a = gates.row(sample + blocks.first(block)),
                           .a_row = gates.stride(),
                           .a_depth = 1,
                           .b = packed_.data() + unit / width_ * 4 * hidden_ * width_,
                           .b_depth = width_,
                           .initial = c,
                           .initial_stride = hidden_,
                           .c = c,
                           .c_stride = hidden_},
                          hidden_ - unit);
      }
  }

 private:
  Index hidden_;
  Index width_ = matrix_product_kernels<T>().columns();
  Tensor<T> packed_;
};

/// `gates` [B, T, 4H] brings x W_ih^T + b and leaves as the activated i, f, g, o; `h` and `c` [B, H] bring the initial
/// states and leave as the last ones. A thread takes some units through product and gates of a step.
template <class T>
void lstm(const Tensor<T, Cpu>& weight_hh, std::span<const Index> lengths, bool reverse, Tensor<T, Cpu>& gates,
          Tensor<T, Cpu>& outputs, Tensor<T, Cpu>& cells, Tensor<T, Cpu>& h, Tensor<T, Cpu>& c) {
  const Index batch = outputs.size(0);
  const Index steps = outputs.size(1);
  const Index hidden = outputs.size(2);
  if (outputs.empty()) return;
  const LstmForwardWeights<T> weights(weight_hh, steps);
  LstmRows<T> states(batch, hidden);
  LstmRows<T> next_states(batch, hidden);
  for (Index b = 0; b < batch; ++b) std::copy_n(h.data() + b * hidden, hidden, states.row(b));
  for (Index step = 0; step < steps; ++step) {
    const Index t = reverse ? steps - 1 - step : step;
    for_each_lstm_part<T>(
        batch, hidden, 4 * hidden, [&](Index first_sample, Index last_sample, Index first_unit, Index last_unit) {
          weights.multiply(last_sample - first_sample, states, first_sample, first_unit, last_unit,
                           gates.data() + (first_sample * steps + t) * 4 * hidden, steps * 4 * hidden);
          const Index count = last_unit - first_unit;
          for (Index b = first_sample; b < last_sample; ++b) {
            const Index at = (b * steps + t) * hidden + first_unit;
            T* next = next_states.row(b) + first_unit;
            if (t >= length_of(lengths, b, steps)) {
              std::fill_n(outputs.data() + at, count, T{0});
              std::fill_n(cells.data() + at, count, T{0});
              std::copy_n(states.row(b) + first_unit, count, next);
              continue;
            }
            lstm_kernels<T>().gates({.gates = gates.data() + (b * steps + t) * 4 * hidden + first_unit,
                                     .gate_stride = hidden,
                                     .c = c.data() + b * hidden + first_unit,
                                     .h = next,
                                     .cell = cells.data() + at,
                                     .output = outputs.data() + at},
                                    count);
          }
        });
    std::swap(states, next_states);
  }
  for (Index b = 0; b < batch; ++b) std::copy_n(states.row(b), hidden, h.data() + b * hidden);
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
  if (cells.empty()) return;
  const LstmBackwardWeights<T> weights(weight_hh);
  LstmRows<T> step_gradients(batch, 4 * hidden);
  LstmRows<T> next_gradients(batch, 4 * hidden);
  // Of a step's units: first what the step after it gave to h, then the gates' gradients.
  for (Index step = 0; step <= steps; ++step) {
    const Index t = reverse ? step : steps - 1 - step;
    for_each_lstm_part<T>(
        batch, hidden, 4 * hidden, [&](Index first_sample, Index last_sample, Index first_unit, Index last_unit) {
          if (step > 0)
            weights.multiply(last_sample - first_sample, step_gradients, first_sample, first_unit, last_unit,
                             h_gradient.data() + first_sample * hidden);
          if (step == steps) return;
          const Index count = last_unit - first_unit;
          for (Index b = first_sample; b < last_sample; ++b) {
            const Index at = b * steps + t;
            T* out = gate_gradients.data() + at * 4 * hidden + first_unit;
            T* next = next_gradients.row(b) + first_unit;
            if (t >= length_of(lengths, b, steps)) {
              for (Index gate = 0; gate < 4; ++gate) {
                std::fill_n(out + gate * hidden, count, T{0});
                std::fill_n(next + gate * hidden, count, T{0});
              }
              continue;
            }
            lstm_kernels<T>().gradient({.gates = gates.data() + at * 4 * hidden + first_unit,
                                        .gate_stride = hidden,
                                        .cell = cells.data() + at * hidden + first_unit,
                                        .cell_before = state_before(cells, c_0, lengths, reverse, b, t) + first_unit,
                                        .upstream = upstream.data() + at * hidden + first_unit,
                                        .h_gradient = h_gradient.data() + b * hidden + first_unit,
                                        .c_gradient = c_gradient.data() + b * hidden + first_unit,
                                        .gate_gradients = out,
                                        .copy = next},
                                       count);
          }
        });
    std::swap(step_gradients, next_gradients);
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

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                                     \
  MIEN_COMPILED_TEMPLATE void lstm(const Tensor<T, Cpu>&, std::span<const Index>, bool, Tensor<T, Cpu>&,               \
                                   Tensor<T, Cpu>&, Tensor<T, Cpu>&, Tensor<T, Cpu>&, Tensor<T, Cpu>&);                \
  MIEN_COMPILED_TEMPLATE void lstm_gradient(const Tensor<T, Cpu>&, const Tensor<T, Cpu>&, std::span<const Index>,      \
                                            bool, const Tensor<T, Cpu>&, const Tensor<T, Cpu>&, const Tensor<T, Cpu>&, \
                                            Tensor<T, Cpu>&, Tensor<T, Cpu>&, Tensor<T, Cpu>&);
#include "mien/backend/cpu/for_each_compiled_type.inc"
#endif
