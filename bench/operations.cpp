/// Single operations with their gradients where they train: LSTM, channel-wise convolution, linear layers and
/// attention. And products of matrices [M, K] x [K, N] as LSTMs and linear layers have them, named MxNxK.

#include <mien/autograd/activation.hpp>
#include <mien/autograd/attention.hpp>
#include <mien/backend/cpu/matrix_product.hpp>
#include <mien/nn/channel_wise_convolution.hpp>
#include <mien/nn/linear.hpp>
#include <mien/nn/lstm.hpp>

#include "common.hpp"

namespace {

using namespace mien;

template <class MakeLayer, class Call>
void add(const std::string& name, const Shape& input, double flops, double bytes, MakeLayer make_layer, Call call,
         bool has_precisions = false) {
  for (const bool training : {false, true})
    bench::add({name + (training ? "/training" : "/forward"), bench::name_of(input), (training ? 3 : 1) * flops,
                training ? 0 : bytes, has_precisions},
               [=] {
                 auto layer = make_layer();
                 Variable<float> x(bench::random(input), training);
                 const auto upstream = bench::random(call(layer, x).shape());
                 return [=]() mutable {
                   if (!training) {
                     const NoGradient not_recorded;
                     benchmark::DoNotOptimize(call(layer, x).value().data());
                     return;
                   }
                   for (auto& parameter : layer.parameters()) parameter.zero_gradient();
                   x.zero_gradient();
                   backward(call(layer, x), upstream);
                 };
               });
}

/// `kind` says which operand is read transposed: nn, nt or tn.
void add_product(const std::string& kind, Index m, Index n, Index k) {
  const Shape sizes{m, n, k};
  bench::add({"matrix_product_" + kind, bench::name_of(sizes), 2.0 * static_cast<double>(sizes.elements()), 0}, [=] {
    const bool left = kind[0] == 't';
    const bool right = kind[1] == 't';
    return [=, a = bench::random({m, k}), b = bench::random({k, n}), c = Tensor<float>({m, n})]() mutable {
      backend::matrix_product<float>(m, n, k, {a.data(), left ? m : k, left}, {b.data(), right ? k : n, right},
                                     c.data(), n);
      benchmark::ClobberMemory();
    };
  });
}

/// A function of a tensor, as a layer without parameters.
template <class Function>
struct Parameterless {
  Function function;

  nn::ParameterList<float> parameters() const { return {}; }
  Variable<float> operator()(const Variable<float>& x) const { return function(x); }
};
template <class Function>
Parameterless(Function) -> Parameterless<Function>;

const int registered = [] {
  const auto megabytes = [](const Shape& shape) { return static_cast<double>(shape.elements()) * sizeof(float); };
  for (const Shape& map : {Shape{32, 64, 64, 25}, Shape{32, 112, 112, 25}})
    add(
        "channel_wise_convolution", map, 18.0 * static_cast<double>(map.elements()), 2 * megabytes(map),
        [] { return nn::ChannelWiseConvolution<float>({.channels = 25}); },
        [](auto& layer, const Variable<float>& x) { return layer(x); });
  const Shape clips{8, 16, 512};
  constexpr double units = 128;
  add(
      "lstm", clips, 2.0 * 8 * 16 * 4 * units * (512 + units), 0,
      [] { return nn::Lstm<float>({.in = 512, .hidden = 128}); },
      [](auto& layer, const Variable<float>& x) { return layer(x).outputs; });
  const auto call = [](auto& layer, const Variable<float>& x) { return layer(x); };
  for (const Shape& rows : {Shape{128, 128}, Shape{4160, 128}, Shape{1576, 768}})
    add(
        "linear", rows, 2.0 * static_cast<double>(rows.elements() * rows[1]), 0,
        [width = rows[1]] { return nn::Linear<float>({.in = width, .out = width}); }, call, true);
  // That of ViT-B/16: two products forwards and five backwards, where `add` counts two and four.
  const Shape tokens{8, 197, 3 * 768};
  add(
      "attention", tokens, 4.0 * 8 * 197 * 197 * 768, 0,
      [] { return Parameterless{[](const Variable<float>& x) { return attention(x, 12); }}; }, call);
  const Shape hidden{8, 197, 3072};
  add(
      "gelu", hidden, 0, 2 * megabytes(hidden),
      [] { return Parameterless{[](const Variable<float>& x) { return gelu(x); }}; }, call);
  add_product("nt", 128, 512, 512);
  add_product("nt", 128, 4096, 512);
  add_product("nt", 8, 4096, 1024);
  add_product("nn", 8, 1024, 4096);
  add_product("tn", 4096, 1024, 128);
  add_product("nt", 32, 7, 512);
  add_product("nn", 1024, 1024, 1024);
  add_product("nt", 1576, 3072, 768);
  return 0;
}();

}  // namespace
