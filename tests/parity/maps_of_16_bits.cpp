#include <doctest/doctest.h>

#include <cmath>
#include <concepts>
#include <string>
#include <vector>

#include "mien/autograd/layer_norm.hpp"
#include "mien/autograd/softmax.hpp"
#include "mien/models/accm.hpp"
#include "mien/models/sistcm_resnet.hpp"
#include "mien/nn/dropout.hpp"
#include "mien/nn/layer_norm.hpp"
#include "mien/nn/linear.hpp"
#include "mien/optim/loss_scale.hpp"
#include "mien/optim/sgd.hpp"
#include "parity/operations.hpp"

using namespace mien;

#if defined(MIEN_WITH_CUDA)
namespace {

/// The most that rounding to Map changes a number by, as a part of it.
template <class Map>
constexpr double rounding = 0x1p-8;
template <>
constexpr double rounding<float16> = 0x1p-11;

/// Random numbers that Map holds.
template <class Map>
Tensor<double> random(const Shape& shape, std::uint64_t seed) {
  Tensor<float> out(shape);
  Generator(seed).fill_uniform(out, -1, 1);
  return out.cast<Map>().template cast<double>();
}

template <class T, class Device>
Tensor<double> to_double(const Tensor<T, Device>& tensor) {
  return tensor.contiguous().template to<Cpu>().template cast<double>();
}

template <class T, class Device>
std::vector<Variable<T, Device>> variables(const std::vector<Tensor<double>>& values) {
  std::vector<Variable<T, Device>> out;
  for (const auto& value : values) out.emplace_back(value.template cast<T>().template to<Device>(), true);
  return out;
}

/// The result of function(maps, parameters) and the gradients for all of them.
template <class Map, class Device, class Function>
std::vector<Tensor<double>> run(const Function& function, const std::vector<Tensor<double>>& maps,
                                const std::vector<Tensor<double>>& parameters) {
  auto of_maps = variables<Map, Device>(maps);
  auto of_parameters = variables<Accumulated<Map>, Device>(parameters);
  const auto result = function(of_maps, of_parameters);
  using Result = typename std::decay_t<decltype(result)>::Element;
  const auto upstream = random<bfloat16>(result.shape(), 50);
  backward(result, upstream.template cast<Result>().template to<Device>());
  std::vector<Tensor<double>> out{to_double(result.value())};
  for (const auto& map : of_maps) out.push_back(to_double(map.gradient()));
  for (const auto& parameter : of_parameters) out.push_back(to_double(parameter.gradient()));
  return out;
}

void check_close(const Tensor<double>& found, const Tensor<double>& expected, double tolerance) {
  REQUIRE(found.shape() == expected.shape());
  double scale = 1e-2;
  for (const double value : expected.span()) scale = std::max(scale, std::abs(value));
  double worst = 0;
  for (Index i = 0; i < found.elements(); ++i) {
    const double error = std::abs(found.data()[i] - expected.data()[i]);
    if (!(error <= worst)) worst = error;
  }
  CHECK(worst <= tolerance * scale);
}

/// Compares with double on the CPU. `roundings` are those between inputs and results: one where nothing but the result
/// is stored as Map.
template <class Map, class Function>
void check(const std::string& name, const std::vector<Shape>& maps, const std::vector<Shape>& parameters,
           const Function& function, double roundings = 1) {
  std::vector<Tensor<double>> of_maps;
  std::vector<Tensor<double>> of_parameters;
  std::string all = name;
  for (const Shape& shape : maps) {
    of_maps.push_back(random<Map>(shape, of_maps.size() + 1));
    all += " " + shape.to_string();
  }
  for (const Shape& shape : parameters) of_parameters.push_back(random<Map>(shape, of_parameters.size() + 11));
  CAPTURE(all);
  const auto expected = run<double, Cpu>(function, of_maps, of_parameters);
  const auto found = run<Map, Cuda>(function, of_maps, of_parameters);
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    check_close(found[i], expected[i], roundings * rounding<Map> + 1e-5);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("convolutions of maps of 16 bits", Map, bfloat16, float16) {
  struct Sizes {
    Shape x, weight;
    ConvolutionOptions options;
  };
  for (const auto& [x, weight, options] :
       {Sizes{{1, 1, 1, 1}, {1, 1, 1, 1}, {}}, Sizes{{2, 7, 5, 3}, {3, 3, 3, 7}, {.padding = 1}},
        Sizes{{1, 9, 31, 8}, {3, 3, 8, 65}, {.stride = 2, .padding = 1}},
        Sizes{{3, 5, 8, 6}, {2, 3, 3, 8}, {.stride = {1, 2}, .groups = 2}},
        Sizes{{0, 5, 5, 2}, {3, 3, 2, 3}, {.padding = 1}}})
    check<Map>("convolution", {x}, {weight},
               [options = options](auto& maps, auto& in) { return convolution(maps[0], in[0], options); });
  for (const Shape& x : {Shape{1, 1, 1, 1}, Shape{2, 7, 5, 3}, Shape{1, 31, 9, 25}, Shape{2, 6, 6, 64}})
    check<Map>("channel_wise_convolution", {x}, {{3, 3, 1, x[-1]}},
               [](auto& maps, auto& in) { return channel_wise_convolution(maps[0], in[0], {.stride = 2}); });
}

TEST_CASE_TEMPLATE("super-image convolutions of maps of 16 bits", Map, bfloat16, float16) {
  struct Sizes {
    Shape x;
    Index outputs;
  };
  for (const auto& [x, outputs] : {Sizes{{1, 1, 1, 1, 1}, 1}, Sizes{{2, 3, 4, 5, 3}, 7}, Sizes{{2, 4, 3, 6, 8}, 16}})
    for (const auto layout : {SuperImageLayout::stacked, SuperImageLayout::interleaved})
      for (const auto fusion : {ViewFusion::channel, ViewFusion::view}) {
        const Index granules = fusion == ViewFusion::view ? 1 : outputs;
        // The frames' convolution, each view's share and their sum are stored.
        check<Map>(
            "super_image_convolution", {x}, {{3, 3, x[-1], outputs}, {2 * granules, 2 * outputs}, {2 * granules}},
            [layout, fusion](auto& maps, auto& in) {
              return super_image_convolution(maps[0], in[0], in[1], in[2], {layout, fusion}).y;
            },
            4);
      }
}

TEST_CASE_TEMPLATE("batch norm of maps of 16 bits", Map, bfloat16, float16) {
  for (const Shape& x : {Shape{7, 31}, Shape{2, 5, 9, 8}, Shape{3, 11, 13, 65}}) {
    const Shape channels{x[-1]};
    const auto norm = [](auto& maps, auto& in, bool residual, bool relu) {
      using Variable = std::decay_t<decltype(maps[0])>;
      return batch_norm(maps[0], ops::channel_moments(maps[0].value()), in[0], in[1], 1e-5F, true,
                        {.residual = residual ? maps[1] : Variable(), .relu = relu});
    };
    check<Map>(
        "batch_norm", {x}, {channels, channels}, [&](auto& maps, auto& in) { return norm(maps, in, false, false); }, 2);
    check<Map>(
        "batch_norm, ReLU", {x}, {channels, channels},
        [&](auto& maps, auto& in) { return norm(maps, in, false, true); }, 2);
    check<Map>(
        "batch_norm, residual and ReLU", {x, x}, {channels, channels},
        [&](auto& maps, auto& in) { return norm(maps, in, true, true); }, 3);
  }
}

TEST_CASE_TEMPLATE("pooling, attention and sums of maps of 16 bits", Map, bfloat16, float16) {
  for (const Shape& x : {Shape{1, 3, 3, 1}, Shape{2, 7, 9, 3}, Shape{1, 65, 7, 8}}) {
    const PoolingOptions pooling{.kernel = 3, .stride = 2, .padding = 1};
    check<Map>("max_pool", {x}, {}, [&](auto& maps, auto&) { return max_pool(maps[0], pooling); });
    check<Map>("average_pool", {x}, {}, [&](auto& maps, auto&) { return average_pool(maps[0], pooling); });
    check<Map>("adaptive_max_pool", {x}, {}, [](auto& maps, auto&) { return adaptive_max_pool(maps[0], {2, 3}); });
    check<Map>("adaptive_average_pool", {x}, {}, [](auto& maps, auto&) {
      return adaptive_average_pool(maps[0], {2, 3});
    });
    check<Map>("mean_of_positions", {x}, {}, [](auto& maps, auto&) { return mean_of_positions(maps[0]); });
    check<Map>("sum", {x}, {}, [](auto& maps, auto&) { return sum(maps[0]); });
    check<Map>("sum over an axis", {x}, {}, [](auto& maps, auto&) { return sum(maps[0], 1); });
    check<Map>("scale_channels", {x}, {{x[0], x[-1]}},
               [](auto& maps, auto& in) { return scale_channels(maps[0], in[0]); });
    check<Map>("add_bias", {x}, {{x[-1]}}, [](auto& maps, auto& in) { return add_bias(maps[0], in[0]); });
    check<Map>("scale_shift", {x}, {{x[-1]}, {x[-1]}},
               [](auto& maps, auto& in) { return scale_shift(maps[0], in[0], in[1]); });
    check<Map>("cast", {x}, {}, [](auto& maps, auto&) {
      return cast<Accumulated<typename std::decay_t<decltype(maps[0])>::Element>>(maps[0]);
    });
    check<Map>(
        "a b + a - b", {x, x}, {}, [](auto& maps, auto&) { return maps[0] * maps[1] + maps[0] - maps[1]; }, 4);
    check<Map>(
        "activations", {x}, {}, [](auto& maps, auto&) { return relu(sigmoid(maps[0]) + tanh(gelu(maps[0]))); }, 5);
    check<Map>(
        "quotients", {x}, {}, [](auto& maps, auto&) { return maps[0] / sqrt(log(exp(exp(maps[0])))); }, 6);
    check<Map>("dropout", {x}, {}, [](auto& maps, auto&) {
      default_generator() = Generator(8);
      return dropout(maps[0], 0.4);
    });
    check<Map>("concatenate", {x, x}, {}, [](auto& maps, auto&) { return concatenate(maps, -1); });
  }
}

TEST_CASE_TEMPLATE("layer norm, softmax and linear layers of maps of 16 bits", Map, bfloat16, float16) {
  for (const Shape& x : {Shape{1, 1, 1}, Shape{2, 7, 31}, Shape{3, 5, 64}, Shape{0, 3, 8}, Shape{65, 300}}) {
    const Shape channels{x[-1]};
    check<Map>(
        "layer_norm", {x}, {channels, channels}, [](auto& maps, auto& in) { return layer_norm(maps[0], in[0], in[1]); },
        2);
    check<Map>(
        "softmax", {x}, {}, [](auto& maps, auto&) { return softmax(maps[0]); }, 2);
    check<Map>(
        "log_softmax", {x}, {}, [](auto& maps, auto&) { return log_softmax(maps[0]); }, 2);
    for (const Index outputs : {Index{1}, Index{9}, Index{64}}) {
      check<Map>("linear", {x}, {{outputs, x[-1]}, {outputs}},
                 [](auto& maps, auto& in) { return linear(maps[0], in[0], in[1]); });
      check<Map>("linear without a bias", {x}, {{outputs, x[-1]}},
                 [](auto& maps, auto& in) { return linear(maps[0], in[0]); });
    }
  }
}

TEST_CASE_TEMPLATE("layers of tokens take maps of 16 bits as they take floats", Map, bfloat16, float16) {
  const auto run = []<class T, class Device, class In>(In) {
    default_generator() = Generator(4);
    nn::LayerNorm<T, Device> norm(24);
    nn::Linear<T, Device> wide({.in = 24, .out = 40});
    nn::Linear<T, Device> narrow({.in = 40, .out = 24});
    nn::Dropout<T, Device> dropout(0.25);
    const auto tokens = random<bfloat16>({3, 5, 24}, 1).template cast<In>().template to<Device>();
    const Variable<In, Device> x(tokens, true);
    const Variable<In, Device> y = x + dropout(narrow(gelu(wide(norm(x)))));
    backward(sum(y * y));
    std::vector<Tensor<double>> out{to_double(y.value()), to_double(x.gradient())};
    for (const auto& parameter : {norm.weight, norm.bias, wide.weight, wide.bias, narrow.weight, narrow.bias}) {
      static_assert(std::same_as<typename std::decay_t<decltype(parameter)>::Element, T>);
      out.push_back(to_double(parameter.gradient()));
    }
    return out;
  };
  const auto expected = run.template operator()<double, Cpu>(double{});
  const auto found = run.template operator()<float, Cuda>(Map{});
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    check_close(found[i], expected[i], 8 * rounding<Map>);
  }
}

TEST_CASE_TEMPLATE("networks with maps of 16 bits give the logits of double, frozen too", Map, bfloat16, float16) {
  const auto logits = []<class T, class Device, class In>(In, bool frozen) {
    default_generator() = Generator(4);
    auto options = models::small_sistcm_resnet18(3);
    options.widths = {8, 8, 9, 16};
    models::SistcmResNet18<T, Device> face(options);
    models::Accm<T, Device> body({.joints = 5, .classes = 3, .width = 9});
    if (frozen) {
      face.freeze();
      body.freeze();
    } else {
      face.evaluate();
      body.evaluate();
    }
    const auto clip = random<bfloat16>({2, 3, 16, 17, 1}, 1).template cast<In>().template to<Device>();
    const auto maps = random<bfloat16>({2, 12, 13, 5}, 2).template cast<In>().template to<Device>();
    return std::vector{to_double(face(Variable<In, Device>(clip)).logits.value()),
                       to_double(body(Variable<In, Device>(maps)).value())};
  };
  const auto expected = logits.template operator()<double, Cpu>(double{}, false);
  const auto found = logits.template operator()<float, Cuda>(Map{}, false);
  const auto frozen = logits.template operator()<float, Cuda>(Map{}, true);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    // Some twenty layers, each of which rounds its map.
    check_close(found[i], expected[i], 10 * rounding<Map>);
    check_close(frozen[i], found[i], 0);
  }
}

