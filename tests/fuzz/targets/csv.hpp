#pragma once

#include <mien/io/csv.hpp>

#include "fuzz/target.hpp"

namespace mien::fuzzing {

/// A table with names in its first row, and one without, every field as text and as numbers.
inline const Target csv_target{
    [](Bytes bytes) {
      for (const bool header : {true, false}) {
        const auto table = io::CsvTable::parse(text_of(bytes), "fuzzed", {.header = header});
        for (Index row = 0; row < table.rows(); ++row)
          for (Index column = 0; column < table.columns(); ++column) {
            static_cast<void>(table.text(row, column));
            try {
              static_cast<void>(table.number(row, column));
              static_cast<void>(table.integer(row, column));
            } catch (const FileError&) {  // not every field is a number
            }
          }
      }
    },
    [] {
      return std::vector{std::string("a,b,c\n1,2.5,-3e-4\n\"x, \"\"y\"\"\",,\n"),
                         std::string("\xef\xbb\xbfname,value\r\n\"two\nlines\",7\r\n")};
    },
    {",", "\"", "\"\"", "\r\n", "\n", "\xef\xbb\xbf", "nan", "inf", "1e999", "-0", "0x1p3", "9223372036854775808"}};

}  // namespace mien::fuzzing
