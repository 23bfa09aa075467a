#include <doctest/doctest.h>

#include "parity/operations.hpp"
#include "random_tensor.hpp"

namespace parity {

using namespace mien;

void add_super_images(List& list) {
  struct Sizes {
    Shape x;
    Index outputs;
  };
  const std::vector<Sizes> all{
      {{1, 1, 1, 1, 1}, 1}, {{2, 3, 4, 5, 3}, 7}, {{1, 2, 7, 1, 5}, 33}, {{2, 4, 3, 6, 8}, 16}};
  for (const auto& [x, outputs] : all)
    for (const auto layout : {SuperImageLayout::stacked, SuperImageLayout::interleaved})
      for (const auto fusion : {ViewFusion::channel, ViewFusion::view, ViewFusion::sum, ViewFusion::height,
                                ViewFusion::width, ViewFusion::none}) {
        const Index granules = fusion == ViewFusion::view ? 1 : outputs;
        list.add(std::string("super_image_convolution ") +
                     (layout == SuperImageLayout::stacked ? "stacked, " : "interleaved, ") +
                     std::to_string(static_cast<int>(fusion)),
                 {x, {3, 3, x[-1], outputs}, {2 * granules, 2 * outputs}, {2 * granules}}, [layout, fusion](auto& in) {
                   return std::vector{super_image_convolution(in[0], in[1], in[2], in[3], {layout, fusion}).y};
                 });
      }
}

}  // namespace parity

#if defined(MIEN_WITH_CUDA)
TEST_CASE("super images on the GPU are those of the CPU, and so are the clips they are taken apart into") {
  using namespace mien;
  using testing::largest_difference;
  for (const Shape& shape : {Shape{1, 1, 1, 1, 1}, Shape{2, 3, 5, 4, 31}, Shape{1, 7, 3, 1, 65}, Shape{0, 3, 4, 5, 6}})
    for (const auto layout : {SuperImageLayout::stacked, SuperImageLayout::interleaved})
      for (const bool height_view : {true, false}) {
        CAPTURE(shape.to_string());
        CAPTURE(height_view);
        const auto wide = testing::random<float>(shape.with(-1, 2 * shape[-1]), 1);
        const auto x = wide.slice(-1, 0, wide.size(-1), 2);
        const auto on_device = wide.to<Cuda>().slice(-1, 0, wide.size(-1), 2);
        const auto image = ops::to_super_image(on_device, height_view, layout);
        CHECK(largest_difference(image.to<Cpu>(), ops::to_super_image(x, height_view, layout)) == 0);
        const auto clip = ops::from_super_image(image, shape[1], height_view, layout);
        CHECK(largest_difference(clip.to<Cpu>(), x) == 0);
      }
  const Tensor<float, Cuda> image({2, 6, 4, 5});
  CHECK_THROWS_AS(ops::to_super_image(image, true, SuperImageLayout::stacked), ShapeError);
  CHECK_THROWS_AS(ops::from_super_image(image, 4, true, SuperImageLayout::stacked), ShapeError);
}
#endif
