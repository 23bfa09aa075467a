// One step of SGD, Adam, AdamW or Adamax on all parameters of a network at once.
//
// Launch: a block of 256 threads takes 1024 neighbouring numbers of one parameter, four a thread, 256 apart, so that
// every load takes whole lines; which parameter, it finds by bisection in the table of first blocks.
// Bytes a number: plain SGD 12, with momentum 20, Adam and Adamax 28; about 15 flops: bound by memory. A launch for
// each of the sixty parameters of a ResNet-18 would cost more than the work: most of them have less than a block.
// What differs from step to step, rates and corrections, lies in device memory, so that a recorded launch has it anew
// in each run; a block reads those of its parameter, at most 36 bytes.

#include "mien/backend/cuda/kernels/optimiser_step.hpp"
#include "portable.hpp"

namespace mien::kernels {
namespace {

constexpr int optimiser_threads = 256;
constexpr int optimiser_numbers = 4 * optimiser_threads;

/// The parameter that a block belongs to: the last whose first block is not after it.
__device__ inline Index parameter_of(const OptimisedParameters& all, Index block) {
  Index first = 0;
  Index last = all.count - 1;
  while (first < last) {
    const Index middle = (first + last + 1) / 2;
    if (all.first_blocks[middle] <= block) {
      first = middle;
    } else {
      last = middle - 1;
    }
  }
  return first;
}

template <class Rule>
__global__ void __launch_bounds__(optimiser_threads, 1)
    step_parameters(OptimisedParameters all, const typename Rule::Factors* factors) {
  const Index block = blockIdx.x;
  const Index which = parameter_of(all, block);
  const OptimisedParameter parameter = all.parameters[which];
  const Rule rule{factors[which]};
  const Index first = (block - all.first_blocks[which]) * optimiser_numbers;
  const Index last = first + optimiser_numbers < parameter.elements ? first + optimiser_numbers : parameter.elements;
  for (Index i = first + threadIdx.x; i < last; i += optimiser_threads) rule(parameter, i);
}

struct Sgd {
  using Factors = SgdFactors;
  Factors by;

  __device__ void operator()(const OptimisedParameter& on, Index i) const {
    const float w = on.value[i];
    const float g = on.gradient[i] + by.decay * w;
    float direction = g;
    if (on.first != nullptr) {
      const float b = by.momentum * on.first[i] + g;
      on.first[i] = b;
      direction = by.nesterov ? g + by.momentum * b : b;
    }
    on.value[i] = w - by.rate * direction;
  }
};

struct Adam {
  using Factors = AdamFactors;
  Factors by;

  __device__ void operator()(const OptimisedParameter& on, Index i) const {
    const float w = by.keep * on.value[i];
    const float g = on.gradient[i] + by.decay * w;
    const float m = by.beta1 * on.first[i] + by.share1 * g;
    const float v = by.beta2 * on.second[i] + by.share2 * g * g;
    on.first[i] = m;
    on.second[i] = v;
    on.value[i] = w - by.rate * m / (by.root * sqrtf(v) + by.epsilon);
  }
};

struct Adamax {
  using Factors = AdamaxFactors;
  Factors by;

  __device__ void operator()(const OptimisedParameter& on, Index i) const {
    const float w = on.value[i];
    const float g = on.gradient[i] + by.decay * w;
    const float m = by.beta1 * on.first[i] + by.share1 * g;
    const float former = by.beta2 * on.second[i];
    const float size = fabsf(g) + by.epsilon;
    const float u = former >= size ? former : size;  // a NaN is seen
    on.first[i] = m;
    on.second[i] = u;
    on.value[i] = w - by.rate * m / u;
  }
};

}  // namespace

std::vector<Index> optimiser_blocks(std::span<const OptimisedParameter> parameters) {
  std::vector<Index> first{0};
  for (const OptimisedParameter& parameter : parameters)
    first.push_back(first.back() + groups(parameter.elements, optimiser_numbers));
  return first;
}

void sgd_step(const OptimisedParameters& parameters, const SgdFactors* factors, cudaStream_t stream) {
  launch("sgd_step", step_parameters<Sgd>, parameters.blocks, optimiser_threads, stream, parameters, factors);
}

void adam_step(const OptimisedParameters& parameters, const AdamFactors* factors, cudaStream_t stream) {
  launch("adam_step", step_parameters<Adam>, parameters.blocks, optimiser_threads, stream, parameters, factors);
}

void adamax_step(const OptimisedParameters& parameters, const AdamaxFactors* factors, cudaStream_t stream) {
  launch("adamax_step", step_parameters<Adamax>, parameters.blocks, optimiser_threads, stream, parameters, factors);
}

}  // namespace mien::kernels
