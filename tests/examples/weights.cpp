/// The program mien-weights as a user meets it: command line in, exit code, words and files out.

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "examples/process.hpp"
#include "io/temporary_folder.hpp"
#include "mien/io/file.hpp"
#include "mien/io/safetensors.hpp"

namespace {

using namespace mien;

const std::string archives = MIEN_TEST_DATA_DIR "/io/pytorch/";

/// Runs the program, its words in two files of the folder.
Outcome run(const TemporaryFolder& folder, const Words& arguments) {
  return ::run(folder.path(), "mien-weights", arguments);
}

/// A file of two tensors, the numbers of one of them times a factor.
std::string write_pair(const std::string& path, float factor) {
  io::SafetensorsWriter writer;
  writer.set_metadata("epoch", "4");
  writer.add("module.blocks.0.mlp.fc1.weight", Tensor<float>::from({2, 2}, {factor, -2 * factor, 0, 0.5F}));
  writer.add("module.count", Tensor<std::int64_t>({1}, 3));
  writer.write(path);
  return path;
}

const std::string shipped = MIEN_SOURCE_DIR "/examples/data/weights/";

/// The expression network as face-api.js stores it: axes [height, width, in, out], classes in its own order, and one
/// tensor in bytes.
std::string write_manifest(const TemporaryFolder& folder) {
  const auto file = io::read_safetensors(shipped + "face_expression.safetensors");
  nlohmann::json weights = nlohmann::json::array();
  std::vector<std::byte> data;
  const auto add = [&](const std::string& name, const Tensor<float>& tensor) {
    const Tensor<float> tight = tensor.contiguous();
    weights.push_back({{"name", name}, {"dtype", "float32"}, {"shape", nlohmann::json::array()}});
    for (const Index extent : tight.shape()) weights.back()["shape"].push_back(extent);
    const auto* const first = reinterpret_cast<const std::byte*>(tight.data());
    data.insert(data.end(), first, first + static_cast<std::size_t>(tight.elements()) * sizeof(float));
  };
  for (const std::string block : {"0", "1", "2", "3"})
    for (const std::string i : {"0", "1", "2", "3"}) {
      const std::string from = "dense" + block + ".conv" + i + ".";
      const std::string to = "dense" + block + "/conv" + i + "/";
      if (block == "0" && i == "0") {
        add(to + "filters", file.tensor<float>(from + "weight").permute({2, 3, 1, 0}));
        add(to + "bias", file.tensor<float>(from + "bias"));
        continue;
      }
      add(to + "depthwise_filter", file.tensor<float>(from + "depthwise.weight").permute({2, 3, 0, 1}));
      add(to + "pointwise_filter", file.tensor<float>(from + "pointwise.weight").permute({2, 3, 1, 0}));
      add(to + "bias", file.tensor<float>(from + "pointwise.bias"));
    }
  // neutral, happy, sad, angry, fearful, disgusted, surprised by their places in data::Emotion.
  Tensor<float> rows({7, 256});
  Tensor<float> terms({7});
  for (const Index row : {0, 1, 2, 3, 4, 5, 6}) {
    const Index ours = std::vector<Index>{2, 0, 1, 3, 6, 5, 4}[static_cast<std::size_t>(row)];
    rows.select(0, row).copy_from(file.tensor<float>("fc.weight").select(0, ours));
    terms(row) = file.tensor<float>("fc.bias")(ours);
  }
  add("fc/weights", rows.permute({1, 0}));
  weights.push_back({{"name", "fc/bias"},
                     {"dtype", "float32"},
                     {"shape", {7}},
                     {"quantization", {{"dtype", "uint8"}, {"scale", 0.5}, {"min", -3.0}}}});
  for (int i = 0; i < 7; ++i) data.push_back(static_cast<std::byte>(i));
  io::write_file(folder / "shard.bin", data);
  const std::string path = (folder / "manifest.json").string();
  io::write_file(path, nlohmann::json::array({{{"weights", weights}, {"paths", {"shard.bin"}}}}).dump());
  return path;
}

}  // namespace

