#include <mien/models/sistcm_resnet.hpp>

#include "reference/reference.hpp"

using namespace mien;

namespace {

SuperImageLayout layout_of(const std::string& name) {
  return name.find("interleaved") == std::string::npos ? SuperImageLayout::stacked : SuperImageLayout::interleaved;
}

template <class T>
void check_block(const std::string& name) {
  const reference::Case expected(name);
  Variable<T> x(expected.map<T>("x"), true);
  const Index out = expected.map<T>("y").size(-1);
  const Index stride = expected.shape("x")[3] / expected.shape("y")[3];
  models::SistcmBlock<T> block({x.size(-1), out, stride, layout_of(name), ViewFusion::channel});
  reference::hashed_parameters(block);
  const Variable<T> y = block(x);
  backward(y, expected.map<T>("upstream"));

  reference::check_close(y.value(), expected.map<T>("y"), "y");
  reference::check_close(x.gradient(), expected.map<T>("grad.x"), "grad.x");
  reference::check_gradients(block, expected);
  for (const auto& [buffer, tensor] : block.named_buffers())
    reference::check_close(tensor, expected.tensor<T>("after." + buffer), "after." + buffer);
}

template <class T>
void check_model(const std::string& name) {
  const reference::Case expected(name);
  models::SistcmResNet18<T> model({.classes = expected.shape("logits")[1], .layout = layout_of(name)});
  reference::hashed_parameters(model);
  model.evaluate();
  const auto input = reference::channels_last(reference::hashed_input({2, 3, 4, 64, 64})).template cast<T>();
  const NoGradient inference;
  const auto [features, logits] = model(Variable<T>(input));
  reference::check_close(features.value(), expected.tensor<T>("feature"), "feature");
  reference::check_close(logits.value(), expected.tensor<T>("logits"), "logits");
}

}  // namespace

TEST_CASE("a residual block: output, every gradient, running statistics") {
  for (const auto& name : reference::case_names("sistcm_block_")) {
    CAPTURE(name);
    SUBCASE("double") { check_block<double>(name); }
    SUBCASE("float") { check_block<float>(name); }
  }
}

TEST_CASE("the whole SISTCM-ResNet18 in evaluation") {
  for (const auto& name : reference::case_names("model_sistcm_resnet18_")) {
    CAPTURE(name);
    check_model<double>(name);
    check_model<float>(name);
  }
}

TEST_CASE("SISTCM-ResNet18 has torchvision's names and those of its fusion layers") {
  const reference::Case expected("model_sistcm_resnet18_stacked");
  models::SistcmResNet18<float> model({.classes = 7});
  reference::check_names(model, expected);
}
