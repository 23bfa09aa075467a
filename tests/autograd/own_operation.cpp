/// An operation and a layer that are no part of the library, written as its users write theirs: docs/own_operation.md
/// explains it. What stands there is what stands here.

#include <mien/autograd/arithmetic.hpp>
#include <mien/autograd/gradient_check.hpp>
#include <mien/autograd/variable.hpp>
#include <mien/nn/initialisation.hpp>
#include <mien/nn/module.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "random_tensor.hpp"

namespace own {

using namespace mien;

/// y = sign(x) max(|x| - t, 0) with one threshold t for each channel: x [..., C], t [C], y [..., C]. Throws ShapeError
/// unless there is a threshold for each channel.
template <class T>
Tensor<T> shrink(const Tensor<T>& x, const Tensor<T>& thresholds) {
  ops::require_channels("shrink", x.shape(), thresholds.shape());
  const Tensor<T> in = x.contiguous();
  const Tensor<T> t = thresholds.contiguous();
  const Index channels = t.elements();
  Tensor<T> out(in.shape());
  const T* from = in.data();
  const T* threshold = t.data();
  T* to = out.data();
  parallel_for(0, in.elements(), 4096, [=](Index first, Index last) {
    for (Index i = first; i < last; ++i)
      to[i] = std::copysign(std::max(std::abs(from[i]) - threshold[i % channels], T{0}), from[i]);
  });
  return out;
}

/// The gradient for x, [..., C]: upstream where y is not 0.
template <class T>
Tensor<T> shrink_gradient(const Tensor<T>& y, const Tensor<T>& upstream) {
  const Tensor<T> u = upstream.contiguous();
  Tensor<T> out(y.shape());
  for (Index i = 0; i < y.elements(); ++i) out.data()[i] = y.data()[i] == 0 ? T{0} : u.data()[i];
  return out;
}

/// The gradient for the thresholds, [C]: the sum of -sign(y) upstream over all leading axes.
template <class T>
Tensor<T> shrink_threshold_gradient(const Tensor<T>& y, const Tensor<T>& upstream) {
  const Tensor<T> u = upstream.contiguous();
  const Index channels = y.size(-1);
  Tensor<T> out = Tensor<T>::zeros({channels});
  for (Index i = 0; i < y.elements(); ++i) {
    if (y.data()[i] > 0) out.data()[i % channels] -= u.data()[i];
    if (y.data()[i] < 0) out.data()[i % channels] += u.data()[i];
  }
  return out;
}

/// The same on variables.
template <class T>
Variable<T> shrink(const Variable<T>& x, const Variable<T>& thresholds) {
  const Tensor<T> y = shrink(x.value(), thresholds.value());
  return record(y, {x, thresholds}, [y](const Tensor<T>& upstream, Gradients& inputs) {
    if (inputs.needed(0)) inputs.add(0, shrink_gradient(y, upstream));
    if (inputs.needed(1)) inputs.add(1, shrink_threshold_gradient(y, upstream));
  });
}

/// A layer that learns its thresholds. Parameter "thresholds" [channels], starts at 0.1.
template <class T>
struct Shrink : nn::Module<Shrink<T>, T> {
  explicit Shrink(Index channels) : thresholds(nn::constant_parameter<T>({channels}, 0.1)) {}
  Variable<T> operator()(const Variable<T>& x) const { return shrink(x, thresholds); }
  void visit(auto&& child) { child("thresholds", thresholds); }

  Variable<T> thresholds;
};

}  // namespace own

using namespace mien;

TEST_CASE("an operation of one's own computes what it says, in odd shapes and through gaps") {
  for (const Shape& shape : {Shape{7}, Shape{3, 31, 2}, Shape{65, 65, 3}, Shape{0, 4}}) {
    CAPTURE(shape.to_string());
    const auto x = testing::random<float>(shape, 1);
    auto t = testing::random<float>({shape[-1]}, 2);
    for (float& threshold : t.span()) threshold = std::abs(threshold);
    const auto y = own::shrink(x, t);
    REQUIRE(y.shape() == shape);
    for (Index i = 0; i < x.elements(); ++i) {
      const float value = x.data()[i];
      const float threshold = t(i % shape[-1]);
      const float expected = value > threshold ? value - threshold : value < -threshold ? value + threshold : 0;
      CHECK(y.data()[i] == expected);
    }
  }
  const auto wide = testing::random<float>({5, 6}, 3);
  const Tensor<float> t({3}, 0.5F);
  CHECK(testing::largest_difference(own::shrink(wide.slice(1, 0, 6, 2), t),
                                    own::shrink(wide.slice(1, 0, 6, 2).clone(), t)) == 0);
  CHECK_THROWS_AS(own::shrink(wide, t), ShapeError);
}

TEST_CASE("the gradients of an operation of one's own are those of differences") {
  auto thresholds = Tensor<double>::from({3}, {0.3, 0.5, 0.7});
  const auto result = gradient_check(
      [](auto& v) { return own::shrink(v[0], v[1]); },
      {Variable<double>(testing::random<double>({5, 7, 3}, 4), true), Variable<double>(thresholds, true)});
  CHECK_MESSAGE(result.passed, result.where);
}

TEST_CASE("a layer of one's own has its parameters found, and learns") {
  own::Shrink<float> layer(3);
  REQUIRE(layer.named_parameters().size() == 1);
  CHECK(layer.named_parameters()[0].name == "thresholds");
  backward(sum(layer(Variable<float>(Tensor<float>({2, 3}, 1.0F)))));
  for (const float gradient : layer.thresholds.gradient().span()) CHECK(gradient == -2);
}
