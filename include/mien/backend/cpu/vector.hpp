#pragma once

/// The compiler's own vectors, as wide as each instruction set has them.

#include "mien/backend/cpu/instruction_set.hpp"
#include "mien/core/shape.hpp"

namespace mien::backend {
namespace portable {
inline constexpr Index vector_bytes = 16;
inline constexpr Index vector_registers = 16;
}  // namespace portable
#if defined(__x86_64__)
namespace avx2 {
inline constexpr Index vector_bytes = 32;
inline constexpr Index vector_registers = 16;
}  // namespace avx2
namespace avx512 {
inline constexpr Index vector_bytes = 64;
inline constexpr Index vector_registers = 32;
}  // namespace avx512
#endif
}  // namespace mien::backend

#define MIEN_KERNELS "mien/backend/cpu/kernels/vector.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"
