#include <mien/data/augmentation.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>

using namespace mien;
using data::ClipTransform;
using data::Fit;
using data::FrameOptions;
using data::input_frame;

namespace {

constexpr data::Normalisation plain{};

io::Image noise(Index width, Index height, Index channels, std::uint64_t seed = 1) {
  Generator generator(seed);
  io::Image image(width, height, channels);
  for (auto& pixel : image.pixels) pixel = static_cast<std::uint8_t>(generator.below(256));
  return image;
}

/// A picture whose value is a plane: bilinear sampling reproduces it exactly.
Tensor<float> plane(Index height, Index width) {
  Tensor<float> out({height, width, 1});
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x)
      out(y, x, 0) = 0.5F + 0.004F * static_cast<float>(x) - 0.003F * static_cast<float>(y);
  return out;
}

double plane_at(double x, double y) { return 0.5 + 0.004 * x - 0.003 * y; }

double largest_difference(const Tensor<float>& a, const Tensor<float>& b) {
  REQUIRE(a.shape() == b.shape());
  double largest = 0;
  for (Index i = 0; i < a.elements(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i])));
  return largest;
}

}  // namespace

TEST_CASE("a picture of the right size passes unchanged but for the normalisation") {
  for (const Index side : {1, 7, 31}) {
    const auto image = noise(side, side, 3);
    const auto out = input_frame(image, {.side = side, .normalisation = {{0.1F, 0.2F, 0.3F}, {0.5F, 0.25F, 2.0F}}});
    const float means[]{0.1F, 0.2F, 0.3F};
    const float deviations[]{0.5F, 0.25F, 2.0F};
    REQUIRE(out.shape() == Shape{side, side, 3});
    for (Index y = 0; y < side; ++y)
      for (Index x = 0; x < side; ++x)
        for (Index c = 0; c < 3; ++c)
          CHECK(out(y, x, c) ==
                doctest::Approx((static_cast<float>(image.at(x, y)[c]) / 255.0F - means[c]) / deviations[c]));
  }
}

TEST_CASE("tensors and images give the same") {
  const auto image = noise(17, 9, 3);
  const FrameOptions options{.side = 12, .fit = Fit::stretch, .zoom = 1.3};
  const ClipTransform transform{.mirrored = true, .rotation = 0.3, .scale = 0.9, .shift = {0.1, -0.2}};
  CHECK(largest_difference(input_frame(image, options, transform),
                           input_frame(io::to_tensor(image), options, transform)) < 1e-5);
}

TEST_CASE("grey becomes three channels, colours become grey") {
  const auto grey = noise(5, 5, 1);
  const auto three = input_frame(grey, {.side = 5, .normalisation = plain});
  for (Index c = 0; c < 3; ++c) CHECK(three(2, 3, c) == doctest::Approx(static_cast<float>(*grey.at(3, 2)) / 255.0F));

  const auto colour = noise(5, 5, 3);
  const auto one = input_frame(colour, {.side = 5, .channels = 1, .normalisation = plain});
  REQUIRE(one.shape() == Shape{5, 5, 1});
  const auto* pixel = colour.at(3, 2);
  CHECK(one(2, 3, 0) == doctest::Approx((0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]) / 255));
}

TEST_CASE("each fit maps places as it says") {
  const auto picture = plane(20, 50);
  // The middle of the target lies on the middle of the picture, (24.5, 9.5).
  const auto check = [&](Fit fit, double step_x, double step_y) {
    const auto out = input_frame(picture, {.side = 10, .channels = 1, .fit = fit, .normalisation = plain});
    for (Index row = 0; row < 10; ++row)
      for (Index column = 0; column < 10; ++column) {
        const double x = 24.5 + (static_cast<double>(column) - 4.5) * step_x;
        const double y = 9.5 + (static_cast<double>(row) - 4.5) * step_y;
        const bool covered = y > -0.5 && y < 19.5;
        if (covered && y >= 1 && y <= 18) CHECK(out(row, column, 0) == doctest::Approx(plane_at(x, y)).epsilon(1e-4));
        if (!covered) CHECK(out(row, column, 0) < 0.3);
      }
  };
  check(Fit::crop, 2, 2);
  check(Fit::stretch, 5, 2);
  check(Fit::letterbox, 5, 5);
  const auto boxed = input_frame(picture, {.side = 10, .channels = 1, .fit = Fit::letterbox, .normalisation = plain});
  CHECK(boxed(0, 5, 0) == 0);
  CHECK(boxed(9, 5, 0) == 0);
  CHECK(boxed(5, 0, 0) > 0.4);
}

