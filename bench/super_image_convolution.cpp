/// The super-image convolution through its seams, beside the per-frame convolution that it contains and the plain way,
/// two whole super images. Work of the per-frame convolution: 18 B T H W C O flops; the plain way does twice as much and
/// copies the maps four times.

#include <mien/core/random.hpp>
#include <mien/ops/super_image_convolution.hpp>

#include <benchmark/benchmark.h>

namespace {

using namespace mien;

struct Inputs {
  explicit Inputs(const benchmark::State& state)
      : frames({2, 8, state.range(0), state.range(0), state.range(1)}),
        weight({3, 3, state.range(1), state.range(1)}),
        alpha({2, 2, state.range(1)}, 0.5F) {
    Generator generator(1);
    generator.fill_normal(frames, 0, 1);
    generator.fill_normal(weight, 0, 1);
  }

  double flops() const {
    return 18.0 * static_cast<double>(frames.elements()) * static_cast<double>(weight.size(3));
  }

  Tensor<float> frames;
  Tensor<float> weight;
  Tensor<float> alpha;
};

template <class Run>
void measure(benchmark::State& state, const Run& run) {
  const Inputs inputs(state);
  for (auto _ : state) benchmark::DoNotOptimize(run(inputs).data());
  state.counters["flops"] =
      benchmark::Counter(inputs.flops(), benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}

void per_frame(benchmark::State& state) {
  measure(state, [](const Inputs& in) { return ops::convolution(in.frames, in.weight, {.padding = 1}); });
}

void seams(benchmark::State& state) {
  measure(state, [](const Inputs& in) {
    return ops::super_image_convolution(in.frames, in.weight, in.alpha, ops::SuperImageLayout::stacked);
  });
}

void interleaved(benchmark::State& state) {
  measure(state, [](const Inputs& in) {
    return ops::super_image_convolution(in.frames, in.weight, in.alpha, ops::SuperImageLayout::interleaved);
  });
}

void two_super_images(benchmark::State& state) {
  measure(state, [](const Inputs& in) {
    const auto view = [&](bool height) {
      const auto image = ops::to_super_image(in.frames, height, ops::SuperImageLayout::stacked);
      return ops::from_super_image(ops::convolution(image, in.weight, {.padding = 1}), in.frames.size(1), height,
                                   ops::SuperImageLayout::stacked);
    };
    return ops::add(ops::scale_channels(view(true), in.alpha.select(1, 0).contiguous()),
                    ops::scale_channels(view(false), in.alpha.select(1, 1).contiguous()));
  });
}

/// The maps of a ResNet-18 on frames of 112 pixels.
void maps(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({28, 64})->Args({14, 128})->Args({7, 256})->Args({4, 512})->ArgNames({"side", "channels"});
  benchmark->UseRealTime()->Unit(benchmark::kMillisecond);
}

BENCHMARK(per_frame)->Apply(maps);
BENCHMARK(seams)->Apply(maps);
BENCHMARK(interleaved)->Apply(maps);
BENCHMARK(two_super_images)->Apply(maps);

}  // namespace
