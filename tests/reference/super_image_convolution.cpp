#include <mien/autograd/super_image_convolution.hpp>
#include <mien/models/sistcm_resnet.hpp>

#include "reference/reference.hpp"

using namespace mien;

namespace {

SuperImageLayout layout_of(const reference::Case& expected) {
  return expected.text("layout") == "stacked" ? SuperImageLayout::stacked : SuperImageLayout::interleaved;
}

template <class T>
void check_convolution(const std::string& name) {
  const reference::Case expected(name);
  const ViewFusion fusion = expected.text("granularity") == "channel" ? ViewFusion::channel : ViewFusion::view;
  Variable<T> x(expected.map<T>("x"), true);
  Variable<T> weight(expected.convolution_weight<T>("weight"), true);
  Variable<T> fusion_weight(expected.tensor<T>("fc_weight"), true);
  Variable<T> fusion_bias(expected.tensor<T>("fc_bias"), true);
  const auto result = super_image_convolution(x, weight, fusion_weight, fusion_bias, {layout_of(expected), fusion});
  backward(result.y, expected.map<T>("upstream"));

  reference::check_close(result.y.value(), expected.map<T>("y"), "y");
  reference::check_close(result.alpha, expected.tensor<T>("alpha"), "alpha");
  reference::check_close(x.gradient(), expected.map<T>("grad.x"), "grad.x");
  reference::check_close(weight.gradient(), expected.convolution_weight<T>("grad.weight"), "grad.weight");
  // A clip whose views are equal has no gradient for their weights but what rounding leaves.
  const double scale = expected.shape("x")[2] == 1 ? 1 : 1e-6;
  reference::check_close(fusion_weight.gradient(), expected.tensor<T>("grad.fc_weight"), "grad.fc_weight",
                         {.scale = scale});
  reference::check_close(fusion_bias.gradient(), expected.tensor<T>("grad.fc_bias"), "grad.fc_bias", {.scale = scale});
}

/// Both views on their own, by the plain function of tensors.
void check_views(const std::string& name) {
  const reference::Case expected(name);
  const auto x = expected.map<double>("x");
  const auto weight = expected.convolution_weight<double>("weight");
  for (const Index view : {0, 1}) {
    auto alpha = Tensor<double>::zeros({x.size(0), 2, weight.size(3)});
    alpha.select(1, view).fill(1);
    reference::check_close(ops::super_image_convolution(x, weight, alpha, layout_of(expected)),
                           expected.map<double>(view == 0 ? "y_height" : "y_width"), view == 0 ? "Y_h" : "Y_w");
  }
}

}  // namespace

TEST_CASE("super-image convolution, its weights and gradients in double") {
  for (const auto& name : reference::case_names("sistcm_conv_")) {
    CAPTURE(name);
    check_convolution<double>(name);
  }
}

TEST_CASE("super-image convolution, its weights and gradients in float") {
  for (const auto& name : reference::case_names("sistcm_conv_")) {
    CAPTURE(name);
    check_convolution<float>(name);
  }
}

TEST_CASE("each view alone") {
  for (const auto& name : reference::case_names("sistcm_conv_")) {
    CAPTURE(name);
    check_views(name);
  }
}
