#pragma once

/// Which vector instructions the kernels use. It is decided when a program runs, not when it is compiled: kernels exist
/// for every instruction set, and a library that is compiled for any x86-64 uses AVX-512 where there is AVX-512.

#include <cstdlib>
#include <string_view>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "mien/core/error.hpp"

namespace mien::backend {

/// From the least to the greatest; who has one has all before it.
enum class InstructionSet {
  portable,  ///< what the compiler may use anyway, in vectors of 16 bytes: SSE2 on x86-64, NEON on ARM
  avx2,      ///< AVX2 and FMA, 32 bytes
  avx512,    ///< AVX-512 F, BW, DQ and VL, 64 bytes
  amx        ///< and AMX: products of whole tiles of bfloat16 numbers
};

inline std::string_view name_of(InstructionSet set) {
  switch (set) {
    case InstructionSet::amx:
      return "amx";
    case InstructionSet::avx512:
      return "avx512";
    case InstructionSet::avx2:
      return "avx2";
    case InstructionSet::portable:
      break;
  }
  return "portable";
}

namespace detail {

/// Whether the processor multiplies tiles, and the operating system keeps them: Linux wants to be asked for it first.
inline bool has_tiles() {
#if defined(__x86_64__) && defined(__linux__)
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned tiles = 1U << 24;
  constexpr unsigned bfloat16 = 1U << 22;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & tiles) == 0 || (d & bfloat16) == 0) return false;
  constexpr long request_permission = 0x1023;
  constexpr long tile_data = 18;
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}

}  // namespace detail

/// The greatest one that processor and operating system have.
inline InstructionSet best_instruction_set() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx2 && avx512) return detail::has_tiles() ? InstructionSet::amx : InstructionSet::avx512;
  if (avx2) return InstructionSet::avx2;
#endif
  return InstructionSet::portable;
}

namespace detail {

/// What MIEN_ISA asks for. Throws ValueError for an unknown name and for one that the processor does not have.
inline InstructionSet chosen_instruction_set(const char* wish) {
  const InstructionSet best = best_instruction_set();
  if (wish == nullptr || *wish == '\0') return best;
  for (const auto set :
       {InstructionSet::portable, InstructionSet::avx2, InstructionSet::avx512, InstructionSet::amx})
    if (name_of(set) == wish && set <= best) return set;
  throw ValueError(mien::detail::text("MIEN_ISA=", wish, ": expected portable, avx2, avx512 or amx, and no more than ",
                                      name_of(best), ", which is what this processor has"));
}

}  // namespace detail

/// The one in use: the best one, or a lower one that the environment's MIEN_ISA names when it is first asked for.
/// Never inlined: with the question to the processor in each kernel's caller a program gets half as large again.
[[gnu::noinline]] inline InstructionSet instruction_set() {
  static const InstructionSet set = detail::chosen_instruction_set(std::getenv("MIEN_ISA"));
  return set;
}

/// Of the versions of something that exists for each instruction set, the one in use; what works on tiles has kernels
/// of its own.
template <class Kernels>
const Kernels& for_instruction_set(const Kernels& portable, [[maybe_unused]] const Kernels& avx2,
                                   [[maybe_unused]] const Kernels& avx512) {
  switch (instruction_set()) {
    case InstructionSet::amx:
    case InstructionSet::avx512:
      return avx512;
    case InstructionSet::avx2:
      return avx2;
    case InstructionSet::portable:
      break;
  }
  return portable;
}

}  // namespace mien::backend
