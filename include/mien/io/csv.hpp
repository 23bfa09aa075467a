#pragma once

/// Tables of comma-separated values as RFC 4180 describes them.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "mien/core/shape.hpp"
#include "mien/io/file.hpp"

namespace mien::io {

struct CsvOptions {
  char separator = ',';
  bool header = true;  ///< the first row names the columns
};

/// A table in memory: rows of equally many fields, all of them text until asked for as numbers.
///
/// Fields may be quoted (`"a, ""b"""` is `a, "b"`) and may then hold line ends; lines end with LF or CRLF; a UTF-8 byte
/// order mark is skipped, and so are empty lines; UTF-16 is refused. Errors name the file, the line and the column.
class CsvTable {
 public:
  /// Takes a whole text. `file` is only named in errors. Throws FileError for quotes in the wrong place and for rows
  /// that are longer or shorter than the first.
  static CsvTable parse(std::string content, std::string file = "CSV in memory", const CsvOptions& options = {}) {
    return CsvTable(std::move(content), std::move(file), options);
  }

  const std::string& file() const { return file_; }

  /// Rows without the header.
  Index rows() const { return static_cast<Index>(lines_.size()) - first_row(); }
  Index columns() const { return columns_; }

  /// The columns' names; empty if the table has no header.
  const std::vector<std::string>& names() const { return names_; }

  /// The place of the column of this name, if there is one. Throws FileError if there are several.
  std::optional<Index> find_column(std::string_view name) const {
    const auto [first, last] = places_.equal_range(name);
    if (first == last) return {};
    if (std::next(first) != last)
      throw FileError(file_, header_place(), detail::text("several columns `", name, "`"), "one");
    return first->second;
  }

  /// As `find_column`; throws FileError that lists the columns if there is none of this name.
  Index column(std::string_view name) const {
    if (const auto found = find_column(name)) return *found;
    std::string known;
    for (std::size_t i = 0; i < std::min<std::size_t>(names_.size(), 40); ++i) known += (i > 0 ? ", " : "") + names_[i];
    if (names_.size() > 40) known += ", ...";
    throw FileError(file_, header_place(), detail::text("no column `", name, "`"),
                    known.empty() ? std::string("a header") : "one of " + known);
  }

  /// A field as it stands, without quotes; valid as long as the table lives.
  std::string_view text(Index row, Index column) const {
    require_field(row, column);
    return field(static_cast<std::size_t>((row + first_row()) * columns_ + column));
  }
  std::string_view text(Index row, std::string_view name) const { return text(row, column(name)); }

  /// A field as a finite number; throws FileError for anything else.
  double number(Index row, Index column) const {
    const std::optional<double> value = parse_number(row, column);
    if (!value || !std::isfinite(*value)) fail(row, column, "a finite number");
    return *value;
  }
  double number(Index row, std::string_view name) const { return number(row, column(name)); }

  /// As `number`, but nan and inf are numbers too.
  double any_number(Index row, Index column) const {
    const std::optional<double> value = parse_number(row, column);
    if (!value) fail(row, column, "a number");
    return *value;
  }

  /// A field as an integer; throws FileError for anything else.
  std::int64_t integer(Index row, Index column) const {
    const std::string_view digits = trimmed(text(row, column));
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size() || digits.empty()) fail(row, column, "an integer");
    return value;
  }
  std::int64_t integer(Index row, std::string_view name) const { return integer(row, column(name)); }

  /// The line of the file where a row begins, counted from 1.
  Index line(Index row) const {
    require_field(row, 0);
    return lines_[static_cast<std::size_t>(row + first_row())];
  }

  /// "line 12, column `x0`", for errors of callers who know more about what a field may hold.
  std::string place(Index row, Index column) const {
    require_field(row, column);
    const std::string name =
        has_header_ ? "`" + names_[static_cast<std::size_t>(column)] + "`" : std::to_string(column);
    return detail::text("line ", line(row), ", column ", name);
  }

  /// Throws a FileError that names the field and shows what it holds.
  [[noreturn]] void fail(Index row, Index column, std::string_view expected) const {
    throw FileError(file_, place(row, column), detail::text("`", text(row, column).substr(0, 60), "`"), expected);
  }

 private:
  struct Field {
    std::size_t begin;
    std::size_t size;
  };

  std::optional<double> parse_number(Index row, Index column) const {
    const std::string_view digits = trimmed(text(row, column));
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool is_number = error == std::errc{} && end == digits.data() + digits.size() && !digits.empty();
    return is_number ? std::optional(value) : std::nullopt;
  }

  CsvTable(std::string content, std::string file, const CsvOptions& options)
      : content_(std::move(content)), file_(std::move(file)), has_header_(options.header) {
    refuse_utf_16(content_, file_);
    if (content_.starts_with("\xef\xbb\xbf")) read_ = 3;
    while (read_ < content_.size()) read_row(options.separator);
    if (!has_header_) return;
    if (lines_.empty()) throw FileError(file_, "", "no rows", "a header");
    for (Index i = 0; i < columns_; ++i)
      places_.emplace(names_.emplace_back(trimmed(field(static_cast<std::size_t>(i)))), i);
  }

  Index first_row() const { return has_header_ ? 1 : 0; }

  /// The header's line; nowhere in a table without one.
  std::string header_place() const { return has_header_ ? detail::text("line ", lines_[0]) : std::string(); }

  void require_field(Index row, Index column) const {
    if (row < 0 || row >= rows() || column < 0 || column >= columns_)
      throw IndexError(
          detail::text(file_, ": row ", row, ", column ", column, " of a table of ", rows(), " x ", columns_));
  }

