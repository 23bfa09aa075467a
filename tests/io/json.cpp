#include <mien/io/json.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"

using namespace mien;

TEST_CASE("values of every kind are read as they are written") {
  const auto document = io::parse_json(
      R"({"a": [1, -2, 18446744073709551615, 0.5, true, false, null, "é\n"], "b": {"c": {}}, "d": []})", "x.json");
  CHECK(document["a"].size() == 8);
  CHECK(document["a"][1] == -2);
  CHECK(document["a"][2].get<std::uint64_t>() == 18446744073709551615u);
  CHECK(document["a"][3] == 0.5);
  CHECK(document["a"][7] == "é\n");
  CHECK(document["b"]["c"].is_object());
  CHECK(document["d"].is_array());
  CHECK(io::parse_json(" 7 ", "x.json") == 7);
  CHECK(io::parse_json("\xef\xbb\xbf[7]", "x.json")[0] == 7);
}

TEST_CASE("errors name the file, the line and the column") {
  const std::string said = message_of<FileError>([] { io::parse_json("{\n  \"a\": 1,\n  \"b\": nan\n}", "x.json"); });
  CHECK(contains(said, "x.json"));
  CHECK(contains(said, "line 3, column "));
  for (const std::string& bad : std::vector<std::string>{"", "{", "[1,]", "{\"a\"}", "1 2", "\"\xff\"", "'a'",
                                                         "[1e999]", std::string("{}\0x", 4), std::string("{}\0", 3)}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(io::parse_json(bad, "x.json"), FileError);
  }
}

TEST_CASE("a key that occurs twice is refused, at every level") {
  CHECK(contains(message_of<FileError>([] { io::parse_json(R"({"a": 1, "b": 2, "a": 3})", "x.json"); }), "`a`"));
  CHECK_THROWS_AS(io::parse_json(R"([{"b": {"a": 1, "a": 1}}])", "x.json"), FileError);
  CHECK_NOTHROW(io::parse_json(R"([{"a": 1}, {"a": 1}])", "x.json"));
}

TEST_CASE("depth and number of values are limited") {
  CHECK_NOTHROW(io::parse_json(std::string(64, '[') + std::string(64, ']'), "x.json"));
  CHECK_THROWS_AS(io::parse_json(std::string(65, '[') + std::string(65, ']'), "x.json"), FileError);
  CHECK_THROWS_AS(io::parse_json(std::string(10'000'000, '['), "x.json"), FileError);
  CHECK_NOTHROW(io::parse_json("[1, 2, 3]", "x.json", {.values = 4}));
  CHECK_THROWS_AS(io::parse_json("[1, 2, 3, 4]", "x.json", {.values = 4}), FileError);
}

TEST_CASE("an integer is one that is written so and fits into 64 bits") {
  const auto integer = [](const std::string& written) { return io::json_integer(io::parse_json(written, "x.json")); };
  CHECK(integer("7") == 7);
  CHECK(integer("-9223372036854775808") == std::numeric_limits<Index>::min());
  CHECK(integer("9223372036854775807") == std::numeric_limits<Index>::max());
  for (const char* const other : {"9223372036854775808", "-9223372036854775809", "1.0", "1e3", "true", "\"1\"", "[1]"})
    CHECK_MESSAGE(!integer(other), other);
}

TEST_CASE("files are read") {
  const TemporaryFolder folder;
  io::write_file(folder / "a.json", "{\"a\": [1]}");
  CHECK(io::read_json(folder / "a.json")["a"][0] == 1);
  CHECK_THROWS_AS(io::read_json(folder / "b.json"), FileError);
}
