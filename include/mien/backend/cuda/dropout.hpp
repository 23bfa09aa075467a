#pragma once

#include "mien/backend/cuda/kernels/dropout.hpp"
#include "mien/backend/cuda/number.hpp"
#include "mien/core/random.hpp"

namespace mien::backend {

template <cuda::MapNumber T>
void dropout(const Tensor<T, Cuda>& x, double probability, const Generator::State& state, Tensor<T, Cuda>& out) {
  cuda::require_not_recording("dropout");
  kernels::dropout(cuda::data(x), probability, state.seed, state.counter, state.stream, out.elements(), cuda::data(out),
                   cuda::current_stream().get());
}

}  // namespace mien::backend
