#pragma once

/// Division by numbers that are the same for a whole launch.

#include "portable.hpp"

namespace mien::kernels {

struct Division {
  int quotient, remainder;
};

/// Divides by multiplication, in three instructions instead of some twenty (Granlund and Montgomery, PLDI 1994): for
/// numbers from 0 on and divisors up to 2^30. A divisor of 0, for an axis without numbers, counts as 1.
class Divisor {
 public:
  explicit Divisor(Index value) : value_(value > 0 ? static_cast<int>(value) : 1) {
    const auto divisor = static_cast<std::uint64_t>(value_);
    while ((std::uint64_t{1} << shift_) < divisor) ++shift_;
    multiplier_ = static_cast<std::uint32_t>((((std::uint64_t{1} << shift_) - divisor) << 32) / divisor + 1);
  }

  __host__ __device__ int quotient(int number) const {
    const auto dividend = static_cast<std::uint32_t>(number);
    const auto high = static_cast<std::uint32_t>(std::uint64_t{dividend} * multiplier_ >> 32);
    return static_cast<int>((high + dividend) >> shift_);
  }
  __host__ __device__ Division divide(int number) const {
    const int times = quotient(number);
    return {times, number - times * value_};
  }
  __host__ __device__ int value() const { return value_; }

 private:
  int value_;
  int shift_ = 0;
  std::uint32_t multiplier_ = 0;
};

}  // namespace mien::kernels
