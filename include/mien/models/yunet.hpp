#pragma once

/// YuNet, a face detector of 53,104 parameters (Wu, Peng and Yu, YuNet: a tiny millisecond-level face detector,
/// Machine Intelligence Research 20 (2023) 656), in the form that OpenCV's model zoo distributes: batch norm is part of
/// the convolutions before it. face/detector.hpp makes faces of what it says.

#include <array>
#include <cstddef>
#include <vector>

#include "mien/autograd/activation.hpp"
#include "mien/autograd/pooling.hpp"
#include "mien/autograd/shape.hpp"
#include "mien/autograd/upsampling.hpp"
#include "mien/nn/channel_wise_convolution.hpp"
#include "mien/nn/convolution.hpp"

namespace mien::models {

/// Where each of YuNet's 16 numbers for a cell begins.
struct YuNetChannels {
  static constexpr Index face = 0;       ///< logit that the cell belongs to a face
  static constexpr Index object = 1;     ///< logit of how well the box will fit
  static constexpr Index box = 2;        ///< centre x, y, in strides from the cell; logarithms of width, height
  static constexpr Index landmarks = 6;  ///< x and y of five points, in strides from the cell
  static constexpr Index count = 16;
};

/// A pointwise convolution, a channel-wise one of 3x3, both with biases, and ReLU. Names "conv1", "conv2".
template <class T, class Device = Cpu>
struct YuNetUnit : nn::Module<YuNetUnit<T, Device>, T, Device> {
  YuNetUnit(Index in, Index out, bool relu = true)
      : conv1({.in = in, .out = out, .kernel = 1, .bias = true}),
        conv2({.channels = out, .bias = true, .relu = relu}) {}

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) {
    return conv2(conv1(x));
  }

  void visit(auto&& child) {
    child("conv1", conv1);
    child("conv2", conv2);
  }

  nn::Convolution<T, Device> conv1;
  nn::ChannelWiseConvolution<T, Device> conv2;
};

/// The first stage: a convolution that halves the picture, ReLU, and a unit.
template <class T, class Device = Cpu>
struct YuNetStem : nn::Module<YuNetStem<T, Device>, T, Device> {
  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) {
    if (wants_gradient(x, conv1.weight, conv1.bias)) return conv2(relu(conv1(x)));
    return conv2(Variable<Map, Device>(conv1.apply(x.value(), {.relu = true})));
  }

  void visit(auto&& child) {
    child("conv1", conv1);
    child("conv2", conv2);
  }

  nn::Convolution<T, Device> conv1{{.in = 3, .out = 16, .kernel = 3, .stride = 2, .padding = 1, .bias = true}};
  YuNetUnit<T, Device> conv2{16, 16};
};

/// Every other stage: two units.
template <class T, class Device = Cpu>
struct YuNetStage : nn::Module<YuNetStage<T, Device>, T, Device> {
  YuNetStage(Index in, Index out) : conv1(in, in), conv2(in, out) {}

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) {
    return conv2(conv1(x));
  }

  void visit(auto&& child) {
    child("conv1", conv1);
    child("conv2", conv2);
  }

  YuNetUnit<T, Device> conv1;
  YuNetUnit<T, Device> conv2;
};

/// Six stages; the maps of the last three, whose cells are 8, 16 and 32 pixels wide.
template <class T, class Device = Cpu>
struct YuNetBackbone : nn::Module<YuNetBackbone<T, Device>, T, Device> {
  template <MapOf<T> Map>
  std::array<Variable<Map, Device>, 3> operator()(const Variable<Map, Device>& x) {
    const auto halved = [](const Variable<Map, Device>& map) {
      return max_pool(map, PoolingOptions{.kernel = 2, .stride = 2});
    };
    const Variable<Map, Device> of_8 = model3(halved(model2(model1(halved(model0(x))))));
    const Variable<Map, Device> of_16 = model4(halved(of_8));
    return {of_8, of_16, model5(halved(of_16))};
  }

  void visit(auto&& child) {
    child("model0", model0);
    child("model1", model1);
    child("model2", model2);
    child("model3", model3);
    child("model4", model4);
    child("model5", model5);
  }

  YuNetStem<T, Device> model0;
  YuNetStage<T, Device> model1{16, 32};
  YuNetStage<T, Device> model2{32, 64};
  YuNetStage<T, Device> model3{64, 64};
  YuNetStage<T, Device> model4{64, 64};
  YuNetStage<T, Device> model5{64, 64};
};

/// What coarse maps know is added to finer ones.
template <class T, class Device = Cpu>
struct YuNetNeck : nn::Module<YuNetNeck<T, Device>, T, Device> {
  YuNetNeck() {
    for (int level = 0; level < 3; ++level) lateral_convs.append({64, 64});
  }

