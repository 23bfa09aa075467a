#include "reference/reference.hpp"

#include <mien/autograd/arithmetic.hpp>
#include <mien/optim/adam.hpp>
#include <mien/optim/adamax.hpp>
#include <mien/optim/sgd.hpp>

#include <nlohmann/json.hpp>

using namespace mien;

namespace {

/// Minimises sum(scale w^2) from the first row of the file's path on, and compares with all others. The settings are
/// those that the file names.
template <class T, class Make>
void check_path(const std::string& name, const Make& make) {
  const reference::Case expected("optimizer_" + name);
  const nlohmann::json settings = nlohmann::json::parse(expected.text("defaults"));
  const Tensor<T> path = expected.tensor<T>("path");
  const Variable<T> scale(expected.tensor<T>("scale"));
  Variable<T> weight(path.select(0, 0).clone(), true);
  auto optimiser = make(nn::ParameterList<T>{weight}, settings);
  REQUIRE(path.size(0) > 1);
  for (Index row = 1; row < path.size(0); ++row) {
    optimiser.zero_grad();
    backward(sum(scale * weight * weight));
    optimiser.step();
    reference::check_close(weight.value(), path.select(0, row), detail::text(name, " after step ", row));
  }
}

template <class Options>
Options adam_options(const nlohmann::json& settings) {
  return {.learning_rate = settings["lr"],
          .beta1 = settings["betas"][0],
          .beta2 = settings["betas"][1],
          .epsilon = settings["eps"],
          .weight_decay = settings["weight_decay"]};
}

}  // namespace

TEST_CASE_TEMPLATE("stochastic gradient descent", T, double, float) {
  for (const char* name : {"sgd", "sgd_momentum", "sgd_nesterov"})
    check_path<T>(name, [](const auto& parameters, const nlohmann::json& settings) {
      return optim::Sgd(parameters, {.learning_rate = settings["lr"],
                                     .momentum = settings["momentum"],
                                     .nesterov = settings["nesterov"],
                                     .weight_decay = settings["weight_decay"]});
    });
}

TEST_CASE_TEMPLATE("Adam", T, double, float) {
  check_path<T>("adam", [](const auto& parameters, const nlohmann::json& settings) {
    return optim::Adam(parameters, adam_options<optim::AdamOptions>(settings));
  });
}

TEST_CASE_TEMPLATE("AdamW", T, double, float) {
  check_path<T>("adamw", [](const auto& parameters, const nlohmann::json& settings) {
    return optim::AdamW(parameters, adam_options<optim::AdamWOptions>(settings));
  });
}

TEST_CASE_TEMPLATE("Adamax", T, double, float) {
  check_path<T>("adamax", [](const auto& parameters, const nlohmann::json& settings) {
    return optim::Adamax(parameters, adam_options<optim::AdamaxOptions>(settings));
  });
}
