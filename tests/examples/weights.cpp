/// The program mien-weights as a user meets it: command line in, exit code, words and files out.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/wait.h>

#include <nlohmann/json.hpp>

#include "io/temporary_folder.hpp"
#include "mien/io/file.hpp"
#include "mien/io/safetensors.hpp"

namespace {

using namespace mien;

const std::string archives = MIEN_TEST_DATA_DIR "/io/pytorch/";

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

/// Runs the program, its words in two files of the folder.
Outcome run(const TemporaryFolder& folder, const std::vector<std::string>& arguments) {
  const std::string program = std::string(MIEN_EXAMPLES_DIR) + "/mien-weights";
  REQUIRE_MESSAGE(std::filesystem::exists(program), program << " is not built");
  std::string command = "'" + program + "'";
  for (const std::string& argument : arguments) command += " '" + argument + "'";
  command += " >'" + (folder / "out").string() + "' 2>'" + (folder / "err").string() + "'";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, io::read_text(folder / "out"), io::read_text(folder / "err")};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A file of two tensors, the numbers of one of them times a factor.
std::string write_pair(const std::string& path, float factor) {
  io::SafetensorsWriter writer;
  writer.set_metadata("epoch", "4");
  writer.add("module.blocks.0.mlp.fc1.weight", Tensor<float>::from({2, 2}, {factor, -2 * factor, 0, 0.5F}));
  writer.add("module.count", Tensor<std::int64_t>({1}, 3));
  writer.write(path);
  return path;
}

}  // namespace

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
  for (const char* command : {"inspect", "compare", "convert", "rename", "average", "onnx"}) {
    CAPTURE(command);
    const Outcome help = run(folder, {command, "--help"});
    CHECK(help.code == 0);
    CHECK(contains(help.out, "--help"));
  }
}