  template <MapOf<T> Map>
  std::array<Variable<Map, Device>, 3> operator()(std::array<Variable<Map, Device>, 3> maps) {
    maps[2] = lateral_convs[2](maps[2]);
    maps[1] = lateral_convs[1](maps[1] + upsample_nearest(maps[2], 2));
    maps[0] = lateral_convs[0](maps[0] + upsample_nearest(maps[1], 2));
    return maps;
  }

  void visit(auto&& child) { child("lateral_convs", lateral_convs); }

  nn::Sequence<YuNetUnit<T, Device>> lateral_convs;
};

/// For each level of the pyramid four units without ReLU, which are computed as one.
template <class T, class Device = Cpu>
struct YuNetHead : nn::Module<YuNetHead<T, Device>, T, Device> {
  YuNetHead() {
    for (int level = 0; level < 3; ++level) {
      multi_level_cls.append({64, 1, false});
      multi_level_bbox.append({64, 4, false});
      multi_level_obj.append({64, 1, false});
      multi_level_kps.append({64, 10, false});
    }
  }

  /// [N, h, w, 64] -> [N, h, w, 16]; see YuNetChannels.
  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x, std::size_t level) {
    const auto together = [&](const auto& parameter_of) {
      return concatenate<T, Device>({parameter_of(multi_level_cls[level]), parameter_of(multi_level_obj[level]),
                                     parameter_of(multi_level_bbox[level]), parameter_of(multi_level_kps[level])},
                                    -1);
    };
    using Unit = YuNetUnit<T, Device>;
    const Variable<Map, Device> mixed = add_bias(convolution(x, together([](Unit& unit) { return unit.conv1.weight; })),
                                                 together([](Unit& unit) { return unit.conv1.bias; }));
    return add_bias(channel_wise_convolution(mixed, together([](Unit& unit) { return unit.conv2.weight; })),
                    together([](Unit& unit) { return unit.conv2.bias; }));
  }

  void visit(auto&& child) {
    child("multi_level_cls", multi_level_cls);
    child("multi_level_bbox", multi_level_bbox);
    child("multi_level_obj", multi_level_obj);
    child("multi_level_kps", multi_level_kps);
  }

  nn::Sequence<YuNetUnit<T, Device>> multi_level_cls;
  nn::Sequence<YuNetUnit<T, Device>> multi_level_bbox;
  nn::Sequence<YuNetUnit<T, Device>> multi_level_obj;
  nn::Sequence<YuNetUnit<T, Device>> multi_level_kps;
};

/// Pictures [N, H, W, 3], blue, green and red from 0 to 255, H and W multiples of 32 -> three maps [N, H/8, W/8, 16],
/// [N, H/16, W/16, 16] and [N, H/32, W/32, 16] of what YuNetChannels lists. Parameters have the names of the authors'
/// own program, without batch norms.
template <class T, class Device = Cpu>
class YuNet : public nn::Module<YuNet<T, Device>, T, Device> {
 public:
  /// Pixels between neighbouring cells of each map.
  static constexpr std::array<Index, 3> strides{8, 16, 32};

  /// Throws ShapeError for pictures of another size.
  template <MapOf<T> Map>
  std::array<Variable<Map, Device>, 3> operator()(const Variable<Map, Device>& x) {
    const Shape& shape = x.value().shape();
    if (shape.rank() != 4 || shape[3] != 3 || shape[1] % strides[2] != 0 || shape[2] % strides[2] != 0)
      throw ShapeError(
          detail::text("YuNet: input ", shape, " is not [pictures, height, width, 3] with multiples of ", strides[2]));
    const auto maps = neck(backbone(x));
    return {bbox_head(maps[0], 0), bbox_head(maps[1], 1), bbox_head(maps[2], 2)};
  }
  template <MapOf<T> Map>
  std::array<Variable<Map, Device>, 3> operator()(const Tensor<Map, Device>& x) {
    return (*this)(Variable<Map, Device>(x));
  }

  /// The cells of all maps one after the other, row by row: [N, cells, 16].
  template <MapOf<T> Map>
  Variable<Map, Device> cells(const Tensor<Map, Device>& x) {
    std::vector<Variable<Map, Device>> parts;
    for (const auto& map : (*this)(x))
      parts.push_back(reshape(map, {map.size(0), map.size(1) * map.size(2), YuNetChannels::count}));
    return concatenate(parts, 1);
  }

  void visit(auto&& child) {
    child("backbone", backbone);
    child("neck", neck);
    child("bbox_head", bbox_head);
  }

  YuNetBackbone<T, Device> backbone;
  YuNetNeck<T, Device> neck;
  YuNetHead<T, Device> bbox_head;
};

}  // namespace mien::models
