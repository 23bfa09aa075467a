#pragma once

#include <string>

#include "mien/core/shape.hpp"

namespace mien {

/// A height and a width, of kernels, strides and the like; a single number is a square.
struct Extent2d {
  Index height = 1;
  Index width = 1;

  constexpr Extent2d(Index side = 1) : height(side), width(side) {}
  constexpr Extent2d(Index height_, Index width_) : height(height_), width(width_) {}
  bool operator==(const Extent2d&) const = default;
  std::string to_string() const { return detail::text(height, "x", width); }
};

}  // namespace mien
