#pragma once

// What the readers of published data sets share: where folders are, and lines of text files.

#include <charconv>
#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "mien/core/shape.hpp"
#include "mien/data/natural_order.hpp"
#include "mien/io/file.hpp"

namespace mien::data::detail {

/// The first of some files or folders below `root` that is there. Throws FileError that names all of them.
inline std::filesystem::path first_existing(const std::filesystem::path& root,
                                            std::initializer_list<const char*> candidates) {
  std::string names;
  for (const char* candidate : candidates) {
    std::error_code unknown;
    auto path = root / candidate;
    if (std::filesystem::exists(path, unknown)) return path;
    names += (names.empty() ? "`" : ", `") + std::string(candidate) + "`";
  }
  throw FileError(root.string(), "", "none of what it should hold", candidates.size() == 1 ? names : "one of " + names);
}

/// A line without its end, and its number from 1.
struct TextLine {
  std::string text;
  Index number = 0;

  std::string place() const { return mien::detail::text("line ", number); }
};

/// All lines of a text file, which may end with LF or CRLF; a byte order mark is no part of the first.
inline std::vector<TextLine> text_lines(const std::filesystem::path& path) {
  const std::string content = io::read_text(path);
  io::refuse_utf_16(content, path.string());
  std::string_view rest = content;
  if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);
  std::vector<TextLine> lines;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back({std::string(line), static_cast<Index>(lines.size()) + 1});
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return lines;
}

/// The parts of a text between any of `separators`, without empty ones.
inline std::vector<std::string_view> words(std::string_view text, std::string_view separators = " \t") {
  std::vector<std::string_view> out;
  for (std::size_t begin = text.find_first_not_of(separators); begin != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(separators, begin), text.size());
    out.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(separators, end);
  }
  return out;
}

/// A text that is a number as a whole, white space around it aside.
template <class Number>
std::optional<Number> whole(std::string_view text) {
  const auto parts = words(text, " \t\r\n");
  if (parts.size() != 1) return std::nullopt;
  Number value{};
  const std::string_view digits = parts[0];
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

inline std::optional<Index> whole_number(std::string_view text) { return whole<Index>(text); }
inline std::optional<double> finite_number(std::string_view text) {
  const auto value = whole<double>(text);
  return value && *value - *value == 0 ? value : std::nullopt;
}

/// "7" as "00007".
inline std::string padded(std::string_view number, std::size_t digits) {
  return std::string(digits - std::min(digits, number.size()), '0') + std::string(number);
}

}  // namespace mien::data::detail
