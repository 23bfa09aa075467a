#include <mien/data/natural_order.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using mien::data::natural_less;

TEST_CASE("numbers count by value, whatever their length") {
  std::vector<std::string> names{"frame10.png",  "frame9.png", "frame 2", "frame1.png", "b", "",
                                 "frame010.png", "10",         "9"};
  std::sort(names.begin(), names.end(), natural_less);
  CHECK(names == std::vector<std::string>{"", "9", "10", "b", "frame 2", "frame1.png", "frame9.png", "frame010.png",
                                          "frame10.png"});
  CHECK(natural_less("99999999999999999999999", "100000000000000000000000"));
  CHECK(natural_less("a0", "a00"));
  CHECK(natural_less("S5_9_10", "S5_10_2"));
  CHECK(natural_less("e", "\xC3\xA9"));
}

TEST_CASE("the order is strict: no cycles, nothing before itself") {
  const std::vector<std::string> names{"",    "0", "00", "1",   "01",  "001", "1a",
                                       "01a", "a", "a1", "a01", "a1b", "a10", "é"};
  for (const auto& a : names) {
    CHECK_FALSE(natural_less(a, a));
    for (const auto& b : names) {
      CHECK((a == b || natural_less(a, b) != natural_less(b, a)));
      for (const auto& c : names) CHECK((!natural_less(a, b) || !natural_less(b, c) || natural_less(a, c)));
    }
  }
}
