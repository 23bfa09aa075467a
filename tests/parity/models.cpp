#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mien/autograd/cross_entropy.hpp"
#include "mien/autograd/multi_stage_loss.hpp"
#include "mien/autograd/softmax.hpp"
#include "mien/backend/cuda/graph.hpp"
#include "mien/core/precision.hpp"
#include "mien/gesture/representation.hpp"
#include "mien/io/joint_table.hpp"
#include "mien/models/accm.hpp"
#include "mien/models/sistcm_resnet.hpp"
#include "mien/models/two_stream_lstm.hpp"
#include "mien/optim/adam.hpp"
#include "mien/optim/adamax.hpp"
#include "mien/optim/gradient_clipping.hpp"
#include "mien/optim/sgd.hpp"

using namespace mien;

namespace {

template <class T>
Tensor<T> random(const Shape& shape, std::uint64_t seed) {
  Tensor<float> out(shape);
  Generator(seed).fill_uniform(out, -1, 1);
  return out.cast<T>();
}

/// The largest difference, relative to the largest number.
template <class T, class Device>
double difference(const Tensor<T, Device>& found, const Tensor<double>& expected) {
  const auto values = found.contiguous().template to<Cpu>().template cast<double>();
  REQUIRE(values.shape() == expected.shape());
  double worst = 0;
  double largest = 1e-3;
  for (Index i = 0; i < values.elements(); ++i) {
    const double error = std::abs(values.data()[i] - expected.data()[i]);
    worst = error <= worst ? worst : error;
    largest = std::max(largest, std::abs(expected.data()[i]));
  }
  return worst / largest;
}

models::AccmOptions small_accm() { return {.joints = 5, .classes = 3, .width = 9}; }

models::SistcmResNet18Options small_face(SuperImageLayout layout, ViewFusion fusion) {
  auto options = models::small_sistcm_resnet18(3);
  options.widths = {4, 5, 6, 7};
  options.dropout = 0;
  options.layout = layout;
  options.fusion = fusion;
  return options;
}

/// Numbers of a network after some steps of training: its parameters and buffers.
template <class Model>
std::vector<Tensor<double>> numbers_of(Model& model) {
  std::vector<Tensor<double>> out;
  for (auto& parameter : model.named_parameters())
    out.push_back(parameter.variable.value().contiguous().template to<Cpu>().template cast<double>());
  for (auto& buffer : model.named_buffers())
    out.push_back(buffer.tensor.contiguous().template to<Cpu>().template cast<double>());
  return out;
}

/// Three steps of ACCM.
template <class T, class Device>
std::vector<Tensor<double>> trained_accm() {
  default_generator() = Generator(11);
  models::Accm<T, Device> model(small_accm());
  optim::Adam adam(model.parameters(), {.learning_rate = 1e-2});
  for (std::uint64_t step = 0; step < 3; ++step) {
    const auto x = random<T>({4, 7, 9, 5}, step + 1).template to<Device>();
    adam.zero_grad();
    backward(cross_entropy(model(Variable<T, Device>(x)), {0, 2, 1, 2}));
    adam.step();
  }
  return numbers_of(model);
}

/// A step of the whole face branch: clips, two-stream LSTM and all losses.
template <class T, class Device>
std::vector<Tensor<double>> trained_face(SuperImageLayout layout, ViewFusion fusion) {
  default_generator() = Generator(12);
  models::SistcmResNet18<T, Device> face(small_face(layout, fusion));
  models::TwoStreamLstm<T, Device> reader({.features = 7, .classes = 3, .feature_hidden = 6, .emotion_hidden = 5});
  optim::Sgd sgd({face.parameters(), reader.parameters()}, {.learning_rate = 1e-2, .momentum = 0.9});
  const auto frames = random<T>({2, 2, 3, 16, 17, 1}, 5).template to<Device>();
  for (int step = 0; step < 2; ++step) {
    const auto clips = face(Variable<T, Device>(frames));
    const auto [e1, e2] = reader(clips.features, softmax(clips.logits));
    sgd.zero_grad();
    backward(multi_stage_loss(clips.logits, e1, e2, {2, 0}));
    sgd.step();
  }
  auto out = numbers_of(face);
  for (auto& tensor : numbers_of(reader)) out.push_back(tensor);
  return out;
}

void check_same(const std::vector<Tensor<double>>& found, const std::vector<Tensor<double>>& expected,
                double tolerance) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    CHECK(difference(found[i], expected[i]) < tolerance);
  }
}

}  // namespace

