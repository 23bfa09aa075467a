#pragma once

#include <memory>

#include "mien/autograd/super_image_convolution.hpp"
#include "mien/nn/initialisation.hpp"
#include "mien/nn/linear.hpp"
#include "mien/nn/module.hpp"

namespace mien::nn {

struct SuperImageConvolutionOptions {
  Index in = 0;
  Index out = 0;
  SuperImageLayout layout = SuperImageLayout::stacked;
  ViewFusion fusion = ViewFusion::channel;
};

/// One 3x3 convolution over both super images of a clip [B, T, H, W, in], fused to [B, T, H, W, out].
///
/// Parameters "weight" [3, 3, in, out] and, where the views' weights are learned, "fc.weight" and "fc.bias". The fusion
/// starts at zero, so both views start with weight 1/2, and a network with loaded image weights as their average.
template <class T, class Device = Cpu>
class SuperImageConvolution : public Module<SuperImageConvolution<T, Device>, T, Device> {
 public:
  explicit SuperImageConvolution(const SuperImageConvolutionOptions& options)
      : weight(kaiming_parameter<T, Device>({3, 3, options.in, options.out}, options.out * 9)),
        options_{options.layout, options.fusion} {
    if (!has_learned_weights(options.fusion)) {
      // Nobody visits it, and so nobody could say later that it wants no gradient.
      fc.weight.set_requires_gradient(false);
      return;
    }
    fc = Linear<T, Device>({.in = 2 * options.out, .out = options.fusion == ViewFusion::channel ? 2 * options.out : 2});
    fc.weight.value().fill(T{0});
    fc.bias.value().fill(T{0});
  }

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) {
    // Weights that may be trained are not those that were prepared.
    const bool recorded = wants_gradient(x, weight, fc.weight, fc.bias);
    SuperImageResult<Map, Device> result =
        super_image_convolution(x, weight, fc.weight, fc.bias, options_, recorded ? nullptr : prepared_.get());
    alpha_ = result.alpha;
    return std::move(result.y);
  }

  /// The weights of the views in the last call, [B, 2, out] or [B, 2, 1], height first: which view each clip used.
  const Tensor<T, Device>& alpha() const { return alpha_; }

  /// The same without gradient, with an epilogue in the same pass: only of a per-frame convolution.
  template <MapOf<T> Map>
  Tensor<Map, Device> apply(const Tensor<Map, Device>& x, const ops::ConvolutionEpilogue<Map, Device>& epilogue) {
    if (!takes_epilogue()) throw ValueError("SuperImageConvolution: views that are mixed take no epilogue");
    alpha_ = mien::detail::fixed_alpha<T, Device>(options_.fusion, x.size(0));
    return ops::convolution(x, weight.value(), ops::detail::super_image_window, epilogue, prepared_.get());
  }
  bool takes_epilogue() const { return options_.fusion == ViewFusion::none; }

  /// See Module::freeze.
  void freeze() {
    Module<SuperImageConvolution, T, Device>::freeze();
    if (prepared_) return;
    const Tensor<T, Device> kernel = weight.value().contiguous();
    prepared_ = std::make_shared<backend::PreparedKernel<T, Device>>(kernel, backend::frame_window, kernel.size(2));
  }
  void thaw() { prepared_.reset(); }

  void visit(auto&& child) {
    child("weight", weight, ParameterLayout::convolution);
    if (has_learned_weights(options_.fusion)) child("fc", fc);
  }

  Variable<T, Device> weight;
  Linear<T, Device> fc{{.in = 0, .out = 0, .bias = false}};

 private:
  SuperImageOptions options_;
  Tensor<T, Device> alpha_;
  std::shared_ptr<const backend::PreparedKernel<T, Device>> prepared_;
};

}  // namespace mien::nn
