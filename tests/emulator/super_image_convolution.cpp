#include "mien/backend/cuda/kernels/super_image_convolution.hpp"

#include "emulator/parity.hpp"
#include "mien/ops/super_image_convolution.hpp"

using namespace mien;
using parity::DeviceArray;

namespace {

/// Odd and unequal sizes, clips of one frame, frames of one pixel, lines of one, more pixels and channels than a tile;
/// packs of outputs.
const kernels::SuperImageSizes all_sizes[] = {
    {2, 3, 4, 5, 3, 7},  {1, 1, 3, 2, 2, 3},  {1, 2, 1, 1, 31, 33}, {2, 4, 7, 1, 5, 65},
    {1, 3, 1, 6, 33, 2}, {1, 4, 9, 11, 2, 1}, {2, 3, 5, 4, 3, 8},   {1, 3, 7, 6, 2, 72},
};

/// What a device works on, with numbers that T has.
template <class T>
struct Setting {
  explicit Setting(const kernels::SuperImageSizes& of)
      : sizes(of),
        map({sizes.batch, sizes.frames, sizes.height, sizes.width, sizes.outputs}),
        x(parity::rounded<T>(parity::random(map.with(-1, sizes.inputs), 1))),
        weight(parity::rounded<T>(parity::random({3, 3, sizes.inputs, sizes.outputs}, 2))),
        upstream(parity::rounded<T>(parity::random(map, 3))),
        height(parity::rounded<float>(parity::random({sizes.batch, sizes.outputs}, 4))),
        width(parity::rounded<float>(parity::random({sizes.batch, sizes.outputs}, 5))),
        means_gradient(parity::random({sizes.batch, 2 * sizes.outputs}, 6)),
        parts(ops::super_image_parts(x, weight, ops::SuperImageLayout::stacked)) {
    parts.frames = parity::rounded<T>(parts.frames);
    parts.lines = parity::rounded<float>(parts.lines);
  }

  kernels::SuperImageSizes sizes;
  Shape map;
  Tensor<double> x, weight, upstream, height, width, means_gradient;
  ops::SuperImageParts<double> parts;
};

}  // namespace

TEST_CASE_TEMPLATE("seams, means and the mix of super images on a device", T, float, __nv_bfloat16, __half) {
  for (const kernels::SuperImageSizes& sizes : all_sizes) {
    const Setting<T> set(sizes);
    CAPTURE(set.map.to_string());
    const Tensor<double> lines = set.parts.lines;
    const Tensor<double> means = ops::super_image_means(set.parts);
    ops::SuperImageParts<double> parts = set.parts;
    parts.frames = parts.frames.clone();  // the mix is written over it
    const auto y = ops::super_image_mix(parts, {set.height, set.width, 0.75});
    const auto [of_height, of_width] = ops::super_image_alpha_gradient(set.parts, set.upstream);
    parity::in_every_order([&] {
      DeviceArray<T> x(set.x);
      DeviceArray<T> weight(set.weight);
      DeviceArray<float> found_lines(lines.elements());
      kernels::super_image_seams(x.data(), weight.data(), sizes, found_lines.data(), nullptr);
      parity::check_close(found_lines.values(lines.shape()), lines, 1e-6);

      DeviceArray<T> frames(set.parts.frames);
      DeviceArray<float> of_seams(lines);
      DeviceArray<float> workspace(kernels::super_image_workspace(sizes));
      DeviceArray<float> found_means(means.elements());
      kernels::super_image_means(frames.data(), of_seams.data(), sizes, workspace.data(), found_means.data(), nullptr);
      parity::check_close(found_means.values(means.shape()), means, 1e-6);

      DeviceArray<float> height(set.height);
      DeviceArray<float> width(set.width);
      const kernels::SuperImageAlpha alpha{height.data(), width.data(), 0.75F};
      DeviceArray<T> mixed(y.elements());
      kernels::super_image_mix(frames.data(), of_seams.data(), alpha, sizes, mixed.data(), nullptr);
      parity::check_close(mixed.values(y.shape()), y, 4e-7 + parity::rounding<T>);
      kernels::super_image_mix(frames.data(), of_seams.data(), alpha, sizes, frames.data(), nullptr);
      parity::check_close(frames.values(y.shape()), mixed.values(y.shape()), 0);

      DeviceArray<T> upstream(set.upstream);
      DeviceArray<float> height_gradient(of_height.elements());
      DeviceArray<float> width_gradient(of_width.elements());
      kernels::super_image_alpha_gradient(upstream.data(), of_seams.data(), sizes, workspace.data(),
                                          height_gradient.data(), width_gradient.data(), nullptr);
      parity::check_close(height_gradient.values(of_height.shape()), of_height, 1e-6);
      parity::check_close(width_gradient.values(of_width.shape()), of_width, 1e-6);
      return std::vector{found_lines.values(lines.shape()), found_means.values(means.shape()), mixed.values(y.shape()),
                         height_gradient.values(of_height.shape()), width_gradient.values(of_width.shape())};
    });
  }
}

