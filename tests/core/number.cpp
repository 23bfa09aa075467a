#include <mien/core/number.hpp>

#include <doctest/doctest.h>

#include <mien/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using namespace mien;

namespace {

template <class T>
T from_bits(unsigned bits) {
  T out;
  out.bits = static_cast<std::uint16_t>(bits);
  return out;
}

/// Every number that is not NaN, from the smallest to the greatest, without the negative zero.
template <class T>
std::vector<T> all_numbers() {
  std::vector<T> out;
  for (unsigned bits = 0; bits <= 0xffff; ++bits) {
    const T number = from_bits<T>(bits);
    if (!std::isnan(static_cast<float>(number)) && bits != 0x8000) out.push_back(number);
  }
  std::sort(out.begin(), out.end(), [](T a, T b) { return static_cast<float>(a) < static_cast<float>(b); });
  return out;
}

}  // namespace

TEST_CASE("numbers of 16 bits are what their standards say") {
  CHECK(static_cast<float>(from_bits<float16>(0x0000)) == 0.0F);
  CHECK(std::signbit(static_cast<float>(from_bits<float16>(0x8000))));
  CHECK(static_cast<float>(from_bits<float16>(0x3c00)) == 1.0F);
  CHECK(static_cast<float>(from_bits<float16>(0xc000)) == -2.0F);
  CHECK(static_cast<float>(from_bits<float16>(0x7bff)) == 65504.0F);
  CHECK(static_cast<float>(from_bits<float16>(0x0400)) == 0x1p-14F);
  CHECK(static_cast<float>(from_bits<float16>(0x0001)) == 0x1p-24F);
  CHECK(static_cast<float>(from_bits<float16>(0x03ff)) == 1023 * 0x1p-24F);
  CHECK(static_cast<float>(from_bits<float16>(0x3555)) == 0.333251953125F);
  CHECK(static_cast<float>(from_bits<float16>(0xfc00)) == -std::numeric_limits<float>::infinity());
  CHECK(std::isnan(static_cast<float>(from_bits<float16>(0x7e00))));
  CHECK(static_cast<float>(from_bits<bfloat16>(0x3f80)) == 1.0F);
  CHECK(static_cast<float>(from_bits<bfloat16>(0xc049)) == -3.140625F);
  CHECK(static_cast<float>(from_bits<bfloat16>(0x7f80)) == std::numeric_limits<float>::infinity());
  CHECK(static_cast<double>(from_bits<bfloat16>(0x0001)) == 0x1p-133);
}

TEST_CASE_TEMPLATE("every number of 16 bits survives the way through float", T, bfloat16, float16) {
  for (unsigned bits = 0; bits <= 0xffff; ++bits) {
    const T number = from_bits<T>(bits);
    const auto value = static_cast<float>(number);
    if (std::isnan(value)) {
      CHECK(std::isnan(static_cast<float>(T(value))));
    } else if (T(value).bits != bits) {
      CHECK(T(value).bits == bits);
    }
  }
}

TEST_CASE_TEMPLATE("floats and doubles become the nearest number of 16 bits, the even one of two as near", T, bfloat16,
                   float16) {
  const std::vector<T> all = all_numbers<T>();
  for (std::size_t i = 1; i + 2 < all.size(); ++i) {
    // Between two neighbours, which are finite.
    const double low = static_cast<double>(all[i]);
    const double high = static_cast<double>(all[i + 1]);
    const auto middle = static_cast<float>((low + high) / 2);
    const T even = all[i].bits % 2 == 0 ? all[i] : all[i + 1];
    const float infinity = std::numeric_limits<float>::infinity();
    const auto exact_middle = static_cast<double>(middle);
    const bool right = T(middle) == even && T(std::nextafter(middle, -infinity)) == all[i] &&
                       T(std::nextafter(middle, infinity)) == all[i + 1] && T(exact_middle) == even &&
                       T(std::nextafter(exact_middle, double{-infinity})) == all[i] &&
                       T(std::nextafter(exact_middle, double{infinity})) == all[i + 1];
    if (!right) {
      CAPTURE(middle);
      CHECK(right);
    }
  }
  CHECK(T(-0.0F).bits == 0x8000);
  CHECK(std::isnan(static_cast<float>(T(std::numeric_limits<double>::quiet_NaN()))));
}

TEST_CASE("what is too great for 16 bits is infinite") {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(static_cast<float>(float16(65519.0F)) == 65504.0F);
  CHECK(static_cast<float>(float16(65520.0F)) == infinity);
  CHECK(static_cast<float>(float16(-1e30)) == -infinity);
  CHECK(static_cast<float>(float16(-1e300)) == -infinity);
  CHECK(static_cast<float>(float16(std::nextafter(65520.0, 0.0))) == 65504.0F);
  CHECK(static_cast<float>(bfloat16(1e300)) == infinity);
  CHECK(static_cast<float>(bfloat16(1e-300)) == 0.0F);
  CHECK(static_cast<float>(float16(infinity)) == infinity);
  CHECK(static_cast<float>(bfloat16(std::numeric_limits<float>::max())) == infinity);
  CHECK(static_cast<float>(bfloat16(3.38e38F)) < infinity);
}

TEST_CASE("tensors of 16 bits can be filled, cut and converted on the CPU") {
  Tensor<bfloat16> x({2, 3}, bfloat16(1.5F));
  x.select(0, 1).copy_from(Tensor<double>({3}, 0.1).cast<bfloat16>());
  const Tensor<float> back = x.permute({1, 0}).cast<float>();
  CHECK(back(2, 0) == 1.5F);
  CHECK(back(2, 1) == 0.10009765625F);
}
