#pragma once

/// The windows that pooling looks through, for every device.

#include <algorithm>

#include "mien/core/extent.hpp"

namespace mien::backend {

/// Borders of one output's window within the map, and what averages multiply its sum by.
struct PoolingArea {
  Index top, bottom, left, right;
  double weight;
};

/// Windows of one size that slide over a map. None is wholly outside of it.
struct SlidingWindows {
  Extent2d map, kernel, stride, padding;
  bool count_padding;

  PoolingArea operator()(Index i, Index j) const {
    const Index top = i * stride.height - padding.height;
    const Index left = j * stride.width - padding.width;
    PoolingArea area{std::max<Index>(0, top), std::min(map.height, top + kernel.height), std::max<Index>(0, left),
                     std::min(map.width, left + kernel.width), 0};
    const Index inside = (area.bottom - area.top) * (area.right - area.left);
    area.weight = 1.0 / static_cast<double>(count_padding ? kernel.height * kernel.width : inside);
    return area;
  }
};

/// As many windows as there are outputs: output i of n sees [floor(i extent / n), ceil((i + 1) extent / n)).
struct AdaptiveWindows {
  Extent2d map, output;

  PoolingArea operator()(Index i, Index j) const {
    PoolingArea area{begin(i, map.height, output.height), end(i, map.height, output.height),
                     begin(j, map.width, output.width), end(j, map.width, output.width), 0};
    area.weight = 1.0 / static_cast<double>((area.bottom - area.top) * (area.right - area.left));
    return area;
  }

 private:
  static Index begin(Index i, Index extent, Index outputs) { return i * extent / outputs; }
  static Index end(Index i, Index extent, Index outputs) { return ((i + 1) * extent + outputs - 1) / outputs; }
};

}  // namespace mien::backend
