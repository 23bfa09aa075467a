#include <mien/io/csv.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"

using namespace mien;
using io::CsvTable;

TEST_CASE("fields, quotes and line ends are read as RFC 4180 says") {
  const auto table =
      CsvTable::parse("\xef\xbb\xbfname,\"a \"\"b\"\"\",\"c,d\"\r\nx,1,\r\n\"two\nlines\",2,\"\"\r\n\r\n\"\",3,é");
  CHECK(table.names() == std::vector<std::string>{"name", "a \"b\"", "c,d"});
  REQUIRE(table.rows() == 3);
  REQUIRE(table.columns() == 3);
  CHECK(table.text(0, 0) == "x");
  CHECK(table.text(0, "c,d") == "");
  CHECK(table.text(1, "name") == "two\nlines");
  CHECK(table.text(1, 2) == "");
  CHECK(table.text(2, 0) == "");
  CHECK(table.text(2, 2) == "é");
  CHECK(table.line(0) == 2);
  CHECK(table.line(1) == 3);
  CHECK(table.line(2) == 6);
}

TEST_CASE("columns are found by name, and a wrong name is answered with the right ones") {
  const auto table = CsvTable::parse("emotion, pixels ,Usage\n1,2,3\n", "fer.csv");
  CHECK(table.column("pixels") == 1);
  CHECK(table.find_column("Usage") == 2);
  CHECK_FALSE(table.find_column("usage"));
  const std::string said = message_of<FileError>([&] { table.column("usage"); });
  CHECK(contains(said, "fer.csv"));
  CHECK(contains(said, "emotion, pixels, Usage"));
  CHECK_THROWS_AS(CsvTable::parse("a,b,a\n").column("a"), FileError);
  CHECK(CsvTable::parse("a,b,a\n").column("b") == 1);
  // In no time however many there are.
  std::string wide = "c0";
  for (int i = 1; i < 200'000; ++i) wide += ",c" + std::to_string(i);
  const auto columns = CsvTable::parse(wide + "\n");
  for (Index i = 0; i < columns.columns(); ++i) CHECK(columns.column("c" + std::to_string(i)) == i);
  CHECK(contains(message_of<FileError>([] { CsvTable::parse("\n\na,b\n", "t.csv").column("c"); }), "t.csv: line 3"));
}

TEST_CASE("numbers are parsed whole, or named with line and column") {
  const auto table = CsvTable::parse("v\n 1.5 \n-2e3\n+7\n1x\n\"\n1\"\n\nnan\n1e999\n0x10\n \n--1\n+-1\n", "t.csv");
  CHECK(table.number(0, 0) == 1.5);
  CHECK(table.number(1, "v") == -2000);
  CHECK(table.number(2, 0) == 7);
  CHECK(table.integer(2, 0) == 7);
  CHECK_THROWS_AS(table.integer(0, 0), FileError);
  const std::string said = message_of<FileError>([&] { table.number(3, 0); });
  CHECK(contains(said, "t.csv"));
  CHECK(contains(said, "line 5, column `v`"));
  CHECK(contains(said, "`1x`"));
  for (Index row = 3; row < table.rows(); ++row) {
    CAPTURE(table.text(row, 0));
    CHECK_THROWS_AS(table.number(row, 0), FileError);
    CHECK_THROWS_AS(table.integer(row, 0), FileError);
  }
  CHECK_THROWS_AS(CsvTable::parse("v\n9223372036854775808\n").integer(0, 0), FileError);
}

TEST_CASE("rows of unequal length and misplaced quotes are refused with their line") {
  const std::string said = message_of<FileError>([] { CsvTable::parse("a,b\n1,2\n1,2,3\n", "t.csv"); });
  CHECK(contains(said, "line 3"));
  CHECK(contains(said, "3 fields"));
  CHECK_THROWS_AS(CsvTable::parse("a,b\n1\n"), FileError);
  CHECK_THROWS_AS(CsvTable::parse("a,b\n1,\n\"x\",\"y\n"), FileError);
  CHECK_THROWS_AS(CsvTable::parse("a,b\n\"x\"y,2\n"), FileError);
  CHECK_THROWS_AS(CsvTable::parse(""), FileError);
  CHECK(CsvTable::parse("a\n").rows() == 0);
}

TEST_CASE("tables without a header and with other separators") {
  const auto table = CsvTable::parse("1;2\n3;4", "t.csv", {.separator = ';', .header = false});
  CHECK(table.rows() == 2);
  CHECK(table.names().empty());
  CHECK(table.integer(1, 0) == 3);
  CHECK(contains(message_of<FileError>([&] { table.fail(1, 0, "better"); }), "line 2, column 0"));
  CHECK_THROWS_AS(table.column("a"), FileError);
  CHECK(CsvTable::parse("", "t.csv", {.header = false}).rows() == 0);
}

TEST_CASE("fields outside the table are an error, not a crash") {
  const auto table = CsvTable::parse("a,b\n1,2\n");
  CHECK_THROWS_AS(table.text(1, 0), IndexError);
  CHECK_THROWS_AS(table.text(0, 2), IndexError);
  CHECK_THROWS_AS(table.text(-1, 0), IndexError);
  CHECK_THROWS_AS(table.line(1), IndexError);
  CHECK_THROWS_AS(table.place(0, 2), IndexError);
  CHECK_THROWS_AS(table.fail(0, -1, "a column"), IndexError);
}

TEST_CASE("what is written is read again, numbers to the bit") {
  const TemporaryFolder folder;
  io::CsvWriter writer({"text", "number", "whole"});
  const std::vector<std::string> texts = {"", "plain", "with, comma", "with \"quotes\"", "two\nlines", "é", " spaces "};
  const std::vector<double> numbers = {0.1, -1e-300, 3, 1.0 / 3, std::numeric_limits<double>::max(), 5e-324, -0.0};
  for (std::size_t i = 0; i < texts.size(); ++i) writer.row(texts[i], numbers[i], static_cast<std::int64_t>(i) - 3);
  writer.write(folder / "a.csv");
  const auto table = io::read_csv(folder / "a.csv");
  REQUIRE(table.rows() == static_cast<Index>(texts.size()));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto row = static_cast<Index>(i);
    CHECK(table.text(row, "text") == texts[i]);
    CHECK(table.number(row, "number") == numbers[i]);
    CHECK(table.integer(row, "whole") == row - 3);
  }
  CHECK_THROWS_AS(writer.row("one field"), ValueError);

  io::CsvWriter kinds({"truth", "letter", "byte"});
  kinds.row(true, 'x', std::uint8_t{7});
  CHECK(kinds.text() == "truth,letter,byte\n1,x,7\n");

  io::CsvWriter single({"only"});
  single.row("");
  CHECK(CsvTable::parse(single.text()).rows() == 1);
}
