#pragma once

#include <mien/search/space_file.hpp>

#include "fuzz/target.hpp"

namespace mien::fuzzing {

inline const char* const some_space =
    R"({"parameters": [{"name": "rate", "type": "real", "low": 1e-4, "high": 0.1, "scale": "log", "levels": 4},
{"name": "width", "type": "integer", "low": 2, "high": 9, "scale": "linear", "levels": 3},
{"name": "optimiser", "type": "choice", "values": ["adamw", "sgd"]},
{"name": "nesterov", "type": "bool", "only_where": {"optimiser": ["sgd"]}}]})";

inline std::vector<std::string> space_words() {
  return {"\"parameters\"",
          "\"name\"",
          "\"type\"",
          "\"real\"",
          "\"integer\"",
          "\"choice\"",
          "\"bool\"",
          "\"low\"",
          "\"high\"",
          "\"scale\"",
          "\"log\"",
          "\"linear\"",
          "\"levels\"",
          "\"values\"",
          "\"only_where\"",
          "1e308",
          "-1e308",
          "9223372036854775807",
          "-9223372036854775808",
          "[]",
          "{}",
          "true",
          "null"};
}

/// A space of a search, read, and written so that it is the same again.
inline const Target space_target{
    [](Bytes bytes) {
      const auto space = search::space_from_json(io::parse_json(text_of(bytes), "fuzzed"), "fuzzed");
      if (search::space_from_json(search::to_json(space)).parameters() != space.parameters())
        throw std::logic_error("a space that is written is another one");
    },
    [] { return std::vector{std::string(some_space)}; }, space_words()};

}  // namespace mien::fuzzing
