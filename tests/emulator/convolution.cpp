#include "mien/backend/cuda/kernels/convolution.hpp"

#include "divisor.hpp"
#include "emulator/product_rounding.hpp"
#include "mien/ops/convolution.hpp"
#include "mien/ops/super_image_convolution.hpp"

using namespace mien;
using kernels::PixelGrid;
using kernels::ProductPrecision;
using parity::DeviceArray;

namespace {

/// How maps lie in memory: by themselves, or as super images of so many interleaved frames.
enum class Layout { plain, rows_of_frames, columns_of_frames };
constexpr Index frames = 3;

struct Case {
  Shape x;
  Shape weight;
  ops::ConvolutionOptions options;
  Layout layout = Layout::plain;
};

/// Odd and unequal sizes and strides, strides beyond the kernel and beyond the map, one pixel, no images; channels that
/// are runs and that are not; more than a tile of pixels, inputs and outputs; more pixels than a split has; groups;
/// super images.
const Case all_cases[] = {
    {{2, 7, 5, 3}, {3, 3, 3, 7}, {.padding = 1}},
    {{1, 1, 1, 31}, {3, 3, 31, 1}, {.padding = 1}},
    {{0, 5, 6, 7}, {3, 3, 7, 2}, {.padding = 1}},
    {{2, 9, 7, 65}, {3, 3, 65, 33}, {.stride = 2, .padding = 1}},
    {{2, 14, 13, 3}, {7, 7, 3, 8}, {.stride = 2, .padding = 3}},
    {{1, 8, 9, 16}, {1, 1, 16, 72}, {.stride = {2, 3}, .padding = 0}},
    {{1, 2, 7, 8}, {1, 2, 8, 8}, {.stride = {3, 4}, .padding = {0, 1}}},
    {{2, 13, 12, 8}, {3, 3, 8, 16}, {.padding = 1}},
    {{1, 6, 5, 24}, {3, 2, 8, 24}, {.stride = {1, 2}, .padding = {2, 0}, .groups = 3}},
    {{2, 4, 5, 6}, {3, 3, 3, 10}, {.padding = 1, .groups = 2}},
    {{1, 5, 4, 40}, {3, 3, 40, 24}, {.stride = 2, .padding = 1}},
    {{2, 4 * frames, 3, 8}, {3, 3, 8, 5}, {.padding = 1}, Layout::rows_of_frames},
    {{1, 3, 5 * frames, 3}, {3, 3, 3, 8}, {.padding = 1}, Layout::columns_of_frames},
};

/// The grid of a map, and the clip that a super image is of.
PixelGrid grid_of(const Shape& map, Layout layout) {
  const Index channels = map[3];
  if (layout == Layout::plain) return kernels::plain_grid(map[1], map[2], channels);
  const Index height = layout == Layout::rows_of_frames ? map[1] / frames : map[1];
  const Index width = layout == Layout::columns_of_frames ? map[2] / frames : map[2];
  const Index frame = height * width * channels;
  PixelGrid grid = kernels::plain_grid(height, width, channels);
  grid.image_stride = frames * frame;
  if (layout == Layout::rows_of_frames) {
    grid.row_period = frames;
    grid.row_inner = frame;
  } else {
    grid.column_period = frames;
    grid.column_inner = frame;
  }
  return grid;
}

/// The place of every number of a map in memory.
std::vector<Index> places_of(const Shape& map, Layout layout) {
  const Index channels = map[3];
  auto grid = backend::map_grid(map[0], map[1], map[2], channels);
  if (layout == Layout::rows_of_frames)
    grid = backend::super_image_grid({map[0], frames, map[1] / frames, map[2], channels}, true, true);
  if (layout == Layout::columns_of_frames)
    grid = backend::super_image_grid({map[0], frames, map[1], map[2] / frames, channels}, false, true);
  std::vector<Index> places;
  for (Index image = 0; image < map[0]; ++image)
    for (Index row = 0; row < map[1]; ++row)
      for (Index column = 0; column < map[2]; ++column)
        for (Index channel = 0; channel < channels; ++channel)
          places.push_back(grid.offset(image, row, column) + channel);
  return places;
}

/// A map as it lies in memory, and back again.
Tensor<double> in_memory(const Tensor<double>& map, Layout layout) {
  Tensor<double> out(map.shape());
  const std::vector<Index> places = places_of(map.shape(), layout);
  for (Index i = 0; i < map.elements(); ++i) out.data()[places[static_cast<std::size_t>(i)]] = map.data()[i];
  return out;
}
Tensor<double> from_memory(const Tensor<double>& memory, Layout layout) {
  Tensor<double> out(memory.shape());
  const std::vector<Index> places = places_of(memory.shape(), layout);
  for (Index i = 0; i < memory.elements(); ++i) out.data()[i] = memory.data()[places[static_cast<std::size_t>(i)]];
  return out;
}

kernels::Convolution shape_of(const Case& one, const Shape& y, ProductPrecision precision) {
  return {
      .window = parity::window_of(one.x, y, {one.weight[0], one.weight[1]}, one.options.stride, one.options.padding),
      .outputs = one.weight[3],
      .groups = one.options.groups,
      .input = grid_of(one.x, one.layout),
      .output = grid_of(y, one.layout),
      .precision = precision};
}

/// The numbers of a case, and what becomes of them in double, with factors as `precision` rounds them.
template <class T>
struct Setting {
  Setting(const Case& one, ProductPrecision precision)
      : x(parity::rounded<T>(parity::random(one.x, 1))),
        weight(parity::rounded<T>(parity::random(one.weight, 2))),
        y(ops::convolution(factor(x, precision), factor(weight, precision), one.options)),
        upstream(parity::rounded<T>(parity::random(y.shape(), 3))),
        of_x(ops::convolution_input_gradient(factor(upstream, precision), factor(weight, precision), one.x,
                                             one.options)),
        of_weight(ops::convolution_weight_gradient(factor(x, precision), factor(upstream, precision), one.weight,
                                                   one.options)) {}

