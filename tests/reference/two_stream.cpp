#include <mien/autograd/multi_stage_loss.hpp>
#include <mien/models/two_stream_lstm.hpp>

#include "reference/reference.hpp"

using namespace mien;

namespace {

template <class T>
void compare(const std::string& name) {
  const reference::Case expected(name);
  const Index gates = 4;
  models::TwoStreamLstm<T> reader({.features = expected.shape("features")[2],
                                   .classes = expected.shape("clip_logits")[2],
                                   .feature_hidden = expected.shape("grad.feature_lstm.weight_hh_l0")[0] / gates,
                                   .emotion_hidden = expected.shape("grad.emotion_lstm.weight_hh_l0")[0] / gates});
  reference::check_names(reader, expected);
  reference::hashed_parameters(reader);
  const Variable<T> features(expected.tensor<T>("features"), true);
  const Variable<T> clip_logits(expected.tensor<T>("clip_logits"), true);
  const auto [e1, e2] = reader(features, softmax(clip_logits));
  reference::check_close(e1.value(), expected.tensor<T>("e1"), name + ": e1");
  reference::check_close(e2.value(), expected.tensor<T>("e2"), name + ": e2");
  const Variable<T> loss = multi_stage_loss(clip_logits, e1, e2, expected.labels(),
                                            {.lambda = expected.number("lambda_"), .mu = expected.number("mu")});
  reference::check_close(loss.value(), expected.tensor<T>("loss"), name + ": loss");
  backward(loss);
  reference::check_close(features.gradient(), expected.tensor<T>("grad.features"), name + ": gradient of features");
  reference::check_close(clip_logits.gradient(), expected.tensor<T>("grad.clip_logits"),
                         name + ": gradient of clip_logits");
  reference::check_gradients(reader, expected);
}

}  // namespace

TEST_CASE("two-stream LSTM and multi-stage loss in double") {
  for (const auto& name : reference::case_names("two_stream_")) compare<double>(name);
}

TEST_CASE("two-stream LSTM and multi-stage loss in float") {
  for (const auto& name : reference::case_names("two_stream_")) compare<float>(name);
}
