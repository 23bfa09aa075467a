/// Whole models: an inference and a training step (forward, loss, backward, optimiser), all threads.

#include <mien/autograd/cross_entropy.hpp>
#include <mien/models/accm.hpp>
#include <mien/models/sistcm_resnet.hpp>
#include <mien/models/two_stream_lstm.hpp>
#include <mien/optim/adam.hpp>

#include <benchmark/benchmark.h>

namespace {

using namespace mien;

Variable<float> random_input(const Shape& shape) {
  Tensor<float> x(shape);
  Generator(1).fill_normal(x, 0, 1);
  return Variable<float>(x);
}

/// `logits(model, input)` in evaluation, or a step of Adam on its cross-entropy.
template <class Model, class Logits>
void measure(benchmark::State& state, Model& model, const Shape& input, bool training, const Logits& logits) {
  const auto x = random_input(input);
  const std::vector<Index> labels(static_cast<std::size_t>(input[0]), 1);
  optim::Adam<float> adam(model.parameters(), optim::AdamOptions{.learning_rate = 1e-4});
  if (!training) model.evaluate();
  for (auto _ : state) {
    if (!training) {
      const NoGradient not_recorded;
      benchmark::DoNotOptimize(logits(x).value().data());
      continue;
    }
    adam.zero_grad();
    backward(cross_entropy(logits(x), labels));
    adam.step();
  }
}

void sistcm_resnet18(benchmark::State& state, bool training, ViewFusion fusion) {
  models::SistcmResNet18Options options;
  options.fusion = fusion;
  models::SistcmResNet18<float> model(options);
  measure(state, model, {2, 8, state.range(0), state.range(0), 3}, training,
          [&](const Variable<float>& x) { return model(x).logits; });
}

void accm(benchmark::State& state, bool training) {
  models::Accm<float> model({.joints = 25, .classes = 7, .width = 64});
  measure(state, model, {32, 64, 64, 25}, training, [&](const Variable<float>& x) { return model(x); });
}

void two_stream_lstm(benchmark::State& state, bool training) {
  models::TwoStreamLstm<float> model({.features = 512, .classes = 7});
  const auto emotions = random_input({8, 16, 7});
  measure(state, model, {8, 16, 512}, training, [&](const Variable<float>& x) {
    const auto [e1, e2] = model(x, emotions);
    return e1 + e2;
  });
}

void as_usual(benchmark::internal::Benchmark* one) { one->UseRealTime()->Unit(benchmark::kMillisecond); }

BENCHMARK_CAPTURE(sistcm_resnet18, inference, false, ViewFusion::channel)->Arg(112)->ArgName("side")->Apply(as_usual);
BENCHMARK_CAPTURE(sistcm_resnet18, training, true, ViewFusion::channel)->Arg(112)->ArgName("side")->Apply(as_usual);
BENCHMARK_CAPTURE(sistcm_resnet18, plain_inference, false, ViewFusion::none)->Arg(112)->ArgName("side")->Apply(as_usual);
BENCHMARK_CAPTURE(sistcm_resnet18, plain_training, true, ViewFusion::none)->Arg(112)->ArgName("side")->Apply(as_usual);
BENCHMARK_CAPTURE(accm, inference, false)->Apply(as_usual);
BENCHMARK_CAPTURE(accm, training, true)->Apply(as_usual);
BENCHMARK_CAPTURE(two_stream_lstm, inference, false)->Apply(as_usual);
BENCHMARK_CAPTURE(two_stream_lstm, training, true)->Apply(as_usual);

}  // namespace
