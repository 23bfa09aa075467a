#include <mien/autograd/gradient_check.hpp>
#include <mien/models/accm.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "random_tensor.hpp"

using namespace mien;
using testing::random;

TEST_CASE("gradients of ACCM, every parameter, for both ways to aggregate") {
  for (const auto aggregate : {models::Aggregate::concatenate, models::Aggregate::sum}) {
    models::Accm<double> net({.joints = 5, .classes = 3, .width = 4, .aggregate = aggregate});
    net.evaluate();
    Generator generator(4);
    // Biases of zero would leave inputs of ReLU at its kink, where no difference tells the gradient.
    for (auto* norm : {&net.branch1.norm1, &net.branch1.norm2, &net.branch2.norm1, &net.branch2.norm2})
      generator.fill_normal(norm->bias.value(), 0, 0.5);
    std::vector<Variable<double>> inputs{Variable<double>(random<double>({2, 7, 6, 5}, 1), true)};
    for (const auto& parameter : net.parameters()) inputs.push_back(parameter);
    const auto result = gradient_check([&](auto& v) { return net(v[0]); }, inputs,
                                       {.step = 1e-6, .tolerance = 1e-5, .projections = 2});
    CHECK_MESSAGE(result.passed, result.where);
  }
}

TEST_CASE("features, logits and joint weights have the shapes that the options say") {
  models::Accm<float> net({.joints = 13, .classes = 4, .width = 8});
  const Variable<float> x(random<float>({3, 16, 16, 13}, 2));
  CHECK(net.features(x).shape() == Shape{3, 16});
  CHECK(net(x).shape() == Shape{3, 4});
  CHECK(net.joint_weights().shape() == Shape{3, 13});
  models::Accm<float> summed({.joints = 13, .classes = 4, .width = 8, .aggregate = models::Aggregate::sum});
  CHECK(summed.features(x).shape() == Shape{3, 8});
  CHECK_THROWS_AS(net(Variable<float>(random<float>({3, 16, 16, 12}, 3))), ShapeError);
}
