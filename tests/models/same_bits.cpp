/// The same seed gives the same weights, whatever the number of threads that compute and of those that make batches:
/// networks over pictures, over joints and over features. tests/models/training_step.cpp has the others.

#include <mien/autograd/cross_entropy.hpp>
#include <mien/data/loader.hpp>
#include <mien/models/densenet.hpp>
#include <mien/models/fusion.hpp>
#include <mien/models/keypoint_mlp.hpp>
#include <mien/models/resnet.hpp>
#include <mien/models/vit.hpp>
#include <mien/optim/sgd.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <utility>
#include <vector>

using namespace mien;

namespace {

constexpr Index classes = 3;

struct Batch {
  Tensor<float> inputs;
  std::vector<Index> labels;
};

/// Six samples of one shape in an order of the loader's, with noise of its own in each.
data::Loader<Batch> loader_of(const Shape& shape, Index workers) {
  return {6, data::LoaderOptions{.batch = 2, .seed = 5, .workers = workers},
          [shape](Index i, Generator& generator) {
            Tensor<float> sample(shape);
            generator.fill_normal(sample, 0.25 * static_cast<double>(i % classes), 0.5);
            return std::pair(sample, i % classes);
          },
          [shape](std::vector<std::pair<Tensor<float>, Index>> samples) {
            std::vector<Index> all{static_cast<Index>(samples.size())};
            all.insert(all.end(), shape.begin(), shape.end());
            Batch batch{Tensor<float>(Shape(std::span<const Index>(all))), {}};
            for (std::size_t i = 0; i < samples.size(); ++i) {
              batch.inputs.select(0, static_cast<Index>(i)).copy_from(samples[i].first);
              batch.labels.push_back(samples[i].second);
            }
            return batch;
          }};
}

/// All numbers of a network after an epoch of training.
template <class Network, class Options, class Run>
std::vector<float> trained(const Options& options, const Shape& shape, int threads, Index workers, const Run& run) {
  set_thread_count(threads);
  set_seed(1);
  Network network(options);
  optim::Sgd<float> sgd(network.parameters(), {.learning_rate = 0.05, .momentum = 0.9});
  for (const Batch& batch : loader_of(shape, workers).epoch(0)) {
    sgd.zero_grad();
    backward(cross_entropy(run(network, Variable<float>(batch.inputs)), batch.labels));
    sgd.step();
  }
  std::vector<float> out;
  for (const auto& parameter : network.named_parameters())
    out.insert(out.end(), parameter.variable.value().span().begin(), parameter.variable.value().span().end());
  for (const auto& buffer : network.named_buffers())
    out.insert(out.end(), buffer.tensor.span().begin(), buffer.tensor.span().end());
  return out;
}

template <class Network, class Options, class Run>
void check_bits(const Options& options, const Shape& shape, const Run& run) {
  const int before = thread_count();
  const auto alone = trained<Network>(options, shape, 1, 0, run);
  for (const auto& numbers : {std::pair(1, 2), std::pair(2, 0), std::pair(3, 3)}) {
    const int threads = numbers.first;
    const int workers = numbers.second;
    CAPTURE(threads);
    CAPTURE(workers);
    // Equal numbers are equal bits here but for the sign of zero, and no number is none.
    CHECK(trained<Network>(options, shape, threads, workers, run) == alone);
  }
  set_thread_count(before);
}

const auto plainly = [](auto& network, const Variable<float>& inputs) { return network(inputs); };

}  // namespace

TEST_CASE("residual networks, of basic blocks and of bottlenecks") {
  const models::ResNetOptions options{.outputs = classes,
                                      .dropout = 0.3,
                                      .stem = models::Stem::small,
                                      .layers = {{1, 1, 1, 1}},
                                      .widths = {5, 6, 7, 8}};
  check_bits<models::ResNet18<float>>(options, {33, 31, 3}, plainly);
  check_bits<models::ResNet50<float>>(options, {17, 15, 3}, plainly);
}

TEST_CASE("dense networks") {
  check_bits<models::DenseNet<float>>(
      models::DenseNetOptions{
          .outputs = classes, .dropout = 0.3, .stem = models::Stem::small, .layers = {2, 2}, .growth = 3, .width = 6},
      {33, 31, 3}, plainly);
}

TEST_CASE("vision transformers") {
  check_bits<models::VisionTransformer<float>>(models::VisionTransformerOptions{.side = 24,
                                                                                .patch = 4,
                                                                                .channels = 1,
                                                                                .width = 12,
                                                                                .depth = 2,
                                                                                .heads = 3,
                                                                                .mlp_width = 20,
                                                                                .outputs = classes,
                                                                                .dropout = 0.2},
                                               {24, 24, 1}, plainly);
}

TEST_CASE("perceptrons over joints, and features of two branches put together") {
  check_bits<models::KeypointMlp<float>>(
      models::KeypointMlpOptions{.joints = 7, .outputs = classes, .widths = {65, 31, 9}, .dropout = 0.3}, {7, 3},
      plainly);
  check_bits<models::FeatureFusion<float>>(
      models::FeatureFusionOptions{.features = {65, 65}, .classes = classes, .hidden = 33, .dropout = 0.3}, {65},
      [](auto& network, const Variable<float>& inputs) {
        return network({inputs, inputs}).logits;
      });
}
