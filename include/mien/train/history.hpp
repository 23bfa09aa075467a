#pragma once

/// What training did, epoch by epoch: named numbers in rows, as a table for plots and as a CSV file.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "mien/core/shape.hpp"
#include "mien/io/csv.hpp"

namespace mien::train {

namespace detail {

using mien::detail::text;

/// The shortest digits that give the same number back, whatever the program's locale.
inline std::string exact_digits(double value) {
  if (std::isnan(value)) return "nan";
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value);
  return {digits, end.ptr};
}

}  // namespace detail

/// Rows of equal columns, "epoch" the first one.
///
///     history.add(epoch, {{"train_loss", loss}, {"validation_accuracy", accuracy}});
///     io::write_file("history.csv", history.to_csv());
class History {
 public:
  using Values = std::vector<std::pair<std::string, double>>;

  bool operator==(const History&) const = default;

  /// The first row says which columns there are; every later one has the same in the same order. Throws ValueError if
  /// it has not, if a name is empty, comes twice, or has a comma, a quote or a line's end.
  void add(Index epoch, const Values& values) {
    std::vector<std::string> names{"epoch"};
    std::vector<double> row{static_cast<double>(epoch)};
    for (const auto& [name, value] : values) {
      check_name(name, names);
      names.push_back(name);
      row.push_back(value);
    }
    if (rows_.empty() && columns_.empty()) columns_ = names;
    if (columns_ != names)
      throw ValueError(detail::text("History: columns ", joined(names), " after columns ", joined(columns_)));
    rows_.push_back(std::move(row));
  }

  Index size() const { return static_cast<Index>(rows_.size()); }
  bool empty() const { return rows_.empty(); }
  const std::vector<std::string>& columns() const { return columns_; }
  const std::vector<double>& row(Index i) const {
    if (i < 0 || i >= size()) throw IndexError(detail::text("History: row ", i, " of ", size()));
    return rows_[static_cast<std::size_t>(i)];
  }

  /// All values of a column, in the order of the epochs. Throws ValueError if there is no such column.
  std::vector<double> column(std::string_view name) const {
    const auto found = std::find(columns_.begin(), columns_.end(), name);
    if (found == columns_.end())
      throw ValueError(detail::text("History: no column `", name, "` among ", joined(columns_)));
    std::vector<double> out;
    for (const auto& row : rows_) out.push_back(row[static_cast<std::size_t>(found - columns_.begin())]);
    return out;
  }

  /// A line of names and a line a row; the numbers can be read back to the bit.
  std::string to_csv() const {
    std::string out = columns_.empty() ? "" : joined(columns_) + "\n";
    for (const auto& row : rows_) {
      for (std::size_t i = 0; i < row.size(); ++i) out += (i > 0 ? "," : "") + detail::exact_digits(row[i]);
      out += '\n';
    }
    return out;
  }

  /// What `to_csv` wrote; `file` is only named in errors. Throws FileError with the line.
  static History from_csv(std::string_view csv, std::string_view file = "history") {
    History out;
    if (csv.empty()) return out;
    const io::CsvTable table = io::CsvTable::parse(std::string(csv), std::string(file));
    if (table.names().empty() || table.names().front() != "epoch")
      throw FileError(file, "line 1", "other columns", "`epoch` as the first one");
    out.columns_ = table.names();
    for (Index i = 0; i < table.rows(); ++i) {
      std::vector<double> row;
      for (Index column = 0; column < table.columns(); ++column)
        row.push_back(parse(table.text(i, column), file, table.line(i)));
      out.rows_.push_back(std::move(row));
    }
    return out;
  }

  /// Replaces the file as a whole or not at all. Throws FileError.
  void save(const std::filesystem::path& path) const { io::write_file(path, to_csv()); }
  static History load(const std::filesystem::path& path) { return from_csv(io::read_text(path), path.string()); }

 private:
  static void check_name(const std::string& name, const std::vector<std::string>& earlier) {
    if (name.empty() || name.find_first_of(",\"\r\n") != std::string::npos)
      throw ValueError(detail::text("History: `", name, "` cannot be a column's name"));
    if (std::find(earlier.begin(), earlier.end(), name) != earlier.end())
      throw ValueError(detail::text("History: two columns `", name, "`"));
  }

  static std::string joined(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : ",") + name;
    return out;
  }

  /// Other than CsvTable's numbers, these need not be finite.
  static double parse(std::string_view cell, std::string_view file, Index line) {
    double value = 0;
    const auto [end, problem] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (problem != std::errc() || end != cell.data() + cell.size())
      throw FileError(file, detail::text("line ", line), detail::text("`", cell.substr(0, 40), "`"), "a number");
    return value;
  }

  std::vector<std::string> columns_;
  std::vector<std::vector<double>> rows_;
};

}  // namespace mien::train
