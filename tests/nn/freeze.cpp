/// Networks that are frozen for inference.

#include <mien/models/accm.hpp>
#include <mien/models/sistcm_resnet.hpp>

#include <doctest/doctest.h>

#include <sys/resource.h>

#include "random_tensor.hpp"

using namespace mien;

namespace {

// Of sanitizers, which has page faults of its own.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool has_shadow_memory = true;
#elif defined(__has_feature)
constexpr bool has_shadow_memory = __has_feature(address_sanitizer) || __has_feature(memory_sanitizer);
#else
constexpr bool has_shadow_memory = false;
#endif

/// A network whose batch norms have seen something.
models::SistcmResNet18<float> trained_network(ViewFusion fusion) {
  auto options = models::small_sistcm_resnet18(5, 3);
  options.fusion = fusion;
  models::SistcmResNet18<float> network(options);
  const NoGradient not_recorded;
  for (const std::uint64_t seed : {1, 2, 3}) network(Variable<float>(testing::random<float>({2, 3, 24, 24, 3}, seed)));
  network.evaluate();
  return network;
}

Tensor<float> logits(models::SistcmResNet18<float>& network, const Tensor<float>& frames) {
  const NoGradient not_recorded;
  return network(Variable<float>(frames)).logits.value();
}

}  // namespace

TEST_CASE("a frozen network, and one that folds its batch norms, say what the network says") {
  for (const auto fusion : {ViewFusion::channel, ViewFusion::none, ViewFusion::sum}) {
    auto network = trained_network(fusion);
    const auto frames = testing::random<float>({2, 3, 24, 24, 3}, 4);
    // With a gradient to record, every layer computes for itself.
    const Tensor<float> expected = network(Variable<float>(frames)).logits.value();
    CHECK(testing::largest_difference(logits(network, frames), expected) < 2e-5);
    network.freeze();
    CHECK_FALSE(network.is_training());
    for (int call = 0; call < 2; ++call) CHECK(testing::largest_difference(logits(network, frames), expected) < 2e-5);
    // Other sizes and settings are prepared for as they come.
    const auto larger = testing::random<float>({1, 2, 40, 32, 3}, 5);
    const PrecisionScope scope(Precision::high);
    const Tensor<float> frozen = logits(network, larger);
    network.evaluate();
    CHECK(testing::largest_difference(frozen, logits(network, larger)) < 2e-5);
  }
}

TEST_CASE("a network that changes is frozen no longer") {
  auto network = trained_network(ViewFusion::channel);
  const auto frames = testing::random<float>({1, 3, 24, 24, 3}, 6);
  const Tensor<float> before = logits(network, frames);
  network.freeze();
  logits(network, frames);
  // As loading weights does.
  for (auto& [name, variable, layout] : network.named_parameters())
    if (name == "layer1.0.conv1.weight") variable.value().fill(0.25F);
  CHECK(testing::largest_difference(logits(network, frames), before) > 1e-3);
  network.freeze();
  const Tensor<float> changed = logits(network, frames);
  network.train();
  network.conv1.weight.value().fill(0.5F);
  network.evaluate();
  CHECK(testing::largest_difference(logits(network, frames), changed) > 1e-3);
}

TEST_CASE("a network of joints freezes too") {
  models::Accm<float> network({.joints = 9, .classes = 4, .width = 24});
  const Variable<float> maps(testing::random<float>({3, 17, 17, 9}, 7));
  network(maps);
  network.evaluate();
  const Tensor<float> expected = network(maps).value();
  network.freeze();
  const NoGradient not_recorded;
  CHECK(testing::largest_difference(network(maps).value(), expected) < 2e-5);
}

TEST_CASE("a frozen network in steady state asks the system for no memory") {
  auto network = trained_network(ViewFusion::channel);
  network.freeze();
  const auto frames = testing::random<float>({2, 3, 24, 24, 3}, 8);
  // How much several threads have in use at once depends on how they meet.
  const int threads = thread_count();
  set_thread_count(1);
  for (int call = 0; call < 3; ++call) logits(network, frames);
  const auto page_faults = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
  };
  const auto allocations = cpu_memory().statistics().system_allocations;
  const auto faults = page_faults();
  constexpr int calls = 20;
  for (int call = 0; call < calls; ++call) logits(network, frames);
  CHECK(cpu_memory().statistics().system_allocations == allocations);
  // Not one a call: what little there is comes from the test itself.
  if (!has_shadow_memory) CHECK(page_faults() - faults < calls);
  set_thread_count(threads);
}

TEST_CASE("super images that are trained while they are frozen follow their weights") {
  nn::SuperImageConvolution<float> convolution({.in = 32, .out = 32});
  const Variable<float> x(testing::random<float>({1, 3, 9, 9, 32}, 1));
  const auto total = [&] { return sum(convolution(x)); };
  convolution.freeze();
  {
    const NoGradient not_recorded;
    total();
  }
  const float before = total().item();
  convolution.weight.value().fill(0.5F);
  const float after = total().item();
  CHECK(after != before);
  convolution.evaluate();
  CHECK(total().item() == after);
}
