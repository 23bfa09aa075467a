#include <mien/autograd/multi_stage_loss.hpp>
#include <mien/autograd/softmax.hpp>
#include <mien/models/accm.hpp>
#include <mien/models/sistcm_resnet.hpp>
#include <mien/models/two_stream_lstm.hpp>
#include <mien/optim/adam.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "random_tensor.hpp"

using namespace mien;
using testing::random;

namespace {

/// Both branches of the method, small, with everything that draws random numbers switched on.
struct Experiment {
  models::SistcmResNet18<float> face{{.classes = 3,
                                      .dropout = 0.3,
                                      .stem = models::Stem::small,
                                      .widths = {5, 6, 7, 8},
                                      .channels = 1}};
  models::TwoStreamLstm<float> reader{{.features = 8, .classes = 3, .feature_hidden = 9, .emotion_hidden = 5}};
  models::Accm<float> body{{.joints = 7, .classes = 3, .width = 6, .dropout = 0.3}};
  optim::AdamW<float> adam{{face.parameters(), reader.parameters(), body.parameters()}, {.learning_rate = 1e-3}};
  Tensor<float> frames = random<float>({2, 3, 2, 12, 10, 1}, 1);
  Tensor<float> maps = random<float>({2, 16, 16, 7}, 2);
  std::vector<Index> labels{0, 2};

  void step() {
    const auto [features, logits] = face(Variable<float>(frames));
    const auto [e1, e2] = reader(features, softmax(logits));
    const auto loss = multi_stage_loss(logits, e1, e2, labels) + cross_entropy(body(Variable<float>(maps)), labels);
    adam.zero_grad();
    backward(loss);
    adam.step();
  }

  /// Every weight and buffer, one after the other.
  std::vector<float> state() {
    std::vector<float> out;
    const auto append = [&](auto& module) {
      for (const auto& parameter : module.named_parameters())
        out.insert(out.end(), parameter.variable.value().span().begin(), parameter.variable.value().span().end());
      for (const auto& buffer : module.named_buffers())
        out.insert(out.end(), buffer.tensor.span().begin(), buffer.tensor.span().end());
    };
    append(face);
    append(reader);
    append(body);
    return out;
  }
};

std::vector<float> train(int threads, std::uint64_t seed, int steps) {
  set_thread_count(threads);
  set_seed(seed);
  Experiment experiment;
  for (int i = 0; i < steps; ++i) experiment.step();
  return experiment.state();
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("the same seed gives the same weights to the bit, whatever the number of threads") {
  const int before = thread_count();
  const auto one = train(1, 1, 5);
  CHECK(same_bits(one, train(2, 1, 5)));
  CHECK(same_bits(one, train(3, 1, 5)));
  CHECK_FALSE(same_bits(one, train(1, 2, 5)));
  set_thread_count(before);
}

TEST_CASE("over a thousand steps, training asks the system for no more memory") {
  // One thread, because how many blocks are in use at a time depends on which threads run together.
  const int before = thread_count();
  set_thread_count(1);
  Experiment experiment;
  for (int i = 0; i < 10; ++i) experiment.step();
  const MemoryStatistics early = cpu_memory().statistics();
  for (int i = 0; i < 1000; ++i) experiment.step();
  const MemoryStatistics late = cpu_memory().statistics();
  CHECK(late.requests > early.requests + 100000);
  CHECK(late.system_allocations == early.system_allocations);
  CHECK(late.bytes_in_use == early.bytes_in_use);
  CHECK(late.peak_bytes_in_use == early.peak_bytes_in_use);
  set_thread_count(before);
}
