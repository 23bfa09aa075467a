/// Networks over images, with parameters made from their names.

#include <mien/models/densenet.hpp>
#include <mien/models/resnet.hpp>

#include "reference/reference.hpp"

using namespace mien;

namespace {

/// The images that the file's logits are of.
template <class T>
Variable<T> input_of(const reference::Case& expected) {
  const Index side = static_cast<Index>(expected.number("size"));
  return Variable<T>(reference::channels_last(reference::hashed_input({2, 3, side, side})).template cast<T>());
}

template <class Model>
void check_model(const std::string& name) {
  using T = typename Model::Element;
  CAPTURE(name);
  const reference::Case expected(name);
  Model model({.outputs = expected.shape("logits")[1]});
  reference::check_names(model, expected);
  reference::hashed_parameters(model);
  model.evaluate();
  const NoGradient inference;
  const auto logits = model(input_of<T>(expected));
  reference::check_close(logits.value(), expected.tensor<T>("logits"), "logits");
}

}  // namespace

TEST_CASE("ResNet-18 and ResNet-50 have torchvision's names and give its logits") {
  check_model<models::ResNet18<double>>("model_resnet18");
  check_model<models::ResNet18<float>>("model_resnet18");
  check_model<models::ResNet50<double>>("model_resnet50");
}

TEST_CASE("DenseNet-121 has torchvision's names and gives its logits") {
  check_model<models::DenseNet<double>>("model_densenet121");
  check_model<models::DenseNet<float>>("model_densenet121");
}
