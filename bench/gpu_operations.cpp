/// Operations and networks on the GPU, with the operations and bytes that each needs at least.
///
///     gpu_operations                                  all of them; bench/compare_gpu.py has the same work in PyTorch
///     gpu_operations --benchmark_filter=sistcm        Google Benchmark's options
///     gpu_operations --roofline                       what was counted; needs no GPU
///
/// `of_copy` is the share of a copy's bandwidth, which is measured first. `allocations` has to be 0: after its first
/// calls nothing asks the system for memory; the program says what does, and what failed, and ends with code 1.

#include <mien/autograd/arithmetic.hpp>
#include <mien/autograd/cross_entropy.hpp>
#include <mien/backend/cuda/graph.hpp>
#include <mien/models/accm.hpp>
#include <mien/models/sistcm_resnet.hpp>
#include <mien/nn/lstm.hpp>
#include <mien/ops/activation.hpp>
#include <mien/ops/batch_norm.hpp>
#include <mien/ops/pooling.hpp>
#include <mien/optim/adam.hpp>

#include <functional>
#include <iostream>
#include <memory>
#include <string_view>

#include "gpu_common.hpp"

namespace {

using namespace mien;
using bench::GpuWork;
using bench::name_of;
using bench::Numbers;
using bench::numbers_of;
using bench::random_on_gpu;

// --- what is needed at least -----------------------------------------------------------------------------------------

constexpr double bytes_of_float = 4;

double elements_of(const Shape& shape) { return static_cast<double>(shape.elements()); }

/// Of convolutions and products alone, each map that they read or write once; batch norm, activations, pooling and sums
/// may happen on the way. A way of computing that keeps another map between two passes moves more.
struct Count {
  double flops = 0;
  double bytes = 0;
  double parameters = 0;

