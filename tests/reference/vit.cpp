#include <mien/models/vit.hpp>

#include "reference/reference.hpp"

using namespace mien;

TEST_CASE("ViT-B/16 in evaluation, under torchvision's names") {
  const reference::Case expected("model_vit_b_16");
  const Shape logits = expected.shape("logits");
  models::VisionTransformer<double> net(models::vit_b_16(logits[1]));
  reference::check_names(net, expected);
  reference::hashed_parameters(net);
  net.evaluate();
  const auto side = static_cast<Index>(expected.number("size"));
  const NoGradient inference;
  const auto images = reference::channels_last(reference::hashed_input({logits[0], 3, side, side}));
  reference::check_close(net(images).value(), expected.tensor<double>("logits"), "logits");
}
