#include <mien/backend/cpu/vector_functions.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace mien::backend {

template <class T>
struct TestedFunctions {
  using Function = void (*)(const T* from, Index count, T* to);
  Function exp, sigmoid, tanh;
};

}  // namespace mien::backend

#define MIEN_KERNELS "backend/vector_functions.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"

using namespace mien;

namespace {

template <class T>
const backend::TestedFunctions<T>& tested() {
  return backend::for_instruction_set(backend::portable::tested_functions<T>, backend::avx2::tested_functions<T>,
                                      backend::avx512::tested_functions<T>);
}

long double exact_sigmoid(long double x) { return 1 / (1 + std::exp(-x)); }

/// Evenly spread numbers of every exponent and both signs, and more of them where the functions change most.
template <class T>
std::vector<T> arguments() {
  std::vector<T> out;
  for (int exponent = std::numeric_limits<T>::min_exponent - std::numeric_limits<T>::digits;
       exponent < std::numeric_limits<T>::max_exponent; exponent += exponent < -40 || exponent > 12 ? 7 : 1) {
    const int points = exponent > -4 && exponent < 11 ? 20000 : 50;
    for (int i = 0; i < points; ++i) {
      const T x = std::ldexp(T{1} + static_cast<T>(i) / static_cast<T>(points), exponent);
      out.push_back(x);
      out.push_back(-x);
    }
  }
  out.resize((out.size() + 15) / 16 * 16);
  return out;
}

/// The distance to what is exact in units of the result's last place.
template <class T>
double units(T found, long double exact) {
  if (static_cast<T>(exact) == found) return 0;
  const T rounded = static_cast<T>(exact);
  if (std::isinf(rounded) || std::isinf(found)) {
    // Just beyond the greatest number, either is a neighbour.
    const T other = std::isinf(rounded) ? found : rounded;
    return other >= std::numeric_limits<T>::max() * (1 - 4 * std::numeric_limits<T>::epsilon()) ? 1 : HUGE_VAL;
  }
  const T size = std::max(std::abs(rounded), std::numeric_limits<T>::min());
  const T unit = std::nextafter(size, std::numeric_limits<T>::infinity()) - size;
  return static_cast<double>(std::abs((static_cast<long double>(found) - exact) / unit));
}

template <class T>
double worst(typename backend::TestedFunctions<T>::Function function, long double (*exact)(long double)) {
  const std::vector<T> x = arguments<T>();
  std::vector<T> y(x.size());
  function(x.data(), static_cast<Index>(x.size()), y.data());
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double error = units(y[i], exact(static_cast<long double>(x[i])));
    largest = std::isnan(error) ? HUGE_VAL : std::max(largest, error);
  }
  return largest;
}

}  // namespace

TEST_CASE_TEMPLATE("exp, sigmoid and tanh keep the stated precision over the whole range", T, float, double) {
  const auto& functions = tested<T>();
  CHECK(worst<T>(functions.exp, [](long double x) { return std::exp(x); }) <= 1.5);
  CHECK(worst<T>(functions.sigmoid, exact_sigmoid) <= 3);
  CHECK(worst<T>(functions.tanh, [](long double x) { return std::tanh(x); }) <= 3);
}

TEST_CASE_TEMPLATE("infinities, NaNs and zeros", T, float, double) {
  const auto& functions = tested<T>();
  constexpr T infinity = std::numeric_limits<T>::infinity();
  std::vector<T> x(16, T{0});
  x[0] = infinity;
  x[1] = -infinity;
  x[2] = std::numeric_limits<T>::quiet_NaN();
  x[3] = -T{0};
  x[4] = std::numeric_limits<T>::max();
  x[5] = std::numeric_limits<T>::lowest();
  x[6] = std::numeric_limits<T>::denorm_min();
  std::vector<T> y(16);
  const auto check = [&](auto function, const std::vector<T>& expected) {
    function(x.data(), 16, y.data());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CAPTURE(i);
      if (std::isnan(x[i])) {
        CHECK(std::isnan(y[i]));
      } else {
        CHECK(y[i] == expected[i]);
      }
    }
  };
  check(functions.exp, {infinity, 0, 0, 1, infinity, 0, 1, 1});
  check(functions.sigmoid, {1, 0, 0, T{0.5}, 1, 0, T{0.5}, T{0.5}});
  check(functions.tanh, {1, -1, 0, 0, 1, -1, std::numeric_limits<T>::denorm_min(), 0});
  CHECK(std::signbit(y[3]));
  CHECK_FALSE(std::signbit(y[7]));
}
