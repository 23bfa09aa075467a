/// Whole models beside torchvision's: weights come in from PyTorch, and go out to it, and both compute the same.

#include <mien/io/model_file.hpp>
#include <mien/models/densenet.hpp>
#include <mien/models/resnet.hpp>
#include <mien/models/sistcm_resnet.hpp>
#include <mien/models/vit.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "io/temporary_folder.hpp"
#include "python.hpp"
#include "random_tensor.hpp"

using namespace mien;

namespace {

/// A ResNet-18: that over clips, without a super image.
struct FrameResNet18 : nn::Module<FrameResNet18, float> {
  Variable<float> operator()(const Tensor<float>& images) {
    return model(images.view({images.size(0), 1, images.size(1), images.size(2), images.size(3)})).logits;
  }
  void visit(auto&& child) { model.visit(child); }

  models::SistcmResNet18<float> model{models::SistcmResNet18Options{.classes = 7, .fusion = ViewFusion::none}};
};

/// Loads what PyTorch saved and computes what it computed; then saves other weights, with which PyTorch has to compute
/// what the model does. Images are [N, C, H, W] there.
template <class Model>
void compare(const std::string& name, Model& model) {
  const TemporaryFolder folder;
  const std::string script = "'" MIEN_SOURCE_DIR "/tests/io/pytorch_models.py' ";
  const std::string words = " " + name + " '" + folder.path().string() + "'";
  const NoGradient not_recorded;
  const auto logits = [&](const Tensor<float>& images) {
    return model(images.permute({0, 2, 3, 1}).contiguous()).value();
  };

  REQUIRE(testing::python_succeeds(script + "make" + words));
  const io::LoadReport report = io::load(model, folder / "weights.pth");
  CHECK(report.to_string().empty());
  model.evaluate();
  const auto example = io::read_pytorch_archive(folder / "example.pt");
  const auto expected = example.tensor<float>("output");
  const auto images = example.tensor<float>("input");
  const auto largest = std::abs(*std::max_element(expected.span().begin(), expected.span().end(),
                                                  [](float a, float b) { return std::abs(a) < std::abs(b); }));
  CHECK(testing::largest_difference(logits(images), expected) < 1e-4 * static_cast<double>(largest));

  Generator generator(5);
  for (auto& parameter : model.parameters()) {
    Tensor<float> factors(parameter.shape());
    generator.fill_uniform(factors, 0.5, 1.5);
    parameter.value().copy_from(ops::multiply(parameter.value().contiguous(), factors));
  }
  io::save(model, folder / "weights.safetensors");
  io::SafetensorsWriter writer;
  writer.add("input", images);
  writer.add("output", logits(images));
  writer.write(folder / "example.safetensors");
  CHECK(testing::python_succeeds(script + "check" + words));
}

}  // namespace

TEST_CASE("networks come from torchvision, and go back") {
  if (!testing::python_has("torch, torchvision")) return;
  SUBCASE("ResNet-18 over frames") {
    FrameResNet18 model;
    compare("resnet18", model);
  }
  SUBCASE("ResNet-18") {
    models::ResNet18<float> model;
    compare("resnet18", model);
  }
  SUBCASE("ResNet-50") {
    models::ResNet50<float> model;
    compare("resnet50", model);
  }
  SUBCASE("DenseNet-121") {
    models::DenseNet<float> model(models::densenet121(7));
    compare("densenet121", model);
  }
  SUBCASE("vision transformer") {
    models::VisionTransformer<float> model(
        models::VisionTransformerOptions{.side = 32, .patch = 8, .width = 48, .depth = 2, .heads = 3, .mlp_width = 96});
    compare("vit", model);
  }
  SUBCASE("vision transformer with a convolutional stem") {
    models::VisionTransformer<float> model(
        models::VisionTransformerOptions{.side = 32,
                                         .patch = 8,
                                         .width = 48,
                                         .depth = 2,
                                         .heads = 3,
                                         .mlp_width = 96,
                                         .stem = {{.channels = 12, .stride = 4}, {.channels = 20, .stride = 2}}});
    compare("vit_with_stem", model);
  }
}
