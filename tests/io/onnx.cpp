#include <mien/autograd/activation.hpp>
#include <mien/autograd/pooling.hpp>
#include <mien/autograd/scale_shift.hpp>
#include <mien/autograd/softmax.hpp>
#include <mien/models/accm.hpp>
#include <mien/nn/layer_norm.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "io/message.hpp"
#include "io/onnx_gallery.hpp"

using namespace mien;
using testing::Inputs;
using testing::Outputs;

namespace {

/// Layers that the models do not have.
struct Assorted : nn::Module<Assorted, float> {
  Variable<float> operator()(const Variable<float>& x) {
    const Variable<float> y = average_pool(conv(x), {.kernel = 3, .stride = 2, .padding = 1});
    const Variable<float> padded = average_pool(y, {.kernel = 2, .stride = 1, .padding = 1, .count_padding = false});
    const Variable<float> z = tanh(padded) * sigmoid(padded) - scale(padded, 0.25F);
    const Variable<float> one = adaptive_average_pool(z, 1);
    const Variable<float> rows = reshape(scale_shift(permute(z, {0, 2, 1, 3}), factor, term), {z.size(0), -1, 6});
    const Variable<float> mean = mean_of_positions(norm(gelu(slice(rows, 1, 1, 12, 2))));
    const Variable<float> picked = log_softmax(linear(select(rows, 1, 2), weight));
    const Variable<float> entropy = mien::sum(exp(picked) / (picked * picked + 0.25F), 1);
    const Variable<float> spread = sqrt(log(mien::mean(exp(z * z), 2) + exp(mien::sum(z, 2))));
    return concatenate({mean, picked, softmax(reshape(one, {z.size(0), 6})), reshape(entropy, {z.size(0), 1}),
                        reshape(spread, {z.size(0), -1})},
                       -1);
  }
  void visit(auto&& child) {
    child("conv", conv);
    child("norm", norm);
    child("factor", factor);
    child("term", term);
    child("weight", weight);
  }

  nn::Convolution<float> conv{
      {.in = 4, .out = 6, .kernel = {3, 2}, .stride = {1, 2}, .padding = {2, 1}, .groups = 2, .bias = true}};
  nn::LayerNorm<float> norm{6};
  Variable<float> factor = nn::constant_parameter<float>({6}, 1.5);
  Variable<float> term = nn::constant_parameter<float>({6}, -0.5);
  Variable<float> weight = nn::constant_parameter<float>({5, 6}, 0.1);
};

/// One whose parts a test chooses.
struct Free : nn::Module<Free, float> {
  Free() { evaluate(); }
  void visit(auto&& child) { child("norm", norm); }
  nn::BatchNorm<float> norm{3};
};

}  // namespace

TEST_CASE("ONNX Runtime computes what networks over maps do, for batches of any size") {
  if (!testing::python_has("onnx, onnxruntime, numpy")) return;
  testing::Gallery gallery;
  for (const auto aggregate : {models::Aggregate::concatenate, models::Aggregate::sum}) {
    models::Accm<float> accm({.joints = 5, .classes = 3, .width = 7, .aggregate = aggregate});
    gallery.add(aggregate == models::Aggregate::sum ? "accm_sum" : "accm", accm, {{"maps", {2, 13, 11, 5}}},
                testing::single(accm));
  }
  Assorted assorted;
  gallery.add("assorted", assorted, {{"maps", {3, 12, 9, 4}}}, testing::single(assorted));
  CHECK(gallery.agrees());
}

TEST_CASE("what has no form in ONNX is named") {
  const TemporaryFolder folder;
  Free model;
  const auto refusal = [&](const auto& run) {
    return message_of<ValueError>([&] {
      io::save_onnx(model, folder / "m.onnx", {{"x", testing::random<float>({2, 3}, 1)}}, run);
    });
  };
  CHECK(contains(refusal([](const Inputs& x) { return Outputs{{"y", sum(relu(x[0]))}}; }), "sum has no form"));
  CHECK(contains(refusal([](const Inputs& x) {
                   return Outputs{{"y", relu(Variable<float>(ops::relu(x[0].value())))}};
                 }),
                 "depends on the inputs, but nothing said how it was made"));
  CHECK(contains(refusal([](const Inputs& x) { return Outputs{{"y", slice(x[0], 0, 0, 1)}}; }), "part of the batch"));
  CHECK(contains(refusal([](const Inputs& x) {
                   const Variable<float> y = x[0].size(0) == 2 ? relu(x[0]) : x[0];
                   return Outputs{{"y", y}};
                 }),
                 "something else for another batch"));
  CHECK(contains(refusal([](const Inputs&) { return Outputs{}; }), "needs an output"));
  CHECK(contains(refusal([](const Inputs& x) { return Outputs{{"", relu(x[0])}}; }), "need names"));
  CHECK(contains(refusal([](const Inputs& x) { return Outputs{{"x", relu(x[0])}}; }), "two are named `x`"));
  model.train();
  CHECK(contains(refusal([](const Inputs& x) { return Outputs{{"y", relu(x[0])}}; }), "training"));
  CHECK(!std::filesystem::exists(folder / "m.onnx"));
}

