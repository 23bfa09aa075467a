#pragma once

/// Places spread evenly over the unit cube.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mien/core/random.hpp"

namespace mien::search {

/// `count` places of as many coordinates as there are axes: each axis is cut into `count` equal parts, and each part
/// has one place, by chance within it (McKay, Beckman and Conover 1979).
inline std::vector<std::vector<double>> latin_hypercube(Index count, std::size_t axes, std::uint64_t seed) {
  std::vector<std::vector<double>> places(static_cast<std::size_t>(count), std::vector<double>(axes));
  for (std::size_t axis = 0; axis < axes; ++axis) {
    Generator generator(seed, axis + 1);
    std::vector<Index> parts;
    for (Index i = 0; i < count; ++i) parts.push_back(i);
    generator.shuffle(parts);
    for (std::size_t i = 0; i < places.size(); ++i)
      places[i][axis] = (static_cast<double>(parts[i]) + generator.split(i).uniform()) / static_cast<double>(count);
  }
  return places;
}

}  // namespace mien::search