TEST_CASE("mien-weights makes the weights that are shipped of their sources") {
  const TemporaryFolder folder;
  const std::string out = (folder / "out.safetensors").string();
  const std::string onnx = MIEN_TEST_DATA_DIR "/face/face_detection_yunet_2023mar.onnx";
  CHECK(run(folder, {"import-yunet", onnx, out}).code == 0);
  CHECK(run(folder, {"compare", out, shipped + "face_detector.safetensors", "--tolerance", "1e-4"}).code == 0);
  CHECK(io::read_safetensors(out).metadata().at("licence").starts_with("MIT"));

  const std::string manifest = write_manifest(folder);
  CHECK(run(folder, {"import-expression", manifest, out}).code == 0);
  const Outcome difference = run(folder, {"compare", out, shipped + "face_expression.safetensors"});
  CHECK(contains(difference.out, "fc.bias:"));
  CHECK(contains(difference.out, "self_check.output:"));
  CHECK(contains(difference.out, "49 tensors are equal, 2 differ"));
  const auto bias = io::read_safetensors(out).tensor<float>("fc.bias");
  CHECK(bias(2) == -3);            // neutral, their first
  CHECK(bias(4) == 6 * 0.5F - 3);  // surprise, their last
}

TEST_CASE("mien-weights imports nothing else") {
  const TemporaryFolder folder;
  const std::string out = (folder / "out.safetensors").string();
  const std::string manifest = write_manifest(folder);
  const Outcome swapped = run(folder, {"import-yunet", manifest, out});
  CHECK(swapped.code == 1);
  CHECK(contains(swapped.err, "manifest.json"));
  auto document = nlohmann::json::parse(io::read_text(manifest));
  const auto refused = [&](const nlohmann::json& changed, const std::string& words) {
    io::write_file(manifest, changed.dump());
    const Outcome outcome = run(folder, {"import-expression", manifest, out});
    CHECK(outcome.code == 1);
    CHECK_MESSAGE(contains(outcome.err, words), outcome.err);
    CHECK_FALSE(std::filesystem::exists(out));
  };
  auto changed = document;
  changed[0]["paths"] = {"../shard.bin"};
  refused(changed, "the name of a file");
  changed = document;
  changed[0]["weights"].erase(3);
  refused(changed, "expected all");
  changed = document;
  changed[0]["weights"][0]["name"] = "other";
  refused(changed, "no tensor `dense0/conv0/filters`");
  changed = document;
  changed[0]["weights"][0]["shape"] = {3, 3, 32, 3};
  refused(changed, "dense0.conv0.weight");
  changed = document;
  changed[0]["weights"][0]["shape"] = {3, 3, -3, -32};
  refused(changed, "manifest.json");
  changed = document;
  changed[0]["weights"][0]["dtype"] = "int32";
  refused(changed, "numbers of int32");
  refused(nlohmann::json{{"weights", 3}}, "manifest.json");
  io::write_file(manifest, std::string_view("[{"));
  CHECK(run(folder, {"import-expression", manifest, out}).code == 1);
}

TEST_CASE("mien-weights inspect lists what a file holds") {
  const TemporaryFolder folder;
  const Outcome words = run(folder, {"inspect", archives + "checkpoint.pth"});
  CHECK(words.code == 0);
  CHECK(contains(words.out, "state_dict.0.weight  F32 [3, 2, 3, 3]  216 bytes\n"));
  CHECK(contains(words.out, "metadata epoch: 3\n"));
  CHECK(contains(words.out, "6 tensors, 67 numbers, 272 bytes\n"));

  const Outcome json = run(folder, {"inspect", archives + "checkpoint.pth", "--json"});
  CHECK(json.code == 0);
  const auto document = nlohmann::json::parse(json.out);
  CHECK(document["count"] == 6);
  CHECK(document["tensors"][0]["shape"] == nlohmann::json({3, 2, 3, 3}));
  CHECK(document["metadata"]["name"] == "tiny");

  const Outcome refused = run(folder, {"inspect", archives + "calls.pt"});
  CHECK(refused.code == 1);
  CHECK(refused.out.empty());
  CHECK(contains(refused.err, "`posix.system`"));
}

