#include <mien/nn/lstm.hpp>

#include "reference/reference.hpp"

using namespace mien;

namespace {

template <class T>
void compare(const std::string& name) {
  const reference::Case expected(name);
  const Shape x_shape = expected.shape("x");
  nn::Lstm<T> lstm({.in = x_shape[2], .hidden = expected.shape("y")[2]});
  for (auto& [parameter, variable, layout] : lstm.named_parameters())
    variable.value().copy_from(expected.tensor<T>(parameter));
  const Variable<T> x(expected.tensor<T>("x"), true);
  const auto result = lstm(x);
  reference::check_close(result.outputs.value(), expected.tensor<T>("y"), name + ": y");
  // PyTorch's states have a first axis for layers and directions.
  reference::check_close(result.h_n.value(), expected.tensor<T>("h_n").select(0, 0), name + ": h_n");
  reference::check_close(result.c_n.value(), expected.tensor<T>("c_n").select(0, 0), name + ": c_n");
  backward(result.outputs, expected.tensor<T>("upstream"));
  reference::check_close(x.gradient(), expected.tensor<T>("grad.x"), name + ": gradient of x");
  reference::check_gradients(lstm, expected);
}

}  // namespace

TEST_CASE("LSTM in double") {
  for (const auto& name : reference::case_names("lstm_")) compare<double>(name);
}

TEST_CASE("LSTM in float") {
  for (const auto& name : reference::case_names("lstm_")) compare<float>(name);
}