TEST_CASE_TEMPLATE("the gradients of super images on a device", T, float, __nv_bfloat16, __half) {
  for (const kernels::SuperImageSizes& sizes : all_sizes)
    for (const bool with_means : {false, true}) {
      const Setting<T> set(sizes);
      CAPTURE(set.map.to_string());
      CAPTURE(with_means);
      const auto gradients = ops::super_image_gradients(set.x, set.weight, set.upstream, {set.height, set.width, 1.0},
                                                        with_means ? set.means_gradient : Tensor<double>(),
                                                        ops::SuperImageLayout::stacked, true, true);
      const auto positions = static_cast<double>(sizes.frames * sizes.height * sizes.width);
      const Shape images{sizes.batch * sizes.frames, sizes.height, sizes.width, sizes.inputs};
      const kernels::Convolution frame_by_frame{
          .window = parity::window_of(images, images, 3, 1, 1),
          .outputs = sizes.outputs,
          .input = kernels::plain_grid(sizes.height, sizes.width, sizes.inputs),
          .output = kernels::plain_grid(sizes.height, sizes.width, sizes.outputs)};
      parity::in_every_order([&] {
        DeviceArray<T> x(set.x);
        DeviceArray<T> weight(set.weight);
        DeviceArray<T> upstream(set.upstream);
        DeviceArray<float> height(set.height);
        DeviceArray<float> width(set.width);
        DeviceArray<float> shifts(ops::scale(set.means_gradient, 1 / positions));
        DeviceArray<T> frames(set.map.elements());
        DeviceArray<float> lines(kernels::super_image_line_elements(sizes, sizes.outputs));
        kernels::super_image_mix_gradient(upstream.data(), {height.data(), width.data(), 1.0F},
                                          with_means ? shifts.data() : nullptr, sizes, frames.data(), lines.data(),
                                          nullptr);
        DeviceArray<T> of_x(set.x.elements());
        kernels::convolution_input_gradient(frames.data(), weight.data(), frame_by_frame, of_x.data(), nullptr);
        kernels::add_seam_input_gradient(lines.data(), weight.data(), sizes, of_x.data(), nullptr);
        DeviceArray<float> workspace(kernels::convolution_workspace(frame_by_frame));
        DeviceArray<float> of_weight(set.weight.elements());
        kernels::convolution_weight_gradient(x.data(), frames.data(), frame_by_frame, workspace.data(),
                                             of_weight.data(), nullptr);
        kernels::add_seam_weight_gradient(x.data(), lines.data(), sizes, of_weight.data(), nullptr);
        const std::vector found{of_x.values(set.x.shape()), of_weight.values(set.weight.shape())};
        // The gradient for S, and each sum at a corner, is rounded to T on the way.
        parity::check_close(found[0], gradients.x, 1e-6 + 3 * parity::rounding<T>);
        parity::check_close(found[1], gradients.weight, 2e-6 + parity::rounding<T>);
        return found;
      });
    }
}

TEST_CASE_TEMPLATE("super images from where packs do not begin", T, float, __nv_bfloat16, __half) {
  const kernels::SuperImageSizes sizes{2, 5, 6, 7, 1, 16};
  const Setting<T> set(sizes);
  const Index count = set.map.elements();
  DeviceArray<float> lines(set.parts.lines);
  DeviceArray<float> height(set.height);
  DeviceArray<float> width(set.width);
  DeviceArray<float> shifts(set.means_gradient);
  const kernels::SuperImageAlpha alpha{height.data(), width.data(), 0.75F};
  const auto results_from = [&](Index start) {
    DeviceArray<T> frames(count + start);
    DeviceArray<T> upstream(count + start);
    for (Index i = 0; i < count; ++i) {
      frames.data()[start + i] = kernels::from_float<T>(static_cast<float>(set.parts.frames.data()[i]));
      upstream.data()[start + i] = kernels::from_float<T>(static_cast<float>(set.upstream.data()[i]));
    }
    DeviceArray<float> workspace(kernels::super_image_workspace(sizes));
    DeviceArray<float> means(sizes.batch * 2 * sizes.outputs);
    DeviceArray<float> of_height(sizes.batch * sizes.outputs);
    DeviceArray<float> of_width(sizes.batch * sizes.outputs);
    DeviceArray<float> of_lines(set.parts.lines.elements());
    kernels::super_image_means(frames.data() + start, lines.data(), sizes, workspace.data(), means.data(), nullptr);
    kernels::super_image_alpha_gradient(upstream.data() + start, lines.data(), sizes, workspace.data(),
                                        of_height.data(), of_width.data(), nullptr);
    kernels::super_image_mix(frames.data() + start, lines.data(), alpha, sizes, frames.data() + start, nullptr);
    kernels::super_image_mix_gradient(upstream.data() + start, alpha, shifts.data(), sizes, upstream.data() + start,
                                      of_lines.data(), nullptr);
    Tensor<double> maps({2, count});
    for (Index i = 0; i < count; ++i) {
      maps.data()[i] = static_cast<double>(kernels::to_float(frames.data()[start + i]));
      maps.data()[count + i] = static_cast<double>(kernels::to_float(upstream.data()[start + i]));
    }
    return std::vector{maps, means.values({2 * set.height.elements()}), of_height.values(set.height.shape()),
                       of_width.values(set.width.shape()), of_lines.values(set.parts.lines.shape())};
  };
  const auto packs = results_from(0);
  const auto numbers = results_from(1);
  for (std::size_t r = 0; r < packs.size(); ++r) parity::check_close(numbers[r], packs[r], 0);
}
