#pragma once

#include <algorithm>
#include <memory>

#include "mien/autograd/arithmetic.hpp"
#include "mien/autograd/convolution.hpp"
#include "mien/nn/initialisation.hpp"
#include "mien/nn/module.hpp"

namespace mien::nn {

struct ConvolutionLayerOptions {
  Index in = 0;
  Index out = 0;
  Extent2d kernel = 3;
  Extent2d stride = 1;
  Extent2d padding = 0;
  Index groups = 1;
  bool bias = false;  ///< batch norm, which usually follows, has one of its own
};

/// Convolution of maps [..., H, W, in]. Parameters "weight" and, if asked for, "bias" [out].
/// The weight starts as N(0, 2 / (out * kernel area / groups)): Kaiming normal by outputs, as in ResNet.
template <class T, class Device = Cpu>
class Convolution : public Module<Convolution<T, Device>, T, Device> {
 public:
  explicit Convolution(const ConvolutionLayerOptions& options)
      : weight(kaiming_parameter<T, Device>(
            {options.kernel.height, options.kernel.width, options.in / std::max<Index>(1, options.groups), options.out},
            options.out / std::max<Index>(1, options.groups) * options.kernel.height * options.kernel.width)),
        options_{options.stride, options.padding, options.groups} {
    if (options.bias) bias = constant_parameter<T, Device>({options.out}, 0);
  }

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) const {
    if (!wants_gradient(x, weight, bias)) return Variable<Map, Device>(apply(x.value()));
    const Variable<Map, Device> y = convolution(x, weight, options_);
    return bias.value().defined() ? add_bias(y, bias) : y;
  }

  /// The same without gradient, with an epilogue in the same pass.
  template <MapOf<T> Map>
  Tensor<Map, Device> apply(const Tensor<Map, Device>& x, ops::ConvolutionEpilogue<Map, Device> epilogue = {}) const {
    if (bias.value().defined()) {
      const Tensor<T, Device> own =
          epilogue.scale.defined() ? ops::multiply(bias.value(), epilogue.scale) : bias.value();
      epilogue.bias = epilogue.bias.defined() ? ops::add(own, epilogue.bias) : own;
    }
    return ops::convolution(x, weight.value(), options_, epilogue, prepared_.get());
  }
  static constexpr bool takes_epilogue() { return true; }

  const ConvolutionOptions& options() const { return options_; }

  /// See Module::freeze.
  void freeze() {
    Module<Convolution, T, Device>::freeze();
    if (prepared_) return;
    const Tensor<T, Device> kernel = weight.value().contiguous();
    prepared_ = std::make_shared<backend::PreparedKernel<T, Device>>(
        kernel, ops::detail::convolution_window(kernel.shape(), options_), kernel.size(2) * options_.groups);
  }
  void thaw() { prepared_.reset(); }

  void visit(auto&& child) {
    child("weight", weight, ParameterLayout::convolution);
    if (bias.value().defined()) child("bias", bias);
  }

  Variable<T, Device> weight;
  Variable<T, Device> bias;

 private:
  ConvolutionOptions options_;
  std::shared_ptr<const backend::PreparedKernel<T, Device>> prepared_;
};

}  // namespace mien::nn