  static Tensor<double> factor(const Tensor<double>& values, ProductPrecision precision) {
    return parity::rounded_factors<T>(values, precision);
  }

  Tensor<double> x, weight, y, upstream, of_x, of_weight;
};

template <class T>
void compare(const Case& one, ProductPrecision precision) {
  CAPTURE(one.x.to_string());
  CAPTURE(one.weight.to_string());
  const Setting<T> set(one, precision);
  const auto shape = shape_of(one, set.y.shape(), precision);
  parity::in_every_order([&] {
    DeviceArray<T> x(in_memory(set.x, one.layout));
    DeviceArray<T> weight(set.weight);
    DeviceArray<T> upstream(in_memory(set.upstream, one.layout));
    DeviceArray<T> y(set.y.elements());
    DeviceArray<T> of_x(set.x.elements());
    DeviceArray<float> of_weight(set.weight.elements());
    DeviceArray<float> workspace(kernels::convolution_workspace(shape));
    kernels::convolution<T>(x.data(), weight.data(), shape, {}, y.data(), nullptr);
    kernels::convolution_input_gradient(upstream.data(), weight.data(), shape, of_x.data(), nullptr);
    kernels::convolution_weight_gradient(x.data(), upstream.data(), shape, workspace.data(), of_weight.data(), nullptr);
    const std::vector found{from_memory(y.values(set.y.shape()), one.layout),
                            from_memory(of_x.values(set.x.shape()), one.layout), of_weight.values(set.weight.shape())};
    parity::check_close(found[0], set.y, 1e-6 + parity::rounding<T>);
    parity::check_close(found[1], set.of_x, 1e-6 + parity::rounding<T>);
    parity::check_close(found[2], set.of_weight, 2e-6);
    return found;
  });
}

Tensor<double> absolute(const Tensor<double>& values) {
  Tensor<double> out(values.shape());
  for (Index i = 0; i < values.elements(); ++i) out.data()[i] = std::fabs(values.data()[i]);
  return out;
}

}  // namespace

TEST_CASE_TEMPLATE("convolution and its gradients on a device", T, float, __nv_bfloat16, __half) {
  for (const Case& one : all_cases) compare<T>(one, ProductPrecision::float32);
}

TEST_CASE("convolution with rounded factors on a device") {
  for (const ProductPrecision precision : {ProductPrecision::tf32, ProductPrecision::bfloat16})
    for (const Case& one : all_cases) {
      CAPTURE(static_cast<int>(precision));
      compare<float>(one, precision);
      // Each of two factors is off by the rounding at most, and so is the sum of their sizes' products.
      const auto sizes =
          ops::convolution(absolute(parity::random(one.x, 1)), absolute(parity::random(one.weight, 2)), one.options);
      const Setting<float> rounded(one, precision);
      const Setting<float> exact(one, ProductPrecision::float32);
      double largest = 1e-30;
      for (const double size : sizes.span()) largest = std::max(largest, size);
      parity::check_close(rounded.y, exact.y, parity::rounding_of_products<float>(precision), largest);
    }
}

