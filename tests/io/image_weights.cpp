#include <mien/io/model_file.hpp>
#include <mien/models/sistcm_resnet.hpp>

#include <doctest/doctest.h>

#include <string>

#include "io/temporary_folder.hpp"
#include "random_tensor.hpp"

using namespace mien;

TEST_CASE("a SISTCM-ResNet18 with a ResNet-18's weights starts as the average of both views") {
  const TemporaryFolder folder;
  models::SistcmResNet18Options options{.classes = 5, .fusion = ViewFusion::none};
  options.widths = {3, 4, 5, 6};
  models::SistcmResNet18<float> images(options);
  Generator(1).fill_normal(images.fc.bias.value(), 0, 1);
  io::save(images, folder / "resnet18.safetensors");

  options.classes = 3;
  options.fusion = ViewFusion::channel;
  models::SistcmResNet18<float> face(options);
  const auto report = io::load(face, folder / "resnet18.safetensors",
                               {.allow_head_mismatch = true, .allow_missing = {"layer*.*.conv2.fc."}});
  CHECK(report.heads == std::vector<std::string>{"fc."});
  CHECK(report.missing.size() == 16);
  CHECK_THROWS_AS(io::load(face, folder / "resnet18.safetensors", {.allow_head_mismatch = true}), FileError);

  const NoGradient not_recorded;
  face.evaluate();
  static_cast<void>(face(testing::random<float>({2, 3, 32, 40, 3}, 2)));
  for (const Tensor<float>& alpha : face.alpha())
    CHECK(testing::largest_difference(alpha, Tensor<float>(alpha.shape(), 0.5F)) == 0);

  auto& fused = face.stages[1][0].conv2;
  const auto x = testing::random<float>({2, 3, 7, 5, 4}, 3);
  const auto view = [&](ViewFusion fusion) {
    return super_image_convolution(Variable<float>(x), fused.weight, {}, {}, {SuperImageLayout::stacked, fusion})
        .y.value();
  };
  const auto average = ops::scale(ops::add(view(ViewFusion::height), view(ViewFusion::width)), 0.5F);
  CHECK(testing::largest_difference(fused(Variable<float>(x)).value(), average) < 1e-5);
}
