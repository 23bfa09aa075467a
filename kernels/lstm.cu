// The recurrent part of an LSTM: whole sequences, their gradients, and the gates of one step of all samples.
//
//     i, f, g, o = gates + h W_hh^T          c = sigmoid(f) c + sigmoid(i) tanh(g)          h = sigmoid(o) tanh(c)
//
// Launch: two ways through a sequence, by its size.
//
// A step at a time: the product of kernels/matrix_product.hpp, then a thread a unit of a sample for the gates, 256 a
// block: two launches a step, or three where the product's blocks share its depth. Bytes a unit: forward 4 gates read
// and written, c read and written twice, h written twice: 52; backward 56. About 40 flops forward, five of them
// exponentials: bound by memory, and for the small batches of a clip's features by the launches.
//
// All steps in one kernel: a block has four samples and a thread for each gate of each unit, 512 at most. W_hh is read
// again in every step, 16 H^2 bytes for 32 H^2 flops: from the nearest cache up to some 100 units, from the next one
// beyond, which bounds a step. Forwards a thread takes a row of W_hh, whose numbers have to lie as columns for a warp
// to read whole lines: they are written down so once. Backwards a thread takes a column of one gate's part, and parts
// are added up in shared memory.

#include "mien/backend/cuda/kernels/lstm.hpp"
#include "mien/backend/cuda/kernels/matrix_product.hpp"
#include "rows.hpp"

namespace mien::kernels {
namespace {

__device__ inline float sigmoid(float value) { return 1 / (1 + expf(-value)); }

__device__ inline bool has_step(const std::int64_t* lengths, Index step, Index sample) {
  return lengths == nullptr || step < lengths[sample];
}

/// The four gates of a unit, or their gradients.
struct Gates {
  float input, forget, candidate, output;
};

__device__ inline Gates load_gates(const float* from, Index units) {
  return {from[0], from[units], from[2 * units], from[3 * units]};
}

__device__ inline void store_gates(const Gates& gates, float* to, Index units) {
  to[0] = gates.input;
  to[units] = gates.forget;
  to[2 * units] = gates.candidate;
  to[3 * units] = gates.output;
}

__device__ inline Gates activated(const Gates& gates) {
  return {sigmoid(gates.input), sigmoid(gates.forget), tanhf(gates.candidate), sigmoid(gates.output)};
}

/// Those before activation, from the gradients for h and c; c becomes that for the state before.
__device__ inline Gates gate_gradients(const Gates& gates, float cell, float cell_before, float h, float& c) {
  const float squashed = tanhf(cell);
  const float of_cell = c + h * gates.output * (1 - squashed * squashed);
  c = of_cell * gates.forget;
  return {of_cell * gates.candidate * gates.input * (1 - gates.input),
          of_cell * cell_before * gates.forget * (1 - gates.forget),
          of_cell * gates.input * (1 - gates.candidate * gates.candidate),
          h * squashed * gates.output * (1 - gates.output)};
}

__global__ void __launch_bounds__(threads_per_block, 1) step_forward(LstmStep step) {
  const Index i = static_cast<Index>(blockIdx.x) * threads_per_block + threadIdx.x;
  if (i >= step.samples * step.units) return;
  const Index sample = i / step.units;
  const Index unit = i - sample * step.units;
  const Index out = sample * step.output_stride + unit;
  if (!has_step(step.lengths, step.step, sample)) {
    step.cells[out] = 0;
    step.output[out] = 0;
    return;
  }
  float* place = step.gates + sample * step.gate_stride + unit;
  const Gates gates = activated(load_gates(place, step.units));
  const float c = gates.forget * step.c[i] + gates.input * gates.candidate;
  const float h = gates.output * tanhf(c);
  store_gates(gates, place, step.units);
  step.c[i] = step.cells[out] = c;
  step.h[i] = step.output[out] = h;
}

__global__ void __launch_bounds__(threads_per_block, 1) step_backward(LstmStepGradient step) {
  const Index i = static_cast<Index>(blockIdx.x) * threads_per_block + threadIdx.x;
  if (i >= step.samples * step.units) return;
  const Index sample = i / step.units;
  const Index unit = i - sample * step.units;
  const Index place = sample * step.gate_stride + unit;
  if (!has_step(step.lengths, step.step, sample)) {
    store_gates({}, step.gate_gradients + place, step.units);
    return;
  }
  const Index out = sample * step.output_stride + unit;
  float before = step.c_0 == nullptr ? 0 : step.c_0[i];
  if (step.cells_before != nullptr && has_step(step.lengths, step.step_before, sample)) before = step.cells_before[out];
  float c = step.c[i];
  const Gates gradients = gate_gradients(load_gates(step.gates + place, step.units), step.cells[out], before,
                                         step.h[i] + step.upstream[out], c);
  store_gates(gradients, step.gate_gradients + place, step.units);
  step.c[i] = c;
  step.h[i] = 0;
}

constexpr int most_units = 128;
constexpr int gate_count = 4;
constexpr int samples_per_block = 4;  // as many, so that a thread has a gate of a unit and a unit of a sample in turn
constexpr int most_threads = gate_count * most_units;

/// A number of each of a block's samples.
struct alignas(16) OfSamples {
  float sample[samples_per_block];

