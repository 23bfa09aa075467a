#include "mien/backend/cuda/kernels/elementwise.hpp"

#include "emulator/parity.hpp"
#include "mien/backend/cpu/gradients.hpp"
#include "mien/ops/activation.hpp"
#include "mien/ops/arithmetic.hpp"

#include <functional>

using namespace mien;
using parity::DeviceArray;

namespace {

/// An operation of one or two inputs, on the CPU and on the device.
template <class T>
struct Operation {
  const char* name;
  std::function<Tensor<double>(const Tensor<double>&, const Tensor<double>&)> on_cpu;
  std::function<void(const T* a, const T* b, Index count, T* out)> on_device;
};

Tensor<double> clamped(const Tensor<double>& x, double limit) {
  Tensor<double> out = x.clone();
  backend::clamp_in_place(out, limit);
  return out;
}

using Values = Tensor<double>;

template <class T>
std::vector<Operation<T>> all_operations() {
  return {
      {"add", [](const Values& a, const Values& b) { return ops::add(a, b); },
       [](const T* a, const T* b, Index count, T* out) { kernels::add(a, b, count, out, nullptr); }},
      {"subtract", [](const Values& a, const Values& b) { return ops::subtract(a, b); },
       [](const T* a, const T* b, Index count, T* out) { kernels::subtract(a, b, count, out, nullptr); }},
      {"multiply", [](const Values& a, const Values& b) { return ops::multiply(a, b); },
       [](const T* a, const T* b, Index count, T* out) { kernels::multiply(a, b, count, out, nullptr); }},
      {"divide", [](const Values& a, const Values& b) { return ops::divide(a, b); },
       [](const T* a, const T* b, Index count, T* out) { kernels::divide(a, b, count, out, nullptr); }},
      {"scale", [](const Values& a, const Values&) { return ops::scale(a, -0.375); },
       [](const T* a, const T*, Index count, T* out) { kernels::scale(a, -0.375F, count, out, nullptr); }},
      {"clamp", [](const Values& a, const Values&) { return clamped(a, 0.5); },
       [](const T* a, const T*, Index count, T* out) { kernels::clamp(a, 0.5F, count, out, nullptr); }},
      {"relu", [](const Values& a, const Values&) { return ops::relu(a); },
       [](const T* a, const T*, Index count, T* out) { kernels::relu(a, count, out, nullptr); }},
      {"sigmoid", [](const Values& a, const Values&) { return ops::sigmoid(a); },
       [](const T* a, const T*, Index count, T* out) { kernels::sigmoid(a, count, out, nullptr); }},
      {"tanh", [](const Values& a, const Values&) { return ops::tanh(a); },
       [](const T* a, const T*, Index count, T* out) { kernels::tanh(a, count, out, nullptr); }},
      {"gelu", [](const Values& a, const Values&) { return ops::gelu(a); },
       [](const T* a, const T*, Index count, T* out) { kernels::gelu(a, count, out, nullptr); }},
      {"exp", [](const Values& a, const Values&) { return ops::exp(a); },
       [](const T* a, const T*, Index count, T* out) { kernels::exponential(a, count, out, nullptr); }},
      {"relu_gradient", [](const Values& a, const Values& b) { return ops::relu_gradient(a, b); },
       [](const T* a, const T* b, Index count, T* out) { kernels::relu_gradient(a, b, count, out, nullptr); }},
      {"sigmoid_gradient", [](const Values& a, const Values& b) { return ops::sigmoid_gradient(a, b); },
       [](const T* a, const T* b, Index count, T* out) { kernels::sigmoid_gradient(a, b, count, out, nullptr); }},
      {"tanh_gradient", [](const Values& a, const Values& b) { return ops::tanh_gradient(a, b); },
       [](const T* a, const T* b, Index count, T* out) { kernels::tanh_gradient(a, b, count, out, nullptr); }},
      {"gelu_gradient", [](const Values& a, const Values& b) { return ops::gelu_gradient(a, b); },
       [](const T* a, const T* b, Index count, T* out) { kernels::gelu_gradient(a, b, count, out, nullptr); }},
  };
}

}  // namespace

TEST_CASE_TEMPLATE("functions of single numbers on a device", T, float, __nv_bfloat16, __half) {
  for (const auto& operation : all_operations<T>())
    for (const Index count : {0, 1, 7, 31, 65, 9001}) {
      CAPTURE(operation.name);
      CAPTURE(count);
      const auto a = parity::rounded<T>(parity::random({count}, 1, -4, 4));
      const auto b = parity::rounded<T>(parity::random({count}, 2));
      const auto expected = operation.on_cpu(a, b);
      parity::in_every_order([&] {
        DeviceArray<T> left(a);
        DeviceArray<T> right(b);
        DeviceArray<T> out(count);
        operation.on_device(left.data(), right.data(), count, out.data());
        const auto found = out.values({count});
        parity::check_close(found, expected, 3e-7 + parity::rounding<T>);
        operation.on_device(left.data(), right.data(), count, left.data());
        parity::check_close(left.values({count}), found, 0);
        return std::vector{found};
      });
    }
}

