#pragma once

#include <string>
#include <vector>

#include "mien/autograd/lstm.hpp"
#include "mien/nn/dropout.hpp"
#include "mien/nn/initialisation.hpp"
#include "mien/nn/module.hpp"

namespace mien::nn {

struct LstmOptions {
  Index in = 0;      ///< I, features of a step
  Index hidden = 0;  ///< H, units of one direction
  Index layers = 1;
  bool bias = true;
  bool bidirectional = false;  ///< a second pass from the last valid step to the first; outputs [.., 2H]
  double dropout = 0;          ///< of what one layer hands to the next, in training
};

template <class T, class Device = Cpu>
struct LstmResult {
  Variable<T, Device> outputs;               ///< [B, T, H] of the last layer, or [B, T, 2H]: forward, then reverse
  Variable<T, Device> h_n;                   ///< [B, H] of the last layer after the last valid step; [B, 2H] as above
  Variable<T, Device> c_n;                   ///< as h_n
  std::vector<LstmState<T, Device>> states;  ///< of every layer and direction: layer 0, layer 0 reverse, layer 1, ...
};

/// LSTM layers over x [B, T, in], batch first, named and computed as PyTorch's: "weight_ih_l0" [4H, in], "weight_hh_l0"
/// [4H, H], "bias_ih_l0", "bias_hh_l0" [4H], then "..._l0_reverse", "..._l1" and so on; all from
/// U[-1/sqrt(H), 1/sqrt(H)].
///
///     nn::Lstm<float> reader({.in = 512, .hidden = 1024});
///     auto result = reader(x, {3, 5});  // two sequences, of 3 and 5 valid steps
///     auto logits = fc(result.h_n);
template <class T, class Device = Cpu>
class Lstm : public Module<Lstm<T, Device>, T, Device> {
 public:
  explicit Lstm(const LstmOptions& options) : options_(options), dropout_(options.dropout) {
    if (options.in < 1 || options.hidden < 1 || options.layers < 1)
      throw ValueError(detail::text("Lstm: in ", options.in, ", hidden ", options.hidden, ", layers ", options.layers,
                                    " must all be positive"));
    const double bound = fan_in_bound(options.hidden);
    for (Index layer = 0; layer < options.layers; ++layer) {
      const Index in = layer == 0 ? options.in : options.hidden * directions();
      for (Index direction = 0; direction < directions(); ++direction) {
        LstmParameters<T, Device> cell{uniform_parameter<T, Device>({4 * options.hidden, in}, bound),
                                       uniform_parameter<T, Device>({4 * options.hidden, options.hidden}, bound),
                                       {},
                                       {}};
        if (options.bias) {
          cell.bias_ih = uniform_parameter<T, Device>({4 * options.hidden}, bound);
          cell.bias_hh = uniform_parameter<T, Device>({4 * options.hidden}, bound);
        }
        cells_.push_back(std::move(cell));
      }
    }
  }

  /// `lengths`: valid steps of each sample, 0 to T; none if all steps are valid. Padding is never looked at, outputs
  /// are 0 there. `initial`: the states that an earlier call returned, or none for zero.
  LstmResult<T, Device> operator()(const Variable<T, Device>& x, const std::vector<Index>& lengths = {},
                                   const std::vector<LstmState<T, Device>>& initial = {}) const {
    if (!initial.empty() && initial.size() != cells_.size())
      throw ValueError(
          detail::text("Lstm: ", initial.size(), " initial states for ", cells_.size(), " layers and directions"));
    LstmResult<T, Device> result;
    for (std::size_t first = 0; first < cells_.size(); first += static_cast<std::size_t>(directions())) {
      const Variable<T, Device> in = first == 0 ? x : dropout_(result.outputs);
      const auto run = [&](std::size_t cell, bool reverse) {
        auto output = lstm(in, cells_[cell], {.lengths = lengths, .reverse = reverse},
                           initial.empty() ? LstmState<T, Device>() : initial[cell]);
        result.states.push_back({output.h_n, output.c_n});
        return output;
      };
      const LstmOutput<T, Device> forward = run(first, false);
      if (options_.bidirectional) {
        const LstmOutput<T, Device> reverse = run(first + 1, true);
        result.outputs = concatenate({forward.outputs, reverse.outputs}, -1);
        result.h_n = concatenate({forward.h_n, reverse.h_n}, -1);
        result.c_n = concatenate({forward.c_n, reverse.c_n}, -1);
      } else {
        result.outputs = forward.outputs;
        result.h_n = forward.h_n;
        result.c_n = forward.c_n;
      }
    }
    return result;
  }

  /// Width of `outputs` and `h_n`.
  Index out() const { return options_.hidden * directions(); }

  void visit(auto&& child) {
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const auto layer = static_cast<Index>(i) / directions();
      const std::string suffix =
          "_l" + std::to_string(layer) + (static_cast<Index>(i) % directions() ? "_reverse" : "");
      child("weight_ih" + suffix, cells_[i].weight_ih);
      child("weight_hh" + suffix, cells_[i].weight_hh);
      if (options_.bias) {
        child("bias_ih" + suffix, cells_[i].bias_ih);
        child("bias_hh" + suffix, cells_[i].bias_hh);
      }
    }
    child("dropout", dropout_);
  }

 private:
  Index directions() const { return options_.bidirectional ? 2 : 1; }

  LstmOptions options_;
  Dropout<T, Device> dropout_;
  std::vector<LstmParameters<T, Device>> cells_;
};

}  // namespace mien::nn
