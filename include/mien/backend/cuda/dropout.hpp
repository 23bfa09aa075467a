#pragma once

#include "mien/backend/cuda/kernels/dropout.hpp"
#include "mien/backend/cuda/number.hpp"
#include "mien/core/random.hpp"

namespace mien::backend {

/// Where to draw from: in a graph, which runs more than once, from the state that the generator has in each run.
inline kernels::RandomPlace random_place(const Generator::State& state) {
  const auto recorded = cuda::current_stream().state()->recorded_generator();
  if (!recorded) return {state.seed, state.counter, state.stream};
  const Generator::State& first = recorded->first;
  if (state.seed != first.seed || state.stream != first.stream || state.counter < first.counter)
    throw ValueError("cuda::Graph: dropout can be recorded with the default generator alone");
  return {0, state.counter - first.counter, 0, recorded->now};
}

template <cuda::MapNumber T>
void dropout(const Tensor<T, Cuda>& x, double probability, const Generator::State& state, Tensor<T, Cuda>& out) {
  kernels::dropout(cuda::data(x), probability, random_place(state), out.elements(), cuda::data(out),
                   cuda::current_stream().get());
}

}  // namespace mien::backend