TEST_CASE_TEMPLATE("logarithms and roots on a device", T, float, __nv_bfloat16, __half) {
  for (const Index count : {0, 1, 7, 31, 65, 9001}) {
    CAPTURE(count);
    const auto x = parity::rounded<T>(parity::random({count}, 1, 0.01, 9));
    DeviceArray<T> input(x);
    DeviceArray<T> out(count);
    kernels::logarithm(input.data(), count, out.data(), nullptr);
    parity::check_close(out.values({count}), ops::log(x), 3e-7 + parity::rounding<T>);
    kernels::square_root(input.data(), count, out.data(), nullptr);
    parity::check_close(out.values({count}), ops::sqrt(x), 3e-7 + parity::rounding<T>);
  }
  DeviceArray<T> special(Tensor<double>::from({4}, {0, -1, INFINITY, 1}));
  DeviceArray<T> out(4);
  kernels::logarithm(special.data(), 4, out.data(), nullptr);
  const auto logarithms = out.values({4});
  CHECK(logarithms(0) == -INFINITY);
  CHECK(std::isnan(logarithms(1)));
  CHECK(logarithms(2) == INFINITY);
  CHECK(logarithms(3) == 0);
  kernels::square_root(special.data(), 4, out.data(), nullptr);
  const auto roots = out.values({4});
  CHECK(roots(0) == 0);
  CHECK(std::isnan(roots(1)));
  CHECK(roots(2) == INFINITY);
}

TEST_CASE_TEMPLATE("functions of arrays that begin anywhere on a device", T, float, __nv_bfloat16, __half) {
  for (const Index shift : {1, 2, 3})
    for (const Index count : {1, 7, 2300}) {
      CAPTURE(shift);
      CAPTURE(count);
      const auto a = parity::rounded<T>(parity::random({count + shift}, 1));
      const auto b = parity::rounded<T>(parity::random({count + shift}, 2));
      const auto rest = [&](const Tensor<double>& all) { return all.slice(0, shift, count + shift).clone(); };
      DeviceArray<T> left(a);
      DeviceArray<T> right(b);
      DeviceArray<T> out(count + shift);
      kernels::add(left.data() + shift, right.data() + shift, count, out.data() + shift, nullptr);
      parity::check_close(rest(out.values({count + shift})), ops::add(rest(a), rest(b)), parity::rounding<T>);
      DeviceArray<T> aligned(count);
      kernels::relu(left.data() + shift, count, aligned.data(), nullptr);
      parity::check_close(aligned.values({count}), ops::relu(rest(a)), 0);
    }
}

TEST_CASE_TEMPLATE("scaling by a number in device memory", T, float, __nv_bfloat16, __half) {
  for (const Index count : {0, 1, 65, 5000}) {
    const auto x = parity::rounded<T>(parity::random({count}, 1));
    DeviceArray<T> input(x);
    DeviceArray<T> factor(Tensor<double>({1}, 0.75));
    DeviceArray<T> out(count);
    kernels::scale_by(input.data(), factor.data(), -3, count, out.data(), nullptr);
    parity::check_close(out.values({count}), ops::scale(x, -2.25), 2e-7 + parity::rounding<T>);
  }
}

TEST_CASE("functions of infinite and missing numbers on a device") {
  const auto special = Tensor<double>::from({6}, {std::nan(""), INFINITY, -INFINITY, -0.0, 1e30, -1e30});
  const Tensor<double> ones({6}, 1.0);
  for (const auto& operation : all_operations<float>())
    for (const bool swapped : {false, true}) {
      CAPTURE(operation.name);
      CAPTURE(swapped);
      const auto& a = swapped ? ones : special;
      const auto& b = swapped ? special : ones;
      const auto expected = operation.on_cpu(a, b);
      DeviceArray<float> left(a);
      DeviceArray<float> right(b);
      DeviceArray<float> out(6);
      operation.on_device(left.data(), right.data(), 6, out.data());
      const auto found = out.values({6});
      for (Index i = 0; i < 6; ++i) {
        CAPTURE(i);
        // What a float cannot hold is infinite.
        const auto wanted = static_cast<double>(static_cast<float>(expected(i)));
        const double value = found(i);
        if (std::isnan(wanted)) {
          CHECK(std::isnan(value));
        } else {
          CHECK((value == wanted || std::fabs(value - wanted) <= 3e-7 * std::fabs(wanted)));
          CHECK(std::signbit(value) == std::signbit(wanted));
        }
      }
    }
}