TEST_CASE("a network is trained with maps of half precision, a scaled loss and weights in float") {
  const auto train = []<class T, class Device, class Map>(Map, double first_scale) {
    default_generator() = Generator(11);
    models::Accm<T, Device> model({.joints = 5, .classes = 3, .width = 9});
    optim::Sgd<T, Device> sgd(model.parameters(), {.learning_rate = 0.05, .momentum = 0.9});
    optim::LossScale scale({.initial = first_scale});
    int steps = 0;
    for (std::uint64_t step = 0; steps < 4 && step < 30; ++step) {
      const auto x = random<float16>({4, 7, 9, 5}, static_cast<std::uint64_t>(steps) + 1).template cast<Map>();
      sgd.zero_grad();
      scale.backward(cross_entropy(model(Variable<Map, Device>(x.template to<Device>())), {0, 2, 1, 2}));
      if (!scale.unscale(model.parameters())) continue;
      sgd.step();
      ++steps;
    }
    CHECK(steps == 4);
    std::vector<Tensor<double>> out;
    for (const auto& parameter : model.parameters()) out.push_back(to_double(parameter.value()));
    return std::pair{out, scale.value()};
  };
  const auto [expected, unchanged] = train.template operator()<double, Cpu>(double{}, 65536);
  CHECK(unchanged == 65536);
  // A scale that overflows at first: those steps are left out, and nothing else changes.
  const auto [found, scale] = train.template operator()<float, Cuda>(float16{}, 0x1p30);
  CHECK(scale < 0x1p30);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    check_close(found[i], expected[i], 0.03);
  }
}
#endif
