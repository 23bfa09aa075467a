#pragma once

/// Differentiable dropout; see ops/dropout.hpp.

#include "mien/autograd/variable.hpp"
#include "mien/ops/dropout.hpp"

namespace mien {

/// Drops with `probability` in [0, 1) and moves the generator on.
template <class T, class Device>
Variable<T, Device> dropout(const Variable<T, Device>& x, double probability,
                            Generator& generator = default_generator()) {
  const Generator::State state = generator.state();
  Tensor<T, Device> result = ops::dropout(x.value(), probability, state);
  generator.set_state(ops::state_after_dropout(state, result.elements()));
  return record(std::move(result), {x}, [probability, state](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::dropout(upstream, probability, state));
  });
}

}  // namespace mien
