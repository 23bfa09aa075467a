#include <mien/autograd/activation.hpp>
#include <mien/io/model_file.hpp>
#include <mien/nn/batch_norm.hpp>
#include <mien/nn/convolution.hpp>
#include <mien/nn/linear.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"

using namespace mien;

namespace {

template <class T>
struct Network : nn::Module<Network<T>, T> {
  explicit Network(Index classes = 3, Index width = 5)
      : conv({.in = 2, .out = width, .kernel = {3, 1}}), norm(width), fc({.in = width, .out = classes}) {}

  Variable<T> operator()(const Variable<T>& x) { return fc(mean_of_positions(relu(norm(conv(x))))); }

  void visit(auto&& child) {
    child("conv", conv);
    child("norm", norm);
    child("fc", fc);
  }

  nn::Convolution<T> conv;
  nn::BatchNorm<T> norm;
  nn::Linear<T> fc;
};

/// As torch.nn.Sequential has them.
struct Pair : nn::Module<Pair, float> {
  void visit(auto&& child) {
    child("0", conv);
    child("1", norm);
  }
  nn::Convolution<float> conv{{.in = 2, .out = 3, .kernel = 3}};
  nn::BatchNorm<float> norm{3};
};

struct Nothing : nn::Module<Nothing, float> {
  void visit(auto&&) {}
};

/// All parameters and buffers of a module in one row.
template <class Module>
std::vector<double> values(Module& module) {
  std::vector<double> out;
  for (const auto& [name, tensor] : io::detail::named_tensors(module)) {
    const auto tight = tensor.contiguous();
    for (const auto value : tight.span()) out.push_back(static_cast<double>(value));
  }
  return out;
}

template <class T>
void randomise(Network<T>& network, std::uint64_t seed) {
  Generator generator(seed);
  for (auto& [name, variable, layout] : network.named_parameters()) generator.fill_normal(variable.value(), 0, 1);
  for (auto& [name, tensor] : network.named_buffers()) generator.fill_uniform(tensor, 0.5, 2);
}

}  // namespace

TEST_CASE_TEMPLATE("a saved model is the same to the bit when it is loaded", T, float, double) {
  const TemporaryFolder folder;
  Network<T> first;
  randomise(first, 1);
  io::save(first, folder / "a model.safetensors", {.metadata = {{"classes", "joy,fear,anger"}}});
  Network<T> second;
  randomise(second, 2);
  REQUIRE(values(first) != values(second));
  const io::LoadReport report = io::load(second, folder / "a model.safetensors");
  CHECK(values(first) == values(second));
  CHECK(report.loaded.size() == 8 - (first.conv.bias.value().defined() ? 0 : 1));
  CHECK(report.missing.empty());
  CHECK(report.unexpected.empty());
  CHECK(report.reshaped.empty());
  CHECK(report.to_string().empty());
  CHECK(report.metadata.at("classes") == "joy,fear,anger");
  CHECK(report.metadata.at("writer") == std::string("mien ") + std::string(version()));
}

TEST_CASE("files keep PyTorch's axis order") {
  const TemporaryFolder folder;
  Network<float> network;
  randomise(network, 3);
  io::save(network, folder / "m.safetensors");
  const auto file = io::read_safetensors(folder / "m.safetensors");
  const auto weight = file.tensor<float>("conv.weight");
  REQUIRE(weight.shape() == Shape{5, 2, 3, 1});  // out, in, height, width
  for (Index o = 0; o < 5; ++o)
    for (Index i = 0; i < 2; ++i)
      for (Index y = 0; y < 3; ++y) CHECK(weight(o, i, y, 0) == network.conv.weight.value()(y, 0, i, o));
  CHECK(file.shape("fc.weight") == Shape{3, 5});
  CHECK(file.contains("norm.running_var"));
}

