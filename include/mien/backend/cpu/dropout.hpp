#pragma once

#include <cmath>
#include <cstdint>

#include "mien/backend/cpu/compiled.hpp"
#include "mien/backend/cpu/eigen.hpp"
#include "mien/backend/cpu/vector.hpp"
#include "mien/core/random.hpp"

namespace mien::backend {

/// Random numbers that one counter of the generator gives.
inline constexpr Index dropout_elements_per_counter = 4;

/// What an element's fate depends on besides its counter.
template <class T>
struct Dropped {
  std::uint64_t seed;
  std::uint64_t stream;
  std::uint32_t least;  ///< of a number's first 24 bits, for the element to be kept
  T factor;
};

template <class T>
using DropoutKernel = void(Index count, std::uint64_t counter, const Dropped<T>& dropped, const T* x, T* out);

}  // namespace mien::backend

#define MIEN_KERNELS "mien/backend/cpu/kernels/dropout.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"

namespace mien::backend {

template <class T>
void dropout(const Tensor<T, Cpu>& x, double probability, const Generator::State& state, Tensor<T, Cpu>& out) {
  const Dropped<T> dropped{.seed = state.seed,
                           .stream = state.stream,
                           .least = static_cast<std::uint32_t>(std::ceil(probability * 0x1p24)),
                           .factor = static_cast<T>(1 / (1 - probability))};
  const Index count = out.elements();
  const T* source = x.data();
  T* result = out.data();
  auto* kernel = for_instruction_set(portable::dropout_kernel<T>, avx2::dropout_kernel<T>, avx512::dropout_kernel<T>);
  parallel_for(
      0, chunk_count(count, dropout_elements_per_counter), elementwise_grain / 4, [&](Index first, Index last) {
        const Index begin = first * dropout_elements_per_counter;
        const Index end = std::min(count, last * dropout_elements_per_counter);
        kernel(end - begin, state.counter + static_cast<std::uint64_t>(first), dropped, source + begin, result + begin);
      });
}

}  // namespace mien::backend

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T) \
  MIEN_COMPILED_TEMPLATE void dropout(const Tensor<T, Cpu>&, double, const Generator::State&, Tensor<T, Cpu>&);
#include "mien/backend/cpu/for_each_compiled_type.inc"
#endif