  __device__ void add(const OfSamples& other, float factor) {
    MIEN_UNROLL(4)
    for (int s = 0; s < samples_per_block; ++s) sample[s] += other.sample[s] * factor;
  }
};

/// What a thread takes of a block's four samples: a unit of sample `part`, and the same unit of gate `part`.
struct UnitPart {
  int part, unit;
  Index sample;
  bool exists;  ///< the sample does

  __device__ UnitPart(Index samples, int units)
      : part(static_cast<int>(threadIdx.x) / units),
        unit(static_cast<int>(threadIdx.x) % units),
        sample(static_cast<Index>(blockIdx.x) * samples_per_block + part),
        exists(part < samples_per_block && sample < samples) {}
};

/// Steps that any of a block's samples has.
__device__ inline Index steps_of_block(const std::int64_t* lengths, Index samples, Index steps) {
  if (lengths == nullptr) return steps;
  Index longest = 0;
  const Index first = static_cast<Index>(blockIdx.x) * samples_per_block;
  for (Index sample = first; sample < first + samples_per_block && sample < samples; ++sample)
    if (lengths[sample] > longest) longest = lengths[sample];
  return longest;
}

/// out [columns, rows] = in [rows, columns].
__global__ void __launch_bounds__(threads_per_block, 1) transpose(const float* in, int rows, int columns, float* out) {
  const int i = static_cast<int>(blockIdx.x) * threads_per_block + static_cast<int>(threadIdx.x);
  if (i < rows * columns) out[i] = in[i % rows * columns + i / rows];
}

/// `weights` is W_hh^T, [units, 4 units].
__global__ void __launch_bounds__(most_threads, 1) run_forward(LstmSequence all, const float* weights) {
  MIEN_SHARED(OfSamples, states, most_units);
  MIEN_SHARED(float, products, samples_per_block* most_threads);
  const int thread = static_cast<int>(threadIdx.x);
  const int units = static_cast<int>(all.units);
  const int rows = gate_count * units;
  const UnitPart own(all.samples, units);
  const Index state = own.sample * units + own.unit;
  const Index longest = steps_of_block(all.lengths, all.samples, all.steps);
  float h = own.exists ? all.h[state] : 0;
  float c = own.exists ? all.c[state] : 0;
  if (thread < rows) states[own.unit].sample[own.part] = h;
  __syncthreads();
  for (Index i = 0; i < all.steps; ++i) {
    const Index step = all.reverse ? all.steps - 1 - i : i;
    const Index out = (own.sample * all.steps + step) * units + own.unit;
    const bool runs = own.exists && has_step(all.lengths, step, own.sample);
    if (own.exists && !runs) all.outputs[out] = all.cells[out] = 0;
    if (step >= longest) continue;

    float* const place = all.gates + (own.sample * all.steps + step) * rows + own.unit;
    Gates gates = {};
    if (runs) gates = load_gates(place, units);  // on their way during the product
    if (thread < rows) {
      OfSamples sums = {};
      MIEN_UNROLL(8)
      for (int k = 0; k < units; ++k) sums.add(states[k], weights[k * rows + thread]);
      for (int s = 0; s < samples_per_block; ++s) products[s * rows + thread] = sums.sample[s];
    }
    __syncthreads();
    if (runs) {
      const Gates more = load_gates(products + (own.part * rows + own.unit), units);
      gates = activated({gates.input + more.input, gates.forget + more.forget, gates.candidate + more.candidate,
                         gates.output + more.output});
      c = gates.forget * c + gates.input * gates.candidate;
      h = gates.output * tanhf(c);
      store_gates(gates, place, units);
      all.cells[out] = c;
      all.outputs[out] = h;
      states[own.unit].sample[own.part] = h;
    }
    __syncthreads();
  }
  if (!own.exists) return;
  all.h[state] = h;
  all.c[state] = c;
}

__global__ void __launch_bounds__(most_threads, 1) run_backward(LstmSequenceGradient all) {
  MIEN_SHARED(OfSamples, gradients, most_threads);
  MIEN_SHARED(float, products, samples_per_block* most_threads);
  const int thread = static_cast<int>(threadIdx.x);
  const int units = static_cast<int>(all.units);
  const int rows = gate_count * units;
  const UnitPart own(all.samples, units);
  const Index state = own.sample * units + own.unit;
  const Index longest = steps_of_block(all.lengths, all.samples, all.steps);
  const float c_0 = own.exists && all.c_0 != nullptr ? all.c_0[state] : 0;
  float h = own.exists ? all.h[state] : 0;
  float c = own.exists ? all.c[state] : 0;
  for (Index i = 0; i < all.steps; ++i) {
    const Index step = all.reverse ? i : all.steps - 1 - i;
    const Index out = (own.sample * all.steps + step) * units + own.unit;
    const Index place = (own.sample * all.steps + step) * rows + own.unit;
    Gates of_gates = {};
    if (own.exists && has_step(all.lengths, step, own.sample)) {
      const Index before = all.reverse ? step + 1 : step - 1;
      const bool is_first = before < 0 || before == all.steps || !has_step(all.lengths, before, own.sample);
      const float cell_before = is_first ? c_0 : all.cells[out + (all.reverse ? units : -units)];
      of_gates =
          gate_gradients(load_gates(all.gates + place, units), all.cells[out], cell_before, h + all.upstream[out], c);
      h = 0;
    }
    if (own.exists) store_gates(of_gates, all.gate_gradients + place, units);
    if (step >= longest) continue;

    if (thread < rows) {
      gradients[own.unit].sample[own.part] = of_gates.input;
      gradients[units + own.unit].sample[own.part] = of_gates.forget;
      gradients[2 * units + own.unit].sample[own.part] = of_gates.candidate;
      gradients[3 * units + own.unit].sample[own.part] = of_gates.output;
    }
    __syncthreads();
    if (thread < rows) {
      OfSamples sums = {};
      const float* weights = all.weight_hh + own.part * units * units + own.unit;
      MIEN_UNROLL(8)
      for (int k = 0; k < units; ++k) sums.add(gradients[own.part * units + k], weights[k * units]);
      for (int s = 0; s < samples_per_block; ++s) products[s * rows + thread] = sums.sample[s];
    }
    __syncthreads();
    if (own.exists) {
      const Gates more = load_gates(products + (own.part * rows + own.unit), units);
      h += more.input + more.forget + (more.candidate + more.output);
    }
  }
  if (!own.exists) return;
  all.h[state] = h;
  all.c[state] = c;
}

/// Whether all steps are one kernel. W_hh is read again for every four samples in every step, 4 B H^2 bytes in all:
/// beyond some 32 MiB that takes longer than the launches that it saves.
bool runs_in_one_kernel(Index samples, Index units) {
  return units <= most_units && samples * units * units <= Index{8} << 20;
}

Index blocks_of_samples(Index samples) { return groups(samples, samples_per_block); }
int threads_of_units(Index units) { return static_cast<int>(groups(gate_count * units, warp_threads)) * warp_threads; }

void step_forward_through(const LstmSequence& all, cudaStream_t stream) {
  const Index rows = gate_count * all.units;
  for (Index i = 0; i < all.steps; ++i) {
    const Index step = all.reverse ? all.steps - 1 - i : i;
    float* const gates = all.gates + step * rows;
    const Index stride = all.steps * rows;
    matrix_product<float>(all.samples, rows, all.units, {all.h, all.units, false}, {all.weight_hh, all.units, true},
                          {gates, stride, gates, stride}, all.precision, all.workspace, stream);
    lstm_step({all.samples, all.units, gates, stride, all.c, all.h, all.cells + step * all.units,
               all.outputs + step * all.units, all.steps * all.units, all.lengths, step},
              stream);
  }
}

void step_backward_through(const LstmSequenceGradient& all, cudaStream_t stream) {
  const Index rows = gate_count * all.units;
  for (Index i = 0; i < all.steps; ++i) {
    const Index step = all.reverse ? i : all.steps - 1 - i;
    const Index before = all.reverse ? step + 1 : step - 1;
    const bool is_first = before < 0 || before == all.steps;
    const Index stride = all.steps * rows;
    float* const gradients = all.gate_gradients + step * rows;
    lstm_step_gradient({all.samples, all.units, all.gates + step * rows, stride, all.cells + step * all.units,
                        is_first ? nullptr : all.cells + before * all.units, all.c_0, all.upstream + step * all.units,
                        all.steps * all.units, all.h, all.c, gradients, all.lengths, step, before},
                       stream);
    matrix_product<float>(all.samples, all.units, rows, {gradients, stride, false}, {all.weight_hh, all.units, false},
                          {all.h, all.units, all.h, all.units}, all.precision, all.workspace, stream);
  }
}

__global__ void __launch_bounds__(threads_per_block, 1)
    gather_previous_outputs(const float* outputs, const float* h_0, RowParts all, Index units,
                            const std::int64_t* lengths, bool reverse, float* out) {
  const RowPart part(all, units);
  if (part.element >= all.row_elements) return;
  const Index steps = all.row_elements / units;
  const Index place = place_of(all, part);
  const Index before = reverse ? part.column + 1 : part.column - 1;
  float value = 0;
  if (has_step(lengths, part.column, part.image)) {
    if (before >= 0 && before < steps && has_step(lengths, before, part.image)) {
      value = outputs[place + (reverse ? units : -units)];
    } else if (h_0 != nullptr) {
      value = h_0[part.image * units + part.channel];
    }
  }
  out[place] = value;
}

template <class T>
__global__ void __launch_bounds__(threads_per_block, 1)
    clear_padding(const T* x, RowParts all, Index elements, const std::int64_t* lengths, T* out) {
  const RowPart part(all, elements);
  if (part.element >= all.row_elements) return;
  const Index place = place_of(all, part);
  const bool valid = has_step(lengths, part.column, part.image);
  out[place] = valid ? x[place] : from_float<T>(0);
}

}  // namespace

void lstm_step(const LstmStep& step, cudaStream_t stream) {
  launch("lstm_step", step_forward, groups(step.samples * step.units, threads_per_block), threads_per_block, stream,
         step);
}

void lstm_step_gradient(const LstmStepGradient& step, cudaStream_t stream) {
  launch("lstm_step_gradient", step_backward, groups(step.samples * step.units, threads_per_block), threads_per_block,
         stream, step);
}

Index lstm_workspace(Index samples, Index units) {
  const Index rows = gate_count * units;
  if (runs_in_one_kernel(samples, units)) return rows * units;
  const Index forward = matrix_product_workspace(samples, rows, units);
  const Index backward = matrix_product_workspace(samples, units, rows);
  return forward > backward ? forward : backward;
}

void lstm_sequence(const LstmSequence& sequence, cudaStream_t stream) {
  if (sequence.samples * sequence.steps * sequence.units == 0) return;
  if (!runs_in_one_kernel(sequence.samples, sequence.units)) return step_forward_through(sequence, stream);
  const int rows = gate_count * static_cast<int>(sequence.units);
  launch("lstm_sequence", transpose, groups(rows * sequence.units, threads_per_block), threads_per_block, stream,
         sequence.weight_hh, rows, sequence.units, sequence.workspace);
  launch("lstm_sequence", run_forward, blocks_of_samples(sequence.samples), threads_of_units(sequence.units), stream,
         sequence, sequence.workspace);
}

void lstm_sequence_gradient(const LstmSequenceGradient& sequence, cudaStream_t stream) {
  if (sequence.samples * sequence.steps * sequence.units == 0) return;
  if (!runs_in_one_kernel(sequence.samples, sequence.units)) return step_backward_through(sequence, stream);
  launch("lstm_sequence_gradient", run_backward, blocks_of_samples(sequence.samples), threads_of_units(sequence.units),
         stream, sequence);
}

void lstm_previous_outputs(const float* outputs, const float* h_0, Index samples, Index steps, Index units,
                           const std::int64_t* lengths, bool reverse, float* out, cudaStream_t stream) {
  const RowParts all{samples, 1, steps * units, 1};
  launch("lstm_previous_outputs", gather_previous_outputs, all.blocks(), threads_per_block, stream, outputs, h_0, all,
         units, lengths, reverse, out);
}

template <class T>
void mask_steps(const T* x, Index samples, Index steps, Index elements, const std::int64_t* lengths, T* out,
                cudaStream_t stream) {
  const RowParts all{samples, 1, steps * elements, 1};
  launch("mask_steps", clear_padding<T>, all.blocks(), threads_per_block, stream, x, all, elements, lengths, out);
}

#define MIEN_FOR(T) template void mask_steps<T>(const T*, Index, Index, Index, const std::int64_t*, T*, cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
