#pragma once

/// What all benchmarks share. A benchmark is called operation/backend/precision/shape/threads:N.

#include <mien/backend/cpu/instruction_set.hpp>
#include <mien/core/precision.hpp>
#include <mien/core/random.hpp>
#include <mien/core/threads.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "resident_memory.hpp"

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
  for (const Index extent : shape) out += mien::detail::text(out.empty() ? "" : "x", extent);
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

/// Milliseconds of the calls of a benchmark. Their median is what is compared with other libraries: a mean would count
/// what else the machine was busy with.
class CallTimes {
 public:
  template <class Run>
  void measure(Run& run) {
    const auto begin = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
    if (times_.size() < kept) {
      times_.push_back(taken.count());
    } else {
      times_[calls_ % kept] = taken.count();
    }
    ++calls_;
  }

  double median() {
    if (times_.empty()) return 0;
    const auto middle = times_.begin() + static_cast<std::ptrdiff_t>(times_.size() / 2);
    std::nth_element(times_.begin(), middle, times_.end());
    return *middle;
  }

 private:
  /// Later ones replace the first, so that small operations do not measure this memory.
  static constexpr std::size_t kept = 4096;
  std::vector<double> times_;
  std::size_t calls_ = 0;
};

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
                                     run();  // what is done once, such as packing weights, is not timed
                                     CallTimes times;
                                     for (auto _ : state) times.measure(run);
                                     state.counters["median_ms"] = times.median();
                                     state.counters["peak_MiB"] = peak_resident_mib();
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
