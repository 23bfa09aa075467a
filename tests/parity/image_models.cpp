/// Networks over images and keypoints, on the GPU as on the CPU.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "mien/autograd/cross_entropy.hpp"
#include "mien/models/densenet.hpp"
#include "mien/models/keypoint_mlp.hpp"
#include "mien/models/resnet.hpp"
#include "mien/optim/sgd.hpp"

using namespace mien;

namespace {

template <class T>
Tensor<T> random(const Shape& shape, std::uint64_t seed) {
  Tensor<float> out(shape);
  Generator(seed).fill_uniform(out, -1, 1);
  // Numbers that every type has.
  return out.cast<bfloat16>().cast<float>().cast<T>();
}

template <class T, class Device>
Tensor<double> to_double(const Tensor<T, Device>& tensor) {
  return tensor.contiguous().template to<Cpu>().template cast<double>();
}

void check_close(const Tensor<double>& found, const Tensor<double>& expected, double tolerance) {
  REQUIRE(found.shape() == expected.shape());
  double worst = 0;
  double largest = 1e-3;
  for (Index i = 0; i < found.elements(); ++i) {
    const double error = std::abs(found.data()[i] - expected.data()[i]);
    worst = error <= worst ? worst : error;
    largest = std::max(largest, std::abs(expected.data()[i]));
  }
  CHECK(worst < tolerance * largest);
}

template <class T, class Device>
models::ResNet18<T, Device> resnet18() {
  return models::ResNet18<T, Device>(
      {.outputs = 3, .stem = models::Stem::small, .layers = std::array<Index, 4>{1, 1, 1, 1}, .widths = {8, 8, 9, 16}});
}

template <class T, class Device>
models::ResNet50<T, Device> resnet50() {
  return models::ResNet50<T, Device>(
      {.outputs = 3, .stem = models::Stem::small, .layers = std::array<Index, 4>{1, 1, 1, 1}, .widths = {8, 4, 5, 8}});
}

template <class T, class Device>
models::DenseNet<T, Device> densenet() {
  return models::DenseNet<T, Device>(
      {.outputs = 3, .stem = models::Stem::small, .layers = {2, 3}, .growth = 7, .width = 8, .bottleneck = 2});
}

/// Parameters and buffers of a network that started the same everywhere, after two steps.
template <class T, class Device, class Model>
std::vector<Tensor<double>> trained(Model model) {
  optim::Sgd sgd(model.parameters(), {.learning_rate = 1e-2, .momentum = 0.9});
  for (std::uint64_t step = 0; step < 2; ++step) {
    const Variable<T, Device> x(random<T>({3, 16, 17, 3}, step + 1).template to<Device>());
    sgd.zero_grad();
    backward(cross_entropy(model(x), {2, 0, 1}));
    sgd.step();
  }
  std::vector<Tensor<double>> out;
  for (const auto& parameter : model.named_parameters()) out.push_back(to_double(parameter.variable.value()));
  for (const auto& buffer : model.named_buffers()) out.push_back(to_double(buffer.tensor));
  return out;
}

/// What a network with running statistics of random maps says of one batch, in evaluation or frozen.
template <class In, class Device, class Model>
Tensor<double> logits(Model model, bool frozen) {
  frozen ? model.freeze() : model.evaluate();
  return to_double(model(Variable<In, Device>(random<In>({2, 16, 17, 3}, 5).template to<Device>())).value());
}

/// `make.template operator()<T, Device>()` is a network.
template <class Make>
void check_network(const Make& make) {
  const auto start = []() { default_generator() = Generator(12); };
  start();
  const auto expected = trained<double, Cpu>(make.template operator()<double, Cpu>());
  start();
  const auto found = trained<float, Cuda>(make.template operator()<float, Cuda>());
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    check_close(found[i], expected[i], 2e-3);
  }
  start();
  const auto wanted = logits<double, Cpu>(make.template operator()<double, Cpu>(), false);
  start();
  check_close(logits<float, Cuda>(make.template operator()<float, Cuda>(), true), wanted, 1e-4);
  // Each of some ten to twenty layers rounds its map to 8 bits.
  start();
  check_close(logits<bfloat16, Cuda>(make.template operator()<float, Cuda>(), false), wanted, 10.0 / 128);
  start();
  check_close(logits<bfloat16, Cuda>(make.template operator()<float, Cuda>(), true), wanted, 10.0 / 128);
}

}  // namespace

TEST_CASE("ResNets are on the GPU what they are on the CPU") {
  check_network([]<class T, class Device>() { return resnet18<T, Device>(); });
  check_network([]<class T, class Device>() { return resnet50<T, Device>(); });
}

TEST_CASE("a DenseNet is on the GPU what it is on the CPU") {
  check_network([]<class T, class Device>() { return densenet<T, Device>(); });
}

TEST_CASE("perceptrons over keypoints have the same outputs and gradients on the GPU as on the CPU") {
  const auto run = []<class T, class Device>() {
    default_generator() = Generator(12);
    models::KeypointMlp<T, Device> classes({.joints = 5, .outputs = 3, .widths = {31, 7, 9}});
    models::KeypointAffect<T, Device> affect({.joints = 5, .widths = {31, 7, 9}, .own_width = 4});
    const Variable<T, Device> x(random<T>({65, 5, 3}, 1).template to<Device>());
    const auto y = affect(x);
    backward(sum(y * y) + sum(classes(x)));
    std::vector<Tensor<double>> out{to_double(y.value())};
    for (const auto& parameter : classes.parameters()) out.push_back(to_double(parameter.gradient()));
    for (const auto& parameter : affect.parameters()) out.push_back(to_double(parameter.gradient()));
    return out;
  };
  const auto expected = run.template operator()<double, Cpu>();
  const auto found = run.template operator()<float, Cuda>();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    check_close(found[i], expected[i], 1e-4);
  }
}
