#include <mien/core/error.hpp>
#include <mien/core/extent.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>

using namespace mien;

TEST_CASE("a message is put together from strings, numbers and what can be told as a string") {
  const std::string owned = "b";
  CHECK(detail::text("a", owned, std::string_view("c"), 'd') == "abcd");
  CHECK(detail::text(std::uint8_t{65}, " ", -7, " ", std::uint64_t{18446744073709551615U}) ==
        "65 -7 18446744073709551615");
  CHECK(detail::text(0.25, " ", 1e30F, " ", true, " ", false) == "0.25 1e+30 true false");
  CHECK(detail::text(Shape{2, 3}, " and ", Extent2d{3, 5}, " and ", Extent2d(4)) == "[2, 3] and 3x5 and 4x4");
  CHECK(detail::text().empty());
}

TEST_CASE("errors of files name file and place, what was found and what was expected") {
  CHECK(std::string(FileError("a.csv", "line 3", "2 fields", "4").what()) ==
        "a.csv: line 3: found 2 fields, expected 4");
  CHECK(std::string(FileError("a.csv", "", "nothing", "").what()) == "a.csv: found nothing");
}

TEST_CASE("every exception of the library is an Error") {
  CHECK_THROWS_AS(throw ShapeError("x"), Error);
  CHECK_THROWS_AS(throw IndexError("x"), Error);
  CHECK_THROWS_AS(throw ValueError("x"), Error);
  CHECK_THROWS_AS(throw FileError("x"), Error);
  CHECK_THROWS_AS(throw Error("x"), std::runtime_error);
}
