#include "mien/backend/cuda/kernels/super_image.hpp"

#include "emulator/parity.hpp"
#include "mien/ops/super_image_convolution.hpp"

using namespace mien;
using parity::DeviceArray;

namespace {

/// Runs of one number, of whole words and of parts of them, one frame, one pixel, and nothing at all.
constexpr kernels::ClipSizes all_sizes[] = {{1, 1, 1, 1, 1},  {2, 3, 5, 4, 1},  {1, 7, 3, 5, 3},  {3, 2, 1, 7, 2},
                                            {1, 5, 7, 1, 4},  {2, 3, 4, 5, 31}, {1, 2, 3, 3, 65}, {2, 8, 7, 7, 16},
                                            {1, 3, 2, 31, 8}, {0, 3, 4, 5, 6},  {2, 3, 4, 5, 0}};

Shape image_shape(const kernels::ClipSizes& sizes, bool height_view) {
  return {sizes.batch, sizes.height * (height_view ? sizes.frames : 1), sizes.width * (height_view ? 1 : sizes.frames),
          sizes.channels};
}

}  // namespace

TEST_CASE_TEMPLATE("super images and back on a device", T, float, __nv_bfloat16, __half) {
  for (const kernels::ClipSizes& sizes : all_sizes)
    for (const bool height_view : {true, false})
      for (const auto layout : {ops::SuperImageLayout::stacked, ops::SuperImageLayout::interleaved}) {
        CAPTURE(sizes.frames);
        CAPTURE(sizes.channels);
        CAPTURE(height_view);
        CAPTURE(static_cast<int>(layout));
        const Shape shape{sizes.batch, sizes.frames, sizes.height, sizes.width, sizes.channels};
        const auto clips = parity::rounded<T>(parity::random(shape, 1));
        const auto expected = ops::to_super_image(clips, height_view, layout);
        const auto on_device = static_cast<kernels::SuperImageLayout>(layout);
        parity::in_every_order([&] {
          DeviceArray<T> x(clips);
          DeviceArray<T> image(shape.elements());
          DeviceArray<T> back(shape.elements());
          kernels::to_super_image(x.data(), sizes, height_view, on_device, image.data(), nullptr);
          kernels::from_super_image(image.data(), sizes, height_view, on_device, back.data(), nullptr);
          const auto found = image.values(image_shape(sizes, height_view));
          const auto found_clips = back.values(shape);
          parity::check_close(found, expected, 0);
          parity::check_close(found_clips, clips, 0);
          return std::vector{found, found_clips};
        });
      }
}

TEST_CASE_TEMPLATE("super images that do not begin where a word does", T, float, __nv_bfloat16, __half) {
  const kernels::ClipSizes sizes{2, 3, 4, 5, 8};
  const auto clips = parity::rounded<T>(parity::random({2, 3, 4, 5, 8}, 1));
  const auto expected = ops::to_super_image(clips, false, ops::SuperImageLayout::interleaved);
  for (const Index shift : {1, 2, 3, 4}) {
    CAPTURE(shift);
    DeviceArray<T> x(clips);
    DeviceArray<T> image(shift + clips.elements());
    kernels::to_super_image(x.data(), sizes, false, kernels::SuperImageLayout::interleaved, image.data() + shift,
                            nullptr);
    const auto found = image.values({shift + clips.elements()});
    parity::check_close(found.slice(0, shift, found.elements()).clone(), expected.view({clips.elements()}), 0);
  }
}
