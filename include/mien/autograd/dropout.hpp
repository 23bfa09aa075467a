#pragma once

/// Differentiable dropout; see ops/dropout.hpp.

#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/core/batch_part.hpp"
#include "mien/ops/dropout.hpp"

namespace mien {

/// Drops with `probability` in [0, 1) and moves the generator on. Where x [samples, ...] is of a part of a batch
/// (`BatchPartScope`), what is dropped is what would be of the whole one.
template <class T, class Device>
Variable<T, Device> dropout(const Variable<T, Device>& x, double probability,
                            Generator& generator = default_generator()) {
  const Generator::State state = generator.state();
  const ElementsOfBatch place = elements_of_batch("dropout", x.value().elements());
  Tensor<T, Device> result = ops::dropout(x.value(), probability, state, place.first);
  generator.set_state(ops::state_after_dropout(state, place.all));
  return record(std::move(result), {x},
                [probability, state, first = place.first](const Tensor<T, Device>& upstream, auto& inputs) {
                  inputs.add(0, ops::dropout(upstream, probability, state, first));
                });
}

}  // namespace mien

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T) \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> dropout(const Variable<T, Cpu>&, double, Generator&);
#include "mien/autograd/for_each_compiled_type.inc"
#endif
