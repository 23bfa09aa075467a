#include <mien/ops/super_image.hpp>

#include <doctest/doctest.h>

#include "random_tensor.hpp"

using namespace mien;
using ops::SuperImageLayout;
using testing::largest_difference;
using testing::random;

namespace {

constexpr SuperImageLayout layouts[] = {SuperImageLayout::stacked, SuperImageLayout::interleaved};

/// Where a row or column of a frame lies in the super image.
Index place(Index frame, Index frames, Index line, Index lines, SuperImageLayout layout) {
  return layout == SuperImageLayout::stacked ? frame * lines + line : line * frames + frame;
}

Tensor<double> by_formula(const Tensor<double>& x, bool height_view, SuperImageLayout layout) {
  const Index frames = x.size(1);
  const Index height = x.size(2);
  const Index width = x.size(3);
  Tensor<double> image(height_view ? Shape{x.size(0), frames * height, width, x.size(4)}
                                   : Shape{x.size(0), height, frames * width, x.size(4)});
  for (Index b = 0; b < x.size(0); ++b)
    for (Index t = 0; t < frames; ++t)
      for (Index h = 0; h < height; ++h)
        for (Index w = 0; w < width; ++w)
          for (Index c = 0; c < x.size(4); ++c)
            image(b, height_view ? place(t, frames, h, height, layout) : h,
                  height_view ? w : place(t, frames, w, width, layout), c) = x(b, t, h, w, c);
  return image;
}

}  // namespace

TEST_CASE("super images are built as the layouts say, and taken apart again") {
  for (const Shape& shape : {Shape{1, 1, 1, 1, 1}, Shape{2, 3, 5, 4, 1}, Shape{3, 7, 1, 31, 2}, Shape{1, 2, 65, 1, 7},
                             Shape{0, 3, 4, 5, 2}, Shape{2, 3, 0, 5, 2}})
    for (const SuperImageLayout layout : layouts)
      for (const bool height_view : {true, false}) {
        CAPTURE(shape.to_string());
        CAPTURE(static_cast<int>(layout));
        CAPTURE(height_view);
        const auto x = random<double>(shape, 1);
        const auto image = ops::to_super_image(x, height_view, layout);
        CHECK(largest_difference(image, by_formula(x, height_view, layout)) == 0);
        CHECK(largest_difference(ops::from_super_image(image, shape[1], height_view, layout), x) == 0);
      }
}

TEST_CASE("super images of clips with gaps are copies") {
  const auto wide = random<float>({2, 6, 4, 5, 6}, 2);
  const auto x = wide.slice(1, 0, 6, 2).slice(4, 1, 4);
  for (const SuperImageLayout layout : layouts)
    for (const bool height_view : {true, false}) {
      auto image = ops::to_super_image(x, height_view, layout);
      CHECK(largest_difference(image, ops::to_super_image(x.clone(), height_view, layout)) == 0);
      auto clip = ops::from_super_image(image, 3, height_view, layout);
      CHECK(largest_difference(clip, x) == 0);
      image.fill(0);
      CHECK(largest_difference(clip, x) == 0);
    }
}

TEST_CASE("what is no clip, and images that do not divide into frames, are refused") {
  constexpr auto stacked = SuperImageLayout::stacked;
  CHECK_THROWS_WITH_AS(ops::to_super_image(Tensor<float>({2, 3, 4, 5}), true, stacked),
                       "to_super_image: input [2, 3, 4, 5] is not [B, T, H, W, C]", ShapeError);
  const Tensor<float> image({2, 6, 4, 5});
  CHECK_THROWS_WITH_AS(ops::from_super_image(image, 4, true, stacked),
                       "from_super_image: image [2, 6, 4, 5] cannot be cut into 4 frames", ShapeError);
  CHECK_THROWS_AS(ops::from_super_image(image, 3, false, stacked), ShapeError);
  CHECK_THROWS_AS(ops::from_super_image(image, 0, true, stacked), ShapeError);
  CHECK_THROWS_AS(ops::from_super_image(image.select(0, 0), 1, true, stacked), ShapeError);
}
