/// Operations and networks on the GPU, with what they move and compute: bytes and flops a second, to be held against
/// the copy at the top of the list and against what the device is sold with. Times are the GPU's own, between events.

#include <benchmark/benchmark.h>

#include <functional>
#include <string>

#include <mien/autograd/cross_entropy.hpp>
#include <mien/backend/cuda/graph.hpp>
#include <mien/core/precision.hpp>
#include <mien/core/random.hpp>
#include <mien/models/accm.hpp>
#include <mien/models/sistcm_resnet.hpp>
#include <mien/ops/activation.hpp>
#include <mien/ops/batch_norm.hpp>
#include <mien/ops/channel_wise_convolution.hpp>
#include <mien/ops/convolution.hpp>
#include <mien/ops/linear.hpp>
#include <mien/ops/lstm.hpp>
#include <mien/ops/pooling.hpp>
#include <mien/ops/softmax.hpp>
#include <mien/optim/adam.hpp>

namespace {

using namespace mien;
using Array = Tensor<float, Cuda>;

Array random(const Shape& shape) {
  Tensor<float> values(shape);
  static Generator generator(1);
  generator.fill_uniform(values, -1, 1);
  return values.to<Cuda>();
}

/// The time between two events of a stream.
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

struct Work {
  double flops = 0;
  double bytes = 0;
};

/// `prepare` makes what is timed, so that only what is asked for takes memory.
void add(const std::string& name, const Work& work, const std::function<std::function<void()>()>& prepare,
         Precision precision = Precision::highest) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [=](benchmark::State& state) {
                                 const PrecisionScope scope(precision);
                                 const auto run = prepare();
                                 run();
                                 cuda::synchronize();
                                 constexpr int times =
                                     10;  // in one measurement, so that the launches of most do not show
                                 Timer timer;
                                 for (auto _ : state) {
                                   timer.start();
                                   for (int i = 0; i < times; ++i) run();
                                   state.SetIterationTime(timer.stop() / times);
                                 }
                                 using Counter = benchmark::Counter;
                                 if (work.flops > 0)
                                   state.counters["flop/s"] = Counter(work.flops, Counter::kIsIterationInvariantRate);
                                 if (work.bytes > 0)
                                   state.counters["byte/s"] = Counter(work.bytes, Counter::kIsIterationInvariantRate);
                               })
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

double bytes_of(const Shape& shape) { return static_cast<double>(shape.elements()) * sizeof(float); }

void add_maps(const Shape& map) {
  const std::string size = map.to_string();
  const Shape channels{map[-1]};
  const double bytes = bytes_of(map);
  add("copy " + size, {0, 2 * bytes},
      [=] { return [x = random(map)] { benchmark::DoNotOptimize(x.clone().data()); }; });
  add("relu " + size, {0, 2 * bytes},
      [=] { return [x = random(map)] { benchmark::DoNotOptimize(ops::relu(x).data()); }; });
  add("add " + size, {0, 3 * bytes},
      [=] { return [x = random(map)] { benchmark::DoNotOptimize(ops::add(x, x).data()); }; });
  add("softmax " + size, {0, 2 * bytes},
      [=] { return [x = random(map)] { benchmark::DoNotOptimize(ops::softmax(x).data()); }; });
  add("channel_moments " + size, {0, bytes},
      [=] { return [x = random(map)] { benchmark::DoNotOptimize(ops::channel_moments(x).mean.data()); }; });
  add("batch_norm_relu_residual " + size, {0, 3 * bytes}, [=] {
    return [x = random(map), moments = ops::channel_moments(random(map)), weight = random(channels)] {
      benchmark::DoNotOptimize(
          ops::batch_norm(x, moments, weight, weight, 1e-5F, {.residual = x, .relu = true}).data());
    };
  });
  add("channel_wise_convolution " + size, {18 * static_cast<double>(map.elements()), 2 * bytes}, [=] {
    return [x = random(map), weight = random({3, 3, 1, map[-1]})] {
      benchmark::DoNotOptimize(ops::channel_wise_convolution(x, weight).data());
    };
  });
  add("max_pool " + size, {0, bytes * 1.5}, [=] {
    return [x = random(map)] { benchmark::DoNotOptimize(ops::max_pool(x, {.kernel = 2, .stride = 2}).y.data()); };
  });
}

