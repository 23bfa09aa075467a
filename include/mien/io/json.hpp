#pragma once

/// Strict JSON: what cannot be said twice is not said twice, and a hostile file cannot exhaust the stack.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "mien/core/shape.hpp"
#include "mien/io/file.hpp"

namespace mien::io {

/// What `parse_json` accepts at most.
struct JsonLimits {
  std::size_t depth = 64;           ///< lists and objects within each other
  std::size_t values = 16'000'000;  ///< numbers, strings, lists and objects altogether
};

namespace detail {

/// Where a byte of a text is, for people: "line 3, column 17".
inline std::string text_position(std::string_view content, std::size_t byte) {
  std::size_t line = 1;
  std::size_t column = 1;
  for (const char c : content.substr(0, byte)) {
    if (c == '\n') {
      ++line;
      column = 1;
    } else {
      ++column;
    }
  }
  return text("line ", line, ", column ", column);
}

/// Builds a document from the parser's events and refuses duplicate keys, which the parser itself would let pass.
class StrictJsonBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  StrictJsonBuilder(std::string_view content, std::string_view file, const JsonLimits& limits)
      : content_(content), file_(file), limits_(limits) {}

  nlohmann::json& root() { return root_; }

  bool null() override { return add(nullptr) != nullptr; }
  bool boolean(bool value) override { return add(value) != nullptr; }
  bool number_integer(std::int64_t value) override { return add(value) != nullptr; }
  bool number_unsigned(std::uint64_t value) override { return add(value) != nullptr; }
  bool number_float(double value, const std::string&) override { return add(value) != nullptr; }
  bool string(std::string& value) override { return add(std::move(value)) != nullptr; }
  bool binary(nlohmann::json::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(nlohmann::json::object()); }
  bool start_array(std::size_t) override { return open(nlohmann::json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    if (open_.back()->contains(name))
      throw FileError(file_, text("key `", name.substr(0, 200), "`"), "it twice in one object", "every key once");
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t byte, const std::string& token, const nlohmann::json::exception& error) override {
    const std::string shown = token.size() > 40 ? token.substr(0, 40) + "..." : token;
    throw FileError(file_, text_position(content_, byte > 0 ? byte - 1 : 0),
                    shown.empty() ? std::string("the end of the text") : text("`", printable(shown), "`"),
                    error.id == number_out_of_range ? "no number beyond the range of double" : "valid JSON in UTF-8");
  }

 private:
  static constexpr int number_out_of_range = 406;  // the parser's own code

  static std::string printable(std::string_view token) {
    std::string out;
    for (const char c : token) out += static_cast<unsigned char>(c) < 0x80 ? c : '?';
    return out;
  }

  template <class Value>
  nlohmann::json* add(Value&& value) {
    if (++count_ > limits_.values) throw FileError(file_, "", "too many values", text("at most ", limits_.values));
    if (open_.empty()) {
      root_ = std::forward<Value>(value);
      return &root_;
    }
    nlohmann::json& parent = *open_.back();
    if (parent.is_array()) return &parent.emplace_back(std::forward<Value>(value));
    return &(parent[key_] = std::forward<Value>(value));
  }

  bool open(nlohmann::json container) {
    if (open_.size() == limits_.depth)
      throw FileError(file_, "", text("more than ", limits_.depth, " levels of lists and objects"), "fewer");
    open_.push_back(add(std::move(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view content_;
  std::string_view file_;
  JsonLimits limits_;
  nlohmann::json root_;
  std::vector<nlohmann::json*> open_;
  std::string key_;
  std::size_t count_ = 0;
};

}  // namespace detail

/// Parses a JSON text. `file` is only named in errors. Throws FileError with line and column for invalid JSON or UTF-8,
/// for a key that occurs twice in an object, for numbers beyond double and for texts beyond the limits.
inline nlohmann::json parse_json(std::string_view content, std::string_view file, const JsonLimits& limits = {}) {
  refuse_utf_16(content, file);
  // The parser takes a zero byte for the end and would not look at what follows.
  if (const auto zero = content.find('\0'); zero != std::string_view::npos)
    throw FileError(file, detail::text_position(content, zero), "a zero byte", "valid JSON in UTF-8");
  detail::StrictJsonBuilder builder(content, file, limits);
  nlohmann::json::sax_parse(content.begin(), content.end(), &builder);
  return std::move(builder.root());
}

/// The integer that a value is, or nothing: of another type, with a fraction or an exponent, beyond 64 bits.
inline std::optional<Index> json_integer(const nlohmann::json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && !std::in_range<Index>(value.get<std::uint64_t>())) return std::nullopt;
  return value.get<Index>();
}

/// Reads a JSON file; see `parse_json`.
inline nlohmann::json read_json(const std::filesystem::path& path, std::uint64_t max_bytes = std::uint64_t{256} << 20) {
  return parse_json(read_text(path, max_bytes), path.string());
}

}  // namespace mien::io
