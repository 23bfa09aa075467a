#include "parity/operations.hpp"

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
