#include "mien/backend/cuda/kernels/gesture_representation.hpp"

#include <algorithm>
#include <cmath>

#include "emulator/parity.hpp"
#include "mien/gesture/representation.hpp"

using namespace mien;
using gesture::RepresentationOptions;
using parity::DeviceArray;

namespace {

/// Bodies that wander, on a grid of half pixels so that many joints lie on borders, with a tenth of all joints absent.
Tensor<float> wandering(Index samples, Index frames, Index joints) {
  Generator generator(1);
  Tensor<float> out({samples, frames, joints, 3});
  for (Index i = 0; i < samples * frames * joints; ++i) {
    float* joint = out.data() + 3 * i;
    joint[0] = static_cast<float>(std::round(300 + 60 * generator.normal()) / 2);
    joint[1] = static_cast<float>(std::round(200 + 40 * generator.normal()) / 2);
    joint[2] = generator.uniform() < 0.1 ? 0.0F : 0.7F;
  }
  return out;
}

kernels::GestureRepresentation description(const Shape& joints, const RepresentationOptions& options) {
  return {joints[0],
          joints[1],
          joints[2],
          options.joints.empty() ? joints[2] : static_cast<Index>(options.joints.size()),
          options.size,
          options.sigma,
          options.margin,
          static_cast<kernels::TimeWeight>(options.weight),
          static_cast<kernels::MapScale>(options.scale),
          options.square_root,
          options.box == gesture::Box::per_frame};
}

Shape shape_of_maps(const kernels::GestureRepresentation& of) { return {of.samples, of.side, of.side, of.drawn}; }

template <class T>
Tensor<double> represent(const Tensor<float>& joints, const std::vector<Index>& lengths,
                         const RepresentationOptions& options) {
  const auto of = description(joints.shape(), options);
  const Shape shape = shape_of_maps(of);
  DeviceArray<float> input(joints);
  DeviceArray<float> workspace(kernels::gesture_representation_workspace(of));
  DeviceArray<T> maps(shape.elements());
  kernels::represent(input.data(), lengths.empty() ? nullptr : lengths.data(),
                     options.joints.empty() ? nullptr : options.joints.data(), of, workspace.data(), maps.data(),
                     nullptr);
  return maps.values(shape);
}

Tensor<double> represent_on_cpu(const Tensor<float>& joints, const std::vector<Index>& lengths,
                                const RepresentationOptions& options) {
  Tensor<double> out(shape_of_maps(description(joints.shape(), options)));
  for (Index sample = 0; sample < joints.size(0); ++sample) {
    const Index length = lengths.empty() ? joints.size(1) : lengths[static_cast<std::size_t>(sample)];
    const auto sequence = joints.select(0, sample).slice(0, 0, length).contiguous().template cast<double>();
    out.select(0, sample).copy_from(gesture::represent(sequence, options));
  }
  return out;
}

template <class T>
void check(const Tensor<float>& joints, const std::vector<Index>& lengths, const RepresentationOptions& options) {
  const auto expected = represent_on_cpu(joints, lengths, options);
  parity::in_every_order([&] {
    const auto found = represent<T>(joints, lengths, options);
    parity::check_close(found, expected, 1e-6 + parity::rounding<T>);
    return std::vector{found};
  });
}

}  // namespace

TEST_CASE_TEMPLATE("maps of joints on a device", T, float, __nv_bfloat16, __half) {
  struct Sizes {
    Index side, frames;
    double sigma;
  };
  for (const Sizes sizes :
       {Sizes{1, 17, 1}, Sizes{7, 0, 0}, Sizes{7, 1, 1}, Sizes{9, 2, 0.3}, Sizes{31, 17, 40}, Sizes{65, 31, 1}}) {
    CAPTURE(sizes.side);
    CAPTURE(sizes.frames);
    CAPTURE(sizes.sigma);
    check<T>(wandering(2, sizes.frames, 5), {}, {.size = sizes.side, .sigma = sizes.sigma});
  }
}

