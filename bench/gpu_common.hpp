#pragma once

/// What benchmarks of the GPU share. A benchmark is called operation/cuda/numbers/shape.
///
/// Times are the GPU's own, between two events. Before each measured call a buffer larger than the L2 cache is written
/// in the same stream, outside of the events: a call finds its maps in memory, as a layer of a large network does, and
/// the host has the time of that write to queue the call.

#include <mien/backend/cuda/device.hpp>
#include <mien/core/precision.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <concepts>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "common.hpp"

namespace mien::bench {

/// What is measured, and the least that the task needs: operations, and bytes to and from memory.
struct GpuWork {
  std::string operation;
  std::string shape;
  double flops = 0;
  double bytes = 0;
  int calls = 50;
};

/// The numbers that maps are made of and that products multiply.
struct Numbers {
  const char* name;
  Precision precision;
};
inline constexpr Numbers float32{"float32", Precision::highest};

/// Float maps stand for products of TF32 factors. Where maps have 16 bits, what stays float (LSTMs, linear layers)
/// multiplies bfloat16 factors too, as PyTorch's autocast does.
template <class Map>
constexpr Numbers numbers_of() {
  if constexpr (std::same_as<Map, float>) {
    return {"tf32", Precision::high};
  } else {
    return {"bfloat16", Precision::medium};
  }
}

/// Standard normal numbers.
template <class Map>
Tensor<Map, Cuda> random_on_gpu(const Shape& shape) {
  const Tensor<float, Cuda> values = random(shape).to<Cuda>();
  if constexpr (std::same_as<Map, float>) {
    return values;
  } else {
    return values.template cast<Map>();
  }
}

/// The time between two events of the current stream.
class Timer {
 public:
  Timer() {
    for (cudaEvent_t& event : events_) cuda::require("cudaEventCreate", cudaEventCreate(&event));
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() {
    for (const cudaEvent_t event : events_) cudaEventDestroy(event);
  }

  void start() { record(events_[0]); }
  /// Waits for the work since `start`: seconds.
  double stop() {
    record(events_[1]);
    cuda::require("cudaEventSynchronize", cudaEventSynchronize(events_[1]));
    float milliseconds = 0;
    cuda::require("cudaEventElapsedTime", cudaEventElapsedTime(&milliseconds, events_[0], events_[1]));
    return static_cast<double>(milliseconds) / 1000;
  }

 private:
  void record(cudaEvent_t event) {
    cuda::require("cudaEventRecord", cudaEventRecord(event, cuda::current_stream().get()));
  }
  cudaEvent_t events_[2];
};

inline Index l2_cache_bytes() {
  int device = 0;
  int bytes = 0;
  cuda::require("cudaGetDevice", cudaGetDevice(&device));
  cuda::require("cudaDeviceGetAttribute", cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, device));
  return bytes;
}

/// Puts other things into the L2 cache, twice what fits. They lie in a stream of their own, so that what a benchmark
/// takes can be told from them.
inline void flush_l2_cache() {
  static Tensor<float, Cuda> other = [] {
    const cuda::StreamScope scope{cuda::Stream()};
    return Tensor<float, Cuda>({2 * l2_cache_bytes() / static_cast<Index>(sizeof(float))});
  }();
  other.fill(1);
}

/// The element that so great a share of all is smaller than.
inline double quantile(std::vector<double> values, double share) {
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

/// Seconds of `calls` calls, each after a flush.
template <class Run>
std::vector<double> times_of(Run&& run, int calls) {
  Timer timer;
  std::vector<double> times;
  for (int call = 0; call < calls; ++call) {
    flush_l2_cache();
    timer.start();
    run();
    times.push_back(timer.stop());
  }
  return times;
}

/// Large enough to be in no cache.
inline const Shape copied{1 << 28};

/// Bytes a second, read and written, of a copy on the device: what all shares of bandwidth are shares of.
inline double copy_bandwidth() {
  static const double bandwidth = [] {
    const Tensor<float, Cuda> source(copied, 1);
    Tensor<float, Cuda> target(copied);
    const auto copy = [&] { target.copy_from(source); };
    times_of(copy, 3);
    return 2 * 4 * static_cast<double>(copied.elements()) / quantile(times_of(copy, 20), 0.5);
  }();
  return bandwidth;
}

/// Allocations that the cache could not serve: of the current stream's memory and of pinned memory.
inline std::uint64_t system_allocations() {
  return cuda::current_stream().memory_statistics().system_allocations +
         cuda::pinned_memory().statistics().system_allocations;
}

/// All that was registered, what asks the system for memory in every call, and what could not be measured.
struct Registry {
  std::vector<std::pair<std::string, GpuWork>> works;
  std::vector<std::string> allocating;
  std::vector<std::string> failed;
};
inline Registry& registry() {
  static Registry all;
  return all;
}

/// Measures what `make()` returns, which takes memory only now.
template <class Make>
void measure(benchmark::State& state, const std::string& name, const GpuWork& work, const Make& make) {
  const double bandwidth = copy_bandwidth();
  auto& memory = cuda::current_stream().state()->memory();
  memory.release_cached();
  auto run = make();
  constexpr int first_calls = 5;  // fill the cache of memory and choose algorithms
  times_of(run, first_calls);
  memory.reset_peak();
  const std::uint64_t allocations_before = system_allocations();

  Timer timer;
  std::vector<double> times;
  for (auto _ : state) {
    flush_l2_cache();
    timer.start();
    run();
    times.push_back(timer.stop());
    state.SetIterationTime(times.back());
  }

  const double median = quantile(times, 0.5);
  const auto allocations = static_cast<double>(system_allocations() - allocations_before);
  // A single late one is of copies that happened to overlap.
  if (allocations >= work.calls) registry().allocating.push_back(name);
  state.counters["median_ms"] = 1e3 * median;
  state.counters["spread"] = (quantile(times, 0.75) - quantile(times, 0.25)) / median;
  state.counters["flops"] = work.flops;
  state.counters["bytes"] = work.bytes;
  state.counters["Tflop/s"] = work.flops / median / 1e12;
  state.counters["of_copy"] = work.bytes / median / bandwidth;
  state.counters["peak_MiB"] = static_cast<double>(memory.statistics().peak_bytes_in_use) / (1 << 20);
  state.counters["allocations"] = allocations;
}

/// Registers a benchmark. `make()` prepares the inputs and returns what is timed.
template <class Make>
void add(const GpuWork& work, const Numbers& numbers, Make make) {
  const std::string name = work.operation + "/cuda/" + numbers.name + "/" + work.shape;
  registry().works.emplace_back(name, work);
  benchmark::RegisterBenchmark(name.c_str(),
                               [=](benchmark::State& state) {
                                 const PrecisionScope scope(numbers.precision);
                                 try {
                                   measure(state, name, work, make);
                                 } catch (const Error& error) {  // the others can still be measured
                                   registry().failed.push_back(name);
                                   state.SkipWithError(error.what());
                                 }
                               })
      ->UseManualTime()
      ->Iterations(work.calls)
      ->Unit(benchmark::kMillisecond);
}

/// What was counted of every work, as a table, with the times that memory alone and products alone would take.
inline void print_roofline(double terabytes_a_second, double teraflops_a_second) {
  std::printf("| work | Gflop | MB | ms at %.1f TB/s | ms at %.0f Tflop/s |\n|---|---|---|---|---|\n",
              terabytes_a_second, teraflops_a_second);
  for (const auto& [name, work] : registry().works)
    std::printf("| %s | %.4g | %.4g | %.4f | %.4f |\n", name.c_str(), work.flops / 1e9, work.bytes / 1e6,
                work.bytes / terabytes_a_second / 1e9, work.flops / teraflops_a_second / 1e9);
}

}  // namespace mien::bench
