#include <mien/io/element_type.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

using namespace mien;

TEST_CASE("numbers keep their meaning or are refused") {
  using io::detail::convert_element;
  CHECK(convert_element<float>(std::int64_t{16'777'216}) == 16'777'216.0f);
  CHECK_FALSE(convert_element<float>(std::int64_t{16'777'217}));
  CHECK(convert_element<double>(std::int64_t{9'007'199'254'740'992}) == 9'007'199'254'740'992.0);
  CHECK_FALSE(convert_element<double>(std::int64_t{9'007'199'254'740'993}));
  CHECK_FALSE(convert_element<double>(std::numeric_limits<std::int64_t>::max()));
  CHECK(convert_element<double>(std::numeric_limits<std::int64_t>::min()) == -0x1p63);
  CHECK_FALSE(convert_element<double>(std::numeric_limits<std::uint64_t>::max()));
  CHECK_FALSE(convert_element<std::int64_t>(std::numeric_limits<std::uint64_t>::max()));
  CHECK_FALSE(convert_element<float>(1e300));
  CHECK(convert_element<float>(0.1) == 0.1f);
  CHECK(convert_element<float>(std::numeric_limits<double>::infinity()) == std::numeric_limits<float>::infinity());
  CHECK(std::isnan(*convert_element<float>(std::numeric_limits<double>::quiet_NaN())));
}