TEST_CASE("a network starts with the same parameters on every device") {
  default_generator() = Generator(3);
  models::Accm<float> here(small_accm());
  default_generator() = Generator(3);
  models::Accm<float, Cuda> there(small_accm());
  check_same(numbers_of(there), numbers_of(here), 1e-30);
}

TEST_CASE("ACCM is trained on the GPU to what it is on the CPU") {
  check_same(trained_accm<float, Cuda>(), trained_accm<double, Cpu>(), 1e-3);
}

TEST_CASE("ACCM has the same losses on the GPU as on the CPU while it learns recordings of people") {
  const auto recordings = io::read_joint_recordings(MIEN_SOURCE_DIR "/examples/data/joints_social");
  std::map<std::string, Index> classes;
  std::vector<Index> labels;
  std::vector<Tensor<float>> maps;
  for (std::size_t i = 0; i < recordings.size(); i += 40) {
    labels.push_back(classes.emplace(recordings[i].label, static_cast<Index>(classes.size())).first->second);
    maps.push_back(gesture::represent(recordings[i].sequence.joints, {.size = 12, .square_root = true}));
    maps.back() = maps.back().view({1, 12, 12, 25});
  }
  REQUIRE(classes.size() > 3);
  const Tensor<float> batch = ops::concatenate(std::span<const Tensor<float>>(maps), 0);
  const auto losses = [&]<class T, class Device>() {
    default_generator() = Generator(21);
    models::Accm<T, Device> model({.classes = static_cast<Index>(classes.size()), .width = 16});
    optim::AdamW<T, Device> adam(model.parameters(), {.learning_rate = 3e-3});
    const Variable<T, Device> x(batch.cast<T>().template to<Device>());
    std::vector<double> out;
    for (int step = 0; step < 8; ++step) {
      adam.zero_grad();
      const auto loss = cross_entropy(model(x), labels);
      backward(loss);
      adam.step();
      out.push_back(static_cast<double>(loss.item()));
    }
    return out;
  };
  const auto expected = losses.template operator()<double, Cpu>();
  const auto found = losses.template operator()<float, Cuda>();
  CHECK(expected.back() < 0.85 * expected.front());
  for (std::size_t step = 0; step < expected.size(); ++step) {
    CAPTURE(step);
    CHECK(found[step] == doctest::Approx(expected[step]).epsilon(1e-4));
  }
}

TEST_CASE("the face branch is trained on the GPU to what it is on the CPU") {
  for (const auto layout : {SuperImageLayout::stacked, SuperImageLayout::interleaved}) {
    check_same(trained_face<float, Cuda>(layout, ViewFusion::channel),
               trained_face<double, Cpu>(layout, ViewFusion::channel), 2e-3);
  }
  check_same(trained_face<float, Cuda>(SuperImageLayout::stacked, ViewFusion::sum),
             trained_face<double, Cpu>(SuperImageLayout::stacked, ViewFusion::sum), 2e-3);
}

TEST_CASE("inference in evaluation, frozen and as a graph gives the same on the GPU") {
  default_generator() = Generator(4);
  models::SistcmResNet18<double> here(small_face(SuperImageLayout::stacked, ViewFusion::channel));
  default_generator() = Generator(4);
  models::SistcmResNet18<float, Cuda> there(small_face(SuperImageLayout::stacked, ViewFusion::channel));
  here.evaluate();
  there.freeze();
  const auto clip = random<double>({1, 3, 16, 17, 1}, 6);
  const Tensor<double> expected = here(Variable<double>(clip)).logits.value();
  Tensor<float, Cuda> x = clip.cast<float>().to<Cuda>();
  CHECK(difference(there(Variable<float, Cuda>(x)).logits.value(), expected) < 1e-4);

  Tensor<float, Cuda> logits;
  const cuda::Graph graph([&] { logits = there(Variable<float, Cuda>(x)).logits.value(); });
  const auto other = random<double>({1, 3, 16, 17, 1}, 7);
  x.copy_from(other.cast<float>().to<Cuda>());
  graph.launch();
  CHECK(difference(logits, here(Variable<double>(other)).logits.value()) < 1e-4);
}

