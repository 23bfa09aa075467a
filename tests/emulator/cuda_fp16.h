#pragma once

/// CUDA's half for the emulator: IEEE 754 binary16.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

struct __half {
  std::uint16_t bits = 0xffff;
};

inline float __half2float(__half value) {
  const std::uint32_t sign = static_cast<std::uint32_t>(value.bits & 0x8000) << 16;
  const int exponent = value.bits >> 10 & 31;
  const std::uint32_t fraction = value.bits & 0x3ff;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000U | fraction << 13);
  const float size = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                   : std::ldexp(static_cast<float>(fraction | 0x400), exponent - 25);
  return sign != 0 ? -size : size;
}

/// To the nearest, and to the even one of two that are equally near; what is too large becomes infinite.
inline __half __float2half(float value) {
  const auto sign = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16 & 0x8000);
  if (value != value) return {0x7fff};
  const float size = std::fabs(value);
  if (size >= 65520) return {static_cast<std::uint16_t>(sign | 0x7c00)};
  int exponent = 0;
  std::frexp(size, &exponent);
  // The step between two neighbours; below 2^-14 it no longer shrinks.
  const int step = size == 0 ? -24 : std::max(exponent - 11, -24);
  const auto steps = static_cast<std::uint16_t>(std::nearbyint(std::ldexp(size, -step)));
  // Steps from 1024 on carry into the exponent by themselves.
  const int base = step == -24 ? 0 : (step + 24) << 10;
  return {static_cast<std::uint16_t>(sign | (base + steps))};
}
