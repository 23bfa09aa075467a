#include "reference/reference.hpp"

#include <mien/autograd/cross_entropy.hpp>
#include <mien/autograd/multi_stage_loss.hpp>
#include <mien/autograd/regression_loss.hpp>

using namespace mien;

namespace {

std::vector<double> values(const Tensor<double>& tensor) { return {tensor.span().begin(), tensor.span().end()}; }

}  // namespace

TEST_CASE_TEMPLATE("cross-entropy and its gradient", T, double, float) {
  for (const auto& name : reference::case_names("cross_entropy_")) {
    CAPTURE(name);
    const reference::Case expected(name);
    CrossEntropyOptions options{.label_smoothing = expected.number("label_smoothing")};
    if (name.find("weighted") != std::string::npos)
      options.class_weights = values(expected.tensor<double>("class_weights"));
    Variable<T> logits(expected.tensor<T>("logits"), true);
    const auto loss = cross_entropy(logits, expected.labels(), options);
    backward(loss);
    reference::check_close(loss.value(), expected.tensor<T>("loss"), "loss");
    reference::check_close(logits.gradient(), expected.tensor<T>("grad.logits"), "gradient of the logits");
  }
}

TEST_CASE_TEMPLATE("mean squared error, concordance, and their gradients", T, double, float) {
  const reference::Case expected("regression_losses");
  const Tensor<T> target = expected.tensor<T>("target");
  Variable<T> prediction(expected.tensor<T>("prediction"), true);

  const auto mse = mse_loss(prediction, target);
  backward(mse);
  reference::check_close(mse.value(), expected.tensor<T>("mse"), "mean squared error");
  reference::check_close(prediction.gradient(), expected.tensor<T>("grad_mse.prediction"), "its gradient");

  prediction.zero_gradient();
  const auto loss = ccc_loss(prediction, target);
  backward(loss);
  reference::check_close(ops::concordance(prediction.value(), target).template cast<T>(), expected.tensor<T>("ccc"),
                         "concordance");
  reference::check_close(loss.value(), expected.tensor<T>("ccc_loss"), "loss");
  reference::check_close(prediction.gradient(), expected.tensor<T>("grad_ccc.prediction"), "its gradient");
}

TEST_CASE_TEMPLATE("the multi-stage loss of given readings", T, double, float) {
  const reference::Case expected("two_stream_multi_stage");
  const std::vector<Index> labels = expected.labels();
  const MultiStageLossOptions options{.lambda = expected.number("lambda_"), .mu = expected.number("mu")};
  const Variable<T> clip_logits(expected.tensor<T>("clip_logits"));
  const Variable<T> e1(expected.tensor<T>("e1"));
  const Variable<T> e2(expected.tensor<T>("e2"));
  reference::check_close(cross_entropy(e1, labels).value(), expected.tensor<T>("l2"), "loss of E1");
  reference::check_close(cross_entropy(e2, labels).value(), expected.tensor<T>("l3"), "loss of E2");
  reference::check_close(multi_stage_loss(clip_logits, e1, e2, labels, {.lambda = 0, .mu = 0}).value(),
                         expected.tensor<T>("l1"), "loss of the clips");
  reference::check_close(multi_stage_loss(clip_logits, e1, e2, labels, options).value(), expected.tensor<T>("loss"),
                         "loss");
}