TEST_CASE("loading keeps handles: copies of the module and optimisers see the new values") {
  const TemporaryFolder folder;
  Network<float> first;
  randomise(first, 4);
  io::save(first, folder / "m.safetensors");
  Network<float> second;
  const Network<float> copy = second;
  io::load(second, folder / "m.safetensors");
  CHECK(copy.fc.bias.value()(2) == first.fc.bias.value()(2));
}

TEST_CASE("a file of another model changes nothing and says all that is wrong") {
  const TemporaryFolder folder;
  Network<double> other(4);  // a head of four classes
  randomise(other, 5);
  io::SafetensorsWriter writer;
  for (const auto& [name, tensor] : io::detail::named_tensors(other))
    if (name != "norm.weight") writer.add(name, tensor);
  writer.add("extra", Tensor<double>({1}, 1));
  writer.add("norm.num_batches_tracked", Tensor<std::int64_t>({1}, 7));
  writer.write(folder / "m.safetensors");

  Network<double> network;
  randomise(network, 6);
  const auto before = values(network);
  const std::string message = message_of<FileError>([&] { io::load(network, folder / "m.safetensors"); });
  CHECK(values(network) == before);
  CHECK(contains(message, (folder / "m.safetensors").string()));
  CHECK(contains(message, "missing in the file (1): norm.weight"));
  CHECK(contains(message, "unexpected in the file (1): extra"));
  CHECK(contains(message, "of another shape in the file (2): fc.weight [4, 5] instead of [3, 5]"));
  CHECK(!contains(message, "num_batches_tracked"));

  // Without `strict` missing and unexpected names pass, shapes never.
  CHECK_THROWS_AS(io::load(network, folder / "m.safetensors", {.strict = false}), FileError);
  CHECK(values(network) == before);

  // With a head that may differ, the rest is loaded and the head stays.
  const double bias = network.fc.bias.value()(1);
  const auto report = io::load(network, folder / "m.safetensors", {.strict = false, .allow_other_head = {"fc."}});
  CHECK(report.missing == std::vector<std::string>{"norm.weight"});
  CHECK(report.unexpected == std::vector<std::string>{"extra"});
  REQUIRE(report.reshaped.size() == 2);
  CHECK(report.reshaped[1].name == "fc.bias");
  CHECK(report.reshaped[1].file == Shape{4});
  CHECK(report.reshaped[1].model == Shape{3});
  CHECK(network.fc.bias.value()(1) == bias);
  CHECK(network.norm.bias.value()(4) == other.norm.bias.value()(4));
}

TEST_CASE("a head may also be missing, or be called otherwise in the file") {
  const TemporaryFolder folder;
  Network<float> first;
  randomise(first, 7);
  io::SafetensorsWriter writer;
  for (const auto& [name, tensor] : io::detail::named_tensors(first))
    if (!name.starts_with("fc.")) writer.add(name, tensor);
  writer.write(folder / "m.safetensors");
  Network<float> second;
  CHECK_THROWS_AS(io::load(second, folder / "m.safetensors"), FileError);
  CHECK(io::load(second, folder / "m.safetensors", {.allow_other_head = {"fc."}}).missing.size() == 2);
}

TEST_CASE("prefixes are renamed, and the message names the rule that would help") {
  const TemporaryFolder folder;
  Network<float> first;
  randomise(first, 8);
  const auto write = [&](const std::string& prefix) {
    io::SafetensorsWriter writer;
    for (const auto& [name, tensor] : io::detail::named_tensors(first)) writer.add(prefix + name, tensor);
    writer.write(folder / "m.safetensors");
  };
  Network<float> second;
  write("body.");
  CHECK(contains(message_of<FileError>([&] { io::load(second, folder / "m.safetensors"); }),
                 "names would fit with .rename = {{\"body.\", \"\"}}"));
  io::load(second, folder / "m.safetensors", {.rename = {{"body.", ""}}});
  CHECK(values(first) == values(second));
  CHECK(contains(message_of<FileError>([&] {
                   io::load(second, folder / "m.safetensors",
                            {.rename = {{"body.fc.weight", "x"}, {"body.fc.bias", "x"}, {"body.", ""}}});
                 }),
                 "both renamed to x"));

  // What many programs put there needs no rule.
  write("state_dict.module.");
  Network<float> third;
  CHECK(io::load(third, folder / "m.safetensors").translation.to_string() == "without their prefixes");
  CHECK(values(first) == values(third));
  CHECK_THROWS_AS(io::load(third, folder / "m.safetensors", {.known_names = false}), FileError);
}