void add_convolutions(const Shape& x, Index outputs) {
  const Shape weight{3, 3, x[-1], outputs};
  const Shape y = x.with(-1, outputs);
  const double flops = 2.0 * static_cast<double>(y.elements() * 9 * x[-1]);
  const double bytes = bytes_of(x) + bytes_of(y) + bytes_of(weight);
  for (const auto precision : {Precision::highest, Precision::high, Precision::medium}) {
    const std::string what = x.to_string() + " to " + std::to_string(outputs) + " " + std::string(name_of(precision));
    add(
        "convolution 3x3 " + what, {flops, bytes},
        [=] {
          return [map = random(x), kernel = random(weight)] {
            benchmark::DoNotOptimize(ops::convolution(map, kernel, {.padding = 1}).data());
          };
        },
        precision);
    add(
        "convolution 3x3 input gradient " + what, {flops, bytes},
        [=] {
          return [upstream = random(y), kernel = random(weight), x] {
            benchmark::DoNotOptimize(ops::convolution_input_gradient(upstream, kernel, x, {.padding = 1}).data());
          };
        },
        precision);
    add(
        "convolution 3x3 weight gradient " + what, {flops, bytes},
        [=] {
          return [map = random(x), upstream = random(y), weight] {
            benchmark::DoNotOptimize(ops::convolution_weight_gradient(map, upstream, weight, {.padding = 1}).data());
          };
        },
        precision);
  }
}

void add_products(Index rows, Index inputs, Index outputs) {
  const double flops = 2.0 * static_cast<double>(rows * inputs * outputs);
  for (const auto precision : {Precision::highest, Precision::high, Precision::medium})
    add(
        "linear " + std::to_string(rows) + " x " + std::to_string(inputs) + " to " + std::to_string(outputs) + " " +
            std::string(name_of(precision)),
        {flops, 0},
        [=] {
          return [x = random({rows, inputs}), weight = random({outputs, inputs})] {
            benchmark::DoNotOptimize(ops::linear(x, weight).data());
          };
        },
        precision);
}

void add_lstm(Index batch, Index steps, Index units) {
  add("lstm " + std::to_string(batch) + " x " + std::to_string(steps) + " x " + std::to_string(units),
      {16.0 * static_cast<double>(batch * steps * units * units), 0}, [=] {
        return [in = ops::LstmInputs<float, Cuda>{random({batch, steps, units}),
                                                  random({4 * units, units}),
                                                  random({4 * units, units}),
                                                  {},
                                                  {},
                                                  {},
                                                  {}}] { benchmark::DoNotOptimize(ops::lstm(in).h_n.data()); };
      });
}

void add_networks() {
  for (const auto precision : {Precision::highest, Precision::high, Precision::medium}) {
    const std::string suffix = " " + std::string(name_of(precision));
    add(
        "ACCM training step of 64" + suffix, {},
        [] {
          auto model = std::make_shared<models::Accm<float, Cuda>>(models::AccmOptions{});
          auto adam = std::make_shared<optim::Adam<float, Cuda>>(model->parameters());
          return [model, adam, x = random({64, 64, 64, 25}), labels = std::vector<Index>(64, 1)] {
            adam->zero_grad();
            backward(cross_entropy((*model)(Variable<float, Cuda>(x)), labels));
            adam->step();
          };
        },
        precision);
    add(
        "SISTCM-ResNet18 inference of a clip [1, 8, 112, 112, 3]" + suffix, {},
        [] {
          auto model = std::make_shared<models::SistcmResNet18<float, Cuda>>(models::SistcmResNet18Options{});
          model->freeze();
          return [model, x = random({1, 8, 112, 112, 3})] { (*model)(Variable<float, Cuda>(x)); };
        },
        precision);
    add(
        "SISTCM-ResNet18 inference of a clip as a graph" + suffix, {},
        [] {
          auto model = std::make_shared<models::SistcmResNet18<float, Cuda>>(models::SistcmResNet18Options{});
          model->freeze();
          auto x = random({1, 8, 112, 112, 3});
          auto graph = std::make_shared<cuda::Graph>([&] { (*model)(Variable<float, Cuda>(x)); });
          return [model, x, graph] { graph->launch(); };
        },
        precision);
    add(
        "SISTCM-ResNet18 training step of 8 clips" + suffix, {},
        [] {
          auto model = std::make_shared<models::SistcmResNet18<float, Cuda>>(models::SistcmResNet18Options{});
          auto adam = std::make_shared<optim::Adam<float, Cuda>>(model->parameters());
          return [model, adam, x = random({8, 8, 112, 112, 3}), labels = std::vector<Index>(8, 1)] {
            adam->zero_grad();
            backward(cross_entropy((*model)(Variable<float, Cuda>(x)).logits, labels));
            adam->step();
          };
        },
        precision);
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  add_maps({64, 56, 56, 64});
  add_maps({512, 32, 32, 25});
  add_convolutions({64, 56, 56, 64}, 64);
  add_convolutions({64, 28, 28, 128}, 128);
  add_convolutions({64, 14, 14, 256}, 256);
  add_convolutions({64, 7, 7, 512}, 512);
  add_products(4096, 1024, 4096);
  add_products(24, 512, 4096);
  add_lstm(8, 3, 1024);
  add_lstm(32, 16, 128);
  add_networks();
  benchmark::RunSpecifiedBenchmarks();
}
