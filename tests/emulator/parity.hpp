#pragma once

/// What the tests of kernels share: device memory that holds numbers, and runs in every order of threads.

#include <doctest/doctest.h>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "mien/backend/cuda/kernels/window.hpp"
#include "mien/core/extent.hpp"
#include "mien/core/random.hpp"
#include "mien/core/tensor.hpp"
#include "portable.hpp"

namespace parity {

/// Numbers in device memory, which belong to it.
template <class T>
class DeviceArray {
 public:
  /// Not-a-number.
  explicit DeviceArray(std::int64_t count) : count_(count) {
    void* data = nullptr;
    REQUIRE(cudaMalloc(&data, static_cast<std::size_t>(count) * sizeof(T)) == cudaSuccess);
    data_ = static_cast<T*>(data);
  }
  template <class U>
  explicit DeviceArray(const mien::Tensor<U>& values) : DeviceArray(values.elements()) {
    for (std::int64_t i = 0; i < count_; ++i)
      data_[i] = mien::kernels::from_float<T>(static_cast<float>(values.data()[i]));
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() { CHECK(cudaFree(data_) == cudaSuccess); }

  T* data() { return data_; }
  mien::Tensor<double> values(const mien::Shape& shape) const {
    mien::Tensor<double> out(shape);
    REQUIRE(shape.elements() == count_);
    for (std::int64_t i = 0; i < count_; ++i) out.data()[i] = static_cast<double>(mien::kernels::to_float(data_[i]));
    return out;
  }

 private:
  std::int64_t count_;
  T* data_ = nullptr;
};

/// Half a step between neighbours near one: what rounding to T costs.
template <class T>
inline constexpr double rounding = 6e-8;
template <>
inline constexpr double rounding<__nv_bfloat16> = 3.9e-3;
template <>
inline constexpr double rounding<__half> = 4.9e-4;

/// As T holds them.
template <class T>
mien::Tensor<double> rounded(const mien::Tensor<double>& values) {
  mien::Tensor<double> out(values.shape());
  for (std::int64_t i = 0; i < values.elements(); ++i)
    out.data()[i] = static_cast<double>(
        mien::kernels::to_float(mien::kernels::from_float<T>(static_cast<float>(values.data()[i]))));
  return out;
}

inline mien::Tensor<double> random(const mien::Shape& shape, std::uint64_t seed, double low = -1, double high = 1) {
  mien::Tensor<double> out(shape);
  mien::Generator(seed).fill_uniform(out, low, high);
  return out;
}

/// Every element, to `tolerance` of the greatest one, or of `scale` where the numbers that went into it are greater.
inline void check_close(const mien::Tensor<double>& found, const mien::Tensor<double>& expected, double tolerance,
                        double scale = 1e-30) {
  REQUIRE(found.shape() == expected.shape());
  for (const double value : expected.span()) scale = std::max(scale, std::fabs(value));
  double worst = 0;
  std::int64_t place = -1;
  for (std::int64_t i = 0; i < found.elements(); ++i) {
    const double error = std::fabs(found.data()[i] - expected.data()[i]);
    if (error <= worst || std::isnan(worst)) continue;
    worst = error;
    place = i;
  }
  CAPTURE(place);
  CHECK(worst <= tolerance * scale);
}

/// The window that slides over maps of shape x for an output of shape y.
inline mien::kernels::SlidingWindow window_of(const mien::Shape& x, const mien::Shape& y, mien::Extent2d kernel,
                                              mien::Extent2d stride, mien::Extent2d padding) {
  return {x[0],
          x[1],
          x[2],
          x[3],
          y[1],
          y[2],
          static_cast<int>(kernel.height),
          static_cast<int>(kernel.width),
          static_cast<int>(stride.height),
          static_cast<int>(stride.width),
          static_cast<int>(padding.height),
          static_cast<int>(padding.width)};
}

/// Runs `test` with threads and blocks in each order. What it returns has to be the same to the bit each time.
template <class Test>
void in_every_order(const Test& test) {
  std::vector<mien::Tensor<double>> first;
  for (const emulator::Order order : {emulator::Order::forward, emulator::Order::reverse, emulator::Order::shuffled}) {
    emulator::settings().order = order;
    CAPTURE(static_cast<int>(order));
    const std::vector<mien::Tensor<double>> results = test();
    if (first.empty()) first = results;
    REQUIRE(results.size() == first.size());
    for (std::size_t r = 0; r < results.size(); ++r)
      CHECK(std::memcmp(results[r].data(), first[r].data(),
                        static_cast<std::size_t>(first[r].elements()) * sizeof(double)) == 0);
  }
  emulator::settings() = {};
}

}  // namespace parity
