#include "parity/operations.hpp"

namespace parity {

using namespace mien;

namespace {

/// The moments of a batch, or constants made of them.
auto moments_of(const auto& x) { return ops::channel_moments(x.value()); }

struct ConvolutionCase {
  Shape x, weight;
  ConvolutionOptions options;
};

const std::vector<ConvolutionCase> convolutions{
    {{1, 1, 1, 1}, {1, 1, 1, 1}, {}},
    {{2, 7, 5, 3}, {3, 3, 3, 7}, {.padding = 1}},
    {{1, 9, 31, 4}, {3, 3, 4, 65}, {.stride = 2, .padding = 1}},
    {{2, 8, 7, 5}, {7, 7, 5, 9}, {.stride = 2, .padding = 3}},
    {{1, 6, 11, 8}, {1, 1, 8, 5}, {.stride = 2}},
    {{3, 5, 8, 6}, {2, 3, 3, 8}, {.stride = {1, 2}, .padding = {0, 1}, .groups = 2}},
    {{1, 12, 13, 32}, {3, 3, 32, 64}, {.padding = 1}},
    {{0, 5, 5, 2}, {3, 3, 2, 3}, {.padding = 1}},
};

struct PoolingCase {
  Shape x;
  PoolingOptions options;
};

const std::vector<PoolingCase> poolings{
    {{1, 1, 1, 1}, {.kernel = 1, .stride = 1}},
    {{2, 7, 9, 3}, {.kernel = 3, .stride = 2, .padding = 1}},
    {{3, 8, 5, 31}, {.kernel = {2, 3}, .stride = {2, 1}, .padding = {0, 1}, .count_padding = false}},
    {{1, 65, 7, 7}, {.kernel = 2, .stride = 2}},
};

}  // namespace

void add_maps(List& list) {
  for (const auto& one : convolutions) {
    list.add("convolution", {one.x, one.weight},
             [options = one.options](auto& in) { return std::vector{convolution(in[0], in[1], options)}; });
  }
  for (const Shape& x : {Shape{1, 1, 1, 1}, Shape{2, 7, 5, 3}, Shape{1, 31, 9, 25}, Shape{2, 6, 6, 65}})
    for (const Index stride : {1, 2})
      list.add("channel_wise_convolution by " + std::to_string(stride), {x, {3, 3, 1, x[-1]}}, [stride](auto& in) {
        return std::vector{channel_wise_convolution(in[0], in[1], {.stride = stride, .padding = 1})};
      });
  for (const Shape& x : {Shape{2, 1}, Shape{7, 31}, Shape{2, 5, 9, 7}, Shape{3, 11, 13, 65}, Shape{1030, 3}}) {
    const Shape channels{x[-1]};
    const List::Options options{.tolerance = 3e-5, .scale = 1};
    list.add(
        "batch_norm of a batch", {x, channels, channels},
        [](auto& in) {
          using T = typename std::decay_t<decltype(in[0])>::Element;
          return std::vector{batch_norm(in[0], moments_of(in[0]), in[1], in[2], T(1e-5), true)};
        },
        options);
    list.add(
        "batch_norm of a batch, ReLU", {x, channels, channels},
        [](auto& in) {
          using T = typename std::decay_t<decltype(in[0])>::Element;
          return std::vector{batch_norm(in[0], moments_of(in[0]), in[1], in[2], T(1e-5), true, {.relu = true})};
        },
        options);
    list.add(
        "batch_norm of a batch, residual and ReLU", {x, channels, channels, x},
        [](auto& in) {
          using T = typename std::decay_t<decltype(in[0])>::Element;
          return std::vector{
              batch_norm(in[0], moments_of(in[0]), in[1], in[2], T(1e-5), true, {.residual = in[3], .relu = true})};
        },
        options);
  }
  for (const auto& [channels, kernel] : {std::pair<Index, Shape>{1, {1, 1, 4, 2}}, {31, {3, 3, 34, 7}}}) {
    const Shape together{channels + 3};
    list.add("preactivated_convolution", {{2, 3, 5, channels}, {2, 3, 5, 3}, kernel, together, together},
             [](auto& in) {
               using T = typename std::decay_t<decltype(in[0])>::Element;
               const auto x = ops::concatenate({in[0].value(), in[1].value()}, -1);
               return std::vector{preactivated_convolution({in[0], in[1]}, x,
                                                           {ops::channel_moments(x), in[3], in[4], T(1e-5), true},
                                                           in[2], {.padding = in[2].size(0) / 2})};
             },
             {.tolerance = 3e-5, .scale = 1});
  }
  // In evaluation, where a batch may be empty.
  for (const Shape& x : {Shape{0, 5, 7}, Shape{2, 5, 7}})
    list.add("batch_norm of constants", {x, {7}, {7}}, [](auto& in) {
      using T = typename std::decay_t<decltype(in[0])>::Element;
      const auto zeros = ops::scale(in[1].value(), T(0));
      return std::vector{batch_norm(in[0], {zeros, zeros}, in[1], in[2], T(1), false, {.relu = true})};
    });
  for (const auto& one : poolings) {
    list.add("max_pool", {one.x}, [options = one.options](auto& in) { return std::vector{max_pool(in[0], options)}; });
    list.add("average_pool", {one.x},
             [options = one.options](auto& in) { return std::vector{average_pool(in[0], options)}; });
  }
  for (const Shape& x : {Shape{1, 1, 1, 1}, Shape{2, 7, 5, 3}, Shape{1, 31, 9, 33}})
    for (const Extent2d output : {Extent2d(1), Extent2d(3, 2), Extent2d(9, 11)}) {
      list.add("adaptive_max_pool to " + output.to_string(), {x},
               [output](auto& in) { return std::vector{adaptive_max_pool(in[0], output)}; });
      list.add("adaptive_average_pool to " + output.to_string(), {x},
               [output](auto& in) { return std::vector{adaptive_average_pool(in[0], output)}; });
    }
}

}  // namespace parity