TEST_CASE("mien-weights converts, renames and compares") {
  const TemporaryFolder folder;
  const std::string in = write_pair((folder / "in.safetensors").string(), 1.0625F);
  const std::string half = (folder / "half.safetensors").string();
  CHECK(run(folder, {"convert", in, half, "--type", "bfloat16"}).code == 0);
  const auto converted = io::read_safetensors(half);
  CHECK(converted.type("module.blocks.0.mlp.fc1.weight") == io::ElementType::bfloat16);
  CHECK(converted.type("module.count") == io::ElementType::int64);
  CHECK(converted.tensor<float>("module.blocks.0.mlp.fc1.weight")(0, 1) == -2.125F);
  CHECK(converted.metadata().at("epoch") == "4");

  const std::string ours = (folder / "ours.safetensors").string();
  const Outcome renamed = run(folder, {"rename", in, ours, "--from", "strip-prefix", "--from", "timm-vit", "--map",
                                       "count=seen", "--map", "encoder.layers.*.mlp.0.=parts.*."});
  CHECK(renamed.code == 0);
  CHECK(contains(renamed.err, "2 of 2 tensors were renamed"));
  CHECK(io::read_safetensors(ours).contains("parts.encoder_layer_0.weight"));
  CHECK(io::read_safetensors(ours).contains("seen"));

  CHECK(run(folder, {"compare", in, in}).code == 0);
  const Outcome types = run(folder, {"compare", in, half});
  CHECK(types.code == 1);
  CHECK(contains(types.out, "F32 and BF16"));
  const std::string other = write_pair((folder / "other.safetensors").string(), 1.5F);
  const Outcome values = run(folder, {"compare", in, other});
  CHECK(values.code == 1);
  CHECK(contains(values.out, "differs by 0.875, 0.411765 of the largest"));
  CHECK(run(folder, {"compare", in, other, "--tolerance", "0.5"}).code == 0);
  const Outcome names = run(folder, {"compare", in, ours, "--json"});
  CHECK(names.code == 1);
  CHECK(nlohmann::json::parse(names.out)["only_in_second"].size() == 2);
}

TEST_CASE("mien-weights averages files of one model") {
  const TemporaryFolder folder;
  const std::string a = write_pair((folder / "a.safetensors").string(), 1);
  const std::string b = write_pair((folder / "b.safetensors").string(), 3);
  const std::string out = (folder / "mean.safetensors").string();
  const auto first = [&] { return io::read_safetensors(out).tensor<float>("module.blocks.0.mlp.fc1.weight")(0, 0); };
  CHECK(run(folder, {"average", out, a, b}).code == 0);
  CHECK(first() == 2);
  CHECK(run(folder, {"average", out, a, b, "--weights", "3,1"}).code == 0);
  CHECK(first() == 1.5F);
  CHECK(io::read_safetensors(out).type("module.count") == io::ElementType::int64);
  CHECK(run(folder, {"average", out, a, b, "--weights", "1"}).code == 2);
  CHECK(run(folder, {"average", out, a, b, "--weights", "0,0"}).code == 2);
  const Outcome unlike = run(folder, {"average", out, a, archives + "checkpoint.pth"});
  CHECK(unlike.code == 1);
  CHECK(contains(unlike.err, "only those of"));
}

TEST_CASE("mien-weights compare takes infinity for nothing but itself") {
  const TemporaryFolder folder;
  const auto write = [&](const char* name, const std::vector<float>& numbers) {
    io::SafetensorsWriter writer;
    writer.add("x", Tensor<float>::from({3}, numbers));
    writer.write(folder / name);
    return (folder / name).string();
  };
  const std::string infinite = write("infinite", {INFINITY, -2, NAN});
  CHECK(run(folder, {"compare", infinite, infinite}).code == 0);
  for (const std::vector<float>& numbers :
       {std::vector<float>{1, -2, NAN}, {-INFINITY, -2, NAN}, {NAN, -2, NAN}, {INFINITY, -2, 0}}) {
    const std::string other = write("other", numbers);
    for (const auto& [a, b] : {std::pair(infinite, other), std::pair(other, infinite)}) {
      const Outcome found = run(folder, {"compare", a, b, "--tolerance", "1e6"});
      CHECK(found.code == 1);
      CHECK(contains(found.out, "x: differs by inf, inf of the largest"));
    }
  }
  // Finite numbers beside it are measured by the finite ones.
  const Outcome near = run(folder, {"compare", infinite, write("near", {INFINITY, -2.5, NAN})});
  CHECK(contains(near.out, "x: differs by 0.5, 0.25 of the largest"));
}

