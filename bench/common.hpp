#pragma once

/// What all benchmarks share. A benchmark is called operation/backend/precision/shape/threads:N.

#include <mien/backend/cpu/instruction_set.hpp>
#include <mien/core/precision.hpp>
#include <mien/core/random.hpp>
#include <mien/core/threads.hpp>

#include <benchmark/benchmark.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

namespace mien::bench {

/// Standard normal numbers.
inline Tensor<float> random(const Shape& shape, std::uint64_t seed = 1) {
  Tensor<float> out(shape);
  Generator(seed).fill_normal(out, 0, 1);
  return out;
}

/// "2x8x28x28x64"
inline std::string name_of(const Shape& shape) {
  std::string out;
  for (Index axis = 0; axis < shape.rank(); ++axis) out += (axis > 0 ? "x" : "") + std::to_string(shape[axis]);
  return out;
}

/// What is measured, and how much of it the task needs: operations of the plain algorithm, and bytes that have to move
/// at least. 0: not told.
struct Work {
  std::string operation;
  std::string shape;
  double flops = 0;
  double bytes = 0;
  /// Whether the settings of precision matter to it.
  bool has_precisions = false;
};

/// The settings to measure: where the processor has no tiles, all of them are `highest`.
inline std::vector<Precision> precisions_of(const Work& work) {
  if (!work.has_precisions || backend::instruction_set() != backend::InstructionSet::amx) return {Precision::highest};
  return {Precision::highest, Precision::high, Precision::medium};
}

/// Registers a benchmark for each setting of precision, for one thread and for all of them. `make()` prepares the
/// inputs and returns what is timed.
template <class Make>
void add(const Work& work, Make make) {
  const int all = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  for (const Precision setting : precisions_of(work))
    for (const int threads : std::set<int>{1, all}) {
      const std::string name = work.operation + "/cpu/" + std::string(name_of(setting)) + "/" + work.shape +
                               "/threads:" + std::to_string(threads);
      benchmark::RegisterBenchmark(name.c_str(),
                                   [work, make, threads, setting](benchmark::State& state) {
                                     set_thread_count(threads);
                                     const PrecisionScope scope(setting);
                                     auto run = make();
                                     for (auto _ : state) run();
                                     const auto rate = [](double amount) {
                                       return benchmark::Counter(amount, benchmark::Counter::kIsIterationInvariantRate,
                                                                 benchmark::Counter::kIs1000);
                                     };
                                     if (work.flops > 0) state.counters["flop/s"] = rate(work.flops);
                                     if (work.bytes > 0) state.counters["byte/s"] = rate(work.bytes);
                                   })
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
    }
}

}  // namespace mien::bench