  Count& operator+=(const Count& other) {
    flops += other.flops;
    bytes += other.bytes;
    parameters += other.parameters;
    return *this;
  }
};

enum class Pass {
  forward,              ///< reads x, writes y
  training,             ///< and then reads the gradient of y and x again, writes the gradient of x
  training_first_layer  ///< and then reads the gradient of y and x again: nobody wants the gradient of x
};

/// Parameters are floats. In training they are read twice, or once where there is no gradient of x, and their gradient
/// is written.
Count count(Pass pass, double forward_flops, double x, double y, double bytes_of_number, double parameters) {
  double products = 1;
  double maps = x + y;
  if (pass != Pass::forward) {
    products = pass == Pass::training ? 3 : 2;
    maps += x + y + (pass == Pass::training ? x : 0);
  }
  return {products * forward_flops, maps * bytes_of_number + products * parameters * bytes_of_float, parameters};
}

/// y has the same positions as the result, of a square kernel.
Count count_convolution(Pass pass, const Shape& x, const Shape& y, Index kernel, double bytes_of_number) {
  const auto weights = static_cast<double>(kernel * kernel * x[-1] * y[-1]);
  return count(pass, 2 * weights * elements_of(y) / static_cast<double>(y[-1]), elements_of(x), elements_of(y),
               bytes_of_number, weights);
}

/// Through the seams: the per-frame convolution, three of its nine taps for each position of a seam's line, and the
/// layer that weighs the views.
Count count_super_images(Pass pass, const Shape& map, double bytes_of_number) {
  const auto channels = static_cast<double>(map[-1]);
  const double lines = 6 * channels * static_cast<double>(backend::seam_elements(map));
  const double fusion = 4 * channels * channels;
  Count sum = count_convolution(pass, map, map, 3, bytes_of_number);
  sum += count(pass, lines + 2 * fusion * static_cast<double>(map[0]), 0, 0, bytes_of_number, fusion);
  return sum;
}

/// Reads a parameter, its gradient and both moments, and writes all but the gradient.
double bytes_of_adam(double parameters) { return 7 * bytes_of_float * parameters; }

Shape halved(const Shape& map) { return map.with(-3, (map[-3] + 1) / 2).with(-2, (map[-2] + 1) / 2); }

Count count_sistcm(bool training, const Shape& frames, double bytes_of_number) {
  const Pass pass = training ? Pass::training : Pass::forward;
  const Shape stem = halved(frames).with(-1, 64);
  Count sum =
      count_convolution(training ? Pass::training_first_layer : Pass::forward, frames, stem, 7, bytes_of_number);
  Shape x = halved(stem);
  for (const Index width : {64, 128, 256, 512})
    for (const bool first : {true, false}) {
      const bool halves = first && width > 64;
      const Shape y = (halves ? halved(x) : x).with(-1, width);
      sum += count_convolution(pass, x, y, 3, bytes_of_number);
      sum += count_super_images(pass, y, bytes_of_number);
      if (halves) sum += count_convolution(pass, x, y, 1, bytes_of_number);
      x = y;
    }
  return sum;
}

Count count_accm(bool training, const Shape& joints, double bytes_of_number) {
  constexpr Index width = 128;
  const Pass pass = training ? Pass::training : Pass::forward;
  const Pass first = training ? Pass::training_first_layer : Pass::forward;
  const Shape map = halved(joints).with(-1, width);
  Count sum = count(first, 18 * elements_of(joints), elements_of(joints), elements_of(joints), bytes_of_number, 0);
  sum += count_convolution(first, joints, map, 3, bytes_of_number);
  sum += count_convolution(pass, joints, map, 3, bytes_of_number);
  for (int branch = 0; branch < 2; ++branch) sum += count_convolution(pass, map, map, 3, bytes_of_number);
  return sum;
}

// --- single operations -----------------------------------------------------------------------------------------------

struct LayerWork {
  std::string operation;
  std::string shape;
  Shape input;
  Numbers numbers;
  std::function<Count(Pass)> count;
};

/// A layer's call without gradients, and with those of its input and parameters.
template <class Map, class MakeLayer, class Call>
void add_layer(const LayerWork& work, MakeLayer make_layer, Call call) {
  const Count forward = work.count(Pass::forward);
  bench::add({work.operation + "/forward", work.shape, forward.flops, forward.bytes}, work.numbers, [=] {
    return [=, layer = make_layer(), x = Variable<Map, Cuda>(random_on_gpu<Map>(work.input))]() mutable {
      const NoGradient not_recorded;
      benchmark::DoNotOptimize(call(layer, x).value().data());
    };
  });
  const Count training = work.count(Pass::training);
  bench::add({work.operation + "/training", work.shape, training.flops, training.bytes}, work.numbers, [=] {
    auto layer = make_layer();
    Variable<Map, Cuda> x(random_on_gpu<Map>(work.input), true);
    const auto upstream = random_on_gpu<Map>(call(layer, x).shape());
    return [=, parameters = layer.parameters()]() mutable {
      for (auto& parameter : parameters) parameter.zero_gradient();
      x.zero_gradient();
      backward(call(layer, x), upstream);
    };
  });
}

template <class Map>
void add_super_images(const Shape& clips) {
  add_layer<Map>(
      {"super_image_convolution", name_of(clips), clips, numbers_of<Map>(),
       [=](Pass pass) { return count_super_images(pass, clips, sizeof(Map)); }},
      [=] { return nn::SuperImageConvolution<float, Cuda>({.in = clips[-1], .out = clips[-1]}); },
      [](auto& layer, const Variable<Map, Cuda>& x) { return layer(x); });
}

/// From what both views are made of to their mix: means, softmax over the views, weighted sum.
template <class Map>
void add_view_fusion(const Shape& clips) {
  const double lines = static_cast<double>(backend::seam_elements(clips)) * bytes_of_float;
  bench::add(
      {"view_fusion/forward", name_of(clips), 0, 2 * elements_of(clips) * sizeof(Map) + lines}, numbers_of<Map>(), [=] {
        const Index channels = clips[-1];
        auto parts = ops::super_image_parts(random_on_gpu<Map>(clips), random_on_gpu<float>({3, 3, channels, channels}),
                                            ops::SuperImageLayout::stacked);
        return [=, fusion = random_on_gpu<float>({2 * channels, 2 * channels})]() mutable {
          const auto alpha = ops::softmax_over_views(ops::linear(ops::super_image_means(parts), fusion));
          // The mix is written over the frames; that the next call mixes it again takes no other time.
          parts.frames =
              ops::super_image_mix(parts, {alpha.select(1, 0).contiguous(), alpha.select(1, 1).contiguous(), 1});
        };
      });
}

template <class Map>
void add_joints(const Shape& joints) {
  const double size = elements_of(joints);
  const auto work = [=](const std::string& operation, double flops_of_number) {
    return LayerWork{operation, name_of(joints), joints, numbers_of<Map>(),
                     [=](Pass pass) { return count(pass, flops_of_number * size, size, size, sizeof(Map), 0); }};
  };
  const auto call = [](auto& layer, const Variable<Map, Cuda>& x) { return layer(x); };
  add_layer<Map>(
      work("channel_wise_convolution", 18),
      [=] { return nn::ChannelWiseConvolution<float, Cuda>({.channels = joints[-1]}); }, call);
  add_layer<Map>(
      work("joint_attention", 2), [=] { return nn::JointAttention<float, Cuda>(joints[-1]); }, call);
  bench::add({"scale_channels/forward", name_of(joints), size, 2 * size * sizeof(Map)}, numbers_of<Map>(), [=] {
    return [x = random_on_gpu<Map>(joints), weights = random_on_gpu<float>({joints[0], joints[-1]})] {
      benchmark::DoNotOptimize(ops::scale_channels(x, weights).data());
    };
  });
}

/// Sequences and states are float everywhere; the numbers are those that products multiply.
void add_lstm(const Shape& sequences, Index hidden, const Numbers& numbers) {
  const auto steps = static_cast<double>(sequences[0] * sequences[1]);
  const auto weights = static_cast<double>(4 * hidden * (sequences[2] + hidden));
  add_layer<float>(
      {"lstm", name_of(sequences) + "*" + std::to_string(hidden), sequences, numbers,
       [=](Pass pass) {
         return count(pass, 2 * steps * weights, elements_of(sequences), steps * static_cast<double>(hidden),
                      bytes_of_float, weights);
       }},
      [=] { return nn::Lstm<float, Cuda>({.in = sequences[2], .hidden = hidden}); },
      [](auto& layer, const Variable<float, Cuda>& x) { return layer(x).outputs; });
}

template <class Map>
void add_convolutions(const Shape& x) {
  const Shape weight{3, 3, x[-1], x[-1]};
  const std::string shape = name_of(x) + "*" + name_of(weight);
  const Count needed = count_convolution(Pass::forward, x, x, 3, sizeof(Map));
  const ops::ConvolutionOptions window{.padding = 1};
  const auto add = [&](const std::string& pass, auto make) {
    bench::add({"convolution/" + pass, shape, needed.flops, needed.bytes}, numbers_of<Map>(), make);
  };
  add("forward", [=] {
    return [=, map = random_on_gpu<Map>(x), kernel = random_on_gpu<float>(weight)] {
      benchmark::DoNotOptimize(ops::convolution(map, kernel, window).data());
    };
  });
  add("input_gradient", [=] {
    return [=, upstream = random_on_gpu<Map>(x), kernel = random_on_gpu<float>(weight)] {
      benchmark::DoNotOptimize(ops::convolution_input_gradient(upstream, kernel, x, window).data());
    };
  });
  add("weight_gradient", [=] {
    return [=, map = random_on_gpu<Map>(x), upstream = random_on_gpu<Map>(x)] {
      benchmark::DoNotOptimize(ops::convolution_weight_gradient(map, upstream, weight, window).data());
    };
  });
}

/// Matrices are float; the numbers are those that products multiply.
void add_linear(Index rows, Index inputs, Index outputs, const Numbers& numbers) {
  const auto size = [](Index a, Index b) { return static_cast<double>(a * b); };
  bench::add({"linear/forward", name_of(Shape{rows, inputs}) + "*" + name_of(Shape{outputs, inputs}),
              2 * size(rows, inputs) * static_cast<double>(outputs),
              bytes_of_float * (size(rows, inputs) + size(inputs, outputs) + size(rows, outputs))},
             numbers, [=] {
               return [x = random_on_gpu<float>({rows, inputs}), weight = random_on_gpu<float>({outputs, inputs})] {
                 benchmark::DoNotOptimize(ops::linear(x, weight).data());
               };
             });
}

/// Passes over maps, bound by memory.
template <class Map>
void add_maps(const Shape& shape) {
  const double bytes = elements_of(shape) * sizeof(Map);
  const auto add = [&](const std::string& operation, double maps, auto make) {
    bench::add({operation + "/forward", name_of(shape), 0, maps * bytes}, numbers_of<Map>(), make);
  };
  add("relu", 2, [=] { return [x = random_on_gpu<Map>(shape)] { benchmark::DoNotOptimize(ops::relu(x).data()); }; });
  add("channel_moments", 1, [=] {
    return [x = random_on_gpu<Map>(shape)] { benchmark::DoNotOptimize(ops::channel_moments(x).mean.data()); };
  });
  add("batch_norm_residual_relu", 3, [=] {
    const auto x = random_on_gpu<Map>(shape);
    return [x, moments = ops::channel_moments(x), weight = random_on_gpu<float>({shape[-1]})] {
      benchmark::DoNotOptimize(
          ops::batch_norm(x, moments, weight, weight, 1e-5F, {.residual = x, .relu = true}).data());
    };
  });
  add("max_pool", 1.25, [=] {
    return [x = random_on_gpu<Map>(shape)] {
      benchmark::DoNotOptimize(ops::max_pool(x, {.kernel = 2, .stride = 2}).y.data());
    };
  });
}

// --- networks --------------------------------------------------------------------------------------------------------

constexpr int calls_of_networks = 20;

/// Whether the host starts every kernel, or once a graph of them.
enum class Start { kernels, graph };

std::string name_of(Start start) { return start == Start::graph ? "_graph" : ""; }

/// Of a frozen network.
template <class Map, class MakeModel, class Logits>
void add_inference(const std::string& name, const Shape& input, const Count& needed, MakeModel make_model,
                   Logits logits) {
  for (const Start start : {Start::kernels, Start::graph})
    bench::add({name + "/inference" + name_of(start), name_of(input), needed.flops, needed.bytes}, numbers_of<Map>(),
               [=]() -> std::function<void()> {
                 auto model = std::make_shared<decltype(make_model())>(make_model());
                 model->freeze();
                 const auto pass = [=, x = Variable<Map, Cuda>(random_on_gpu<Map>(input))] {
                   const NoGradient not_recorded;
                   benchmark::DoNotOptimize(logits(*model, x).value().data());
                 };
                 if (start == Start::kernels) return pass;
                 return [pass, graph = std::make_shared<cuda::Graph>(pass)] { graph->launch(); };
               });
}

/// Forward, loss, backward, Adam.
template <class Map, class MakeModel, class Logits>
void add_training(const std::string& name, const Shape& input, Start start, const Count& needed, MakeModel make_model,
                  Logits logits) {
  bench::add({name + "/training" + name_of(start), name_of(input), needed.flops,
              needed.bytes + bytes_of_adam(needed.parameters), calls_of_networks},
             numbers_of<Map>(), [=]() -> std::function<void()> {
               auto model = std::make_shared<decltype(make_model())>(make_model());
               auto adam = std::make_shared<optim::Adam<float, Cuda>>(model->parameters(),
                                                                      optim::AdamOptions{.learning_rate = 1e-4});
               const auto step = [=, x = Variable<Map, Cuda>(random_on_gpu<Map>(input)),
                                  labels = Tensor<std::int64_t, Cuda>({input[0]}, 1)] {
                 adam->zero_grad();
                 backward(cross_entropy(logits(*model, x), labels));
                 adam->step();
               };
               if (start == Start::kernels) return step;
               return [step, graph = std::make_shared<cuda::Graph>(step)] { graph->launch(); };
             });
}

template <class Map>
void add_networks() {
  const auto make_sistcm = [] { return models::SistcmResNet18<float, Cuda>(models::SistcmResNet18Options{}); };
  const auto sistcm_logits = [](auto& model, const Variable<Map, Cuda>& x) { return model(x).logits; };
  for (const Index side : {224, 112}) {
    const Shape clips{8, 16, side, side, 3};
    add_training<Map>("sistcm_resnet18", clips, Start::kernels, count_sistcm(true, clips, sizeof(Map)), make_sistcm,
                      sistcm_logits);
  }
  const Shape clips{8, 16, 112, 112, 3};
  add_training<Map>("sistcm_resnet18", clips, Start::graph, count_sistcm(true, clips, sizeof(Map)), make_sistcm,
                    sistcm_logits);
  const Shape clip{1, 16, 112, 112, 3};
  add_inference<Map>("sistcm_resnet18", clip, count_sistcm(false, clip, sizeof(Map)), make_sistcm, sistcm_logits);

  const auto make_accm = [] { return models::Accm<float, Cuda>({.dropout = 0.5}); };
  const auto accm_logits = [](auto& model, const Variable<Map, Cuda>& x) { return model(x); };
  const Shape joints{64, 64, 64, 25};
  for (const Start start : {Start::kernels, Start::graph})
    add_training<Map>("accm", joints, start, count_accm(true, joints, sizeof(Map)), make_accm, accm_logits);
  add_inference<Map>("accm", joints, count_accm(false, joints, sizeof(Map)), make_accm, accm_logits);
}

/// Of a plain ResNet-18 for seven classes.
void add_adam() {
  constexpr double parameters_of_resnet18 = 11'180'103;
  bench::add({"adam/step", "11180103", 0, bytes_of_adam(parameters_of_resnet18)}, bench::float32, [] {
    models::SistcmResNet18Options options;
    options.fusion = ViewFusion::none;
    models::SistcmResNet18<float, Cuda> model(options);
    auto parameters = model.parameters();
    for (auto& parameter : parameters) parameter.gradient() = random_on_gpu<float>(parameter.shape());
    return [adam = std::make_shared<optim::Adam<float, Cuda>>(parameters)] { adam->step(); };
  });
}

void add_copy() {
  bench::add({"copy/forward", name_of(bench::copied), 0, 2 * bytes_of_float * elements_of(bench::copied)},
             bench::float32, [] {
               return [source = Tensor<float, Cuda>(bench::copied, 1),
                       target = Tensor<float, Cuda>(bench::copied)]() mutable { target.copy_from(source); };
             });
}

template <class Map>
void add_all() {
  add_networks<Map>();
  for (const Shape& clips :
       {Shape{8, 16, 56, 56, 64}, Shape{8, 16, 28, 28, 128}, Shape{8, 16, 14, 14, 256}, Shape{8, 16, 7, 7, 512}}) {
    add_super_images<Map>(clips);
    add_view_fusion<Map>(clips);
    add_convolutions<Map>({clips[0] * clips[1], clips[2], clips[3], clips[4]});
  }
  add_joints<Map>({64, 64, 64, 25});
  add_joints<Map>({256, 112, 112, 25});
  add_lstm({8, 16, 512}, 1024, numbers_of<Map>());
  add_linear(4096, 1024, 4096, numbers_of<Map>());
  add_linear(8, 512, 4096, numbers_of<Map>());
  add_maps<Map>({128, 56, 56, 64});
}

}  // namespace

int main(int count, char** arguments) {
  add_copy();
  add_all<float>();
  add_all<bfloat16>();
  add_adam();
  if (count == 2 && arguments[1] == std::string_view("--roofline")) {
    bench::print_roofline(3.0, 800);
    return 0;
  }
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  for (const std::string& name : bench::registry().allocating)
    std::cerr << name << " asks the system for memory in every call\n";
  const auto& failed = bench::registry().failed;
  if (!failed.empty())
    std::cerr << failed.size() << " works could not be measured, the first of them " << failed.front() << "\n";
  return bench::registry().allocating.empty() && failed.empty() ? 0 : 1;
}