TEST_CASE("mien-weights leaves a self-check out where numbers change, and says so") {
  const TemporaryFolder folder;
  const auto write = [&](const char* name, float weight) {
    io::SafetensorsWriter writer;
    writer.add("fc.weight", Tensor<float>::from({1}, {weight}));
    writer.add("self_check.input", Tensor<float>::from({1}, {3}));
    writer.add("self_check.output", Tensor<float>::from({1}, {3 * weight}));
    writer.write(folder / name);
    return (folder / name).string();
  };
  const std::string a = write("a.safetensors", 1);
  const std::string b = write("b.safetensors", 2);
  const std::string out = (folder / "out.safetensors").string();
  const auto has_check = [&] {
    const auto file = io::read_safetensors(out);
    CHECK(file.contains("fc.weight"));
    CHECK(file.contains("self_check.input") == file.contains("self_check.output"));
    return file.contains("self_check.input");
  };
  for (const Words& words : {Words{"average", out, a, b}, {"convert", a, out, "--type", "bfloat16"}}) {
    const Outcome changed = run(folder, words);
    CHECK(changed.code == 0);
    CHECK(contains(changed.err, "self-check is left out"));
    CHECK_FALSE(has_check());
  }
  for (const Words& words : {Words{"convert", a, out}, {"convert", a, out, "--type", "float32"}, {"rename", a, out}}) {
    const Outcome same = run(folder, words);
    CHECK(same.code == 0);
    CHECK_FALSE(contains(same.err, "self-check"));
    CHECK(has_check());
  }
}

TEST_CASE("mien-weights refuses numbers that a type cannot hold, and reads integers of any size") {
  const TemporaryFolder folder;
  constexpr std::int64_t large = (std::int64_t{1} << 53) + 1;
  const auto write = [&](const char* name, const std::vector<float>& numbers) {
    io::SafetensorsWriter writer;
    writer.add("x", Tensor<float>::from({3}, numbers));
    writer.add("count", Tensor<std::int64_t>({1}, large));
    writer.write(folder / name);
    return (folder / name).string();
  };
  const std::string out = (folder / "out.safetensors").string();
  const std::string wide = write("wide.safetensors", {1, -70000, 2});
  const Outcome refused = run(folder, {"convert", wide, out, "--type", "float16"});
  CHECK(refused.code == 1);
  CHECK(contains(refused.err, wide + ": tensor `x`, element 1: found -70000, expected at most 65504"));
  CHECK_FALSE(fs::exists(out));
  const std::string widest = write("widest.safetensors", {3.4e38F, 0, 0});
  CHECK(contains(run(folder, {"convert", widest, out, "--type", "bfloat16"}).err, "at most 3.38953e+38"));
  const std::string infinite = write("infinite.safetensors", {INFINITY, NAN, 65504});
  CHECK(run(folder, {"convert", infinite, out, "--type", "float16"}).code == 0);
  CHECK(std::isinf(io::read_safetensors(out).tensor<float>("x")(0)));
  CHECK(io::read_safetensors(out).tensor<float>("x")(2) == 65504);

  CHECK(run(folder, {"average", out, wide, wide}).code == 0);
  CHECK(io::read_safetensors(out).tensor<std::int64_t>("count")(0) == large);
  const std::string narrow = (folder / "narrow.safetensors").string();
  CHECK(run(folder, {"convert", write("ones.safetensors", {1, 1, 1}), narrow, "--type", "float16"}).code == 0);
  const Outcome beyond = run(folder, {"average", out, narrow, write("far.safetensors", {1, 1, 1e6F})});
  CHECK(beyond.code == 1);
  CHECK(contains(beyond.err, "tensor `x`, element 2: found 500000, expected at most 65504"));
}

