#pragma once

#include "mien/backend/cpu/eigen.hpp"
#include "mien/core/random.hpp"

namespace mien::backend {

/// Random numbers that one counter of the generator gives.
inline constexpr Index dropout_elements_per_counter = 4;

template <class T>
void dropout(const Tensor<T, Cpu>& x, double probability, const Generator::State& state, Tensor<T, Cpu>& out) {
  const T factor = static_cast<T>(1 / (1 - probability));
  const Index count = out.elements();
  const T* source = x.data();
  T* result = out.data();
  parallel_for(
      0, chunk_count(count, dropout_elements_per_counter), elementwise_grain / 4, [&](Index first, Index last) {
        for (Index four = first; four < last; ++four) {
          const auto drawn =
              mien::detail::philox(state.seed, state.counter + static_cast<std::uint64_t>(four), state.stream);
          const Index begin = four * dropout_elements_per_counter;
          for (Index i = begin; i < std::min(count, begin + dropout_elements_per_counter); ++i) {
            const bool kept = mien::detail::unit_interval(drawn[static_cast<std::size_t>(i - begin)]) >= probability;
            result[i] = kept ? source[i] * factor : T{0};
          }
        }
      });
}

}  // namespace mien::backend
