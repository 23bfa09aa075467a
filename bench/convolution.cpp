/// Convolutions at ResNet-18's and the ACCM's sizes, with both gradients; and the one that a frozen network needs,
/// whose weights are packed and whose bias, residual and ReLU are part of it.

#include <mien/ops/channel_wise_convolution.hpp>
#include <mien/ops/convolution.hpp>

#include "common.hpp"

namespace {

using namespace mien;

struct Layer {
  const char* name;
  Shape x;
  Shape weight;
  ops::ConvolutionOptions options;
};

std::string shape_name(const Layer& layer) { return bench::name_of(layer.x) + "*" + bench::name_of(layer.weight); }

void add_convolution(const Layer& layer) {
  const auto [name, x_shape, weight_shape, options] = layer;
  const Shape y_shape = ops::detail::convolution_output(x_shape, weight_shape, options);
  const double flops = 2.0 * static_cast<double>(y_shape.elements() * weight_shape.first(3).elements());
  const std::string operation = std::string("convolution/") + name;
  bench::add({operation + "/forward", shape_name(layer), flops, 0, true}, [=] {
    return [=, x = bench::random(x_shape), weight = bench::random(weight_shape)] {
      benchmark::DoNotOptimize(ops::convolution(x, weight, options).data());
    };
  });
  bench::add({operation + "/input_gradient", shape_name(layer), flops, 0, true}, [=] {
    return [=, upstream = bench::random(y_shape), weight = bench::random(weight_shape)] {
      benchmark::DoNotOptimize(ops::convolution_input_gradient(upstream, weight, x_shape, options).data());
    };
  });
  bench::add({operation + "/weight_gradient", shape_name(layer), flops, 0, true}, [=] {
    return [=, x = bench::random(x_shape), upstream = bench::random(y_shape)] {
      benchmark::DoNotOptimize(ops::convolution_weight_gradient(x, upstream, weight_shape, options).data());
    };
  });
  bench::add({operation + "/packed_with_epilogue", shape_name(layer), flops}, [=] {
    const auto window = ops::detail::convolution_window(weight_shape, options);
    const auto weight = bench::random(weight_shape);
    return [=, x = bench::random(x_shape), bias = bench::random({weight_shape[3]}), residual = bench::random(y_shape),
            y = Tensor<float>(y_shape),
            packed = backend::PackedWeights<float>(weight.data(), window, x_shape[-1], weight_shape[3])]() mutable {
      backend::direct_convolution<float>(backend::map_grid(x_shape), x.data(), packed, window,
                                         backend::map_grid(y_shape), y.data(),
                                         {.bias = bias.data(), .residual = residual.data(), .relu = true});
      benchmark::ClobberMemory();
    };
  });
}

void add_channel_wise(const Shape& map) {
  const Shape kernel{3, 3, 1, map[-1]};
  const double flops = 18.0 * static_cast<double>(map.elements());
  const double bytes = 2.0 * static_cast<double>(map.elements()) * sizeof(float);
  const std::string operation = "channel_wise_convolution/3x3";
  bench::add({operation + "/forward", bench::name_of(map), flops, bytes}, [=] {
    return [x = bench::random(map), weight = bench::random(kernel)] {
      benchmark::DoNotOptimize(ops::channel_wise_convolution(x, weight).data());
    };
  });
  bench::add({operation + "/input_gradient", bench::name_of(map), flops, bytes}, [=] {
    return [=, upstream = bench::random(map), weight = bench::random(kernel)] {
      benchmark::DoNotOptimize(ops::channel_wise_convolution_input_gradient(upstream, weight, map).data());
    };
  });
  bench::add({operation + "/weight_gradient", bench::name_of(map), flops, bytes}, [=] {
    return [=, x = bench::random(map), upstream = bench::random(map)] {
      benchmark::DoNotOptimize(ops::channel_wise_convolution_weight_gradient(x, upstream, kernel).data());
    };
  });
}

const int registered = [] {
  for (const Layer& layer :
       std::initializer_list<Layer>{{"7x7_stride_2", {16, 112, 112, 3}, {7, 7, 3, 64}, {.stride = 2, .padding = 3}},
                                    {"3x3_stride_2", {16, 28, 28, 64}, {3, 3, 64, 128}, {.stride = 2, .padding = 1}},
                                    {"3x3_stride_2", {16, 14, 14, 128}, {3, 3, 128, 256}, {.stride = 2, .padding = 1}},
                                    {"3x3_stride_2", {16, 7, 7, 256}, {3, 3, 256, 512}, {.stride = 2, .padding = 1}},
                                    {"1x1_stride_2", {16, 28, 28, 64}, {1, 1, 64, 128}, {.stride = 2}},
                                    {"1x1_stride_2", {16, 14, 14, 128}, {1, 1, 128, 256}, {.stride = 2}},
                                    {"1x1_stride_2", {16, 7, 7, 256}, {1, 1, 256, 512}, {.stride = 2}},
                                    {"3x3_stride_2", {32, 64, 64, 25}, {3, 3, 25, 128}, {.stride = 2, .padding = 1}},
                                    {"3x3", {16, 56, 56, 3}, {3, 3, 3, 64}, {.padding = 1}}})
    add_convolution(layer);
  for (const Shape& map : {Shape{32, 112, 112, 25}, Shape{32, 64, 64, 25}, Shape{16, 56, 56, 64}})
    add_channel_wise(map);
  return 0;
}();

}  // namespace
