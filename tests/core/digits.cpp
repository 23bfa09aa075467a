#include <mien/core/digits.hpp>
#include <mien/core/error.hpp>

#include <doctest/doctest.h>

#include <clocale>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

using namespace mien;

namespace {

std::string printed(const char* format, int digits, double value) {
  char out[512];
  std::snprintf(out, sizeof out, format, digits, value);
  return out;
}

const std::vector<double> numbers{0.0,       -0.0,  1.0,      -2.5,    0.1,    1.0 / 3, 123456.0,
                                  1234567.0, 1e-5,  -1.5e-10, 99999.5, 0.0005, 1e300,   -1e300,
                                  5e-324,    0.995, 1.005,    2.675,   1e15,   1e16,    1e100 / 3};

}  // namespace

TEST_CASE("numbers for people have the digits that printf gives them") {
  for (const double value : numbers) {
    CHECK(detail::general_digits(value) == printed("%.*g", 6, value));
    CHECK(detail::general_digits(value, 3) == printed("%.*g", 3, value));
    for (const int decimals : {0, 1, 2, 4})
      CHECK(detail::fixed_digits(value, decimals) == printed("%.*f", decimals, value));
  }
  CHECK(detail::general_digits(std::numeric_limits<double>::infinity()) == "inf");
  CHECK(detail::fixed_digits(std::numeric_limits<double>::quiet_NaN(), 2) == "nan");
  CHECK(detail::fixed_digits(std::numeric_limits<double>::lowest(), 2) ==
        printed("%.*f", 2, std::numeric_limits<double>::lowest()));
}

TEST_CASE("hexadecimal numbers have sixteen digits") {
  CHECK(detail::hexadecimal_digits(0) == "0000000000000000");
  CHECK(detail::hexadecimal_digits(0xcbf29ce484222325) == "cbf29ce484222325");
  CHECK(detail::hexadecimal_digits(0xab) == "00000000000000ab");
}

TEST_CASE("numbers in messages have a point whatever the program's locale") {
  // Whichever of them the system has; there may be none.
  for (const char* const name : {"de_DE.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8", "C"})
    if (std::setlocale(LC_NUMERIC, name) != nullptr) break;
  const std::string text = detail::text(0.25, " ", 1e-7F, " ", detail::fixed_digits(1.5, 2));
  std::setlocale(LC_NUMERIC, "C");
  CHECK(text == "0.25 1e-07 1.50");
}
