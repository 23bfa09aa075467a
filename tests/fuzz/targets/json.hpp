#pragma once

#include <mien/io/json.hpp>

#include "fuzz/target.hpp"

namespace mien::fuzzing {

inline const Target json_target{
    [](Bytes bytes) { static_cast<void>(io::parse_json(text_of(bytes), "fuzzed").dump()); },
    [] {
      return std::vector{std::string(R"({"a": [1, -2.5e3, true, null, "\u00e9\n"], "b": {"c": {}}})"),
                         std::string("[[[[]]]]"), std::string("18446744073709551615")};
    },
    {"{", "}", "[", "]", ":", ",", "\"", "\\u", "\\ud800", "\\udc00", "true", "false", "null", "1e999", "-", "0."}};

}  // namespace mien::fuzzing
