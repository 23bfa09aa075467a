#include <mien/autograd/cross_entropy.hpp>
#include <mien/models/accm.hpp>

#include "reference/reference.hpp"

using namespace mien;

namespace {

template <class T>
models::Accm<T> hashed_accm(const reference::Case& expected, models::Aggregate aggregate) {
  models::Accm<T> net({.joints = expected.shape("x")[1],
                       .classes = expected.shape("logits")[1],
                       .width = static_cast<Index>(expected.number("width")),
                       .aggregate = aggregate});
  reference::hashed_parameters(net);
  return net;
}

template <class T>
void check_training(const std::string& name, models::Aggregate aggregate) {
  const reference::Case expected(name);
  auto net = hashed_accm<T>(expected, aggregate);
  Variable<T> x(expected.map<T>("x"), true);
  const Variable<T> logits = net(x);
  const Variable<T> loss = cross_entropy(logits, expected.labels());
  backward(loss);

  reference::check_close(logits.value(), expected.tensor<T>("logits"), "logits");
  reference::check_close(net.joint_weights(), expected.tensor<T>("joint_weights"), "joint_weights");
  CHECK(static_cast<double>(loss.item()) == doctest::Approx(expected.scalar("loss")).epsilon(sizeof(T) == 8 ? 1e-6 : 2e-4));
  reference::check_close(x.gradient(), expected.map<T>("grad.x"), "grad.x");
  reference::check_gradients(net, expected);
}

}  // namespace

TEST_CASE("ACCM in training: logits, attention, every gradient") {
  check_training<double>("accm_concat", models::Aggregate::concatenate);
  check_training<double>("accm_sum", models::Aggregate::sum);
  check_training<float>("accm_concat", models::Aggregate::concatenate);
  check_training<float>("accm_sum", models::Aggregate::sum);
}

TEST_CASE("ACCM of full size in evaluation") {
  const reference::Case expected("accm_full_size");
  auto net = hashed_accm<double>(expected, models::Aggregate::concatenate);
  net.evaluate();
  const NoGradient inference;
  reference::check_close(net(Variable<double>(expected.map<double>("x"))).value(), expected.tensor<double>("logits"),
                         "logits");
}

TEST_CASE("ACCM for 25 joints and 7 classes has about 0.36 M parameters") {
  models::Accm<float> net({.joints = 25, .classes = 7});
  CHECK(net.parameter_count() > 355000);
  CHECK(net.parameter_count() < 365000);
}
