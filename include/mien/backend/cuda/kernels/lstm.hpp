#pragma once

/// What kernels/lstm.cu offers to host code: the gates of an LSTM, between the products of its weights. Numbers are
/// float. Pointers are the device's. Throws Error if a kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// One step of all samples. Rows of a sample are `..._stride` numbers apart, so that a step can be a part of a whole
/// sequence; gates have four parts of `units` numbers: i, f, g, o.
struct LstmStep {
  std::int64_t samples, units;
  float* gates;  ///< of the inputs and the state before, with their biases; activated in place
  std::int64_t gate_stride;
  float* c;                     ///< [samples, units], brings the state before
  float* h;                     ///< [samples, units], for the next step
  float* cells;                 ///< gets c; kept for the gradient
  float* output;                ///< gets h
  std::int64_t output_stride;   ///< of `cells` too
  const std::int64_t* lengths;  ///< [samples], or null: all samples have this step
  std::int64_t step;            ///< a sample has it if its length is greater
};

/// c = sigmoid(f) c + sigmoid(i) tanh(g) and h = sigmoid(o) tanh(c). Samples without this step keep c and h, and have
/// zeros as output.
void lstm_step(const LstmStep& step, cudaStream_t stream);

/// The same step backwards.
struct LstmStepGradient {
  std::int64_t samples, units;
  const float* gates;  ///< activated
  std::int64_t gate_stride;
  const float* cells;
  const float* cells_before;  ///< or null: zeros
  const float* upstream;      ///< for the output
  std::int64_t output_stride;
  float* h;  ///< [samples, units], the gradient that the step after leaves; becomes 0, for the products to add to
  float* c;  ///< [samples, units], the same for the state; becomes that for the state before
  float* gate_gradients;  ///< before activation, with `gate_stride`
  const std::int64_t* lengths;
  std::int64_t step;
};

/// Samples without this step pass on h and c as they are, and have zeros as gradients of the gates.
void lstm_step_gradient(const LstmStepGradient& step, cudaStream_t stream);

}  // namespace mien::kernels