TEST_CASE("a training step whose passes are a graph is the one without") {
  const auto train = [](bool as_graph) {
    default_generator() = Generator(11);
    auto options = small_accm();
    options.dropout = 0.4;
    models::Accm<float, Cuda> model(options);
    optim::Adam adam(model.parameters(), {.learning_rate = 1e-2});
    Tensor<float, Cuda> x({4, 7, 9, 5});
    Tensor<std::int64_t, Cuda> labels({4});
    const auto passes = [&] {
      adam.zero_grad();
      backward(cross_entropy(model(Variable<float, Cuda>(x)), labels));
    };
    const auto set_batch = [&](std::uint64_t step) {
      x.copy_from(random<float>({4, 7, 9, 5}, step).to<Cuda>());
      labels.copy_from(Tensor<std::int64_t>::from({4}, {0, 2, 1, static_cast<Index>(step % 3)}).to<Cuda>());
    };
    set_batch(0);
    std::optional<cuda::Graph> graph;
    if (as_graph) {
      graph.emplace(passes);
    } else {
      passes();
    }
    for (std::uint64_t step = 1; step < 4; ++step) {
      set_batch(step);
      if (as_graph) {
        graph->launch();
      } else {
        passes();
      }
      adam.step();
    }
    return numbers_of(model);
  };
  const auto with_graph = train(true);
  const Generator::State after = default_generator().state();
  check_same(with_graph, train(false), 1e-30);
  CHECK(default_generator().state() == after);
}

TEST_CASE("dropout of a generator of its own is not recorded") {
  const Variable<float, Cuda> x(Tensor<float, Cuda>({8}, 1.0F), true);
  Generator other(7);
  CHECK_THROWS_AS(cuda::Graph([&] { static_cast<void>(dropout(x, 0.5, other)); }), ValueError);
}

TEST_CASE("lower precision stays within its bound on the GPU") {
  default_generator() = Generator(4);
  models::Accm<double> here(small_accm());
  default_generator() = Generator(4);
  models::Accm<float, Cuda> there(small_accm());
  here.evaluate();
  there.evaluate();
  const auto x = random<double>({2, 7, 9, 5}, 6);
  const Tensor<double> expected = here(Variable<double>(x)).value();
  const auto on_device = x.cast<float>().to<Cuda>();
  for (const auto& [precision, bound] :
       {std::pair{Precision::highest, 1e-5}, std::pair{Precision::high, 5e-3}, std::pair{Precision::medium, 3e-2}}) {
    const PrecisionScope scope(precision);
    CAPTURE(static_cast<int>(precision));
    CHECK(difference(there(Variable<float, Cuda>(on_device)).value(), expected) < bound);
  }
}

TEST_CASE("optimisers and clipping on the GPU are those of the CPU") {
  const auto run = []<class T, class Device>(int which) {
    nn::ParameterList<T, Device> parameters;
    for (std::uint64_t i = 0; i < 3; ++i)
      parameters.emplace_back(random<T>({static_cast<Index>(i * 700 + 1)}, i + 1).template to<Device>(), true);
    std::unique_ptr<optim::Optimiser<T, Device>> optimiser;
    if (which == 0) optimiser = std::make_unique<optim::Adam<T, Device>>(parameters);
    if (which == 1) optimiser = std::make_unique<optim::AdamW<T, Device>>(parameters);
    if (which == 2) optimiser = std::make_unique<optim::Adamax<T, Device>>(parameters);
    if (which == 3)
      optimiser = std::make_unique<optim::Sgd<T, Device>>(
          parameters, optim::SgdOptions{.learning_rate = 0.1, .momentum = 0.9, .nesterov = true});
    if (which == 4) optimiser = std::make_unique<optim::Sgd<T, Device>>(parameters);
    std::vector<Tensor<double>> out;
    for (int step = 0; step < 3; ++step) {
      optimiser->zero_grad();
      for (auto& parameter : parameters) backward(sum(parameter * parameter));
      Tensor<double> norm({1}, optim::clip_gradient_norm(parameters, 3));
      out.push_back(norm);
      optim::clip_gradient_value(parameters, 0.05);
      optimiser->step();
    }
    for (auto& parameter : parameters) out.push_back(parameter.value().template to<Cpu>().template cast<double>());
    return out;
  };
  for (int which = 0; which < 5; ++which) {
    CAPTURE(which);
    check_same(run.template operator()<float, Cuda>(which), run.template operator()<double, Cpu>(which), 1e-5);
  }
}