TEST_CASE("a well-known head may be another one, and the report names it") {
  const TemporaryFolder folder;
  Network<float> other(4);
  randomise(other, 14);
  io::save(other, folder / "m.safetensors");
  Network<float> network;
  const float bias = network.fc.bias.value()(2);
  const auto report = io::load(network, folder / "m.safetensors", {.allow_head_mismatch = true});
  CHECK(report.heads == std::vector<std::string>{"fc."});
  CHECK(contains(report.to_string(), "left as they were, heads (1): fc."));
  CHECK(network.fc.bias.value()(2) == bias);
  CHECK(network.norm.bias.value()(4) == other.norm.bias.value()(4));
}

TEST_CASE("a head that fits by chance makes no model of another network") {
  const TemporaryFolder folder;
  Network<float> network;
  io::SafetensorsWriter writer;
  writer.add("fc.bias", network.fc.bias.value().clone());
  writer.write(folder / "m.safetensors");
  const io::LoadOptions<float> lenient{.strict = false, .allow_head_mismatch = true};
  CHECK(contains(message_of<FileError>([&] { io::load(network, folder / "m.safetensors", lenient); }),
                 "does not fit the model"));
  CHECK(io::load(network.fc, folder / "m.safetensors", {.strict = false, .rename = {{"fc.", ""}}}).loaded.size() == 1);
}

TEST_CASE("what may be missing is named by a pattern, and integers are no parameters") {
  const TemporaryFolder folder;
  Network<float> first;
  randomise(first, 15);
  io::SafetensorsWriter writer;
  for (const auto& [name, tensor] : io::detail::named_tensors(first))
    if (name != "norm.bias") writer.add(name, tensor);
  writer.write(folder / "m.safetensors");
  Network<float> second;
  CHECK_THROWS_AS(io::load(second, folder / "m.safetensors", {.allow_missing = {"norm.weight"}}), FileError);
  CHECK(io::load(second, folder / "m.safetensors", {.allow_missing = {"norm.*"}}).missing.size() == 1);

  writer.add("norm.bias", Tensor<std::int64_t>({5}, 1));
  writer.write(folder / "m.safetensors");
  const auto before = values(second);
  CHECK(contains(message_of<FileError>([&] { io::load(second, folder / "m.safetensors"); }),
                 "of another type in the file (1): norm.bias I64 instead of floating-point numbers"));
  CHECK(values(second) == before);
}

TEST_CASE("PyTorch's own files load as well, out of a checkpoint") {
  Pair pair;
  const auto report = io::load(pair, MIEN_TEST_DATA_DIR "/io/pytorch/checkpoint.pth");
  CHECK(report.loaded.size() == 5);
  CHECK(report.to_string().empty());
  CHECK(report.metadata.at("epoch") == "3");
  // out 1, in 0, row 2, column 1 of the file is number 18 + 6 + 1.
  CHECK(pair.conv.weight.value()(2, 1, 0, 1) == 25 * 0.5F - 3);
  CHECK(pair.norm.running_var(2) == 2);
}

TEST_CASE("files count batches as PyTorch wants them to") {
  const TemporaryFolder folder;
  Network<float> network;
  io::save(network, folder / "m.safetensors");
  const auto file = io::read_safetensors(folder / "m.safetensors");
  CHECK(file.type("norm.num_batches_tracked") == io::ElementType::int64);
  CHECK(file.shape("norm.num_batches_tracked") == Shape{});
}