TEST_CASE_TEMPLATE("what follows a convolution on a device", T, float, __nv_bfloat16, __half) {
  for (const Case& one : {all_cases[0], all_cases[8], all_cases[10]})
    for (const bool scales : {false, true})
      for (const bool adds : {false, true})
        for (const bool relu : {false, true}) {
          CAPTURE(one.x.to_string());
          CAPTURE(scales);
          CAPTURE(adds);
          CAPTURE(relu);
          const Setting<T> set(one, ProductPrecision::float32);
          const auto shape = shape_of(one, set.y.shape(), ProductPrecision::float32);
          const auto scale = parity::rounded<float>(parity::random({shape.outputs}, 4, 0.5, 2));
          const auto bias = parity::rounded<float>(parity::random({shape.outputs}, 5));
          const auto residual = parity::rounded<T>(parity::random(set.y.shape(), 6));
          ops::ConvolutionEpilogue<double> epilogue{.relu = relu};
          if (scales) epilogue.scale = scale;
          if (adds) epilogue.bias = bias;
          if (adds) epilogue.residual = residual;
          const auto expected = ops::convolution(set.x, set.weight, one.options, epilogue);
          DeviceArray<T> x(in_memory(set.x, one.layout));
          DeviceArray<T> weight(set.weight);
          DeviceArray<float> by(scale);
          DeviceArray<float> to(bias);
          DeviceArray<T> y(in_memory(residual, one.layout));
          kernels::convolution<T>(
              x.data(), weight.data(), shape,
              {scales ? by.data() : nullptr, adds ? to.data() : nullptr, adds ? y.data() : nullptr, relu}, y.data(),
              nullptr);
          parity::check_close(from_memory(y.values(set.y.shape()), one.layout), expected, 2e-6 + parity::rounding<T>);
        }
}

TEST_CASE("a ReLU after a convolution keeps what is not a number") {
  const auto window = parity::window_of({1, 1, 2, 1}, {1, 1, 2, 1}, 1, 1, 0);
  const auto grid = kernels::plain_grid(1, 2, 1);
  Tensor<double> values({2}, -1.0);
  values(0) = std::nan("");
  DeviceArray<float> x(values);
  DeviceArray<float> weight(Tensor<double>({1}, 1.0));
  DeviceArray<float> y(2);
  kernels::convolution<float>(x.data(), weight.data(), {.window = window, .outputs = 1, .input = grid, .output = grid},
                              {.relu = true}, y.data(), nullptr);
  CHECK(std::isnan(y.data()[0]));
  CHECK(y.data()[1] == 0);
}

TEST_CASE("sizes that kernels cannot count with are errors, not wrong results") {
  const auto refused = [](const Shape& map, const PixelGrid& grid) {
    const kernels::Convolution shape{
        .window = parity::window_of(map, map, 1, 1, 0), .outputs = 1, .input = grid, .output = grid};
    float* const nothing = nullptr;
    CHECK_THROWS_AS(kernels::convolution<float>(nothing, nothing, shape, {}, nothing, nullptr), Error);
    CHECK_THROWS_AS(kernels::convolution_input_gradient<float>(nothing, nothing, shape, nothing, nullptr), Error);
    CHECK_THROWS_AS(kernels::convolution_weight_gradient<float>(nothing, nothing, shape, nothing, nothing, nullptr),
                    Error);
  };
  const Index many = Index{1} << 20;
  refused({many, 40, 40, 1}, kernels::plain_grid(40, 40, 1));               // pixels
  refused({1, 2, 2, many * many}, kernels::plain_grid(2, 2, 1));            // channels
  refused({1, many, many, 1}, kernels::plain_grid(many, many, 1));          // numbers of an image
  refused({1, 1, many * 4096, 1}, kernels::plain_grid(1, many * 4096, 1));  // columns
  refused({2, 3, 2, 1}, {6, 1, many * many, 0, 1, 1, 0});                   // a grid with a wide step
}

TEST_CASE("division by a multiplication") {
  for (const Index divisor : {1, 2, 3, 5, 7, 10, 63, 64, 65, 641, 65537, (1 << 29) + 1, (1 << 30) - 1, 1 << 30})
    for (const Index quotient : {Index{0}, Index{1}, Index{2}, Index{1000}, ((Index{1} << 31) - 1) / divisor})
      for (const Index near : {-1, 0, 1}) {
        const Index number = divisor * quotient + near;
        if (number < 0 || number >= Index{1} << 31) continue;
        const kernels::Division found = kernels::Divisor(divisor).divide(static_cast<int>(number));
        CAPTURE(divisor);
        CAPTURE(number);
        CHECK(found.quotient == number / divisor);
        CHECK(found.remainder == number % divisor);
      }
}
