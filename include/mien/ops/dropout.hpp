#pragma once

/// Dropout (Srivastava et al., JMLR 15, 2014): each element is 0 with probability p, and else scaled by 1 / (1 - p).

#include "mien/backend/cpu/dropout.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/dropout.hpp"
#endif
#include "mien/core/random.hpp"
#include "mien/ops/arithmetic.hpp"

namespace mien::ops {

/// Throws ValueError unless p is in [0, 1).
inline void require_dropout_probability(double probability) {
  if (!(probability >= 0 && probability < 1))
    throw ValueError(detail::text("dropout: probability ", probability, " is not in [0, 1)"));
}

/// What is dropped is a function of the generator's state and the element's number alone, so no mask is stored: the
/// gradient for x is `dropout(upstream, probability, state)` with the same state.
template <class T, class Device>
Tensor<T, Device> dropout(const Tensor<T, Device>& x, double probability, const Generator::State& state) {
  require_dropout_probability(probability);
  Tensor<T, Device> out(x.shape());
  backend::dropout(x.contiguous(), probability, state, out);
  return out;
}

/// The same for x that begins at element `first` of a larger tensor: what is dropped of the larger one.
template <class T, class Device>
Tensor<T, Device> dropout(const Tensor<T, Device>& x, double probability, Generator::State state, Index first) {
  state.counter += static_cast<std::uint64_t>(first / backend::dropout_elements_per_counter);
  const Index before = first % backend::dropout_elements_per_counter;
  if (before == 0) return dropout(x, probability, state);
  // The first counter belongs to earlier elements too, which have to be there to be drawn for.
  const auto padded = Tensor<T, Device>::zeros({before + x.elements()});
  padded.slice(0, before, padded.elements()).copy_from(x.contiguous().view({-1}));
  return dropout(padded, probability, state).slice(0, before, padded.elements()).view(x.shape());
}

/// The generator's state after `dropout` of this many elements.
inline Generator::State state_after_dropout(Generator::State state, Index elements) {
  state.counter += static_cast<std::uint64_t>(chunk_count(elements, backend::dropout_elements_per_counter));
  return state;
}

}  // namespace mien::ops