  std::string_view field(std::size_t index) const {
    const Field& found = fields_[index];
    return std::string_view(content_).substr(found.begin, found.size);
  }

  /// Without spaces around it, and without a plus sign, which from_chars does not take.
  static std::string_view trimmed(std::string_view field) {
    while (!field.empty() && (field.front() == ' ' || field.front() == '\t')) field.remove_prefix(1);
    while (!field.empty() && (field.back() == ' ' || field.back() == '\t')) field.remove_suffix(1);
    if (field.size() > 1 && field[0] == '+' && field[1] != '-') field.remove_prefix(1);
    return field;
  }

  bool at_line_end() const {
    return read_ == content_.size() || content_[read_] == '\n' ||
           (content_[read_] == '\r' && (read_ + 1 == content_.size() || content_[read_ + 1] == '\n'));
  }

  void skip_line_end() {
    if (read_ < content_.size() && content_[read_] == '\r') ++read_;
    if (read_ < content_.size()) ++read_;
    ++line_;
  }

  void read_row(char separator) {
    const Index begin_line = line_;
    const std::size_t fields_before = fields_.size();
    if (at_line_end()) {
      skip_line_end();
      return;
    }
    for (;;) {
      fields_.push_back(read_ < content_.size() && content_[read_] == '"' ? read_quoted() : read_plain(separator));
      if (at_line_end()) break;
      if (content_[read_] != separator)
        throw FileError(file_, detail::text("line ", line_), "text behind a closing quote", "a separator");
      ++read_;
    }
    skip_line_end();
    const auto count = static_cast<Index>(fields_.size() - fields_before);
    if (lines_.empty()) columns_ = count;
    if (count != columns_)
      throw FileError(file_, detail::text("line ", begin_line), detail::text(count, " fields"),
                      detail::text(columns_, " as in the first row"));
    lines_.push_back(begin_line);
  }

  Field read_plain(char separator) {
    const std::size_t begin = read_;
    while (!at_line_end() && content_[read_] != separator) ++read_;
    return {begin, read_ - begin};
  }

  /// A quoted field loses its quotes where it stands, which only shortens it.
  Field read_quoted() {
    const Index begin_line = line_;
    const std::size_t begin = ++read_;
    std::size_t write = begin;
    for (;; ++read_) {
      if (read_ == content_.size())
        throw FileError(file_, detail::text("line ", begin_line), "a quote that is never closed", "a closing quote");
      if (content_[read_] == '"') {
        ++read_;
        if (read_ == content_.size() || content_[read_] != '"') break;
      }
      if (content_[read_] == '\n') ++line_;
      content_[write++] = content_[read_];
    }
    return {begin, write - begin};
  }

  std::string content_;
  std::string file_;
  bool has_header_;
  std::size_t read_ = 0;
  Index line_ = 1;
  Index columns_ = 0;
  std::vector<Field> fields_;
  std::vector<Index> lines_;
  std::vector<std::string> names_;
  std::multimap<std::string, Index, std::less<>> places_;  ///< of the columns, by name
};

/// Reads a table; see `CsvTable`. Throws FileError.
inline CsvTable read_csv(const std::filesystem::path& path, const CsvOptions& options = {},
                         std::uint64_t max_bytes = std::uint64_t{4} << 30) {
  return CsvTable::parse(read_text(path, max_bytes), path.string(), options);
}

/// Puts a table together row by row.
///
///     CsvWriter writer({"clip", "emotion", "probability"});
///     writer.row("a.mp4", "happy", 0.93);
///     writer.write("emotions.csv");
///
/// Fields with separators, quotes or line ends are quoted; finite numbers are written so that reading them gives the
/// same number; lines end with LF.
class CsvWriter {
 public:
  explicit CsvWriter(const std::vector<std::string>& names) : columns_(names.size()) { row_of(names); }

  /// Adds a row of strings and numbers; throws ValueError if it has not one field a column.
  template <class... Fields>
  void row(const Fields&... fields) {
    row_of({as_text(fields)...});
  }

  /// As `row`, for a number of fields that is known only at run time.
  void row_of(const std::vector<std::string>& fields) {
    if (fields.size() != columns_)
      throw ValueError(detail::text("CsvWriter: ", fields.size(), " fields for ", columns_, " columns"));
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (i > 0) text_ += ',';
      // A row of one empty field would look like an empty line, which readers skip.
      text_ += columns_ == 1 && fields[i].empty() ? std::string("\"\"") : quoted(fields[i]);
    }
    text_ += '\n';
  }

  const std::string& text() const { return text_; }

  /// Writes the file as a whole or not at all; see `write_file`.
  void write(const std::filesystem::path& path) const { write_file(path, text_); }

  /// A field as it stands in a file.
  static std::string quoted(const std::string& field) {
    if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
    std::string out = "\"";
    for (const char c : field) {
      if (c == '"') out += '"';
      out += c;
    }
    return out + '"';
  }

  template <class Field>
  static std::string as_text(const Field& field) {
    if constexpr (std::is_same_v<Field, bool>) {
      return field ? "1" : "0";
    } else if constexpr (std::is_same_v<Field, char>) {
      return std::string(1, field);
    } else if constexpr (std::is_arithmetic_v<Field>) {
      char digits[64];
      const auto [end, error] = std::to_chars(digits, digits + sizeof digits, field);
      return std::string(digits, end);
    } else {
      return std::string(std::string_view(field));
    }
  }

 private:
  std::size_t columns_;
  std::string text_;
};

}  // namespace mien::io
