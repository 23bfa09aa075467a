#pragma once

#include "mien/core/tensor.hpp"

namespace mien::backend {

/// What an optimiser's step reads and writes of one parameter; what it does not keep is undefined. No gaps in memory.
template <class T, class Device = Cpu>
struct OptimisedParameter {
  Tensor<T, Device> gradient, value, first, second;
};

}  // namespace mien::backend
