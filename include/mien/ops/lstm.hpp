#pragma once

/// Long short-term memory (Hochreiter and Schmidhuber 1997; with a forget gate, Gers et al. 2000) as PyTorch defines
/// it:
///
///     i, f, g, o = x_t W_ih^T + b_ih + h_(t-1) W_hh^T + b_hh    (four blocks of H, in this order)
///     c_t = sigmoid(f) c_(t-1) + sigmoid(i) tanh(g)
///     h_t = sigmoid(o) tanh(c_t)

#include <algorithm>
#include <span>
#include <vector>

#include "mien/backend/cpu/lstm.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/lstm.hpp"
#endif
#include "mien/ops/linear.hpp"
#include "mien/ops/steps.hpp"

namespace mien::ops {

/// What one direction of one layer computes with. Biases: both or none. Initial states [B, H]: undefined ones are zero.
template <class T, class Device>
struct LstmInputs {
  Tensor<T, Device> x;          ///< [B, T, I]
  Tensor<T, Device> weight_ih;  ///< [4H, I]
  Tensor<T, Device> weight_hh;  ///< [4H, H]
  Tensor<T, Device> bias_ih;    ///< [4H]
  Tensor<T, Device> bias_hh;    ///< [4H]
  Tensor<T, Device> h_0;        ///< [B, H]
  Tensor<T, Device> c_0;        ///< [B, H]
};

struct LstmOrder {
  /// Valid steps of each sample; empty if all are. Padding beyond is never looked at.
  std::vector<Index> lengths = {};
  /// From each sample's last valid step to its first.
  bool reverse = false;
};

/// The results, which lie one behind the other in one piece of memory, and what the gradient needs besides.
template <class T, class Device>
struct LstmResult {
  Tensor<T, Device> outputs;  ///< [B, T, H]; 0 beyond the length
  Tensor<T, Device> h_n;      ///< [B, H], the state after the last step taken; the initial one if there was none
  Tensor<T, Device> c_n;      ///< [B, H]
  Tensor<T, Device> all;      ///< [B T H + 2 B H]: outputs, h_n, c_n
  Tensor<T, Device> gates;    ///< [B, T, 4H], activated; meaningless beyond the length
  Tensor<T, Device> cells;    ///< [B, T, H]; 0 beyond the length
};

template <class T, class Device>
struct LstmGradients {
  Tensor<T, Device> x, weight_ih, weight_hh;
  Tensor<T, Device> bias;  ///< of either bias, since they are added
  Tensor<T, Device> h_0, c_0;
};

/// Throws ShapeError or ValueError unless everything fits together.
template <class T, class Device>
void check_lstm(const LstmInputs<T, Device>& in, const LstmOrder& order) {
  const auto shape_or_none = [](const Tensor<T, Device>& tensor) {
    return tensor.defined() ? tensor.shape().to_string() : "none";
  };
  const Shape& weight = in.weight_hh.shape();
  bool fits = in.x.rank() == 3 && weight.rank() == 2 && weight[0] == 4 * weight[1];
  if (fits) {
    const Shape gates{weight[0]};
    const Shape state{in.x.size(0), weight[1]};
    fits = in.weight_ih.shape() == Shape{weight[0], in.x.size(2)} && in.bias_ih.defined() == in.bias_hh.defined() &&
           (!in.bias_ih.defined() || (in.bias_ih.shape() == gates && in.bias_hh.shape() == gates)) &&
           (!in.h_0.defined() || in.h_0.shape() == state) && (!in.c_0.defined() || in.c_0.shape() == state);
  }
  if (!fits)
    throw ShapeError(detail::text("lstm: input ", in.x.shape(), ", weight_ih ", in.weight_ih.shape(), ", weight_hh ",
                                  weight, ", bias_ih ", shape_or_none(in.bias_ih), ", bias_hh ",
                                  shape_or_none(in.bias_hh), ", h_0 ", shape_or_none(in.h_0), ", c_0 ",
                                  shape_or_none(in.c_0)));
  require_lengths("lstm", in.x.shape(), order.lengths);
}

/// `state` without gaps, or zeros if there is none.
template <class T, class Device>
Tensor<T, Device> state_or_zeros(const Tensor<T, Device>& state, const Shape& shape) {
  return state.defined() ? state.contiguous() : Tensor<T, Device>::zeros(shape);
}

template <class T, class Device>
LstmResult<T, Device> lstm(const LstmInputs<T, Device>& in, const LstmOrder& order = {}) {
  check_lstm(in, order);
  const Index batch = in.x.size(0);
  const Index steps = in.x.size(1);
  const Index hidden = in.weight_hh.size(1);
  const Index outputs = batch * steps * hidden;
  const Index states = batch * hidden;
  LstmResult<T, Device> result;
  result.all = Tensor<T, Device>({outputs + 2 * states});
  result.outputs = result.all.slice(0, 0, outputs).view({batch, steps, hidden});
  result.h_n = result.all.slice(0, outputs, outputs + states).view({batch, hidden});
  result.c_n = result.all.slice(0, outputs + states, outputs + 2 * states).view({batch, hidden});
  result.h_n.copy_from(state_or_zeros(in.h_0, result.h_n.shape()));
  result.c_n.copy_from(state_or_zeros(in.c_0, result.c_n.shape()));
  const auto bias = in.bias_ih.defined() ? add(in.bias_ih, in.bias_hh) : Tensor<T, Device>();
  result.gates = linear(mask_steps(in.x, order.lengths), in.weight_ih, bias);
  result.cells = Tensor<T, Device>(result.outputs.shape());
  backend::lstm(in.weight_hh.contiguous(), order.lengths, order.reverse, result.gates, result.outputs, result.cells,
                result.h_n, result.c_n);
  return result;
}

/// The gradients for everything that went in, from that of `result.all`; for x only if it is wanted.
template <class T, class Device>
LstmGradients<T, Device> lstm_gradient(const LstmInputs<T, Device>& in, const LstmOrder& order,
                                       const LstmResult<T, Device>& result, const Tensor<T, Device>& upstream,
                                       bool x_needed = true) {
  require_equal_shapes("lstm_gradient", result.all.shape(), upstream.shape());
  const Shape state = result.h_n.shape();
  const Index outputs = result.outputs.elements();
  const Tensor<T, Device> up = upstream.contiguous();
  LstmGradients<T, Device> gradients;
  gradients.h_0 = up.slice(0, outputs, outputs + state.elements()).view(state).clone();
  gradients.c_0 = up.slice(0, outputs + state.elements(), up.size(0)).view(state).clone();
  Tensor<T, Device> gates(result.gates.shape());
  backend::lstm_gradient(in.weight_hh.contiguous(), state_or_zeros(in.c_0, state), order.lengths, order.reverse,
                         result.gates, result.cells, up.slice(0, 0, outputs).view(result.outputs.shape()), gates,
                         gradients.h_0, gradients.c_0);
  Tensor<T, Device> previous(result.outputs.shape());
  backend::lstm_previous_outputs(result.outputs, state_or_zeros(in.h_0, state), order.lengths, order.reverse, previous);
  if (x_needed) gradients.x = linear_input_gradient(gates, in.weight_ih);
  gradients.weight_ih = linear_weight_gradient(mask_steps(in.x, order.lengths), gates);
  gradients.weight_hh = linear_weight_gradient(previous, gates);
  gradients.bias = sum_rows(gates);
  return gradients;
}

}  // namespace mien::ops
