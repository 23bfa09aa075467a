#include "parity/operations.hpp"

namespace parity {

using namespace mien;

namespace {

/// Nothing, one number, parts of packs and warps, more than a block.
const std::vector<Shape> arrays{{0}, {1}, {7}, {31, 65}, {3, 1, 5}, {2, 4099}};
/// [..., C] or [B, ..., C].
const std::vector<Shape> maps{{1, 1},         {7, 31},   {2, 5, 3, 7}, {3, 65, 31},
                              {2, 9, 11, 65}, {0, 3, 4}, {5, 1, 128},  {600, 4}};

Shape channels_of(const Shape& map) { return {map[-1]}; }
Shape batch_channels_of(const Shape& map) { return {map[0], map[-1]}; }

}  // namespace

void add_elementwise(List& list) {
  for (const Shape& shape : arrays) {
    list.add("add", {shape, shape}, [](auto& in) { return std::vector{in[0] + in[1]}; });
    list.add("subtract", {shape, shape}, [](auto& in) { return std::vector{in[0] - in[1]}; });
    list.add("multiply", {shape, shape}, [](auto& in) { return std::vector{in[0] * in[1]}; });
    list.add("scale", {shape}, [](auto& in) { return std::vector{scale(in[0], -1.75F)}; });
    list.add("sum", {shape}, [](auto& in) { return std::vector{sum(in[0])}; });
    list.add("relu", {shape}, [](auto& in) { return std::vector{relu(in[0])}; });
    list.add("sigmoid", {shape}, [](auto& in) { return std::vector{sigmoid(in[0])}; },
             {.scale = 1, .low = -9, .high = 9});
    list.add("tanh", {shape}, [](auto& in) { return std::vector{tanh(in[0])}; }, {.scale = 1, .low = -5, .high = 5});
    list.add("gelu", {shape}, [](auto& in) { return std::vector{gelu(in[0])}; }, {.scale = 1, .low = -5, .high = 5});
    list.add("exp", {shape}, [](auto& in) { return std::vector{exp(in[0])}; }, {.scale = 1, .low = -5, .high = 5});
    list.add("log, sqrt and divide", {shape, shape},
             [](auto& in) {
               return std::vector{log(in[0]), sqrt(in[0]), in[0] / in[1], 2.0F - in[1] / 3.0F};
             },
             {.scale = 1, .low = 0.25, .high = 5});
    list.add("dropout", {shape}, [](auto& in) {
      Generator generator(5);
      return std::vector{dropout(in[0], 0.3, generator)};
    });
  }
  for (const Shape& shape : maps) {
    list.add("add_bias", {shape, channels_of(shape)}, [](auto& in) { return std::vector{add_bias(in[0], in[1])}; });
    list.add("scale_shift", {shape, channels_of(shape), channels_of(shape)},
             [](auto& in) { return std::vector{scale_shift(in[0], in[1], in[2])}; });
    list.add("softmax", {shape}, [](auto& in) { return std::vector{softmax(in[0])}; },
             {.scale = 1, .low = -9, .high = 9});
    list.add("log_softmax", {shape}, [](auto& in) { return std::vector{log_softmax(in[0])}; },
             {.scale = 1, .low = -9, .high = 9});
    list.add("layer_norm", {shape, channels_of(shape), channels_of(shape)},
             [](auto& in) { return std::vector{layer_norm(in[0], in[1], in[2])}; });
    list.add("mean_of_positions", {shape}, [](auto& in) { return std::vector{mean_of_positions(in[0])}; });
    list.add("sum and mean over an axis", {shape}, [](auto& in) {
      return std::vector{sum(in[0], 0), sum(in[0], -1), mean(in[0], 1)};
    });
    list.add("scale_channels", {shape, batch_channels_of(shape)},
             [](auto& in) { return std::vector{scale_channels(in[0], in[1])}; });
    list.add("linear", {shape, {7, shape[-1]}, {7}}, [](auto& in) { return std::vector{linear(in[0], in[1], in[2])}; });
    list.add("linear without bias", {shape, {65, shape[-1]}},
             [](auto& in) { return std::vector{linear(in[0], in[1])}; });
  }
  list.add("concatenate", {{2, 3, 5}, {2, 1, 5}, {2, 0, 5}}, [](auto& in) { return std::vector{concatenate(in, 1)}; });
  list.add("slice and select", {{7, 5, 31}}, [](auto& in) {
    return std::vector{slice(in[0], 0, 1, 7, 2), slice(in[0], 2, 3, 30), select(in[0], 1, 4)};
  });
  list.add("permute and reshape", {{7, 5, 33}}, [](auto& in) {
    return std::vector{reshape(permute(in[0], {2, 0, 1}), {33, 35}), permute(in[0], {0, 2, 1})};
  });
}

}  // namespace parity
