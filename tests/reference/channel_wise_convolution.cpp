#include <mien/autograd/channel_wise_convolution.hpp>
#include <mien/nn/attention.hpp>

#include "reference/reference.hpp"

using namespace mien;

namespace {

template <class T>
void check_convolution(const std::string& name) {
  const reference::Case expected(name);
  Variable<T> x(expected.map<T>("x"), true);
  Variable<T> weight(expected.convolution_weight<T>("weight"), true);
  const Variable<T> y = channel_wise_convolution(x, weight);
  backward(y, expected.map<T>("upstream"));
  reference::check_close(y.value(), expected.map<T>("y"), "y");
  reference::check_close(x.gradient(), expected.map<T>("grad.x"), "grad.x");
  reference::check_close(weight.gradient(), expected.convolution_weight<T>("grad.weight"), "grad.weight");
}

template <class T>
void check_attention(const std::string& name) {
  const reference::Case expected(name);
  Variable<T> x(expected.map<T>("x"), true);
  nn::JointAttention<T> attention(x.size(-1));
  attention.weight.value().copy_from(expected.tensor<T>("weight"));
  attention.bias.value().copy_from(expected.tensor<T>("bias"));
  const Variable<T> y = attention(x);
  backward(y, expected.map<T>("upstream"));
  reference::check_close(y.value(), expected.map<T>("y"), "y");
  reference::check_close(attention.joint_weights(), expected.tensor<T>("attention"), "attention");
  reference::check_close(x.gradient(), expected.map<T>("grad.x"), "grad.x");
  reference::check_close(attention.weight.gradient(), expected.tensor<T>("grad.weight"), "grad.weight");
  reference::check_close(attention.bias.gradient(), expected.tensor<T>("grad.bias"), "grad.bias");
}

}  // namespace

TEST_CASE("channel-wise convolution") {
  for (const auto& name : reference::case_names("channelwise_conv_")) {
    CAPTURE(name);
    check_convolution<double>(name);
    check_convolution<float>(name);
  }
}

TEST_CASE("joint attention") {
  for (const auto& name : reference::case_names("joint_attention_")) {
    CAPTURE(name);
    check_attention<double>(name);
    check_attention<float>(name);
  }
}
