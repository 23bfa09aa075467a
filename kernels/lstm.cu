// The gates of an LSTM, one step of all samples, between the products of its weights.
//
//     c = sigmoid(f) c + sigmoid(i) tanh(g)          h = sigmoid(o) tanh(c)
//
// Launch: a thread a unit of a sample, 256 a block.
// Bytes a unit: forward 4 gates read and written, c read and written twice, h written twice: 52; backward 56. About 40
// flops forward, five of them exponentials: bound by memory, and for the small batches of a clip's features by the
// launch itself.

#include "mien/backend/cuda/kernels/lstm.hpp"
#include "portable.hpp"

namespace mien::kernels {
namespace {

constexpr int threads_per_block = 256;

__device__ inline float sigmoid(float value) { return 1 / (1 + expf(-value)); }

__device__ inline bool has_step(const std::int64_t* lengths, Index step, Index sample) {
  return lengths == nullptr || step < lengths[sample];
}

__global__ void __launch_bounds__(threads_per_block, 1) step_forward(LstmStep step) {
  const Index i = static_cast<Index>(blockIdx.x) * threads_per_block + threadIdx.x;
  if (i >= step.samples * step.units) return;
  const Index sample = i / step.units;
  const Index unit = i - sample * step.units;
  float* gates = step.gates + sample * step.gate_stride + unit;
  const Index out = sample * step.output_stride + unit;
  if (!has_step(step.lengths, step.step, sample)) {
    step.cells[out] = 0;
    step.output[out] = 0;
    return;
  }
  const float input_gate = sigmoid(gates[0]);
  const float forget_gate = sigmoid(gates[step.units]);
  const float candidate = tanhf(gates[2 * step.units]);
  const float output_gate = sigmoid(gates[3 * step.units]);
  const float c = forget_gate * step.c[i] + input_gate * candidate;
  const float h = output_gate * tanhf(c);
  gates[0] = input_gate;
  gates[step.units] = forget_gate;
  gates[2 * step.units] = candidate;
  gates[3 * step.units] = output_gate;
  step.c[i] = step.cells[out] = c;
  step.h[i] = step.output[out] = h;
}

__global__ void __launch_bounds__(threads_per_block, 1) step_backward(LstmStepGradient step) {
  const Index i = static_cast<Index>(blockIdx.x) * threads_per_block + threadIdx.x;
  if (i >= step.samples * step.units) return;
  const Index sample = i / step.units;
  const Index unit = i - sample * step.units;
  const float* gates = step.gates + sample * step.gate_stride + unit;
  float* gradients = step.gate_gradients + sample * step.gate_stride + unit;
  if (!has_step(step.lengths, step.step, sample)) {
    for (int gate = 0; gate < 4; ++gate) gradients[gate * step.units] = 0;
    return;
  }
  const Index out = sample * step.output_stride + unit;
  const float input_gate = gates[0];
  const float forget_gate = gates[step.units];
  const float candidate = gates[2 * step.units];
  const float output_gate = gates[3 * step.units];
  const float squashed = tanhf(step.cells[out]);
  const float before = step.cells_before == nullptr ? 0 : step.cells_before[out];
  const float h = step.h[i] + step.upstream[out];
  const float c = step.c[i] + h * output_gate * (1 - squashed * squashed);
  gradients[0] = c * candidate * input_gate * (1 - input_gate);
  gradients[step.units] = c * before * forget_gate * (1 - forget_gate);
  gradients[2 * step.units] = c * input_gate * (1 - candidate * candidate);
  gradients[3 * step.units] = h * squashed * output_gate * (1 - output_gate);
  step.c[i] = c * forget_gate;
  step.h[i] = 0;
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

}  // namespace mien::kernels
