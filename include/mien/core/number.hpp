#pragma once

/// Numbers of 16 bits, for the maps of networks on the GPU: half of a float's memory, and tensor cores that multiply
/// them twice as fast as floats. On the CPU they can be stored and converted, and nothing else.

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>

namespace mien {

namespace detail {

/// A float that is rounded on as the number itself would be: where it is not exact, of the two floats next to the
/// number the one whose last bit is 1, which no number of 16 bits is, nor the middle of two (rounding to odd; Boldo and
/// Melquiond, IEEE Transactions on Computers 57, 2008).
template <std::floating_point From>
float to_float_for_rounding(From from) {
  if constexpr (std::same_as<From, float>) return from;
  const auto value = static_cast<float>(from);
  if (std::isnan(from) || static_cast<From>(value) == from) return value;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const bool is_away_from_zero = std::fabs(static_cast<From>(value)) > std::fabs(from);
  return std::bit_cast<float>((is_away_from_zero ? bits - 1 : bits) | 1);
}

}  // namespace detail

/// The upper half of a float: its range, and 8 bits of mantissa.
struct bfloat16 {
  std::uint16_t bits = 0;

  bfloat16() = default;
  /// To the nearest, of two as near the even one; NaN stays NaN.
  template <std::floating_point From>
  explicit bfloat16(From from) {
    const float value = detail::to_float_for_rounding(from);
    const auto whole = std::bit_cast<std::uint32_t>(value);
    constexpr std::uint32_t quiet = 0x40;
    bits = std::isnan(value) ? static_cast<std::uint16_t>(whole >> 16 | quiet)
                             : static_cast<std::uint16_t>((whole + 0x7fff + (whole >> 16 & 1)) >> 16);
  }
  /// Exact.
  template <std::floating_point To>
  explicit operator To() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  bool operator==(const bfloat16& other) const { return static_cast<float>(*this) == static_cast<float>(other); }
};

/// IEEE 754 binary16: 11 bits of mantissa, nothing above 65504, and steps of 2^-24 near zero. Gradients need
/// `optim::LossScale`.
struct float16 {
  std::uint16_t bits = 0;

  float16() = default;
  /// To the nearest, of two as near the even one; infinite from 65520 on. NaN stays NaN.
  template <std::floating_point From>
  explicit float16(From from) {
    const float value = detail::to_float_for_rounding(from);
    const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
    bits = static_cast<std::uint16_t>(sign | magnitude_bits(std::fabs(value)));
  }
  /// Exact.
  template <std::floating_point To>
  explicit operator To() const {
    const int exponent = bits >> 10 & 0x1f;
    const auto mantissa = static_cast<float>(bits & 0x3ff);
    const float sign = (bits & 0x8000) != 0 ? -1.0F : 1.0F;
    if (exponent == 31)
      return mantissa == 0 ? sign * std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
    return exponent == 0 ? sign * std::ldexp(mantissa, -24) : sign * std::ldexp(mantissa + 1024, exponent - 25);
  }
  bool operator==(const float16& other) const { return static_cast<float>(*this) == static_cast<float>(other); }

 private:
  static std::uint16_t magnitude_bits(float magnitude) {
    if (std::isnan(magnitude)) return 0x7e00;
    if (magnitude >= 65520) return 0x7c00;
    constexpr float least_normal = 0x1p-14F;
    if (magnitude < least_normal) return static_cast<std::uint16_t>(std::nearbyint(magnitude * 0x1p24F));
    // A float's exponent is biased by 127, a float16's by 15; a mantissa that is rounded up may carry into it.
    const auto whole = std::bit_cast<std::uint32_t>(magnitude) - (std::uint32_t{127 - 15} << 23);
    return static_cast<std::uint16_t>((whole + 0xfff + (whole >> 13 & 1)) >> 13);
  }
};

namespace detail {
template <class T>
struct AccumulatedNumber {
  using type = T;
};
template <>
struct AccumulatedNumber<bfloat16> {
  using type = float;
};
template <>
struct AccumulatedNumber<float16> {
  using type = float;
};
}  // namespace detail

/// What sums of such numbers are kept in, and all that belongs to a whole map of them: parameters and their gradients,
/// moments, means, features, losses. Float for numbers of 16 bits, else the type itself.
template <class T>
using Accumulated = typename detail::AccumulatedNumber<T>::type;

/// A type of maps for a network whose parameters are of type T: T itself, or 16 bits for float.
template <class Map, class T>
concept MapOf = std::same_as<Accumulated<Map>, T>;

}  // namespace mien
