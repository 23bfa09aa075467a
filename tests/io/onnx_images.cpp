#include <mien/models/densenet.hpp>
#include <mien/models/keypoint_mlp.hpp>
#include <mien/models/resnet.hpp>
#include <mien/models/vit.hpp>

#include <doctest/doctest.h>

#include "io/onnx_gallery.hpp"

using namespace mien;

TEST_CASE("ONNX Runtime computes what networks over images and keypoints do, for batches of any size") {
  if (!testing::python_has("onnx, onnxruntime, numpy")) return;
  testing::Gallery gallery;
  const models::ResNetOptions residual{.outputs = 3, .layers = {{1, 2, 1, 1}}, .widths = {3, 4, 5, 6}, .channels = 2};
  models::ResNet18<float> resnet(residual);
  gallery.add("resnet18", resnet, {{"images", {2, 37, 33, 2}}}, testing::single(resnet));
  models::ResNet50<float> bottlenecks(residual);
  gallery.add("resnet50", bottlenecks, {{"images", {2, 33, 35, 2}}}, testing::single(bottlenecks));
  models::DenseNet<float> densenet(models::DenseNetOptions{
      .outputs = 3, .layers = {2, 3, 2, 1}, .growth = 3, .width = 6, .bottleneck = 2, .channels = 2});
  gallery.add("densenet", densenet, {{"images", {2, 35, 39, 2}}}, testing::single(densenet));
  models::VisionTransformer<float> transformer(models::VisionTransformerOptions{
      .side = 12, .patch = 4, .channels = 2, .width = 6, .depth = 2, .heads = 3, .mlp_width = 10, .outputs = 4});
  gallery.add("vit", transformer, {{"images", {2, 12, 12, 2}}}, testing::single(transformer));
  models::VisionTransformer<float> stemmed(models::VisionTransformerOptions{
      .side = 12,
      .patch = 4,
      .channels = 2,
      .width = 6,
      .depth = 1,
      .heads = 3,
      .mlp_width = 10,
      .outputs = 4,
      .stem = {{.channels = 3, .kernel = 5, .stride = 2}, {.channels = 5, .stride = 2}}});
  gallery.add("vit_with_stem", stemmed, {{"images", {2, 12, 12, 2}}}, testing::single(stemmed));
  models::KeypointMlp<float> keypoints(models::KeypointMlpOptions{.joints = 5, .outputs = 3, .widths = {9, 8, 7}});
  gallery.add("keypoints", keypoints, {{"keypoints", {2, 5, 3}}}, testing::single(keypoints));
  CHECK(gallery.agrees());
}
