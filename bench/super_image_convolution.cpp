/// The super-image layer with learned weights of both views at the maps of a ResNet-18, for frames of 112 and of 224
/// pixels, beside the per-frame convolution that it contains and the plain way, two whole super images. The plain way
/// needs 36 B T H W C O operations, which is what rates are counted by.

#include <mien/nn/super_image_convolution.hpp>

#include "common.hpp"

namespace {

using namespace mien;

Variable<float> clip(const Shape& shape, bool needs_gradient) {
  return Variable<float>(bench::random(shape), needs_gradient);
}

/// The layer's own way.
auto layer(const Shape& shape, SuperImageLayout layout, ViewFusion fusion, bool training) {
  return [=] {
    nn::SuperImageConvolution<float> convolution(
        {.in = shape[-1], .out = shape[-1], .layout = layout, .fusion = fusion});
    return [convolution, training, x = clip(shape, training), upstream = bench::random(shape, 2)]() mutable {
      if (!training) {
        const NoGradient not_recorded;
        benchmark::DoNotOptimize(convolution(x).value().data());
        return;
      }
      for (auto& parameter : convolution.parameters()) parameter.zero_gradient();
      x.zero_gradient();
      backward(convolution(x), upstream);
    };
  };
}

/// Both super images as copies.
auto two_super_images(const Shape& shape) {
  return [=] {
    return [x = bench::random(shape), weight = bench::random({3, 3, shape[-1], shape[-1]}, 2),
            alpha = Tensor<float>({shape[0], shape[-1]}, 0.5F), shape] {
      const auto view = [&](bool height) {
        const auto image = ops::to_super_image(x, height, SuperImageLayout::stacked);
        return ops::from_super_image(ops::convolution(image, weight, {.padding = 1}), shape[1], height,
                                     SuperImageLayout::stacked);
      };
      benchmark::DoNotOptimize(
          ops::add(ops::scale_channels(view(true), alpha), ops::scale_channels(view(false), alpha)).data());
    };
  };
}

const int registered = [] {
  for (const auto& [side, channels] :
       {std::pair<Index, Index>{28, 64}, {14, 128}, {7, 256}, {4, 512}, {56, 64}, {28, 128}, {14, 256}, {7, 512}}) {
    const Shape shape{2, 8, side, side, channels};
    const double plain = 36.0 * static_cast<double>(shape.elements() * channels);
    const auto add = [&](const std::string& operation, double flops, const auto& make) {
      const bool peers = operation.starts_with("super_image") || operation.starts_with("per_frame");
      bench::add({.operation = operation, .shape = bench::name_of(shape), .flops = flops, .has_precisions = peers},
                 make);
    };
    const auto stacked = SuperImageLayout::stacked;
    add("super_image_convolution/forward", plain, layer(shape, stacked, ViewFusion::channel, false));
    add("super_image_convolution/training", 3 * plain, layer(shape, stacked, ViewFusion::channel, true));
    add("interleaved_super_image_convolution/forward", plain,
        layer(shape, SuperImageLayout::interleaved, ViewFusion::channel, false));
    add("per_frame_convolution/forward", plain / 2, layer(shape, stacked, ViewFusion::none, false));
    add("per_frame_convolution/training", 3 * plain / 2, layer(shape, stacked, ViewFusion::none, true));
    add("two_super_images/forward", plain, two_super_images(shape));
  }
  return 0;
}();

}  // namespace
