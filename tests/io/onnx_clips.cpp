#include <mien/models/sistcm_resnet.hpp>
#include <mien/models/two_stream_lstm.hpp>

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "io/onnx_gallery.hpp"

using namespace mien;
using testing::Inputs;
using testing::Outputs;

TEST_CASE("ONNX Runtime computes what networks over clips and videos do, for batches of any size") {
  if (!testing::python_has("onnx, onnxruntime, numpy")) return;
  testing::Gallery gallery;
  const std::vector<std::pair<ViewFusion, std::string>> fusions{
      {ViewFusion::channel, "channel"}, {ViewFusion::view, "view"},   {ViewFusion::sum, "sum"},
      {ViewFusion::height, "height"},   {ViewFusion::width, "width"}, {ViewFusion::none, "none"}};
  for (const auto layout : {SuperImageLayout::stacked, SuperImageLayout::interleaved})
    for (const auto& [fusion, fusion_name] : fusions) {
      auto options = models::small_sistcm_resnet18(4, 2);
      options.widths = {3, 4, 5, 7};
      options.layout = layout;
      options.fusion = fusion;
      models::SistcmResNet18<float> face(options);
      gallery.add((layout == SuperImageLayout::stacked ? "stacked_" : "interleaved_") + fusion_name, face,
                  {{"frames", {2, 3, 18, 14, 2}}}, [&](const Inputs& inputs) {
                    const auto [features, logits] = face(inputs[0]);
                    return Outputs{{"features", features}, {"logits", logits}};
                  });
    }
  models::SistcmResNet18Options large;
  large.widths = {4, 5, 6, 8};
  models::SistcmResNet18<float> videos(large);
  gallery.add("videos", videos, {{"frames", {2, 2, 3, 32, 40, 3}}}, [&](const Inputs& inputs) {
    return Outputs{{"logits", videos(inputs[0]).logits}};
  });
  models::TwoStreamLstm<float> reader(
      {.features = 6, .classes = 4, .feature_hidden = 5, .emotion_hidden = 3, .layers = 2, .bidirectional = true});
  gallery.add("two_stream", reader, {{"features", {2, 3, 6}}, {"clip_logits", {2, 3, 4}}}, [&](const Inputs& inputs) {
    const auto [e1, e2] = reader(inputs[0], softmax(inputs[1]));
    return Outputs{{"e1", e1}, {"e2", e2}};
  });
  CHECK(gallery.agrees());
}
