#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "mien/data/augmentation.hpp"
#include "mien/gesture/representation.hpp"

using namespace mien;

namespace {

void check_close(const Tensor<float>& found, const Tensor<float>& expected) {
  REQUIRE(found.shape() == expected.shape());
  double worst = 0;
  for (Index i = 0; i < found.elements(); ++i) {
    const double error = std::abs(static_cast<double>(found.data()[i]) - static_cast<double>(expected.data()[i]));
    worst = error <= worst ? worst : error;
  }
  CHECK(worst < 5e-6);
}

}  // namespace

TEST_CASE("gesture maps of a batch on the GPU are those of every sequence") {
  Tensor<float> joints({3, 5, 4, 3});
  Generator(1).fill_uniform(joints, 0, 1);
  joints(1, 2, 3, 2) = 0;
  const std::vector<Index> lengths{5, 2, 0};
  for (const auto& options : {gesture::RepresentationOptions{.size = 9}, gesture::RepresentationOptions{.size = 7,
                                                                         .sigma = 1.5,
                                                                         .weight = gesture::TimeWeight::quadratic,
                                                                         .scale = gesture::Scale::by_maximum,
                                                                         .square_root = true,
                                                                         .box = gesture::Box::per_frame,
                                                                         .joints = {2, 0}}}) {
    const Tensor<float> maps = gesture::represent(joints.to<Cuda>(), lengths, options).to<Cpu>();
    for (Index n = 0; n < 3; ++n) {
      const auto sequence = joints.select(0, n).slice(0, 0, lengths[static_cast<std::size_t>(n)]);
      check_close(maps.select(0, n).contiguous(), gesture::represent(sequence, options));
    }
  }
  const auto on_device = joints.to<Cuda>();
  CHECK_THROWS_AS(gesture::represent(on_device.select(0, 0)), ShapeError);
  CHECK_THROWS_AS(gesture::represent(on_device, {1, 2}), ShapeError);
  CHECK_THROWS_AS(gesture::represent(on_device, {1, 2, 6}), ValueError);
  CHECK_THROWS_AS(gesture::represent(on_device, {}, {.joints = {4}}), IndexError);
}

TEST_CASE("pictures on the GPU become the input frames that they become on the CPU") {
  Generator generator(2);
  const Index height = 13;
  const Index width = 17;
  std::vector<io::Image> images;
  Tensor<std::uint8_t> pictures({4, height, width, 3});
  for (Index i = 0; i < 4; ++i) {
    io::Image& image = images.emplace_back();
    image.width = width;
    image.height = height;
    image.channels = 3;
    image.pixels.resize(static_cast<std::size_t>(height * width * 3));
    for (auto& byte : image.pixels) byte = static_cast<std::uint8_t>(generator.below(256));
    std::copy(image.pixels.begin(), image.pixels.end(), pictures.data() + i * height * width * 3);
  }
  std::vector<data::ClipTransform> transforms;
  for (int i = 0; i < 4; ++i)
    transforms.push_back(data::draw_transform(
        {.mirror = 0.5, .rotation = 20, .scale = 0.2, .shift = 0.1, .drift = 0.1, .brightness = 0.1, .contrast = 0.2},
        generator));
  const std::vector<double> moments{-0.5, 0, 0.25, 0.5};
  for (const data::FrameOptions& options :
       {data::FrameOptions{.side = 9}, data::FrameOptions{.side = 20, .channels = 1, .fit = data::Fit::letterbox}}) {
    const Tensor<float> frames = data::input_frames(pictures.to<Cuda>(), options, transforms, moments).to<Cpu>();
    for (std::size_t i = 0; i < 4; ++i)
      check_close(frames.select(0, static_cast<Index>(i)).contiguous(),
                  data::input_frame(images[i], options, transforms[i], moments[i]));
  }
  const auto on_device = pictures.to<Cuda>();
  CHECK_THROWS_AS(data::input_frames(on_device.select(0, 0)), ShapeError);
  CHECK_THROWS_AS(data::input_frames(on_device, {}, {}, std::vector<double>{0.0}), ShapeError);
  CHECK_THROWS_AS(data::input_frames(on_device, {.side = 0}), ValueError);
}
