#pragma once

/// The order in which people number files: "frame 2" before "frame 10".

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace mien::data {
namespace detail {

inline bool is_digit(char character) { return character >= '0' && character <= '9'; }

/// The run of digits at the start, without leading zeros.
inline std::string_view leading_number(std::string_view text) {
  const auto end = static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
  const std::string_view digits = text.substr(0, end);
  return digits.substr(std::min(digits.find_first_not_of('0'), digits.size()));
}

inline void skip_number(std::string_view& text) {
  while (!text.empty() && is_digit(text.front())) text.remove_prefix(1);
}

}  // namespace detail

/// Whether `a` comes before `b`: runs of digits compare as numbers of any length, everything else byte by byte; names
/// that differ in leading zeros alone fall back on their bytes. A strict order of all strings.
inline bool natural_less(std::string_view a, std::string_view b) {
  std::string_view x = a;
  std::string_view y = b;
  while (!x.empty() && !y.empty()) {
    if (detail::is_digit(x.front()) && detail::is_digit(y.front())) {
      const std::string_view left = detail::leading_number(x);
      const std::string_view right = detail::leading_number(y);
      if (left.size() != right.size()) return left.size() < right.size();
      if (left != right) return left < right;
      detail::skip_number(x);
      detail::skip_number(y);
    } else {
      if (x.front() != y.front()) return static_cast<unsigned char>(x.front()) < static_cast<unsigned char>(y.front());
      x.remove_prefix(1);
      y.remove_prefix(1);
    }
  }
  if (x.empty() != y.empty()) return x.empty();
  return a < b;
}

}  // namespace mien::data