TEST_CASE("zoom and scale enlarge about the middle") {
  const auto picture = plane(40, 40);
  const auto zoomed = input_frame(picture, {.side = 40, .channels = 1, .zoom = 2, .normalisation = plain});
  for (const Index at : {0, 13, 39})
    CHECK(zoomed(10, at, 0) ==
          doctest::Approx(plane_at(19.5 + (static_cast<double>(at) - 19.5) / 2, 19.5 + (10 - 19.5) / 2)));
  CHECK(largest_difference(
            zoomed, input_frame(picture, {.side = 40, .channels = 1, .normalisation = plain}, {.scale = 2})) < 1e-6);
}

TEST_CASE("a mirror turns the picture about, a shift moves it, both exactly") {
  const auto image = noise(8, 8, 1);
  const FrameOptions options{.side = 8, .channels = 1, .normalisation = plain};
  const auto straight = input_frame(image, options);
  const auto mirrored = input_frame(image, options, {.mirrored = true});
  const auto shifted = input_frame(image, options, {.shift = {2.0 / 8, -1.0 / 8}});
  for (Index y = 0; y < 8; ++y)
    for (Index x = 0; x < 8; ++x) {
      CHECK(mirrored(y, x, 0) == doctest::Approx(straight(y, 7 - x, 0)));
      // Beyond the edge the picture goes on as at the edge.
      CHECK(shifted(y, x, 0) ==
            doctest::Approx(straight(std::min<Index>(7, y + 1), std::max<Index>(0, x - 2), 0)).epsilon(1e-5));
    }
}

TEST_CASE("rotation is clockwise: right becomes down") {
  const auto image = noise(9, 9, 1);
  const FrameOptions options{.side = 9, .channels = 1, .normalisation = plain};
  const auto straight = input_frame(image, options);
  const auto turned = input_frame(image, options, {.rotation = std::numbers::pi / 2});
  for (Index y = 0; y < 9; ++y)
    for (Index x = 0; x < 9; ++x) CHECK(turned(x, 8 - y, 0) == doctest::Approx(straight(y, x, 0)).epsilon(1e-4));
}

TEST_CASE("drift moves the picture with time, by nothing in the middle") {
  const auto picture = plane(20, 20);
  const FrameOptions options{.side = 20, .channels = 1, .normalisation = plain};
  const ClipTransform drifting{.drift = {0.2, 0.1}};
  CHECK(largest_difference(input_frame(picture, options, drifting, 0), input_frame(picture, options)) == 0);
  CHECK(largest_difference(input_frame(picture, options, drifting, 0.5),
                           input_frame(picture, options, {.shift = {0.1, 0.05}})) < 1e-6);
  CHECK(largest_difference(input_frame(picture, options, drifting, -0.5),
                           input_frame(picture, options, {.shift = {-0.1, -0.05}})) < 1e-6);
}

TEST_CASE("a picture that shrinks is averaged, not picked from") {
  io::Image stripes(64, 64, 1);
  for (Index y = 0; y < 64; ++y)
    for (Index x = 0; x < 64; ++x) *stripes.at(x, y) = x % 2 == 0 ? 255 : 0;
  const auto out = input_frame(stripes, {.side = 8, .channels = 1, .normalisation = plain});
  for (const float value : out.span()) CHECK(value == doctest::Approx(0.5).epsilon(0.01));
}

TEST_CASE("brightness and contrast stay within black and white") {
  io::Image image(1, 1, 1, 204);
  const FrameOptions options{.side = 1, .channels = 1, .normalisation = plain};
  CHECK(input_frame(image, options, {.brightness = 0.1}).item() == doctest::Approx(0.9));
  CHECK(input_frame(image, options, {.brightness = -0.9}).item() == 0);
  CHECK(input_frame(image, options, {.contrast = 0.5}).item() == doctest::Approx(0.65));
  CHECK(input_frame(image, options, {.contrast = 3}).item() == 1);
}

