#include <mien/backend/cpu/gradients.hpp>
#include <mien/backend/cpu/optimiser_step.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "random_tensor.hpp"

using namespace mien;
using testing::random;

namespace {

/// One parameter, and what an optimiser has kept for it.
template <class T>
struct Parameter {
  Tensor<T> gradient, value, first, second;

  explicit Parameter(Index count)
      : gradient(random<T>({count}, 1)),
        value(random<T>({count}, 2)),
        first(random<T>({count}, 3)),
        second(random<T>({count}, 4)) {
    for (T& v : second.span()) v = v * v;
  }
};

template <class T>
double tolerance() {
  return sizeof(T) == 4 ? 1e-5 : 1e-13;
}

constexpr Index counts[] = {0, 1, 7, 31, 65, 40003};

}  // namespace

TEST_CASE_TEMPLATE("steps of SGD are those of the formula", T, float, double) {
  for (const Index count : counts)
    for (const bool nesterov : {false, true})
      for (const bool momentum : {false, true}) {
        Parameter<T> p(count);
        const Parameter<T> before(count);
        const backend::SgdStep step{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = nesterov};
        backend::OptimisedParameter<T> all[] = {{p.gradient, p.value, momentum ? p.first : Tensor<T>(), {}}};
        backend::sgd_step<T>(all, step);
        double worst = 0;
        for (Index i = 0; i < count; ++i) {
          const double w = static_cast<double>(before.value(i));
          const double g = static_cast<double>(before.gradient(i)) + 0.01 * w;
          const double b = 0.9 * static_cast<double>(before.first(i)) + g;
          const double direction = !momentum ? g : nesterov ? g + 0.9 * b : b;
          worst = std::max(worst, std::abs(static_cast<double>(p.value(i)) - (w - 0.1 * direction)));
          if (momentum) worst = std::max(worst, std::abs(static_cast<double>(p.first(i)) - b));
        }
        CHECK(worst < tolerance<T>());
      }
}

TEST_CASE_TEMPLATE("steps of Adam are those of the formula", T, float, double) {
  for (const Index count : counts) {
    Parameter<T> p(count);
    const Parameter<T> before(count);
    const backend::AdamStep step{.learning_rate = 0.1,
                                 .beta1 = 0.9,
                                 .beta2 = 0.99,
                                 .epsilon = 1e-4,
                                 .weight_decay = 0.01,
                                 .decoupled_decay = 0.5,
                                 .first_correction = 0.3,
                                 .second_correction = 0.2};
    backend::OptimisedParameter<T> all[] = {{p.gradient, p.value, p.first, p.second}};
    backend::adam_step<T>(all, step);
    double worst = 0;
    for (Index i = 0; i < count; ++i) {
      const double w = (1 - 0.1 * 0.5) * static_cast<double>(before.value(i));
      const double g = static_cast<double>(before.gradient(i)) + 0.01 * w;
      const double m = 0.9 * static_cast<double>(before.first(i)) + 0.1 * g;
      const double v = 0.99 * static_cast<double>(before.second(i)) + 0.01 * g * g;
      const double updated = w - 0.1 / 0.3 * m / (std::sqrt(v) / std::sqrt(0.2) + 1e-4);
      worst = std::max(worst, std::abs(static_cast<double>(p.value(i)) - updated) / (1 + std::abs(updated)));
      worst = std::max(worst, std::abs(static_cast<double>(p.first(i)) - m));
      worst = std::max(worst, std::abs(static_cast<double>(p.second(i)) - v));
    }
    CHECK(worst < tolerance<T>());
  }
}

TEST_CASE_TEMPLATE("steps of AdaMax are those of the formula", T, float, double) {
  for (const Index count : counts) {
    Parameter<T> p(count);
    const Parameter<T> before(count);
    const backend::AdamaxStep step{.learning_rate = 0.1,
                                   .beta1 = 0.9,
                                   .beta2 = 0.99,
                                   .epsilon = 1e-3,
                                   .weight_decay = 0.01,
                                   .first_correction = 0.3};
    backend::OptimisedParameter<T> all[] = {{p.gradient, p.value, p.first, p.second}};
    backend::adamax_step<T>(all, step);
    double worst = 0;
    for (Index i = 0; i < count; ++i) {
      const double w = static_cast<double>(before.value(i));
      const double g = static_cast<double>(before.gradient(i)) + 0.01 * w;
      const double m = 0.9 * static_cast<double>(before.first(i)) + 0.1 * g;
      const double u = std::max(0.99 * static_cast<double>(before.second(i)), std::abs(g) + 1e-3);
      const double updated = w - 0.1 / 0.3 * m / u;
      worst = std::max(worst, std::abs(static_cast<double>(p.value(i)) - updated) / (1 + std::abs(updated)));
      worst = std::max(worst, std::abs(static_cast<double>(p.second(i)) - u));
    }
    CHECK(worst < tolerance<T>());
  }
}

TEST_CASE("clamping keeps what lies within, and a NaN") {
  Tensor<float> x({37}, -3);
  x(5) = 0.5F;
  x(20) = 7;
  x(36) = std::numeric_limits<float>::quiet_NaN();
  backend::clamp_in_place(x, 2.0F);
  CHECK(x(0) == -2);
  CHECK(x(5) == 0.5F);
  CHECK(x(20) == 2);
  CHECK(std::isnan(x(36)));
}
