#pragma once

/// What kernels/lstm.cu offers to host code: the recurrent part of an LSTM, whole sequences or the gates of a step. See
/// ops/lstm.hpp for the formula. Numbers are float. Pointers are the device's. Throws Error if a kernel cannot be
/// started.

#include <cuda_runtime.h>

#include <cstdint>

#include "mien/backend/cuda/kernels/product_precision.hpp"

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
  const float* cells_before;  ///< those of the step before, or null: there is none
  const float* c_0;           ///< [samples, units], before a sample's first step, or null: zeros
  const float* upstream;      ///< for the output
  std::int64_t output_stride;
  float* h;  ///< [samples, units], the gradient that the step after leaves; becomes 0, for the products to add to
  float* c;  ///< [samples, units], the same for the state; becomes that for the state before
  float* gate_gradients;  ///< before activation, with `gate_stride`
  const std::int64_t* lengths;
  std::int64_t step;
  std::int64_t step_before;  ///< a sample has it, too, if its length is greater; else this is its first
};

/// Samples without this step pass on h and c as they are, and have zeros as gradients of the gates.
void lstm_step_gradient(const LstmStepGradient& step, cudaStream_t stream);

/// All steps of sequences of any lengths, forwards or from each one's last valid step to its first.
struct LstmSequence {
  std::int64_t samples, steps, units;
  const float* weight_hh;       ///< [4 units, units]
  const std::int64_t* lengths;  ///< [samples], or null: all have all steps
  bool reverse;
  float* gates;    ///< [samples, steps, 4 units], brings x W_ih^T + b, becomes the activated i, f, g, o
  float* outputs;  ///< [samples, steps, units], gets h; 0 beyond the length
  float* cells;    ///< the same of c
  float* h;        ///< [samples, units], brings the initial state, becomes the last
  float* c;
  ProductPrecision precision;
  float* workspace;  ///< `lstm_workspace` floats
};

/// Floats that a sequence needs for itself, forwards and backwards.
std::int64_t lstm_workspace(std::int64_t samples, std::int64_t units);

/// Up to 128 units and some hundred samples are one kernel for all steps, with products in float whatever the
/// precision. Gates beyond the length become meaningless.
void lstm_sequence(const LstmSequence& sequence, cudaStream_t stream);

/// Backward through time.
struct LstmSequenceGradient {
  std::int64_t samples, steps, units;
  const float* weight_hh;
  const float* c_0;  ///< [samples, units], or null: zeros
  const std::int64_t* lengths;
  bool reverse;
  const float* gates;  ///< activated
  const float* cells;
  const float* upstream;  ///< [samples, steps, units], for the outputs
  float* gate_gradients;  ///< [samples, steps, 4 units], before activation; 0 beyond the length
  float* h;               ///< [samples, units], brings the gradient of the last state, becomes that of the initial one
  float* c;
  ProductPrecision precision;
  float* workspace;
};
void lstm_sequence_gradient(const LstmSequenceGradient& sequence, cudaStream_t stream);

/// out [samples, steps, units] = the hidden state that each step started from, 0 beyond the length: what the gradient
/// of W_hh is a product of. h_0 [samples, units], or null: zeros.
void lstm_previous_outputs(const float* outputs, const float* h_0, std::int64_t samples, std::int64_t steps,
                           std::int64_t units, const std::int64_t* lengths, bool reverse, float* out,
                           cudaStream_t stream);

/// out = x [samples, steps, elements] up to each sample's length, or null: all of it, and 0 beyond, whatever x holds
/// there. T is float, __nv_bfloat16 or __half. out may be x.
template <class T>
void mask_steps(const T* x, std::int64_t samples, std::int64_t steps, std::int64_t elements,
                const std::int64_t* lengths, T* out, cudaStream_t stream);

}  // namespace mien::kernels
