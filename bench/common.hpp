#pragma once

/// What all benchmarks share. A benchmark is called operation/backend/precision/shape/threads:N.

#include <mien/core/random.hpp>
#include <mien/core/threads.hpp>

#include <benchmark/benchmark.h>

#include <set>
#include <string>
#include <thread>

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
};

/// Registers a benchmark for one thread and for all of them. `make()` prepares the inputs and returns what is timed.
template <class Make>
void add(const Work& work, Make make) {
  for (const int threads : std::set<int>{1, static_cast<int>(std::max(1U, std::thread::hardware_concurrency()))}) {
    const std::string name = work.operation + "/cpu/highest/" + work.shape + "/threads:" + std::to_string(threads);
    benchmark::RegisterBenchmark(name.c_str(),
                                 [work, make, threads](benchmark::State& state) {
                                   set_thread_count(threads);
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
