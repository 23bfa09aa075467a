#pragma once

/// What tests of products share: their factors as a device multiplies them.

#include "emulator/parity.hpp"
#include "mien/backend/cuda/kernels/product_precision.hpp"

namespace parity {

/// To so many bits after the first; of two numbers that are equally near, to the one further from zero.
inline double rounded_to_bits(double value, int bits) {
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);
  return std::ldexp(std::round(std::ldexp(fraction, bits + 1)), exponent - bits - 1);
}

/// Factors of type T as the precision rounds them.
template <class T>
mien::Tensor<double> rounded_factors(const mien::Tensor<double>& values, mien::kernels::ProductPrecision precision) {
  using mien::kernels::ProductPrecision;
  if (!std::is_same_v<T, float> || precision == ProductPrecision::float32) return values;
  if (precision == ProductPrecision::bfloat16) return rounded<__nv_bfloat16>(values);
  mien::Tensor<double> out(values.shape());
  for (std::int64_t i = 0; i < values.elements(); ++i) out.data()[i] = rounded_to_bits(values.data()[i], 10);
  return out;
}

/// How far a product of two factors is from that of the unrounded ones at most, relative to it.
template <class T>
double rounding_of_products(mien::kernels::ProductPrecision precision) {
  using mien::kernels::ProductPrecision;
  if (!std::is_same_v<T, float> || precision == ProductPrecision::float32) return 0;
  return precision == ProductPrecision::bfloat16 ? 2 * rounding<__nv_bfloat16> : 2 * rounding<__half>;
}

}  // namespace parity
