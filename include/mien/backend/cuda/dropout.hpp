#pragma once

#include "mien/backend/cuda/kernels/dropout.hpp"
#include "mien/backend/cuda/number.hpp"
#include "mien/core/random.hpp"

namespace mien::backend {

template <cuda::Number T>
void dropout(const Tensor<T, Cuda>& x, double probability, const Generator::State& state, Tensor<T, Cuda>& out) {
  cuda::require_not_recording("dropout");
  kernels::dropout(x.data(), probability, state.seed, state.counter, state.stream, out.elements(), out.data(),
                   cuda::current_stream().get());
}

}  // namespace mien::backend
