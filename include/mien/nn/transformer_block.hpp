#pragma once

#include "mien/autograd/activation.hpp"
#include "mien/autograd/arithmetic.hpp"
#include "mien/nn/dropout.hpp"
#include "mien/nn/layer_norm.hpp"
#include "mien/nn/multihead_attention.hpp"

namespace mien::nn {

struct TokenMlpOptions {
  Index width = 0;   ///< of a token
  Index hidden = 0;  ///< of the layer between
  double dropout = 0;
};

/// What a transformer does to every token alone: linear -> GELU -> dropout -> linear -> dropout, tokens [..., E].
/// Layers "0" and "3", torchvision's names; weights from U[-a, a] with a = sqrt(6 / (in + out)), biases from
/// N(0, 1e-12).
template <class T, class Device = Cpu>
class TokenMlp : public Module<TokenMlp<T, Device>, T, Device> {
 public:
  explicit TokenMlp(const TokenMlpOptions& options)
      : widen(layer(options.width, options.hidden)),
        narrow(layer(options.hidden, options.width)),
        dropout(options.dropout) {}

  Variable<T, Device> operator()(const Variable<T, Device>& x) const {
    return dropout(narrow(dropout(gelu(widen(x)))));
  }

  void visit(auto&& child) {
    child("0", widen);
    child("2", dropout);
    child("3", narrow);
  }

  Linear<T, Device> widen;
  Linear<T, Device> narrow;
  Dropout<T, Device> dropout;

 private:
  static Linear<T, Device> layer(Index in, Index out) {
    Linear<T, Device> made({.in = in, .out = out});
    made.weight = uniform_parameter<T, Device>({out, in}, glorot_bound(in, out));
    made.bias = normal_parameter<T, Device>({out}, 1e-6);
    return made;
  }
};

struct TransformerBlockOptions {
  Index width = 0;        ///< E, of a token
  Index heads = 1;        ///< a divisor of the width
  Index mlp_width = 0;    ///< of the MLP's hidden layer
  double dropout = 0;     ///< behind the attention and both layers of the MLP
  double epsilon = 1e-6;  ///< of the layer norms
};

/// A block of a transformer that normalises first (Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021), on
/// tokens [N, T, E]:
///
///     y = x + dropout(self_attention(ln_1(x)))          z = y + mlp(ln_2(y))
///
/// Layers "ln_1", "self_attention", "ln_2" and "mlp", torchvision's names.
template <class T, class Device = Cpu>
class TransformerBlock : public Module<TransformerBlock<T, Device>, T, Device> {
 public:
  explicit TransformerBlock(const TransformerBlockOptions& options)
      : ln_1(options.width, {.epsilon = options.epsilon}),
        self_attention({.width = options.width, .heads = options.heads}),
        dropout(options.dropout),
        ln_2(options.width, {.epsilon = options.epsilon}),
        mlp({.width = options.width, .hidden = options.mlp_width, .dropout = options.dropout}) {}

  Variable<T, Device> operator()(const Variable<T, Device>& x) const {
    const Variable<T, Device> y = x + dropout(self_attention(ln_1(x)));
    return y + mlp(ln_2(y));
  }

  void visit(auto&& child) {
    child("ln_1", ln_1);
    child("self_attention", self_attention);
    child("dropout", dropout);
    child("ln_2", ln_2);
    child("mlp", mlp);
  }

  LayerNorm<T, Device> ln_1;
  MultiheadAttention<T, Device> self_attention;
  Dropout<T, Device> dropout;
  LayerNorm<T, Device> ln_2;
  TokenMlp<T, Device> mlp;
};

}  // namespace mien::nn