TEST_CASE("a model file cannot ask for a network that no memory holds") {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::string& model, const std::string& form) {
    io::SafetensorsWriter writer;
    writer.set_metadata("model", model);
    writer.set_metadata("class_names", R"(["a","b"])");
    writer.set_metadata("options", form);
    writer.write(folder / "model.safetensors");
    const Outcome outcome =
        run(folder, {"onnx", (folder / "model.safetensors").string(), (folder / "out.onnx").string()});
    CHECK(outcome.code == 1);
    return outcome.err;
  };
  const auto accm = [](const std::string& joints, const std::string& width) {
    return R"({"joints":)" + joints + R"(,"drawn_joints":[],"width":)" + width +
           R"(,"aggregate":"sum","size":8,"sigma":0.0,"time_weight":"linear","scale":"none","square_root":false,)"
           R"("box":"sequence","margin":0.1})";
  };
  CHECK(contains(refusal("accm", accm("3", "100000")),
                 "model.safetensors: __metadata__: options: found width 100000, expected 0 to 2048"));
  CHECK(contains(refusal("accm", accm("-3", "8")), "found joints -3, expected 0 to 4096"));
  CHECK(contains(refusal("accm", accm("18446744073709551615", "8")), "found joints 18446744073709551615"));
  CHECK(contains(refusal("accm", accm("1e300", "8")), "found joints 1e+300, expected an integer"));
  CHECK(contains(refusal("accm", accm("3.5", "8")), "found joints 3.5, expected an integer"));
  CHECK(contains(refusal("sistcm_resnet18", R"({"zoom":1e300})"), "found zoom 1e+300, expected -4096 to 4096"));
  CHECK(contains(refusal("accm", "[]"), "__metadata__: options: found array, expected an object"));
  CHECK(contains(refusal("sistcm_resnet18", R"({"widths":[64,128,256,200000]})"), "found widths 200000"));
  CHECK(contains(refusal("sistcm_resnet18", R"({"side":1000000})"), "found side 1000000, expected 0 to 4096"));
  // Text within a header, which has no depth to the header's own reader.
  const std::string deep = R"({"a":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  CHECK(contains(refusal("accm", deep), "model.safetensors: __metadata__"));
  // Within bounds, and yet no network.
  CHECK(contains(refusal("sistcm_resnet18",
                         R"({"clips":1,"frames":3,"side":48,"channels":1,"fit":"crop","zoom":1.0,"mean":[0,0,0],)"
                         R"("deviation":[1,1,1],"layout":"stacked","fusion":"channel","small_stem":true,)"
                         R"("widths":[8,8,8,8],"lstm":true,"feature_hidden":0,"emotion_hidden":4})"),
                 "__metadata__: options: found Lstm: in 8, hidden 0"));
}

TEST_CASE("mien-weights never writes over what it reads, and wrong words end with 2") {
  const TemporaryFolder folder;
  const std::string in = write_pair((folder / "in.safetensors").string(), 1);
  const Outcome same = run(folder, {"convert", in, in, "--type", "float16"});
  CHECK(same.code == 1);
  CHECK(contains(same.err, "--force"));
  CHECK(io::read_safetensors(in).type("module.blocks.0.mlp.fc1.weight") == io::ElementType::float32);
  CHECK(run(folder, {"average", in, in, in}).code == 1);
  CHECK(run(folder, {"convert", in, in, "--type", "float16", "--force"}).code == 0);
  CHECK(io::read_safetensors(in).type("module.blocks.0.mlp.fc1.weight") == io::ElementType::float16);

  CHECK(run(folder, {}).code == 2);
  CHECK(run(folder, {"convert", in}).code == 2);
  CHECK(run(folder, {"convert", in, in, "--type", "int8"}).code == 2);
  CHECK(run(folder, {"rename", in, in, "--from", "elsewhere"}).code == 2);
  CHECK(run(folder, {"rename", in, (folder / "x").string(), "--map", "a*=b"}).code == 2);
  CHECK(run(folder, {"inspect", (folder / "absent.pt").string()}).code == 1);
  CHECK(run(folder, {"onnx", in, (folder / "x.onnx").string()}).code == 1);
  for (const char* command :
       {"inspect", "compare", "convert", "rename", "average", "onnx", "import-yunet", "import-expression"}) {
    CAPTURE(command);
    const Outcome help = run(folder, {command, "--help"});
    CHECK(help.code == 0);
    CHECK(contains(help.out, "--help"));
  }
}
