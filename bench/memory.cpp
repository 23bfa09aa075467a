/// What a training step of a dense block and of DenseNet-121 has in memory at its peak, beyond parameters and input: of
/// `models::DenseBlock`, and of the block written down plainly, which keeps every concatenation.

#include <mien/autograd/activation.hpp>
#include <mien/autograd/cross_entropy.hpp>
#include <mien/core/memory.hpp>
#include <mien/models/densenet.hpp>

#include "common.hpp"

namespace {

using namespace mien;

Variable<float> plain_block(models::DenseBlock<float>& block, const Variable<float>& x) {
  Variable<float> all = x;
  for (auto& layer : block.layers)
    all = concatenate({all, layer.conv2(relu(layer.norm2(layer.conv1(relu(layer.norm1(all))))))}, -1);
  return all;
}

void forget_gradients(const nn::ParameterList<float>& parameters) {
  for (Variable<float> parameter : parameters) parameter.zero_gradient();
}

/// Times a step, and tells its peak by the counters of the library's own memory.
template <class Step>
void measure(benchmark::State& state, Step step) {
  set_thread_count(1);
  step();
  const std::size_t before = cpu_memory().statistics().bytes_in_use;
  cpu_memory().reset_peak();
  for (auto _ : state) step();
  state.counters["peak_MiB"] =
      static_cast<double>(cpu_memory().statistics().peak_bytes_in_use - before) / (1024 * 1024);
}

void dense_block(benchmark::State& state, bool plain) {
  models::DenseBlock<float> block({.in = 64, .layers = state.range(0), .growth = 32});
  Variable<float> x(bench::random({2, 28, 28, 64}), true);
  measure(state, [&] {
    backward(sum(plain ? plain_block(block, x) : concatenate(block(x), -1)));
    forget_gradients(block.parameters());
    x.zero_gradient();
  });
}
BENCHMARK_CAPTURE(dense_block, plain, true)->Arg(6)->Arg(12)->Arg(24)->Arg(48)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(dense_block, library, false)->Arg(6)->Arg(12)->Arg(24)->Arg(48)->Unit(benchmark::kMillisecond);

void densenet121(benchmark::State& state) {
  models::DenseNet<float> model(models::densenet121(7));
  const Variable<float> images(bench::random({8, 224, 224, 3}));
  const std::vector<Index> labels(8, 1);
  measure(state, [&] {
    backward(cross_entropy(model(images), labels));
    forget_gradients(model.parameters());
  });
}
BENCHMARK(densenet121)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
