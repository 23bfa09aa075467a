#pragma once

/// What tests of operations draw their inputs from, and how they compare results.

#include <mien/core/random.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace testing {

/// Standard normal numbers; the same for the same seed.
template <class T>
mien::Tensor<T> random(const mien::Shape& shape, std::uint64_t seed) {
  mien::Tensor<T> out(shape);
  mien::Generator(seed).fill_normal(out, 0, 1);
  return out;
}

/// The largest difference of two tensors of equal shape; infinite if a number is NaN.
template <class T>
double largest_difference(const mien::Tensor<T>& a, const mien::Tensor<T>& b) {
  REQUIRE(a.shape() == b.shape());
  const mien::Tensor<T> left = a.contiguous();
  const mien::Tensor<T> right = b.contiguous();
  double largest = 0;
  for (mien::Index i = 0; i < a.elements(); ++i) {
    const double difference = static_cast<double>(std::abs(left.data()[i] - right.data()[i]));
    largest = std::isnan(difference) ? std::numeric_limits<double>::infinity() : std::max(largest, difference);
  }
  return largest;
}

}  // namespace testing
