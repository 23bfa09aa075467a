#pragma once

/// CUDA's bfloat16 for the emulator: the upper half of a float.

#include <bit>
#include <cstdint>

struct __nv_bfloat16 {
  std::uint16_t bits = 0xffff;
};

inline float __bfloat162float(__nv_bfloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

/// To the nearest, and to the even one of two that are equally near.
inline __nv_bfloat16 __float2bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return {0x7fff};
  return {static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
