#pragma once

/// Where in a picture a network saw what it says: class activation maps (Zhou, Khosla, Lapedriza, Oliva and Torralba,
/// Learning Deep Features for Discriminative Localization, CVPR 2016), for networks that end in a mean over all
/// positions and a linear layer.
///
///     const Variable<float> maps = resnet.feature_maps(Variable<float>(images));              // [N, 7, 7, 512]
///     const Tensor<float> map = models::class_activation_map(maps.value(), resnet.fc.weight.value(), fear);
///     const Tensor<float> large = models::resample_map(map.select(0, 0), 224, 224);           // [224, 224]

#include <algorithm>
#include <cmath>

#include "mien/core/tensor.hpp"

namespace mien::models {

/// M(x, y) = sum over k of w[label][k] f[x, y, k], for maps f [..., F] and the last layer's weights w [classes, F]: the
/// result [...] says how much each position adds to the logit of that class. Its mean over all positions, plus the
/// layer's bias, is the logit. Throws ShapeError unless both have as many channels, IndexError for no class.
template <class T>
Tensor<T> class_activation_map(const Tensor<T>& maps, const Tensor<T>& weights, Index label) {
  if (maps.rank() < 2 || weights.rank() != 2 || maps.size(-1) != weights.size(1))
    throw ShapeError(detail::text("class_activation_map: maps ", maps.shape(), " and weights ", weights.shape(),
                                  " are not [..., F] and [classes, F]"));
  if (label < 0 || label >= weights.size(0))
    throw IndexError(detail::text("class_activation_map: class ", label, " of ", weights.size(0)));
  const Tensor<T> from = maps.contiguous();
  const Tensor<T> row = weights.select(0, label).contiguous();
  Tensor<T> out(maps.shape().without(-1));
  const T* channels = from.data();
  for (T& value : out.span()) {
    double sum = 0;
    for (const T weight : row.span()) sum += static_cast<double>(weight) * static_cast<double>(*channels++);
    value = static_cast<T>(sum);
  }
  return out;
}

namespace detail {

using mien::detail::text;

/// Between which two of `from` positions the middle of a target position lies, and how far from the first to the
/// second.
struct Between {
  Index first = 0;
  Index second = 0;
  double part = 0;

  Between(Index target, Index from, Index to) {
    const double place =
        (static_cast<double>(target) + 0.5) * static_cast<double>(from) / static_cast<double>(to) - 0.5;
    const double inside = std::clamp(place, 0.0, static_cast<double>(from - 1));
    first = static_cast<Index>(inside);
    second = std::min(first + 1, from - 1);
    part = inside - static_cast<double>(first);
  }
};

}  // namespace detail

/// A map [h, w] as one of [height, width], bilinear between the middles of positions, and as at the edge beyond the
/// outermost ones. Throws ShapeError for anything that is not a map, ValueError for a size below 1.
template <class T>
Tensor<T> resample_map(const Tensor<T>& map, Index height, Index width) {
  if (map.rank() != 2 || map.empty()) throw ShapeError(detail::text("resample_map: ", map.shape(), " is not [h, w]"));
  if (height < 1 || width < 1) throw ValueError(detail::text("resample_map: to ", height, " x ", width));
  Tensor<T> out({height, width});
  for (Index y = 0; y < height; ++y) {
    const detail::Between row(y, map.size(0), height);
    for (Index x = 0; x < width; ++x) {
      const detail::Between column(x, map.size(1), width);
      const auto along = [&](Index line) {
        const auto left = static_cast<double>(map(line, column.first));
        return left + column.part * (static_cast<double>(map(line, column.second)) - left);
      };
      out(y, x) = static_cast<T>(along(row.first) + row.part * (along(row.second) - along(row.first)));
    }
  }
  return out;
}

}  // namespace mien::models