TEST_CASE("time weights, scales, roots and boxes of maps on a device") {
  using gesture::Scale;
  using gesture::TimeWeight;
  const auto joints = wandering(3, 19, 7);
  for (const auto weight : {TimeWeight::linear, TimeWeight::quadratic, TimeWeight::uniform, TimeWeight::normalised})
    for (const auto scale : {Scale::none, Scale::by_weight_sum, Scale::by_maximum}) {
      CAPTURE(static_cast<int>(weight));
      CAPTURE(static_cast<int>(scale));
      const bool root = weight == TimeWeight::linear || scale == Scale::by_maximum;
      const auto box = root == (weight == TimeWeight::uniform) ? gesture::Box::sequence : gesture::Box::per_frame;
      check<float>(joints, {19, 0, 1},
                   {.size = 9, .sigma = 0.7, .weight = weight, .scale = scale, .square_root = root, .box = box});
    }
}

TEST_CASE("joints in groups, and more of them than a warp, on a device") {
  for (const Index joints : {0, 1, 33, 70}) {
    CAPTURE(joints);
    check<float>(wandering(2, 40, joints), {40, 33}, {.size = 12, .sigma = 0.5, .scale = gesture::Scale::by_maximum});
    check<float>(wandering(1, 3, joints), {}, {.size = 12, .box = gesture::Box::per_frame, .margin = 0});
  }
  check<float>(wandering(1, 5, 11), {}, {.size = 200, .sigma = 2});
  check<float>(wandering(0, 5, 9), {}, {.size = 5});
}

TEST_CASE("a subset of joints on a device: in its order, in a box of its own") {
  check<float>(wandering(2, 20, 25), {}, {.size = 15, .joints = {17, 4, 4, 0}});
  check<float>(wandering(2, 20, 25), {11, 20}, {.size = 15, .box = gesture::Box::per_frame, .joints = {24}});
}

TEST_CASE("a joint comes to lie in the pixel that the CPU finds, on a device too") {
  for (const Index side : {10, 31, 64})
    for (const double margin : {0.0, 0.05, 0.3}) {
      CAPTURE(side);
      CAPTURE(margin);
      const RepresentationOptions options{
          .size = side, .weight = gesture::TimeWeight::uniform, .scale = gesture::Scale::none, .margin = margin};
      const auto joints = wandering(2, 50, 13);
      parity::check_close(represent<float>(joints, {}, options), represent_on_cpu(joints, {}, options), 0);
    }
}

TEST_CASE("nobody, and one point, on a device") {
  check<float>(Tensor<float>::zeros({2, 7, 25, 3}), {}, {.size = 7, .sigma = 1, .scale = gesture::Scale::by_maximum});
  check<float>(Tensor<float>({1, 1, 1, 3}, 5.0F), {}, {.size = 7});
  auto joints = wandering(1, 9, 6);
  for (Index t = 0; t < 9; ++t) {
    joints(0, t, 2, 0) = std::nanf("");
    joints(0, t, 2, 1) = INFINITY;
    joints(0, t, 2, 2) = t % 2 == 0 ? 0.0F : -1.0F;
  }
  check<float>(joints, {}, {.size = 31});
}

TEST_CASE("a sample that the CPU refuses is not-a-number on a device, and no other") {
  for (const auto box : {gesture::Box::sequence, gesture::Box::per_frame})
    for (const Index at : {0, 1, 2}) {
      CAPTURE(at);
      const auto scale = at == 1 ? gesture::Scale::by_maximum : gesture::Scale::by_weight_sum;
      auto joints = wandering(3, 40, 6);
      joints(1, 37, 4, 2) = 1;
      joints(1, 37, 4, at) = at == 1 ? -INFINITY : std::nanf("");
      const RepresentationOptions options{.size = 7, .sigma = 1, .scale = scale, .box = box};
      const auto found = represent<float>(joints, {}, options);
      CHECK_THROWS_AS(represent_on_cpu(joints, {}, options), ValueError);
      const auto expected = represent_on_cpu(wandering(3, 40, 6), {}, options);
      for (const Index sample : {0, 2})
        parity::check_close(found.select(0, sample).clone(), expected.select(0, sample).clone(), 1e-6);
      const auto refused = found.select(0, 1).clone();
      CHECK(std::all_of(refused.span().begin(), refused.span().end(), [](double x) { return std::isnan(x); }));
      // What does not count is not looked at.
      parity::check_close(represent<float>(joints, {40, 37, 40}, options).select(0, 1).clone(),
                          represent_on_cpu(wandering(3, 40, 6), {40, 37, 40}, options).select(0, 1).clone(), 1e-6);
    }
}

TEST_CASE("maps that are too large for a device are refused") {
  const auto joints = wandering(1, 2, 3);
  CHECK_THROWS_AS(represent<float>(joints, {}, {.size = 2049}), Error);
}
