#include <mien/io/element_type.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

using namespace mien;

TEST_CASE("half precision becomes single precision exactly") {
  CHECK(io::half_to_float(0x0000) == 0.0f);
  CHECK(std::signbit(io::half_to_float(0x8000)));
  CHECK(io::half_to_float(0x3c00) == 1.0f);
  CHECK(io::half_to_float(0xc000) == -2.0f);
  CHECK(io::half_to_float(0x7bff) == 65504.0f);
  CHECK(io::half_to_float(0x0400) == std::ldexp(1.0f, -14));
  CHECK(io::half_to_float(0x0001) == std::ldexp(1.0f, -24));
  CHECK(io::half_to_float(0x03ff) == std::ldexp(1023.0f, -24));
  CHECK(io::half_to_float(0x3555) == 0.333251953125f);
  CHECK(io::half_to_float(0xfc00) == -std::numeric_limits<float>::infinity());
  CHECK(std::isnan(io::half_to_float(0x7e00)));
}

TEST_CASE("bfloat16 is the upper half of single precision") {
  for (const float value : {0.0f, 1.0f, -2.5f, 3.140625f, 1e-38f}) {
    const auto upper = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
    CHECK(std::bit_cast<std::uint32_t>(io::bfloat16_to_float(upper)) == static_cast<std::uint32_t>(upper) << 16);
  }
  CHECK(io::bfloat16_to_float(0x3f80) == 1.0f);
}

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
