#include "mien/backend/cuda/kernels/clip_preparation.hpp"

#include <algorithm>
#include <cmath>

#include "emulator/parity.hpp"
#include "mien/data/augmentation.hpp"

using namespace mien;
using data::ClipTransform;
using data::Fit;
using data::FrameOptions;
using parity::DeviceArray;

namespace {

/// A picture of a video, and what is done to all of it.
struct Frame {
  io::Image image;
  ClipTransform transform = {};
  double moment = 0;
};

io::Image noise(Index width, Index height, Index channels, std::uint64_t seed = 1) {
  Generator generator(seed);
  io::Image image(width, height, channels);
  for (auto& pixel : image.pixels) pixel = static_cast<std::uint8_t>(generator.below(256));
  return image;
}

kernels::PreparedPicture picture_of(const Frame& frame, const FrameOptions& options, Index first) {
  const io::Image& image = frame.image;
  const auto map = data::detail::source_map(image.width, image.height, options, frame.transform, frame.moment);
  const auto samples = [](double step) { return std::max(1, static_cast<int>(std::llround(step))); };
  return {first,
          static_cast<int>(image.width),
          static_cast<int>(image.height),
          {map.origin[0], map.origin[1]},
          {map.per_column[0], map.per_column[1]},
          {map.per_row[0], map.per_row[1]},
          samples(map.columns_per_step()),
          samples(map.rows_per_step()),
          static_cast<float>(frame.transform.contrast),
          static_cast<float>(0.5 - 0.5 * frame.transform.contrast + frame.transform.brightness)};
}

template <class T>
Tensor<double> prepare(const std::vector<Frame>& frames, const FrameOptions& options) {
  std::vector<std::uint8_t> pixels;
  std::vector<kernels::PreparedPicture> pictures;
  for (const Frame& frame : frames) {
    pictures.push_back(picture_of(frame, options, static_cast<Index>(pixels.size())));
    pixels.insert(pixels.end(), frame.image.pixels.begin(), frame.image.pixels.end());
  }
  const auto count = static_cast<Index>(frames.size());
  const auto& [mean, deviation] = options.normalisation;
  const kernels::ClipPreparation preparation{count,
                                             options.side,
                                             count == 0 ? 3 : static_cast<int>(frames[0].image.channels),
                                             static_cast<int>(options.channels),
                                             options.fit == Fit::letterbox,
                                             {mean[0], mean[1], mean[2]},
                                             {deviation[0], deviation[1], deviation[2]}};
  DeviceArray<std::uint8_t> bytes(static_cast<Index>(pixels.size()));
  std::copy(pixels.begin(), pixels.end(), bytes.data());
  const Shape shape{count, options.side, options.side, options.channels};
  DeviceArray<T> out(shape.elements());
  kernels::prepare_clips(bytes.data(), pictures.data(), preparation, out.data(), nullptr);
  return out.values(shape);
}

Tensor<double> prepare_on_cpu(const std::vector<Frame>& frames, const FrameOptions& options) {
  Tensor<double> out({static_cast<Index>(frames.size()), options.side, options.side, options.channels});
  for (std::size_t i = 0; i < frames.size(); ++i)
    out.select(0, static_cast<Index>(i))
        .copy_from(
            data::input_frame(frames[i].image, options, frames[i].transform, frames[i].moment).template cast<double>());
  return out;
}

template <class T>
void check(const std::vector<Frame>& frames, const FrameOptions& options) {
  const auto expected = prepare_on_cpu(frames, options);
  parity::in_every_order([&] {
    const auto found = prepare<T>(frames, options);
    parity::check_close(found, expected, 4e-7 + parity::rounding<T>);
    return std::vector{found};
  });
}

}  // namespace

TEST_CASE_TEMPLATE("pictures as input frames on a device", T, float, __nv_bfloat16, __half) {
  for (const Index side : {1, 7, 31, 40})
    for (const Index stored : {1, 3})
      for (const Index channels : {1, 3})
        for (const Fit fit : {Fit::crop, Fit::letterbox, Fit::stretch}) {
          CAPTURE(side);
          CAPTURE(stored);
          CAPTURE(channels);
          CAPTURE(static_cast<int>(fit));
          check<T>({{noise(23, 17, stored)}, {noise(1, 5, stored), {.mirrored = true}}},
                   {.side = side, .channels = channels, .fit = fit, .zoom = 1.25});
        }
}

TEST_CASE_TEMPLATE("drawn variations of clips on a device", T, float, __nv_bfloat16, __half) {
  Generator generator(3);
  const data::ClipAugmentation all{
      .mirror = 0.5, .rotation = 180, .scale = 1, .shift = 0.5, .drift = 0.5, .brightness = 0.5, .contrast = 2};
  for (const Fit fit : {Fit::crop, Fit::letterbox, Fit::stretch}) {
    std::vector<Frame> frames;
    for (Index clip = 0; clip < 4; ++clip) {
      const ClipTransform transform = data::draw_transform(all, generator);
      for (const double moment : {-0.5, 0.0, 0.5}) frames.push_back({noise(31 + clip, 25, 3), transform, moment});
    }
    check<T>(frames, {.side = 24, .fit = fit, .zoom = 0.8});
  }
}

TEST_CASE("pictures that shrink on a device: several samples a pixel, and borders between black and not") {
  for (const Index size : {10, 19, 30, 31, 60, 167})
    for (const Index side : {5, 7, 10, 13}) {
      CAPTURE(size);
      CAPTURE(side);
      check<float>({{noise(2 * size, size, 3)}, {noise(size, 3 * size, 3), {.rotation = 1, .scale = 0.3}}},
                   {.side = side, .fit = Fit::letterbox});
    }
}

TEST_CASE("frames of several blocks on a device, one picture, and none") {
  check<float>({{noise(60, 60, 3)}}, {.side = 113});
  check<__half>({{noise(60, 60, 1)}}, {.side = 65, .channels = 1});
  check<float>({}, {.side = 5});
  kernels::ClipPreparation preparation{1, 32769, 3, 3, false, {}, {1, 1, 1}};
  CHECK_THROWS_AS(kernels::prepare_clips<float>(nullptr, nullptr, preparation, nullptr, nullptr), Error);
}