TEST_CASE("a file of which nothing fits is refused even without strictness") {
  const TemporaryFolder folder;
  io::SafetensorsWriter writer;
  writer.add("layer1.0.conv1.weight", Tensor<float>({1}, 1));
  writer.add("layer1.0.conv3.weight", Tensor<float>({1}, 1));
  writer.write(folder / "m.safetensors");
  Network<float> network;
  CHECK(contains(message_of<FileError>([&] { io::load(network, folder / "m.safetensors", {.strict = false}); }),
                 "looks like a ResNet-50"));
}

TEST_CASE("double precision loads into single, and numbers beyond its range do not") {
  const TemporaryFolder folder;
  Network<double> wide;
  randomise(wide, 9);
  io::save(wide, folder / "m.safetensors");
  Network<float> narrow;
  io::load(narrow, folder / "m.safetensors");
  CHECK(narrow.fc.weight.value()(2, 3) == static_cast<float>(wide.fc.weight.value()(2, 3)));

  wide.fc.bias.value()(2) = 1e300;
  io::save(wide, folder / "m.safetensors");
  const auto before = values(narrow);
  CHECK_THROWS_AS(io::load(narrow, folder / "m.safetensors"), FileError);
  CHECK(values(narrow) == before);
}

TEST_CASE("a model file can prove that the model computes what it did") {
  const TemporaryFolder folder;
  const NoGradient not_recorded;
  Network<float> first;
  randomise(first, 10);
  first.evaluate();
  Tensor<float> input({2, 7, 5, 2});
  Generator(11).fill_normal(input, 0, 1);
  io::save(first, folder / "m.safetensors", {.check_input = input, .check_output = first(input).value()});

  Network<float> second;
  randomise(second, 12);
  second.evaluate();
  CHECK(io::load(second, folder / "m.safetensors",
                 {.self_check = [&](const Tensor<float>& x) { return second(x).value(); }})
            .self_checked);
  CHECK(!io::load(second, folder / "m.safetensors").self_checked);

  randomise(second, 13);
  const auto before = values(second);
  const auto wrong = [&](float factor) {
    return message_of<FileError>([&] {
      io::load(second, folder / "m.safetensors",
               {.self_check = [&](const Tensor<float>& x) { return ops::scale(second(x).value(), factor); }});
    });
  };
  CHECK(contains(wrong(1.01f), "self-check"));
  CHECK(contains(wrong(std::nanf("")), "self-check"));
  CHECK(values(second) == before);
  CHECK_THROWS_AS(io::save(first, folder / "m.safetensors", {.check_input = input}), ValueError);

  // An infinite output is like itself, and allows no other number anything.
  Tensor<float> infinite = first(input).value().clone();
  infinite.data()[0] = INFINITY;
  io::save(first, folder / "m.safetensors", {.check_input = input, .check_output = infinite});
  const auto found = [&](float factor) {
    return message_of<FileError>([&] {
      io::load(second, folder / "m.safetensors", {.self_check = [&](const Tensor<float>& x) {
                 Tensor<float> out = ops::scale(second(x).value(), factor);
                 out.data()[0] = INFINITY;
                 return out;
               }});
    });
  };
  CHECK(found(1) == "nothing thrown");
  CHECK(contains(found(1.01f), "self-check"));
}

TEST_CASE("a module without parameters, and a file that is none") {
  const TemporaryFolder folder;
  Nothing nothing;
  io::save(nothing, folder / "m.safetensors");
  CHECK(io::load(nothing, folder / "m.safetensors").loaded.empty());
  CHECK_THROWS_AS(io::load(nothing, folder / "absent.safetensors"), FileError);
  io::write_file(folder / "bad.safetensors", "not a model");
  CHECK_THROWS_AS(io::load(nothing, folder / "bad.safetensors"), FileError);
  CHECK_THROWS_AS(io::save(nothing, folder / "no folder" / "m.safetensors"), FileError);
}
