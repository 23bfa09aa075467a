#pragma once

#include "mien/autograd/attention.hpp"
#include "mien/nn/linear.hpp"

namespace mien::nn {

struct MultiheadAttentionOptions {
  Index width = 0;  ///< E, of a token
  Index heads = 1;  ///< a divisor of the width
};

/// Multi-head attention of tokens [N, T, E] to each other, see ops/attention.hpp: one projection to queries, keys and
/// values, attention of every head, and a projection of what they found.
///
/// Parameters, PyTorch's names: "in_proj_weight" [3 E, E] from U[-a, a] with a = sqrt(6 / (4 E)), "in_proj_bias" [3 E],
/// starts at 0, and "out_proj", whose bias starts at 0 too.
template <class T, class Device = Cpu>
class MultiheadAttention : public Module<MultiheadAttention<T, Device>, T, Device> {
 public:
  /// Throws ValueError unless there are heads that divide the width.
  explicit MultiheadAttention(const MultiheadAttentionOptions& options)
      : in_proj_weight(uniform_parameter<T, Device>({3 * checked(options).width, options.width},
                                                    glorot_bound(options.width, 3 * options.width))),
        in_proj_bias(constant_parameter<T, Device>({3 * options.width}, 0)),
        out_proj({.in = options.width, .out = options.width}),
        heads_(options.heads) {
    out_proj.bias.value().fill(T{0});
  }

  Variable<T, Device> operator()(const Variable<T, Device>& x) const {
    return out_proj(attention(linear(x, in_proj_weight, in_proj_bias), heads_));
  }

  void visit(auto&& child) {
    child("in_proj_weight", in_proj_weight);
    child("in_proj_bias", in_proj_bias);
    child("out_proj", out_proj);
  }

  Variable<T, Device> in_proj_weight;
  Variable<T, Device> in_proj_bias;
  Linear<T, Device> out_proj;

 private:
  static const MultiheadAttentionOptions& checked(const MultiheadAttentionOptions& options) {
    if (options.heads < 1 || options.width < 1 || options.width % options.heads != 0)
      throw ValueError(
          detail::text("MultiheadAttention: ", options.heads, " heads for tokens of ", options.width, " numbers"));
    return options;
  }

  Index heads_;
};

}  // namespace mien::nn
