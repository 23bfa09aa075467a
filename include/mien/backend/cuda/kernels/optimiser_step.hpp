#pragma once

/// What kernels/optimiser_step.cu offers to host code: one launch for all parameters of a network, each of which has
/// factors of its own, factors [count]. Numbers are float. Pointers are the device's. Throws Error if the kernel cannot
/// be started.

#include <cuda_runtime.h>

#include <cstdint>
#include <span>
#include <vector>

namespace mien::kernels {

/// What a step reads and writes of one parameter; what the optimiser does not keep is null.
struct OptimisedParameter {
  const float* gradient;
  float* value;
  float* first;
  float* second;
  std::int64_t elements;
};

/// All parameters, in device memory, with the first of each one's blocks and, at the end, the number of all.
struct OptimisedParameters {
  const OptimisedParameter* parameters;
  const std::int64_t* first_blocks;  ///< [count + 1]
  std::int64_t count;
  std::int64_t blocks;  ///< the last of `first_blocks`
};

/// What `first_blocks` has to hold.
std::vector<std::int64_t> optimiser_blocks(std::span<const OptimisedParameter> parameters);

/// g = gradient + decay w;  b = momentum b + g in `first`;  w -= rate b, or with Nesterov's momentum
/// w -= rate (g + momentum b). Where `first` is null b is g.
struct SgdFactors {
  float rate, momentum, decay;
  bool nesterov;
};
void sgd_step(const OptimisedParameters& parameters, const SgdFactors* factors, cudaStream_t stream);

/// w *= keep;  g = gradient + decay w;  m = beta1 m + share1 g;  v = beta2 v + share2 g^2;
/// w -= rate m / (root sqrt(v) + epsilon), with m in `first`, v in `second`.
struct AdamFactors {
  float keep, decay, beta1, beta2, share1, share2, rate, root, epsilon;
};
void adam_step(const OptimisedParameters& parameters, const AdamFactors* factors, cudaStream_t stream);

/// g = gradient + decay w;  m = beta1 m + share1 g;  u = max(beta2 u, |g| + epsilon);  w -= rate m / u, with m in
/// `first`, u in `second`.
struct AdamaxFactors {
  float decay, beta1, beta2, share1, rate, epsilon;
};
void adamax_step(const OptimisedParameters& parameters, const AdamaxFactors* factors, cudaStream_t stream);

}  // namespace mien::kernels
