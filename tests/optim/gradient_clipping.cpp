#include <mien/autograd/arithmetic.hpp>
#include <mien/core/random.hpp>
#include <mien/optim/gradient_clipping.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace mien;

namespace {

/// A parameter with this gradient.
template <class T>
Variable<T> with_gradient(const Tensor<T>& gradient) {
  Variable<T> out(Tensor<T>::zeros(gradient.shape()), true);
  backward(out + Variable<T>(gradient), gradient);
  return out;
}

}  // namespace

TEST_CASE("the norm is that of all gradients as one vector") {
  const auto a = with_gradient(Tensor<double>::from({2}, {3, 0}));
  const auto b = with_gradient(Tensor<double>::from({1, 1}, {-4}));
  const Variable<double> without(Tensor<double>({2}, 7.0), true);
  const Variable<double> frozen(Tensor<double>({2}, 7.0));
  const nn::ParameterList<double> all{a, without, b, frozen};
  CHECK(optim::gradient_norm(all) == 5);
  CHECK(optim::clip_gradient_norm(all, 10) == 5);
  CHECK(a.gradient()(0) == 3);
  CHECK(optim::clip_gradient_norm(all, 1) == 5);
  CHECK(a.gradient()(0) == doctest::Approx(0.6));
  CHECK(b.gradient()(0, 0) == doctest::Approx(-0.8));
  CHECK(optim::gradient_norm(all) == doctest::Approx(1));
  CHECK_FALSE(without.gradient().defined());
  CHECK(optim::gradient_norm(nn::ParameterList<double>{}) == 0);
  CHECK(optim::limit_gradient_norm(all, 0.5).item() == doctest::Approx(1));
  CHECK(a.gradient()(0) == doctest::Approx(0.3));
}

TEST_CASE("clipping to 0, and gradients that are 0") {
  const auto a = with_gradient(Tensor<float>::from({2}, {3, -4}));
  CHECK(optim::clip_gradient_norm(nn::ParameterList<float>{a}, 0) == 5);
  CHECK(optim::clip_gradient_norm(nn::ParameterList<float>{a}, 1) == 0);
  CHECK(a.gradient()(1) == 0);
}

TEST_CASE("large gradients do not overflow the norm in float") {
  const auto a = with_gradient(Tensor<float>::from({2}, {3e30F, 4e30F}));
  CHECK(optim::clip_gradient_norm(nn::ParameterList<float>{a}, 1) == doctest::Approx(5e30));
  CHECK(a.gradient()(0) == doctest::Approx(0.6));
}

TEST_CASE("a norm that is not finite is returned and changes nothing") {
  const auto a = with_gradient(Tensor<double>::from({2}, {1, std::numeric_limits<double>::infinity()}));
  CHECK(std::isinf(optim::clip_gradient_norm(nn::ParameterList<double>{a}, 1)));
  CHECK(a.gradient()(0) == 1);
  const auto b = with_gradient(Tensor<double>::from({2}, {1, std::nan("")}));
  CHECK(std::isnan(optim::clip_gradient_norm(nn::ParameterList<double>{b}, 1)));
  CHECK(b.gradient()(0) == 1);
}

TEST_CASE("clipping by value") {
  const auto a = with_gradient(Tensor<float>::from({4}, {-7, 0.5F, 2, -1}));
  optim::clip_gradient_value(nn::ParameterList<float>{a}, 1);
  CHECK(a.gradient()(0) == -1);
  CHECK(a.gradient()(1) == 0.5F);
  CHECK(a.gradient()(2) == 1);
  CHECK(a.gradient()(3) == -1);
}

TEST_CASE("limits that make no sense are refused") {
  const nn::ParameterList<float> list{with_gradient(Tensor<float>({1}, 1.F))};
  CHECK_THROWS_AS(optim::clip_gradient_norm(list, -1), ValueError);
  CHECK_THROWS_AS(optim::clip_gradient_norm(list, std::nan("")), ValueError);
  CHECK_THROWS_AS(optim::limit_gradient_norm(list, -1), ValueError);
  CHECK_THROWS_AS(optim::clip_gradient_value(list, -1), ValueError);
}

TEST_CASE("the same bits for any number of threads") {
  const int before = thread_count();
  Tensor<float> values({100003});
  Generator(1).fill_normal(values, 0, 1);
  std::vector<double> norms;
  std::vector<float> first;
  for (const int threads : {1, 2, 5}) {
    set_thread_count(threads);
    const auto a = with_gradient(values.clone());
    norms.push_back(optim::clip_gradient_norm(nn::ParameterList<float>{a}, 1));
    first.push_back(a.gradient()(99999));
  }
  set_thread_count(before);
  CHECK(norms[0] == norms[1]);
  CHECK(norms[0] == norms[2]);
  CHECK(first[0] == first[1]);
  CHECK(first[0] == first[2]);
}
