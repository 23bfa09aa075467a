#include <mien/io/weight_names.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

using namespace mien;

TEST_CASE("the names of other programs are ours, and back") {
  struct Case {
    io::NameFamily family;
    std::string theirs;
    std::string ours;
  };
  const std::vector<Case> cases{
      {io::old_densenet, "features.denseblock3.denselayer12.norm.1.running_var",
       "features.denseblock3.denselayer12.norm1.running_var"},
      {io::old_densenet, "features.denseblock1.denselayer2.conv.2.weight",
       "features.denseblock1.denselayer2.conv2.weight"},
      {io::old_vit, "encoder.layers.encoder_layer_11.mlp.linear_2.bias", "encoder.layers.encoder_layer_11.mlp.3.bias"},
      {io::old_vit, "encoder.layers.encoder_layer_0.mlp.linear_1.weight",
       "encoder.layers.encoder_layer_0.mlp.0.weight"},
      {io::timm_vit, "cls_token", "class_token"},
      {io::timm_vit, "pos_embed", "encoder.pos_embedding"},
      {io::timm_vit, "patch_embed.proj.weight", "conv_proj.weight"},
      {io::timm_vit, "blocks.0.norm1.bias", "encoder.layers.encoder_layer_0.ln_1.bias"},
      {io::timm_vit, "blocks.11.attn.qkv.weight", "encoder.layers.encoder_layer_11.self_attention.in_proj_weight"},
      {io::timm_vit, "blocks.11.attn.qkv.bias", "encoder.layers.encoder_layer_11.self_attention.in_proj_bias"},
      {io::timm_vit, "blocks.3.attn.proj.weight", "encoder.layers.encoder_layer_3.self_attention.out_proj.weight"},
      {io::timm_vit, "blocks.3.norm2.weight", "encoder.layers.encoder_layer_3.ln_2.weight"},
      {io::timm_vit, "blocks.3.mlp.fc1.weight", "encoder.layers.encoder_layer_3.mlp.0.weight"},
      {io::timm_vit, "blocks.3.mlp.fc2.bias", "encoder.layers.encoder_layer_3.mlp.3.bias"},
      {io::timm_vit, "norm.weight", "encoder.ln.weight"},
      {io::timm_vit, "head.bias", "heads.head.bias"},
  };
  for (const Case& known : cases) {
    CAPTURE(known.theirs);
    const auto& [family, theirs, ours] = known;
    CHECK(io::translated(theirs, family) == ours);
    CHECK(io::translated_back(ours, family) == theirs);
    CHECK(io::translated(ours, family) == ours);
  }
  CHECK(io::translated("features.norm.1.weight", io::old_densenet) == "features.norm.1.weight");
  CHECK(io::translated("blocks.0.attn.qkv.weight.more", io::timm_vit) == "blocks.0.attn.qkv.weight.more");
  CHECK(io::translated("norm.", io::timm_vit) == "norm.");
  CHECK(io::translated("", io::timm_vit).empty());
}

TEST_CASE("a star stands for one part of a name") {
  CHECK(io::name_fits("layer1.0.conv2.fc.weight", "layer*.*.conv2.fc."));
  CHECK(!io::name_fits("layer.0.conv2.fc.weight", "layer*.*.conv2.fc."));
  CHECK(!io::name_fits("layer1.0.1.conv2.fc.weight", "layer*.*.conv2.fc."));
  CHECK(!io::name_fits("layer1.0.conv2.fc.", "layer*.*.conv2.fc."));
  CHECK(!io::name_fits("fc.weight", "layer*.*.conv2.fc."));
  CHECK(io::name_fits("fc.weight", "fc.*"));
  CHECK(!io::name_fits("fc.weight.x", "fc.*"));
}

TEST_CASE("what stands before all names goes, in any order, and never the name itself") {
  CHECK(io::without_prefixes("state_dict.module.layer1.0.conv1.weight") == "layer1.0.conv1.weight");
  CHECK(io::without_prefixes("module._orig_mod.backbone.fc.bias") == "fc.bias");
  CHECK(io::without_prefixes("model.") == "model.");
  CHECK(io::without_prefixes("models.fc.bias") == "models.fc.bias");
}

TEST_CASE("of all translations the plainest that fits most is taken") {
  const std::vector<std::string> wanted{"class_token", "encoder.ln.bias", "encoder.ln.weight", "heads.head.bias"};
  CHECK(io::best_translation(wanted, wanted).to_string() == "as they are");
  CHECK(io::best_translation({"other"}, wanted).to_string() == "as they are");
  CHECK(io::best_translation({"module.class_token", "module.encoder.ln.bias"}, wanted).to_string() ==
        "without their prefixes");
  CHECK(io::best_translation({"cls_token", "norm.bias", "class_token"}, wanted).to_string() == "timm-vit");
  CHECK(io::best_translation({"model.cls_token", "model.norm.bias"}, wanted).to_string() ==
        "timm-vit, without their prefixes");
}

TEST_CASE("networks are recognised by their names") {
  const auto looks = [](const std::vector<std::string>& names) { return std::string(io::architecture_of(names)); };
  CHECK(looks({"layer1.0.conv1.weight", "layer1.1.conv1.weight"}) == "a ResNet-18");
  CHECK(looks({"module.layer1.0.conv1.weight", "module.layer1.2.conv1.weight"}) == "a ResNet-34");
  CHECK(looks({"layer1.0.conv1.weight", "layer1.0.conv3.weight"}) == "a ResNet-50");
  CHECK(looks({"layer1.0.conv3.weight", "layer3.6.bn1.bias"}) == "a ResNet-101");
  CHECK(looks({"layer1.0.conv1.weight", "layer1.0.conv2.fc.weight"}) == "a SISTCM-ResNet");
  CHECK(looks({"features.denseblock1.denselayer1.norm1.weight"}) == "a DenseNet-121");
  CHECK(looks({"features.denseblock1.denselayer1.norm.1.weight", "features.denseblock3.denselayer48.norm.1.weight"}) ==
        "a DenseNet-201");
  CHECK(looks({"blocks.0.attn.qkv.weight"}) == "a vision transformer");
  CHECK(looks({"something"}).empty());
}