TEST_CASE("draws stay within their amounts, reach them, and are nothing by default") {
  Generator generator(1);
  const auto still = data::draw_transform({}, generator);
  CHECK_FALSE(still.mirrored);
  CHECK(still.rotation == 0);
  CHECK(still.scale == 1);
  CHECK(still.contrast == 1);
  CHECK(still.shift[0] == 0);

  int mirrored = 0;
  double turned = 0;
  double largest = 1;
  double smallest = 1;
  for (int i = 0; i < 1000; ++i) {
    const auto drawn = data::draw_transform({.mirror = 0.3, .rotation = 20, .scale = 0.25, .shift = 0.1}, generator);
    mirrored += drawn.mirrored;
    turned = std::max(turned, std::abs(drawn.rotation));
    largest = std::max(largest, drawn.scale);
    smallest = std::min(smallest, drawn.scale);
    CHECK(std::abs(drawn.shift[1]) <= 0.1);
  }
  CHECK(mirrored > 250);
  CHECK(mirrored < 350);
  CHECK(turned <= 20 * std::numbers::pi / 180);
  CHECK(turned > 19 * std::numbers::pi / 180);
  CHECK(largest <= 1.25);
  CHECK(largest > 1.23);
  CHECK(smallest >= 0.8);
  CHECK(smallest < 0.82);
}

TEST_CASE("options that make no sense are refused") {
  const auto image = noise(4, 4, 3);
  CHECK_THROWS_AS(input_frame(image, {.side = 0}), ValueError);
  CHECK_THROWS_AS(input_frame(image, {.side = 4, .channels = 2}), ValueError);
  CHECK_THROWS_AS(input_frame(image, {.side = 4, .zoom = 0}), ValueError);
  // Nearly endless sampling otherwise.
  CHECK_THROWS_AS(input_frame(image, {.side = 4, .zoom = 1e-300}), ValueError);
  CHECK_THROWS_AS(input_frame(image, {.side = 4}, {.scale = 0}), ValueError);
  CHECK_THROWS_AS(input_frame(image, {.side = 4}, {.rotation = std::nan("")}), ValueError);
  CHECK_THROWS_AS(input_frame(io::to_tensor(image), {.side = 4}, {.drift = {0, HUGE_VAL}}), ValueError);
  CHECK_THROWS_AS(input_frame(image, {.side = 4, .normalisation = {{0, 0, 0}, {1, 0, 1}}}), ValueError);
  CHECK_THROWS_AS(input_frame(io::Image(), {.side = 4}), ValueError);
  CHECK_THROWS_AS(input_frame(Tensor<float>({4, 4, 2}, 0.0F), {.side = 4}), ShapeError);
  CHECK_THROWS_AS(input_frame(Tensor<float>({0, 4, 3}), {.side = 4}), ShapeError);
  Generator generator(1);
  CHECK_THROWS_AS(data::draw_transform({.mirror = 2}, generator), ValueError);
  CHECK_THROWS_AS(data::draw_transform({.rotation = -5}, generator), ValueError);
  CHECK_THROWS_AS(data::draw_transform({.shift = std::numeric_limits<double>::quiet_NaN()}, generator), ValueError);
}

TEST_CASE("a letterboxed picture is not dark at its edges") {
  const Tensor<float> white({2, 2, 1}, 1.0F);
  const auto out = input_frame(white, {.side = 8, .channels = 1, .fit = Fit::letterbox, .normalisation = plain});
  for (const float value : out.span()) CHECK(value == doctest::Approx(1));
}

TEST_CASE("a picture that is stretched is averaged along the axis that shrinks") {
  Tensor<float> stripes = Tensor<float>::zeros({64, 8, 1});
  for (Index y = 0; y < 64; y += 4)
    for (Index x = 0; x < 8; ++x) stripes(y, x, 0) = 1;
  Tensor<float> turned = Tensor<float>::zeros({8, 64, 1});
  for (Index y = 0; y < 8; ++y)
    for (Index x = 0; x < 64; x += 4) turned(y, x, 0) = 1;
  const FrameOptions stretch{.side = 8, .channels = 1, .fit = Fit::stretch, .normalisation = plain};
  for (const auto& picture : {stripes, turned}) {
    const auto out = input_frame(picture, stretch);
    for (const float value : out.span()) CHECK(value == doctest::Approx(0.25));
  }
}
