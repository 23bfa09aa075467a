#pragma once

/// Numbers as text for people, with a point whatever the program's locale.

#include <charconv>
#include <cstdint>
#include <string>

namespace mien::detail {

/// With `decimals` digits behind the point, as printf's %f.
inline std::string fixed_digits(double value, int decimals) {
  char digits[400];  // the largest number has 309 before the point
  const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, decimals).ptr;
  return {digits, end};
}

/// With `significant` digits and no zeros at the end, as printf's %g.
inline std::string general_digits(double value, int significant = 6) {
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::general, significant).ptr;
  return {digits, end};
}

/// All 16 of them.
inline std::string hexadecimal_digits(std::uint64_t value) {
  char digits[16];
  const std::string text(digits, std::to_chars(digits, digits + sizeof digits, value, 16).ptr);
  return std::string(sizeof digits - text.size(), '0') + text;
}

}  // namespace mien::detail