TEST_CASE("what depends on the inputs without being traced is never written as one example's") {
  const TemporaryFolder folder;
  Free model;
  const auto refusal = [&](const Tensor<float>& example, const auto& run) {
    const std::string message = message_of<ValueError>([&] {
      io::save_onnx(model, folder / "m.onnx", {{"x", example}}, run);
    });
    CHECK(!std::filesystem::exists(folder / "m.onnx"));
    return message;
  };
  const Tensor<float> random = testing::random<float>({2, 3}, 1);
  CHECK(contains(refusal(random,
                         [](const Inputs& x) {
                           return Outputs{{"y", scale(x[0], 1.0F / static_cast<float>(x[0].size(0)))}};
                         }),
                 "the factor of scale depends on the inputs"));
  CHECK(contains(refusal(random,
                         [](const Inputs& x) {
                           return Outputs{{"y", scale(x[0], x[0].value()(0, 1))}};
                         }),
                 "the factor of scale depends on the inputs"));
  CHECK(contains(refusal(random,
                         [](const Inputs& x) {
                           const auto a = relu(x[0]);
                           const auto b = tanh(x[0]);
                           return x[0].size(0) == 2 ? Outputs{{"a", a}, {"b", b}} : Outputs{{"a", b}, {"b", a}};
                         }),
                 "for another batch: it has other outputs"));
  // One that a usual way of making another example would have left as it is, and one of a single number.
  for (const Index width : {1, 3, 5, 7})
    for (const float number : {0.25F, 0.375F, 0.75F}) {
      CAPTURE(width);
      CHECK(contains(refusal(Tensor<float>({2, width}, number),
                             [](const Inputs& x) {
                               return Outputs{{"y", relu(Variable<float>(x[0].value().slice(1, 0, 1).clone()))}};
                             }),
                     "depends on the inputs, but nothing said how it was made"));
    }
}

TEST_CASE("a weight that is not a number is one all the same, and extents of one name are equal") {
  const TemporaryFolder folder;
  Free model;
  model.norm.running_mean(1) = NAN;
  io::save_onnx(model, folder / "m.onnx", {{"x", testing::random<float>({2, 3}, 1)}}, [&](const Inputs& x) {
    const Variable<float> y = model.norm(x[0]);
    return Outputs{{"y", y}, {"flat", reshape(y, {-1})}};
  });
  const std::string file = io::read_text(folder / "m.onnx");
  CHECK(contains(file, "norm.running_mean"));
  CHECK(contains(file, "flat_extent"));
  CHECK(contains(file, "batch"));
  CHECK_FALSE(contains(file, "y_extent"));
}

TEST_CASE("an unused operation without a form does no harm, and a file is the same every time") {
  const TemporaryFolder folder;
  Free model;
  const auto bytes = [&] {
    io::save_onnx(model, folder / "m.onnx", {{"x", testing::random<float>({2, 3}, 1)}},
                  [&](const Inputs& x) {
                    static_cast<void>(sum(x[0]));
                    return Outputs{{"y", relu(model.norm(x[0]))}};
                  },
                  {.graph_name = "tiny", .metadata = {{"classes", "joy,fear"}}});
    return io::read_text(folder / "m.onnx");
  };
  const std::string first = bytes();
  CHECK(first == bytes());
  for (const char* word : {"BatchNormalization", "Relu", "norm.running_var", "joy,fear", "tiny", "batch"}) {
    CAPTURE(word);
    CHECK(contains(first, word));
  }
}

TEST_CASE("functions of variables say what they do only while somebody listens") {
  struct Names : trace::Listener {
    void heard(const trace::Operation& operation) override { names.emplace_back(operation.name); }
    void recorded(const trace::Value&, const char* function) override { functions.emplace_back(function); }
    std::vector<std::string> names;
    std::vector<std::string> functions;
  };
  const Variable<float> x(testing::random<float>({2, 3}, 1));
  Names names;
  static_cast<void>(relu(x));
  {
    const trace::Listening listening(names);
    static_cast<void>(sum(sigmoid(x + x)));
  }
  static_cast<void>(relu(x));
  CHECK(names.names == std::vector<std::string>{"add", "sigmoid"});
  REQUIRE(names.functions.size() == 3);
  CHECK(names.functions[2].starts_with("sum"));
}
