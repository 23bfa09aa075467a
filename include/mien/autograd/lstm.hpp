#pragma once

/// Differentiable LSTM, one direction of one layer; see ops/lstm.hpp for the formula and nn/lstm.hpp for layers.

#include "mien/autograd/shape.hpp"
#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/ops/lstm.hpp"

namespace mien {

/// Biases: both or none.
template <class T, class Device = Cpu>
struct LstmParameters {
  Variable<T, Device> weight_ih;  ///< [4H, I]
  Variable<T, Device> weight_hh;  ///< [4H, H]
  Variable<T, Device> bias_ih;    ///< [4H]
  Variable<T, Device> bias_hh;    ///< [4H]
};

/// [B, H] each. Without a value: zero.
template <class T, class Device = Cpu>
struct LstmState {
  Variable<T, Device> h;
  Variable<T, Device> c;
};

template <class T, class Device = Cpu>
struct LstmOutput {
  Variable<T, Device> outputs;  ///< [B, T, H]; 0 beyond a sample's length, and no gradient comes from there
  Variable<T, Device> h_n;      ///< [B, H] after the last step taken, which in reverse is the first of the sequence
  Variable<T, Device> c_n;      ///< [B, H]
};

/// x [B, T, I], batch first. With a length of 0, a sample's h_n and c_n are its initial state.
template <class T, class Device>
LstmOutput<T, Device> lstm(const Variable<T, Device>& x, const LstmParameters<T, Device>& parameters,
                           const ops::LstmOrder& order = {}, const LstmState<T, Device>& initial = {}) {
  const ops::LstmInputs<T, Device> in{x.value(),
                                      parameters.weight_ih.value(),
                                      parameters.weight_hh.value(),
                                      parameters.bias_ih.value(),
                                      parameters.bias_hh.value(),
                                      initial.h.value(),
                                      initial.c.value()};
  const auto result = ops::lstm(in, order);
  const auto all = record(
      result.all,
      {x, parameters.weight_ih, parameters.weight_hh, parameters.bias_ih, parameters.bias_hh, initial.h, initial.c},
      [in, order, result](const Tensor<T, Device>& upstream, auto& inputs) {
        auto gradients = ops::lstm_gradient(in, order, result, upstream, inputs.needed(0));
        if (inputs.needed(0)) inputs.add(0, std::move(gradients.x));
        inputs.add(1, std::move(gradients.weight_ih));
        inputs.add(2, std::move(gradients.weight_hh));
        inputs.add(3, gradients.bias);
        inputs.add(4, std::move(gradients.bias));
        inputs.add(5, std::move(gradients.h_0));
        inputs.add(6, std::move(gradients.c_0));
      });
  const Shape state = result.h_n.shape();
  const Index outputs = result.outputs.elements();
  const Index end = result.all.elements();
  LstmOutput<T, Device> output{reshape(slice(all, 0, 0, outputs), result.outputs.shape()),
                               reshape(slice(all, 0, outputs, outputs + state.elements()), state),
                               reshape(slice(all, 0, outputs + state.elements(), end), state)};
  // Said last, so that the three results are known as the LSTM's own, and not as parts of one piece of memory.
  if (order.lengths.empty())
    trace::note("lstm", [&](auto& operation) {
      operation.reads(in.x).reads(in.weight_ih).reads(in.weight_hh).reads(in.bias_ih).reads(in.bias_hh);
      operation.reads(in.h_0).reads(in.c_0).with("reverse", order.reverse);
      operation.makes(output.outputs.value()).makes(output.h_n.value()).makes(output.c_n.value());
    });
  return output;
}

}  // namespace mien

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                       \
  MIEN_COMPILED_TEMPLATE LstmOutput<T, Cpu> lstm(const Variable<T, Cpu>&, const LstmParameters<T, Cpu>&, \
                                                 const ops::LstmOrder&, const LstmState<T, Cpu>&);
#include "mien/autograd/for_each_compiled_type.inc"
#endif
